"""Every operation of the client as data: what to do, and what must be true of the answer and of the terminal."""

from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import Any

from biometric_flow.zk.files import Staged
from biometric_flow.zk.simulator.terminal import SimulatedTerminal
from biometric_flow.zk.terminal import Terminal
from biometric_flow.zk.upkeep import Clearing
from biometric_flow.zk.wire.access import CLOSED, OPEN, AccessGroup, AccessZone, UnlockCombination, UserZones
from biometric_flow.zk.wire.cards import CardContent
from biometric_flow.zk.wire.commands import DataKind
from biometric_flow.zk.wire.events import AttendanceEvent
from biometric_flow.zk.wire.messages import PERSONAL, ShortMessage
from biometric_flow.zk.wire.oplog import OperationRecord
from biometric_flow.zk.wire.templates import Person, Template
from biometric_flow.zk.wire.timecode import TerminalTime
from biometric_flow.zk.wire.users import UserRecord
from tests.simulator.days import people, punches

NOON = datetime(2026, 5, 1, 12, 0, 0)
PEOPLE, PUNCHES, OPERATIONS = 6, 300, 70
Operation = Callable[[Terminal, SimulatedTerminal], Awaitable[object]]


def furnish(sim: SimulatedTerminal) -> SimulatedTerminal:
    """Fingerprints and operations for a terminal that has `people()` and `punches()`."""
    for uid in (1, 2):
        sim.memory.templates[uid, 0] = Template(uid, 0, blob(sim, 600 * uid))
    sim.memory.extras.operations = [
        OperationRecord(1, i % 31, TerminalTime(MORNING + i), (i, 1, 2, 65_535), b"") for i in range(OPERATIONS)
    ]
    sim.memory.extras.enrol_result = 0
    return sim


MORNING = TerminalTime.from_text("2024-03-04 08:00:00")
GIVEN: dict[str, Any] = {"users": people(PEOPLE), "punches": punches(PUNCHES, PEOPLE)}


def blob(sim: SimulatedTerminal, size: int = 700) -> bytes:
    head = b"M\x05SS21" if sim.memory.profile.fingerprint_version == "10" else b"\x08\x31"
    return head + bytes(range(1, 250)) * (size // 200) + b"\x01"


async def info(terminal: Terminal, sim: SimulatedTerminal) -> None:
    assert (await terminal.info()).serial == sim.memory.serial


async def describe(terminal: Terminal, sim: SimulatedTerminal) -> None:
    assert (await terminal.describe()).family is sim.memory.profile.family


async def capacity(terminal: Terminal, sim: SimulatedTerminal) -> None:
    assert await terminal.capacity() == sim.memory.capacity()


async def clock(terminal: Terminal, sim: SimulatedTerminal) -> None:
    await terminal.set_time(NOON)
    assert 0 <= (await terminal.time()) - TerminalTime.from_datetime(NOON) <= 60


async def options(terminal: Terminal, _: SimulatedTerminal) -> None:
    await terminal.set_option("VOLUME", "40")
    assert await terminal.option("VOLUME") == "40"
    assert await terminal.option("Nothing") is None


async def users(terminal: Terminal, sim: SimulatedTerminal) -> None:
    assert [(u.uid, u.user_id, u.card) for u in (await terminal.users()).records] == [
        (u.uid, u.user_id, u.card) for u in sim.memory.users
    ]
    layout = await terminal.users_layout()
    assert layout is not None
    assert layout.name in ("72", "28")


async def attendance(terminal: Terminal, sim: SimulatedTerminal) -> None:
    log = await terminal.attendance()
    pins = {user.uid: user.user_id for user in sim.memory.users}
    assert [(r.user_id or pins[r.uid], r.time, r.verify, r.state) for r in log.records] == [
        (p.pin, p.time, p.verify, p.state) for p in sim.truth()
    ]


async def operations(terminal: Terminal, sim: SimulatedTerminal) -> None:
    log = await terminal.operations()
    assert [record._replace(raw=b"") for record in log.records] == sim.memory.extras.operations


async def set_user(terminal: Terminal, sim: SimulatedTerminal) -> None:
    stored = await terminal.set_user(UserRecord(0, "9001", "Omar", 14, "77", 3_000_000_000, 1))
    assert stored in (await terminal.users()).records


async def delete_user(terminal: Terminal, sim: SimulatedTerminal) -> None:
    await terminal.delete_user(1)
    assert not sim.memory.has_uid(1)
    assert {uid for uid, _ in sim.memory.templates} == {2}


async def clear_admins(terminal: Terminal, sim: SimulatedTerminal) -> None:
    await terminal.clear_admins()
    assert sim.memory.capacity().admins == 0


async def templates(terminal: Terminal, sim: SimulatedTerminal) -> None:
    assert (await terminal.templates()).records == list(sim.memory.templates.values())
    assert await terminal.template(2, 0) == sim.memory.templates[2, 0]


async def set_template(terminal: Terminal, sim: SimulatedTerminal) -> None:
    written = Template(3, 5, blob(sim, 1_400))
    await terminal.set_template(written)
    assert sim.memory.templates[3, 5] == written


async def set_people(terminal: Terminal, sim: SimulatedTerminal) -> None:
    moved = [Person(UserRecord(0, "8001", "Nour", group=1), (Template(0, 1, blob(sim)), Template(0, 2, blob(sim))))]
    (stored,) = await terminal.set_people(moved)
    assert [finger for uid, finger in sim.memory.templates if uid == stored.uid] == [1, 2]


async def delete_template(terminal: Terminal, sim: SimulatedTerminal) -> None:
    await terminal.delete_template(1, 0)
    assert list(sim.memory.templates) == [(2, 0)]


async def access_zones(terminal: Terminal, sim: SimulatedTerminal) -> None:
    zone = AccessZone(7, (CLOSED, *(OPEN._replace(start_hour=day) for day in range(6))))
    await terminal.set_access_zone(zone)
    assert await terminal.access_zone(7) == sim.memory.extras.zones[7] == zone
    assert (await terminal.access_zone(8)).days == (OPEN,) * 7


async def access_groups(terminal: Terminal, sim: SimulatedTerminal) -> None:
    group = AccessGroup(5, (7, 8, 0), 6, has_holidays=True)
    await terminal.set_access_group(group)
    assert await terminal.access_group(5) == sim.memory.extras.groups[5] == group


async def combinations(terminal: Terminal, sim: SimulatedTerminal) -> None:
    combination = UnlockCombination(3, (1, 5))
    await terminal.set_combination(combination)
    assert await terminal.combination(3) == sim.memory.extras.combinations[3] == combination


async def user_access(terminal: Terminal, sim: SimulatedTerminal) -> None:
    await terminal.set_user_group(2, 5)
    await terminal.set_user_zones(2, UserZones(True, (7, 8, 9)))
    await terminal.set_verify_mode(2, 137)
    assert (await terminal.user_group(2), await terminal.verify_mode(2)) == (5, 137)
    assert await terminal.user_zones(2) == UserZones(True, (7, 8, 9))
    assert await terminal.user_zones(1) == UserZones(False, (1, 0, 0))


async def clear_access(terminal: Terminal, sim: SimulatedTerminal) -> None:
    await terminal.set_access_group(AccessGroup(5, (7, 8, 0)))
    await terminal.clear_access()
    assert not sim.memory.extras.groups


async def door(terminal: Terminal, sim: SimulatedTerminal) -> None:
    assert not await terminal.door_is_open()
    await terminal.unlock(2.5)
    sim.memory.extras.door_is_open = True
    assert await terminal.door_is_open()
    assert sim.memory.extras.unlocked_for == [25]


async def messages(terminal: Terminal, sim: SimulatedTerminal) -> None:
    message = ShortMessage(4, "Safety drill at noon", MORNING, 60, PERSONAL)
    assert await terminal.set_message(message) == message == await terminal.message(4)
    await terminal.give_message(2, 4)
    assert sim.memory.extras.given == {(2, 4)}
    assert (await terminal.messages(), await terminal.given_messages()) == ([message], [(2, 4)])
    await terminal.take_message(2, 4)
    await terminal.delete_message(4)
    assert not sim.memory.extras.messages


async def display(terminal: Terminal, sim: SimulatedTerminal) -> None:
    await terminal.write_lcd(1, "Welcome")
    assert sim.memory.extras.lcd == {1: " Welcome"}
    await terminal.clear_lcd()
    await terminal.play_voice(0)
    await terminal.enable_clock(False)
    assert (sim.memory.extras.lcd, sim.memory.extras.voices, sim.memory.extras.shows_clock) == ({}, [0], False)


async def state(terminal: Terminal, sim: SimulatedTerminal) -> None:
    assert await terminal.state() == 0
    assert await terminal.pin_width() == sim.memory.profile.pin_width
    await terminal.start_verify(2)
    assert sim.memory.extras.asked_uid == 2
    await terminal.sleep()
    assert sim.memory.extras.is_asleep
    await terminal.resume()
    assert not sim.memory.extras.is_asleep


async def enrol(terminal: Terminal, sim: SimulatedTerminal) -> None:
    old = sim.memory.profile.users.name == "28"
    ended = await terminal.enrol("102", 6, old=old, deadline=5)
    assert (ended.is_ok, ended.user_id, ended.finger) == (True, "102", 6)
    assert len(sim.memory.templates[3, 6].data) == ended.size


async def many_people(terminal: Terminal, sim: SimulatedTerminal) -> None:
    stored = await terminal.set_users([UserRecord(0, str(pin), f"New {pin}", group=1) for pin in (9101, 9102)])
    assert [user.user_id for user in stored] == ["9101", "9102"]
    await terminal.delete_users([user.uid for user in stored])
    assert len(sim.memory.users) == PEOPLE


async def housekeeping(terminal: Terminal, sim: SimulatedTerminal) -> None:
    await terminal.disable(60)
    assert sim.is_held
    await terminal.refresh()
    await terminal.free_data()
    await terminal.enable()
    assert not sim.is_held


async def enrol_and_cancel(terminal: Terminal, sim: SimulatedTerminal) -> None:
    sim.memory.extras.enrol_result = 4
    await terminal.start_enrol("102", 6, old=sim.memory.profile.users.name == "28")
    await terminal.cancel_enrol()
    assert sim.memory.extras.enrolling is None


async def events(terminal: Terminal, sim: SimulatedTerminal) -> None:
    await terminal.listen()
    punch = await sim.punch("101")
    while not isinstance(event := await terminal.next_event(2), AttendanceEvent):
        assert event is not None
    assert (event.time, event.state) == (punch.time, punch.state)


async def image(terminal: Terminal, _: SimulatedTerminal) -> None:
    assert (await terminal.capture_image()).startswith(b"BM")


async def cards(terminal: Terminal, sim: SimulatedTerminal) -> None:
    fingers = (Template(1, 0, blob(sim)), Template(1, 7, blob(sim, 900)))
    await terminal.write_card(101, fingers)
    written = CardContent(101, tuple((one.finger, one.data) for one in fingers))
    assert sim.memory.extras.card == written
    await terminal.empty_card()
    assert sim.memory.extras.card == CardContent(0, ())
    assert await terminal.match_template(sim.memory.templates[2, 0].data) == 2
    assert await terminal.match_template(b"nobody's") is None
    await terminal.change_speed(3)
    assert sim.memory.extras.speed == 3


async def staging(terminal: Terminal, sim: SimulatedTerminal) -> None:
    data = bytes(range(256)) * 20
    assert await terminal.stage_file(data) == Staged(len(data), sum(data))
    assert await terminal.raw_table(DataKind.WORK_CODES) == b""


async def comm_key(terminal: Terminal, sim: SimulatedTerminal) -> None:
    await terminal.set_comm_key(246810)
    assert sim.comm_key == 246810
    assert await terminal.option("COMKey") is None


async def clear_attendance(terminal: Terminal, sim: SimulatedTerminal) -> None:
    await terminal.clear_attendance(PUNCHES)
    assert sim.truth() == []


async def clear_others(terminal: Terminal, sim: SimulatedTerminal) -> None:
    await terminal.clear_operations()
    await terminal.clear_data(Clearing.FINGERPRINTS)
    assert (sim.memory.extras.operations, sim.memory.templates) == ([], {})
    await terminal.clear_everything(PUNCHES)
    assert (sim.memory.users, sim.truth()) == ([], [])


ALL: dict[str, Operation] = {
    operation.__name__: operation
    for operation in (
        info, describe, capacity, clock, options, users, attendance, operations, set_user, delete_user, clear_admins,
        templates, set_template, set_people, delete_template, access_zones, access_groups, combinations, user_access,
        clear_access, door, messages, display, state, enrol, many_people, housekeeping, comm_key, enrol_and_cancel,
        events, image, cards, staging, clear_attendance, clear_others,
    )
}  # fmt: skip
