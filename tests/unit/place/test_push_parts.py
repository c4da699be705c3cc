"""What the push port decides without a socket: who is let in, what is asked for again, where a file is cut."""

from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from biometric_flow.place.push.carry import pieces
from biometric_flow.place.push.doorkeeper import SEEN_MAX, Doorkeeper, Knock, Refused, Seen, is_from, read_knock
from biometric_flow.place.push.errors import CommandQueueFull
from biometric_flow.place.push.queue import NOW as THE_TIME
from biometric_flow.place.push.queue import OPEN_MAX, CommandQueue
from biometric_flow.place.push.reconcile import DAYS_BACK, Reconciler
from biometric_flow.place.roster import RosterEntry, secret_digest
from biometric_flow.place.schema import open_database
from biometric_flow.place.wording import Wording
from biometric_flow.zk.errors import NotSupported
from biometric_flow.zk.push.commands import (
    AskInfo,
    Check,
    Command,
    CountAttlog,
    EnrolFinger,
    QueryAttlog,
    QueryTable,
    Reboot,
    SetOption,
    SetUser,
    Unlock,
)  # fmt: skip
from biometric_flow.zk.push.people import PushedUser
from biometric_flow.zk.push.results import CommandResult
from biometric_flow.zk.push.text import Fields, PushProtocol
from biometric_flow.zk.wire.timecode import TerminalTime
from tests.services.stores import subjects_of

NOW = datetime(2026, 3, 2, 6, 0, tzinfo=UTC)
LOCAL = datetime(2026, 3, 2, 8, 0)
HOUR = timedelta(hours=1)
SECRET = "a-push-secret-of-enough-random-bits"
NOTHING = Fields({})


def entry(**more: object) -> RosterEntry:
    values = {
        "key": "door",
        "name": "Door",
        "host": "",
        "port": 4370,
        "comm_key": 0,
        "encoding": "utf-8",
        "is_enabled": True,
        "serial": "PUSH0001",
        "protocol": "push",
        "push_secret": secret_digest(SECRET),
    }
    return RosterEntry(**{**values, **more})  # type: ignore[arg-type]


def knock(secret: str = SECRET, serial: str = "PUSH0001", address: str = "192.0.2.7") -> Knock:
    return Knock("cdata", serial, secret, address)


def reason(keeper: Doorkeeper, one: Knock, query: Fields = NOTHING) -> str:
    with pytest.raises(Refused) as refusal:
        keeper.admit(one, query)
    return str(refusal.value)


@pytest.mark.parametrize(
    ("path", "endpoint", "secret"),
    [
        ("/iclock/cdata", "cdata", ""),
        ("/iclock/iclock/cdata", "cdata", ""),
        ("/p/abc_-9/iclock/getrequest", "getrequest", "abc_-9"),
        ("/p/abc/iclock/iclock/DeviceCmd.aspx", "devicecmd", "abc"),
    ],
)
def test_every_spelling_of_a_path_is_understood(path: str, endpoint: str, secret: str) -> None:
    found = read_knock(path, Fields({"sn": "PUSH0001"}), "192.0.2.7")
    assert found == Knock(endpoint, "PUSH0001", secret, "192.0.2.7")


@pytest.mark.parametrize(
    "path", ["/", "/iclock", "/iclock/", "/iclock/../x", "/p//iclock/cdata", "/iclock/cdata/x", "/v1/x"]
)
def test_no_other_path_is_a_terminals(path: str) -> None:
    assert read_knock(path, NOTHING, "") is None


def test_serial_secret_switch_and_network_must_all_be_right() -> None:
    assert Doorkeeper([entry()]).admit(knock(), NOTHING).key == "door"
    assert reason(Doorkeeper([entry()]), knock(serial="OTHER001")) == "unknown"
    assert reason(Doorkeeper([entry()]), knock(secret="x" * 35)) == "wrong_secret"
    assert reason(Doorkeeper([entry()]), knock(secret="")) == "wrong_secret"
    assert reason(Doorkeeper([entry(push_secret="")]), knock(secret="")) == "unknown"
    assert reason(Doorkeeper([entry(is_enabled=False)]), knock()) == "disabled"
    assert reason(Doorkeeper([entry(push_networks="198.51.100.0/24")]), knock()) == "wrong_network"
    assert Doorkeeper([entry(push_networks="198.51.100.0/24,192.0.2.0/24")]).admit(knock(), NOTHING)


def test_a_greeting_by_key_holds_for_its_own_address_only() -> None:
    keeper = Doorkeeper([entry()])
    keeper.admit(knock(secret=""), Fields({"pushcommkey": SECRET}))
    assert keeper.admit(knock(secret=""), NOTHING)
    assert reason(keeper, knock(secret="", address="192.0.2.8")) == "wrong_secret"
    assert reason(keeper, knock(secret="wrong")) == "wrong_secret"
    keeper.forget("PUSH0001")
    assert reason(keeper, knock(secret="")) == "wrong_secret"


@pytest.mark.parametrize(
    ("address", "networks", "is_inside"),
    [
        ("192.0.2.7", "", True),
        ("192.0.2.7", "192.0.2.0/24", True),
        ("::ffff:192.0.2.7", "192.0.2.0/24", True),
        ("2001:db8::1", "192.0.2.0/24,2001:db8::/32", True),
        ("198.51.100.1", "192.0.2.0/24", False),
        ("", "192.0.2.0/24", False),
        ("nowhere", "192.0.2.0/24", False),
    ],
)
def test_an_address_lies_in_a_network_or_not(address: str, networks: str, is_inside: bool) -> None:
    assert is_from(address, networks) is is_inside


def test_strangers_are_remembered_newest_first_and_never_more_than_the_bound() -> None:
    seen = Seen()
    for number in range(SEEN_MAX + 50):
        seen.note(knock(serial=f"S{number:05}"), "unknown", Fields({"pushver": "2.4.1"}), NOW)
    seen.note(knock(serial="S00100"), "wrong_secret", NOTHING, NOW + HOUR)
    found = list(seen)
    assert len(found) == SEEN_MAX
    assert (found[0].serial, found[0].requests, found[0].version, found[0].first_seen) == ("S00100", 2, "2.4.1", NOW)


def test_days_are_counted_when_due_and_older_days_in_turn() -> None:
    reconciler = Reconciler(NOW)
    assert reconciler.questions(NOW - HOUR, LOCAL, HOUR) == ()
    rounds = [reconciler.questions(NOW + HOUR * number, LOCAL, HOUR) for number in range(DAYS_BACK)]
    assert all(isinstance(one, CountAttlog) for questions in rounds for one in questions)
    asked = {
        one.start.to_datetime().date() for questions in rounds for one in questions if isinstance(one, CountAttlog)
    }
    assert len(asked) == DAYS_BACK + 1
    assert min(asked) == LOCAL.date() - timedelta(days=DAYS_BACK)
    assert all(int(one.end) - int(one.start) == 86_399 for one in rounds[0])  # type: ignore[union-attr]


def test_a_day_that_holds_less_here_is_asked_for_once_per_count() -> None:
    reconciler = Reconciler(NOW)
    asked = CountAttlog(TerminalTime.of(2026, 3, 1), TerminalTime.of(2026, 3, 1, 23, 59, 59))
    assert reconciler.counted(asked, told=15, held=15) == ()
    assert reconciler.counted(asked, told=9, held=15) == ()
    assert reconciler.counted(asked, told=16, held=15) == [QueryAttlog(asked.start, asked.end)]
    assert reconciler.counted(asked, told=16, held=15) == ()
    assert len(reconciler.counted(asked, told=17, held=15)) == 1


def test_a_terminal_that_cannot_count_is_asked_for_two_whole_days() -> None:
    reconciler = Reconciler(NOW, can_count=False)
    (question,) = reconciler.questions(NOW, LOCAL, HOUR)
    assert question == QueryAttlog(TerminalTime.of(2026, 3, 1), TerminalTime.of(2026, 3, 2, 23, 59, 59))


def test_an_access_terminal_is_asked_for_days_and_for_all_only_where_it_knows_no_days() -> None:
    reconciler = Reconciler(NOW, PushProtocol.SECURITY)
    older, recent = reconciler.questions(NOW, LOCAL, HOUR)
    assert recent == QueryAttlog(TerminalTime.of(2026, 3, 1), TerminalTime.of(2026, 3, 2, 23, 59, 59))
    assert isinstance(older, QueryAttlog)
    reconciler.can_span = False
    assert reconciler.questions(NOW + HOUR, LOCAL, HOUR) == [QueryTable("transaction")]


def test_a_file_is_cut_between_lines_and_nothing_of_it_is_lost() -> None:
    body = b"".join(b"%d\t2026-03-02 08:00:00\n" % number for number in range(500)) + b"x" * 300 + b"\nlast"
    parts = list(pieces(body, 100))
    assert b"".join(parts) == body
    assert all(part.endswith(b"\n") for part in parts[:-1])
    assert sum(len(part) > 100 for part in parts) == 1
    assert list(pieces(b"")) == []


@pytest.fixture
def queue(tmp_path: Path) -> Iterator[CommandQueue]:
    file = tmp_path / "place.sqlite3"
    connection = open_database(file)
    yield CommandQueue(
        connection, Wording(subjects_of(file, connection)), timedelta(minutes=2), ZoneInfo("Africa/Cairo")
    )
    connection.close()


def add(queue: CommandQueue, command: Command, protocol: str = "att", **more: Any) -> int:
    return queue.add("door", command, PushProtocol(protocol), NOW, **more)


def take(queue: CommandQueue, after: timedelta = timedelta(), protocol: str = "att") -> list[str]:
    return [line.split(":", 2)[2] for line in queue.take("door", PushProtocol(protocol), NOW + after)]


def state(queue: CommandQueue, number: int) -> str:
    found = queue.get(number)
    assert found is not None
    return found.state


def test_an_idle_terminal_costs_no_query_and_a_done_one_is_idle_again(queue: CommandQueue) -> None:
    assert not queue.is_open("door")
    number = add(queue, AskInfo())
    assert queue.is_open("door")
    take(queue)
    finished = queue.finish("door", [CommandResult(str(number), 0, "INFO")], NOW)
    assert [one.command for one in finished] == [AskInfo()]
    assert not queue.is_open("door")


def test_a_result_counts_once_for_its_own_terminal_and_only_after_the_command_was_sent(queue: CommandQueue) -> None:
    number = str(add(queue, AskInfo()))
    result = CommandResult(number, 0, "INFO")
    assert queue.finish("door", [result], NOW) == []
    take(queue)
    assert queue.finish("other", [result], NOW) == []
    assert len(queue.finish("door", [result, result], NOW)) == 1
    assert queue.finish("door", [result], NOW) == []


def test_an_enrolment_that_was_cancelled_is_no_success(queue: CommandQueue) -> None:
    number = add(queue, EnrolFinger("7", 3))
    take(queue)
    queue.finish("door", [CommandResult(str(number), 6, "ENROLL_FP")], NOW)
    assert state(queue, number) == "failed"


def test_numbers_are_never_used_again(queue: CommandQueue) -> None:
    numbers = [add(queue, Check()) for _ in range(3)]
    queue._connection.execute("DELETE FROM push_command")
    assert add(queue, Check()) > max(numbers)


def test_an_answer_stays_small_and_the_restart_waits_for_the_end(queue: CommandQueue) -> None:
    add(queue, Reboot())
    for number in range(150):
        add(queue, SetUser(PushedUser(str(number), "N" * 60)))
    seen: list[str] = []
    while lines := take(queue):
        assert sum(len(line) + len("C:151:\n") for line in lines) <= 10_000
        seen += lines
    assert len(seen) == 151
    assert seen.index("REBOOT") == 150


def test_what_gets_no_result_is_sent_three_times_and_what_may_not_be_done_twice_once(queue: CommandQueue) -> None:
    numbers = add(queue, AskInfo()), add(queue, Unlock()), add(queue, Reboot())
    assert take(queue) == ["INFO", "AC_UNLOCK", "REBOOT"]
    assert take(queue, timedelta(minutes=1)) == []
    assert [take(queue, timedelta(minutes=3 * n)) for n in (1, 2, 3)] == [["INFO"], ["INFO"], []]
    assert {state(queue, one) for one in numbers} == {"timed_out"}


def test_a_result_that_was_lost_with_the_place_is_asked_for_anew_by_each_life_of_it(tmp_path: Path) -> None:
    with closing(open_database(tmp_path / "place.sqlite3")) as connection:
        wording = Wording(subjects_of(tmp_path / "place.sqlite3", connection))
        CommandQueue(connection, wording, HOUR).add("door", AskInfo(), PushProtocol.ATTENDANCE, NOW)
        for life in range(5):
            lived = CommandQueue(connection, wording, HOUR)
            assert lived.take("door", PushProtocol.ATTENDANCE, NOW + 2 * life * HOUR), f"given up in life {life}"
        later = NOW + 10 * HOUR
        taken = [lived.take("door", PushProtocol.ATTENDANCE, later + 2 * at * HOUR) for at in range(4)]
    assert [len(lines) for lines in taken] == [1, 1, 0, 0]


def test_what_waited_too_long_is_never_handed_over(queue: CommandQueue) -> None:
    number = add(queue, Unlock(), expires_at=NOW + timedelta(seconds=30))
    assert take(queue, timedelta(seconds=31)) == []
    assert state(queue, number) == "timed_out"


def test_the_time_is_that_of_the_moment_of_handing_over(queue: CommandQueue) -> None:
    add(queue, SetOption("DateTime", THE_TIME))
    (line,) = take(queue, timedelta(minutes=5))
    assert TerminalTime(int(line.rpartition("=")[2])) == TerminalTime.of(2026, 3, 2, 8, 5)


def test_a_command_that_the_protocol_has_no_form_for_is_not_taken(queue: CommandQueue) -> None:
    with pytest.raises(NotSupported, match="not possible on this channel"):
        add(queue, CountAttlog(TerminalTime.of(2026, 3, 1), TerminalTime.of(2026, 3, 2)), "acc")
    number = add(queue, Check())
    assert take(queue, protocol="acc") == []
    assert state(queue, number) == "failed"


def test_a_queue_is_bounded(queue: CommandQueue) -> None:
    queue._connection.execute("BEGIN")
    queue._connection.executemany(
        "INSERT INTO push_command (terminal, body, state, created_at, changed_at)"
        " VALUES ('door', 'CHECK', 'queued', '', ?)",
        [("",)] * OPEN_MAX,
    )
    queue._connection.execute("COMMIT")
    with pytest.raises(CommandQueueFull):
        add(queue, Check())
