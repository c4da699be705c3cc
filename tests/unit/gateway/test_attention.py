from datetime import UTC, datetime

from biometric_flow.api.gateway import PlaceView, TerminalStatus
from biometric_flow.gateway.attention import attention
from biometric_flow.model.terminal import TerminalState

NOW = datetime(2026, 11, 22, 8, tzinfo=UTC)


def place(name: str, *, is_reporting: bool = True) -> PlaceView:
    return PlaceView(
        id=name.lower(),
        name=name,
        zone="Africa/Cairo",
        position=0,
        last_report=NOW,
        is_reporting=is_reporting,
        terminals_online=0,
        terminals_total=0,
        people=0,
        punches=0,
    )


def terminal(
    key: str, at: str = "cairo", state: TerminalState = TerminalState.ONLINE, **more: object
) -> TerminalStatus:
    values: dict[str, object] = {
        "key": key,
        "name": key.title(),
        "host": "192.0.2.1",
        "port": 4370,
        "is_enabled": True,
        "state": state,
        "state_since": NOW,
        "last_contact": NOW,
        "has_comm_key": True,
        "place": at,
        "as_of": NOW,
        "is_stale": False,
    }
    return TerminalStatus.model_validate({**values, **more})


def told(places: list[PlaceView], terminals: list[TerminalStatus]) -> list[tuple[str, str]]:
    return [(line.kind, line.text) for line in attention(places, terminals)]


def test_nothing_is_said_when_all_is_well() -> None:
    assert told([place("Cairo")], [terminal("gate")]) == []


def test_what_stops_collection_comes_before_what_only_weakens_it() -> None:
    terminals = [
        terminal("open", has_comm_key=False),
        terminal("slow", drift_ms=-90_000),
        terminal("gone", state=TerminalState.OFFLINE, reason="no answer"),
        terminal("refused", state=TerminalState.BLOCKED, reason="wrong comm key"),
    ]
    kinds = [kind for kind, _ in told([place("Cairo"), place("Dhaka", is_reporting=False)], terminals)]
    assert kinds == ["place_silent", "terminal_blocked", "terminal_offline", "clock_drift", "no_comm_key"]


def test_many_terminals_without_a_key_are_one_line() -> None:
    (line,) = told([place("Cairo")], [terminal(key, has_comm_key=False) for key in ("gate", "hall", "dock")])
    assert line[1].startswith("Gate at Cairo and 2 more have no communication key")


def test_of_a_silent_place_only_the_silence_is_said() -> None:
    (line,) = told([place("Cairo", is_reporting=False)], [terminal("gone", state=TerminalState.OFFLINE)])
    assert line[0] == "place_silent"
