"""Tables of people, plans, workdays and pay periods, as queries name them; the migrations make them."""

from typing import Any

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Date,
    DateTime,
    ForeignKeyConstraint,
    Integer,
    LargeBinary,
    Table,
    Text,
    UniqueConstraint,
    Uuid,
)
from sqlalchemy.dialects.postgresql import ARRAY, JSONB

from biometric_flow.gateway.store.tables import metadata

_instant = DateTime(timezone=True)


def _key(name: str, kind: Any = Text) -> Column[Any]:
    return Column(name, kind, primary_key=True)


def _must(name: str, kind: Any = Text) -> Column[Any]:
    return Column(name, kind, nullable=False)


def _foreign(table: str, column: str, target: str | None = None) -> ForeignKeyConstraint:
    return ForeignKeyConstraint(["tenant_id", column], [f"{table}.tenant_id", f"{table}.{target or column}"])


def _owned() -> ForeignKeyConstraint:
    return ForeignKeyConstraint(["tenant_id"], ["tenant.tenant_id"])


def _of_person(**more: Any) -> ForeignKeyConstraint:
    return ForeignKeyConstraint(["tenant_id", "person_id"], ["employee.tenant_id", "employee.person_id"], **more)


department = Table(
    "department",
    metadata,
    _key("tenant_id"),
    _key("department_id"),
    _must("name"),
    Column("parent_id", Text),
    _must("version", Integer),
    _owned(),
    _foreign("department", "parent_id", "department_id"),
)

employee = Table(
    "employee",
    metadata,
    _key("tenant_id"),
    _key("person_id", Uuid),
    _must("number", LargeBinary),
    _must("name", LargeBinary),
    _must("changed", BigInteger),
    Column("department_id", Text),
    Column("place_id", Text),
    _must("zone"),
    _must("employed_from", Date),
    Column("employed_to", Date),
    _must("plan", JSONB),
    _must("version", Integer),
    _owned(),
    _foreign("department", "department_id"),
    _foreign("place", "place_id"),
)
"""Who works here, with an id of their own; `person` holds what the terminals of a place know.

Who has which number is checked under the register's lock. `changed` is of `tenant.directory_version`.
"""

pin_holding = Table(
    "pin_holding",
    metadata,
    _key("tenant_id"),
    _key("person_id", Uuid),
    _key("number", Integer),
    _must("place_id"),
    _must("subject", LargeBinary),
    _must("terminals", ARRAY(Text)),
    _must("valid_from", Date),
    Column("valid_to", Date),
    _of_person(ondelete="CASCADE"),
    _foreign("place", "place_id"),
    _foreign("subject", "subject"),
)

plan_document = Table(
    "plan_document",
    metadata,
    _key("tenant_id"),
    _key("kind"),
    _key("document_id"),
    _must("body", JSONB),
    _must("version", Integer),
    _owned(),
)

policy_pack = Table(
    "policy_pack",
    metadata,
    _key("tenant_id"),
    _key("pack_id"),
    _key("version", Integer),
    _must("body", JSONB),
    _must("saved_by"),
    _must("saved_at", _instant),
    _owned(),
)

leave_request = Table(
    "leave_request",
    metadata,
    _key("tenant_id"),
    _key("leave_id", Uuid),
    _must("person_id", Uuid),
    _must("first_day", Date),
    _must("last_day", Date),
    _must("kind"),
    _must("minutes", Integer),
    _must("status"),
    _must("reason", LargeBinary),
    _must("requested_by"),
    _must("requested_at", _instant),
    Column("decided_by", Text),
    Column("decided_at", _instant),
    _of_person(),
)

regularisation = Table(
    "regularisation",
    metadata,
    _key("tenant_id"),
    _key("regularisation_id", Uuid),
    _must("number", BigInteger),
    _must("person_id", Uuid),
    _must("day", Date),
    _must("operation"),
    Column("target", Text),
    Column("instant", _instant),
    Column("state", Integer),
    Column("minutes", Integer),
    _must("reason", LargeBinary),
    _must("status"),
    _must("requested_by"),
    _must("requested_at", _instant),
    Column("decided_by", Text),
    Column("decided_at", _instant),
    _must("decision_reason", LargeBinary),
    UniqueConstraint("tenant_id", "number"),
    _of_person(),
)

correction = Table(
    "correction",
    metadata,
    _key("tenant_id"),
    _key("regularisation_id", Uuid),
    _key("is_withdrawal", Boolean),
    _must("position", BigInteger),
    _must("number", BigInteger),
    _must("person_id", Uuid),
    _must("day", Date),
    Column("place_id", Text),
    Column("subject", LargeBinary),
    _must("operation"),
    _must("target"),
    _must("changes", LargeBinary),
    _must("asked_by"),
    _must("reason", LargeBinary),
    _must("approved_by"),
    _must("decided_at", _instant),
    Column("sequence", BigInteger),
    Column("refused", Text),
    UniqueConstraint("tenant_id", "position"),
    _foreign("regularisation", "regularisation_id"),
    _foreign("place", "place_id"),
    _of_person(),
)
"""What places have to record of regularisations; `sequence` is where its ledger does, or says why it `refused`."""

pay_period = Table(
    "pay_period",
    metadata,
    _key("tenant_id"),
    _key("period_id"),
    _must("first_day", Date),
    _must("last_day", Date),
    _must("status"),
    _must("approvers", Integer),
    _must("approved_by", ARRAY(Text)),
    Column("locked_at", _instant),
    _must("version", Integer),
    _owned(),
)

pay_period_event = Table(
    "pay_period_event",
    metadata,
    _key("tenant_id"),
    _key("period_id"),
    _key("number", Integer),
    _must("at", _instant),
    _must("account"),
    _must("action"),
    _must("reason", LargeBinary),
    _foreign("pay_period", "period_id"),
)

workday = Table(
    "workday",
    metadata,
    _key("tenant_id"),
    _key("person_id", Uuid),
    _key("day", Date),
    _must("status"),
    _must("irregularities", ARRAY(Text)),
    _must("pay", JSONB),
    _must("body", LargeBinary),
    _must("digest", LargeBinary),
    _of_person(),
)

workday_due = Table(
    "workday_due",
    metadata,
    _key("tenant_id"),
    _key("person_id", Uuid),
    _must("first_day", Date),
    _must("last_day", Date),
    _must("since", _instant),
    _must("marked", _instant),
    Column("is_order", Boolean, primary_key=True, server_default="false"),
    _of_person(ondelete="CASCADE"),
)
"""Whose workdays have to be computed, and for which days' punches; `is_order` is the slow lane."""

workday_recheck = Table(
    "workday_recheck",
    metadata,
    _key("tenant_id"),
    _key("person_id", Uuid),
    _must("at", _instant),
    _of_person(ondelete="CASCADE"),
)
"""When a person's workdays change by the clock alone: a shift ends, a day begins."""

workday_feed = Table("workday_feed", metadata, _key("tenant_id"), _must("position", BigInteger), _owned())
"""How far the tenant's feed of punches has been turned into days that are due."""

adjustment = Table(
    "adjustment",
    metadata,
    _key("tenant_id"),
    _key("person_id", Uuid),
    _key("day", Date),
    _key("paid_in"),
    _must("delta", JSONB),
    _of_person(),
)
"""What a locked day would be worth more or less; `paid_in` is the period that pays it, empty while none does."""
