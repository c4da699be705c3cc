"""Punches and the audit trail as lists and as files."""

import csv
import io
from datetime import UTC, date, datetime
from typing import Any

from dashboard_answers import punch

from biometric_flow.api.audit import AuditEntry
from biometric_flow.api.tables import to_csv
from biometric_flow.dashboard.scope import read_scope
from biometric_flow.dashboard.views.audit import PAGE, audit, begin_of
from biometric_flow.dashboard.views.listing import link
from biometric_flow.dashboard.views.punches import HEAD, file_rows, punches

SCOPE = read_scope({"loc": "cairo", "from": "2026-11-01", "to": "2026-11-22"}, date(2026, 11, 23))
NAMES = ["Amina Hassan", "محمد علي", "জাহিদ", "张伟", "देवी", "አበበ", "José", "=1+1", "+49", "-x", "@sum", 'a,"b"']


def entry(**changes: Any) -> AuditEntry:
    values: dict[str, Any] = {
        "sequence": 7, "at": datetime(2026, 11, 23, tzinfo=UTC), "actor": "account:me", "operation": "POST /v1/leave",
        "scope": {}, "request": "r" * 36, "source": "10.0.0.1", "result": "201", "before": "", "after": "",
    }  # fmt: skip
    return AuditEntry.model_validate(values | changes)


def test_every_punch_leads_to_its_receipt_and_the_file_has_the_scope_of_the_page() -> None:
    view = punches([punch()], 1, {"cairo": "Cairo plant"}, SCOPE)

    assert view["rows"][0][-1]["href"] == f"/download/receipts/{'a' * 64}"
    assert view["downloads"][0]["href"] == "/download/punches.csv?loc=cairo&from=2026-11-01&to=2026-11-22"
    assert view["more"] == ""


def test_more_punches_than_are_shown_are_counted_and_said() -> None:
    view = punches([punch()], 1204, {}, SCOPE)

    assert view["count"] == "1,204 punches"
    assert "take a file of all" in view["more"]


def test_names_in_seven_scripts_come_back_from_the_file_and_formulas_stay_text() -> None:
    content = to_csv([HEAD, *file_rows([punch(name=name) for name in NAMES])])
    rows = list(csv.DictReader(io.StringIO(content.decode())))

    assert [row["name"].removeprefix("'") for row in rows] == NAMES
    assert [row["name"] for row in rows if row["name"][0] in "=+-@"] == []


def test_a_refusal_is_told_with_its_code_and_ones_own_deeds_as_you() -> None:
    view = audit([entry(), entry(sequence=8, actor="", result="403 access.forbidden")], 8, 0, "me")

    assert [row[2]["text"] for row in view["rows"]] == ["Nobody known", "You"]
    assert view["rows"][0][4]["badge"][1] == "Refused"
    assert view["rows"][0][4]["detail"] == "access.forbidden"


def test_the_trail_opens_at_its_end_and_leads_to_what_is_older() -> None:
    head = 3 * PAGE
    assert begin_of("", head) == 2 * PAGE
    assert begin_of("99999999", head) == 2 * PAGE
    assert [one["href"] for one in audit([entry()], head, PAGE, "")["pages"]] == ["/audit?after=400", "/audit?after=0"]


def test_a_link_leaves_out_what_is_not_said() -> None:
    assert link("/x", from_="2026", q="", loc=None) == "/x?from=2026"
