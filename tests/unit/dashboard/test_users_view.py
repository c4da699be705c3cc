"""Users and roles as the page shows them: what may be done to whom, and where each right comes from."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from biometric_flow.api.access import AccountView, GrantView, KeyView, RoleView, ScopeBody
from biometric_flow.dashboard.views.users import role_view, roles_view, scope_of, user, users

NOW = datetime(2026, 11, 1, 8, tzinfo=UTC)
PLACES = {"cairo": "Cairo head office"}
SCOPES = {"place:cairo": "Cairo head office", "department:sewing": "Sewing"}


def grant(role: str, **scope: Any) -> GrantView:
    body = ScopeBody.model_validate(scope or {"kind": "tenant"})
    return GrantView(
        id=UUID(int=9), role=role, scope=body, valid_from=NOW, valid_to=None, granted_by="x", granted_at=NOW
    )


def account(**changes: Any) -> AccountView:
    values = {
        "id": UUID(int=1), "email": "nadia@example.com", "name": "Nadia", "kind": "person", "is_enabled": True,
        "created_at": NOW, "grants": [grant("observer", kind="place", id="cairo")],
    }  # fmt: skip
    return AccountView.model_validate(values | changes)


def role(name: str, *permissions: str, inherits: tuple[str, ...] = (), gives: tuple[str, ...] = ()) -> RoleView:
    both = sorted({*permissions, *gives})
    return RoleView(
        name=name, about="", is_built_in=name != "shift_lead", permissions=list(permissions), inherits=list(inherits),
        gives=both,
    )  # fmt: skip


OBSERVER = role("observer", "punch:read", "workday:read")
LEAD = role("shift_lead", "door:open", inherits=("observer",), gives=("punch:read", "workday:read"))


def deeds(view: dict[str, Any]) -> list[str]:
    """Everything that can be done in a view."""
    found = [one["name"] for one in view["actions"]]
    for section in view["sections"]:
        found += [one["name"] for one in section.get("actions", ())]
        found += [one["name"] for row in section["rows"] if isinstance(row, dict) for one in row["actions"]]
    return found


def test_a_user_is_found_by_name_and_address_and_says_what_it_holds_where() -> None:
    found = users(
        [account(), account(id=UUID(int=2), name="Omar", email="o@example.com")], PLACES, "NADI", may_write=True
    )

    (row,) = found["sections"][0]["rows"]
    assert [one.get("text") for one in row[:3]] == ["Nadia", "Person", "Observer (Cairo head office)"]
    assert found["sections"][0]["count"] == "1 user"
    assert row[3]["badge"][1] == "Let in"


def test_who_may_only_read_is_offered_nothing_to_do() -> None:
    key = KeyView(
        id=UUID(int=3), name="export", permissions=["punch:read"], created_at=NOW, expires_at=NOW, last_used=None
    )

    assert deeds(users([account()], PLACES, "", may_write=False)) == []
    assert deeds(user(account(), [key], [OBSERVER], SCOPES, NOW, may_write=False, is_oneself=False)) == []
    assert deeds(roles_view([OBSERVER], [], may_write=False)) == []
    assert deeds(role_view(LEAD, [OBSERVER, LEAD], [], may_write=False)) == []


def test_nobody_changes_what_they_hold_themselves_and_a_service_has_no_password() -> None:
    own = user(account(), [], [OBSERVER], SCOPES, NOW, may_write=True, is_oneself=True)
    service = user(account(kind="service"), [], [OBSERVER], SCOPES, NOW, may_write=True, is_oneself=False)
    out = user(account(is_enabled=False), [], [OBSERVER], SCOPES, NOW, may_write=True, is_oneself=False)

    assert deeds(own) == ["add-key"]
    assert deeds(service) == ["keep-out", "grant", "remove-grant", "add-key"]
    assert deeds(out) == ["let-in", "invite-again", "reset-factor", "grant", "remove-grant", "add-key"]


def test_a_key_can_have_what_its_account_holds_and_says_when_it_ends() -> None:
    keys = [
        KeyView(id=UUID(int=at), name="k", permissions=["punch:read"], created_at=NOW, expires_at=ends, last_used=None)
        for at, ends in enumerate((NOW, NOW + timedelta(days=3), NOW + timedelta(days=60)))
    ]
    view = user(account(), keys, [OBSERVER, LEAD], SCOPES, NOW, may_write=True, is_oneself=False)
    rows, making = view["sections"][1]["rows"], view["sections"][1]["actions"][0]

    assert [row["cells"][3].get("badge", [""])[0] for row in rows] == ["■", "▲", ""]
    (rights,) = (one for one in making["dialog"]["fields"] if one["type"] == "checks")
    assert [value for value, _text in rights["options"]] == ["punch:read", "workday:read"]


def test_a_role_says_which_role_each_right_is_from_and_a_built_in_one_stays() -> None:
    holder = account(grants=[grant("shift_lead")])
    view = role_view(LEAD, [OBSERVER, LEAD], [holder, account(id=UUID(int=2))], may_write=True)

    rows = [[one["text"] for one in row] for row in view["sections"][0]["rows"]]
    assert rows == [["door:open", "its own"], ["punch:read", "from Observer"], ["workday:read", "from Observer"]]
    assert [row[0]["text"] for row in view["sections"][1]["rows"]] == ["Nadia"]
    assert deeds(view) == ["remove-role"]
    assert deeds(role_view(OBSERVER, [OBSERVER], [], may_write=True)) == []


def test_a_scope_is_what_the_list_offers_and_nothing_else() -> None:
    assert scope_of("tenant") == ScopeBody(kind="tenant", id=None)
    assert scope_of("department:sewing") == ScopeBody(kind="department", id="sewing")
    assert [scope_of(text) for text in ("", "place:", "tenant:x", "planet:earth")] == [None] * 4
