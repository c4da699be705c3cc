"""Errors as RFC 9457 problem documents: a stable code, mapped to an HTTP status here and nowhere else."""

from typing import Final

from pydantic import BaseModel, ConfigDict, Field

MEDIA_TYPE: Final = "application/problem+json"

STATUS: Final[dict[str, int]] = {
    "request.invalid": 422,
    "request.malformed": 400,
    "request.too_large": 413,
    "request.not_found": 404,
    "request.method_not_allowed": 405,
    "request.stale": 412,
    "request.version_missing": 428,
    "person.invalid": 422,
    "plan.invalid": 422,
    "plan.unknown": 404,
    "plan.in_use": 409,
    "leave.unknown": 404,
    "regularisation.invalid": 422,
    "regularisation.unknown": 404,
    "decision.own_request": 403,
    "decision.made": 409,
    "workday.unknown": 404,
    "period.unknown": 404,
    "period.invalid": 422,
    "period.not_possible": 409,
    "export.not_possible": 409,
    "access.unauthenticated": 401,
    "access.bad_credentials": 401,
    "access.forbidden": 403,
    "access.too_many": 429,
    "quota.reached": 403,
    "access.password_weak": 422,
    "access.code_needed": 401,
    "access.repeated": 401,
    "place.key_refused": 422,
    "access.factor_needed": 403,
    "factor.unknown": 404,
    "factor.exists": 409,
    "factor.asked": 409,
    "account.unknown": 404,
    "account.exists": 409,
    "key.unknown": 404,
    "account.own": 409,
    "grant.unknown": 404,
    "grant.refused": 403,
    "break_glass.refused": 409,
    "break_glass.unknown": 404,
    "role.unknown": 404,
    "role.invalid": 422,
    "role.in_use": 409,
    "terminal.unknown": 404,
    "terminal.exists": 409,
    "terminal.exchanged": 409,
    "terminal.not_as_seen": 409,
    "terminal.clock_not_corrected": 409,
    "terminal.not_pulled": 409,
    "terminal.not_read": 409,
    "finding.unknown": 404,
    "blob.unknown": 404,
    "blob.refused": 409,
    "rollout.unknown": 404,
    "rollout.refused": 409,
    "job.failed": 409,
    "job.not_possible": 409,
    "job.too_many": 429,
    "job.unknown": 404,
    "enrolment.unknown": 404,
    "pin.invalid": 422,
    "terminal.access_invalid": 422,
    "command.queue_full": 429,
    "import.unreadable": 422,
    "keys.envelope_invalid": 500,
    "keys.envelope_refused": 500,
    "keys.unknown": 500,
    "keys.destroyed": 410,
    "keys.replaced": 500,
    "keys.spent": 500,
    "keys.state_invalid": 409,
    "keys.root_unavailable": 503,
    "keys.rotation_running": 409,
    "privacy.erasure_waits": 409,
    "privacy.hold_unknown": 404,
    "privacy.pin_shared": 409,
    "privacy.retention_from_gateway": 409,
    "upload.unknown": 404,
    "release.unknown": 404,
    "release.exists": 409,
    "release.invalid": 422,
    "templates.not_there": 409,
    "archive.unreachable": 503,
    "archive.damaged": 500,
    "archive.refused": 409,
    "archive.busy": 503,
    "consent.text_unknown": 404,
    "consent.text_exists": 409,
    "upload.archive_unreadable": 503,
    "place.unknown": 404,
    "place.unreachable": 503,
    "place.busy": 503,
    "request.shed": 503,
    "place.too_slow": 504,
    "place.answer_broken": 502,
    "link.frame_unreadable": 400,
    "link.closed": 503,
    "link.answer_too_slowly_read": 503,
    "link.upgrade_needed": 426,
    "request.deadline_passed": 504,
    "person.unknown": 404,
    "cursor.invalid": 400,
    "ledger.error": 500,
    "ledger.event_unreadable": 422,
    "ledger.chain_broken": 409,
    "ledger.out_of_order": 409,
    "ledger.restored_from_older_copy": 409,
    "ledger.storage_unavailable": 503,
    "ledger.halted": 503,
    "quarantine.unknown": 404,
    "quarantine.decided": 409,
    "quarantine.not_a_punch": 422,
    "ledger.checkpoint_inconsistent": 409,
    "ledger.tree_incomplete": 500,
    "ledger.altered": 500,
    "ledger.replica_altered": 500,
    "ledger.checkpoint_refused": 409,
    "ledger.log_ended": 409,
    "ledger.witness_refused": 409,
    "ledger.witness_unreachable": 503,
    "ledger.log_refused": 409,
    "policy.invalid": 422,
    "policy.case_invalid": 422,
    "punch.unknown": 404,
    "receipt.not_yet": 409,
    "ledger.note_refused": 409,
    "ledger.key_invalid": 500,
    "start.refused": 500,
    "settings.invalid": 500,
    "start.port_in_use": 500,
    "start.folder_unusable": 500,
    "database.unavailable": 503,
    "shared.away": 503,
    "instance.leaving": 503,
    "alert.unknown": 404,
    "alert.channel_unknown": 404,
    "alert.channel_invalid": 422,
    "alert.not_delivered": 502,
    "internal": 500,
}
"""Code -> HTTP status. A test walks every error class of the house and fails for a code that is missing here."""


class FieldProblem(BaseModel):
    """What is wrong with one field of a request."""

    field: str
    expected: str


class Problem(BaseModel):
    """An error as the caller sees it."""

    model_config = ConfigDict(extra="allow")

    type: str = Field(examples=["urn:biometric-flow:problem:place.unknown"])
    title: str
    status: int
    code: str = Field(description="Stable; programs decide by it.", examples=["place.unknown"])
    detail: str = Field(description="What was expected, what came, what to do.")
    request_id: str = Field(description="Names this request in the logs.")
    retryable: bool = False
    errors: list[FieldProblem] = []


def problem(code: str, detail: str, request_id: str, *, retryable: bool = False) -> Problem:
    """A problem document for a stable code. An unknown code is a programming error and raises KeyError."""
    return Problem(
        type=f"urn:biometric-flow:problem:{code}",
        title=code.replace(".", ": ").replace("_", " "),
        status=STATUS[code],
        code=code,
        detail=detail,
        request_id=request_id,
        retryable=retryable,
    )
