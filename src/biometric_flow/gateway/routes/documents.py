"""How operations are documented: the problems that each can answer with."""

from typing import Any, Final

from biometric_flow.api.problems import MEDIA_TYPE, Problem

_WORDS: Final = {
    400: "The request cannot be read.",
    401: "No credential, or one that is not valid (any more).",
    403: "A valid credential without the right to do this.",
    404: "Nothing here, or nothing that the caller may see.",
    409: "It does not continue what is held here.",
    412: "Somebody else changed it since; read it again.",
    413: "The body is too large.",
    422: "The request does not have the described form; see `errors`.",
    428: "It exists: If-Match has to name the version that the change is based on.",
    426: "A WebSocket is expected here.",
    429: "Too often; see Retry-After.",
    502: "What the place answered cannot be passed on.",
    503: "Away for the moment; try again.",
    504: "No answer within the operation's time, or the caller's; try again.",
}


def problems(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """OpenAPI answers for these statuses, and for those that every operation can give."""
    return {
        status: {"description": _WORDS[status], "model": Problem, "content": {MEDIA_TYPE: {}}}
        for status in sorted({422, 503, *statuses})
    }
