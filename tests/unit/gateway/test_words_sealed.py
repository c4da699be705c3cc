"""Whatever a column of the gateway may say of people in words or documents is sealed, or stands here as what it is."""

import importlib
import pkgutil

from sqlalchemy import ARRAY, Text
from sqlalchemy.dialects.postgresql import JSONB

from biometric_flow.gateway import store
from biometric_flow.gateway.store import words
from biometric_flow.gateway.store.classification import COLUMNS
from biometric_flow.gateway.store.tables import metadata
from biometric_flow.runtime.classification import PROCESSING, Data

for found in pkgutil.iter_modules(store.__path__):
    if found.name != "migrations":
        importlib.import_module(f"{store.__name__}.{found.name}")

IDS = {
    *("break_glass.opened_by", "break_glass.reviewed_by"),
    *("access_grant.granted_by", "alert.acknowledged_by", "api_key.created_by", "correction.approved_by"),
    *("correction.asked_by", "leave_request.decided_by", "leave_request.requested_by", "pay_period.approved_by"),
    *("pay_period_event.account", "policy_pack.saved_by", "regularisation.decided_by", "regularisation.requested_by"),
    *("employee.department_id", "employee.place_id", "employee.zone", "pin_holding.terminals", "key_ending.owner"),
    *("correction.target", "regularisation.target", "adjustment.paid_in"),
}
"""Accounts, places, departments, terminals, punches, periods, zones."""
CHOSEN = {
    *("leave_request.kind", "leave_request.status", "regularisation.operation", "regularisation.status"),
    *("correction.operation", "workday.status", "workday.irregularities", "pay_period_event.action"),
}
"""Words of ours, out of a few."""
NUMBERS = {"adjustment.delta", "workday.pay", "employee.plan"}
"""Minutes by tier, and which shifts and packs somebody works by."""
LOOKED_UP = {"account.email", "account.name"}
"""Who signs in; an address is unique and looked up by."""


def test_what_columns_say_of_people_in_words_is_sealed_or_named_here() -> None:
    open_ones = {
        f"{table.name}.{column.name}"
        for table in metadata.sorted_tables
        for column in table.c
        if isinstance(column.type, Text | JSONB | ARRAY)
        and COLUMNS[table.name][column.name] in PROCESSING
        and COLUMNS[table.name][column.name] is not Data.EVIDENCE
    }
    assert open_ones == IDS | CHOSEN | NUMBERS | LOOKED_UP


def test_sealed_columns_are_bytes() -> None:
    kinds = {
        (kept.table, column): metadata.tables[kept.table].c[column].type.python_type
        for kept in words.KEPT
        for column in kept.columns
    }
    assert set(kinds.values()) == {bytes}
