"""People and fingerprints: written, read back to the letter, moved, deleted; a terminal that forgets is found out."""

import random
from dataclasses import replace

import pytest

from biometric_flow.zk.errors import LayoutUnknown, NotConfirmed, NotSupported, TerminalRefused
from biometric_flow.zk.simulator.profiles import PROFILES
from biometric_flow.zk.terminal import open_terminal
from biometric_flow.zk.wire.templates import Person, Template
from biometric_flow.zk.wire.users import UserRecord
from tests.simulator.conftest import Start
from tests.simulator.days import people, punches

FAMILIES = pytest.mark.parametrize("profile", PROFILES)
DICE = random.Random(43)


def blob(version: int, size: int = 700) -> bytes:
    """Bytes that begin as a template of this version does."""
    return (b"M\x05SS21" if version == 10 else b"\x08\x31") + DICE.randbytes(size) + b"\x01"


def version_of(profile: str) -> int:
    return int(PROFILES[profile].fingerprint_version)


@FAMILIES
async def test_a_user_is_written_and_reads_back(start: Start, profile: str) -> None:
    sim = await start(profile=profile, users=people(30))
    wanted = UserRecord(0, "7001", "Amina", privilege=14, password="4319", card=4_000_000_000, group=1)
    async with open_terminal(sim.host, sim.port) as terminal:
        stored = await terminal.set_user(wanted)
        everybody = (await terminal.users()).records
    assert stored.uid == 31
    assert (stored.user_id, stored.name, stored.password, stored.card) == ("7001", "Amina", "4319", 4_000_000_000)
    assert stored in everybody
    assert len(everybody) == 31
    assert not sim.is_held


@FAMILIES
async def test_a_user_is_changed_in_place_and_deleted(start: Start, profile: str) -> None:
    sim = await start(profile=profile, users=people(3), punches=punches(9, 3))
    async with open_terminal(sim.host, sim.port) as terminal:
        (first, *_) = (await terminal.users()).records
        await terminal.set_user(replace(first, uid=0, name="Renamed", card=9))
        await terminal.delete_user(2)
        await terminal.delete_user(2)
        users = (await terminal.users()).records
        assert len((await terminal.attendance()).records) == 9, "punches of the deleted stay"
    assert [(user.uid, user.name, user.card) for user in users] == [(1, "Renamed", 9), (3, "Person 2", 5002)]


@pytest.mark.parametrize(
    ("encoding", "name", "kept"),
    [
        ("utf-8", "عبدالرحمن بن عبدالعزيز", "عبدالرحمن بن "),
        ("cp1256", "عبدالرحمن بن عبدالعزيز", "عبدالرحمن بن عبدالعزيز"),
        ("gbk", "欧阳" * 8, "欧阳" * 6),
        ("cp1251", "Анна", "Анна"),
        ("utf-8", "नमस्ते दुनिया", "नमस्ते द"),
    ],
)
async def test_a_name_is_kept_in_the_terminals_encoding(start: Start, encoding: str, name: str, kept: str) -> None:
    sim = await start(encoding=encoding)
    async with open_terminal(sim.host, sim.port, encoding=encoding) as terminal:
        assert (await terminal.set_user(UserRecord(5, "5", name))).name == kept
    assert [user.name for user in sim.memory.users] == [kept]


async def test_many_users_are_written_with_one_reading_back(start: Start) -> None:
    sim = await start()
    async with open_terminal(sim.host, sim.port) as terminal:
        stored = await terminal.set_users([replace(person, uid=0) for person in people(200)])
    assert [user.uid for user in stored] == list(range(1, 201))
    assert len(sim.memory.users) == 200


@pytest.mark.parametrize(
    "record",
    [
        UserRecord(9, "100"),  # is uid 1 there
        UserRecord(1, "777"),  # uid 1 is somebody else
        UserRecord(0, "x" * 25),
        UserRecord(0, "7", password="123456789"),
        UserRecord(0, ""),
    ],
    ids=["other-uid", "taken-uid", "long-id", "long-password", "no-id"],
)
async def test_a_user_that_cannot_be_is_refused_before_anything_is_written(start: Start, record: UserRecord) -> None:
    sim = await start(users=people(3))
    before = sim.memory.user_rows()
    async with open_terminal(sim.host, sim.port) as terminal:
        with pytest.raises(ValueError, match="expected"):
            await terminal.set_user(record)
        assert not sim.is_held
        await terminal.time()
    assert sim.memory.user_rows() == before


async def test_a_terminal_that_says_ok_and_forgets_is_found_out(start: Start) -> None:
    sim = await start(users=people(3))
    template = Template(1, 0, blob(10))
    async with open_terminal(sim.host, sim.port) as terminal:
        await sim.fault("forget")
        with pytest.raises(NotConfirmed, match="holds nobody"):
            await terminal.set_user(UserRecord(0, "9"))
        with pytest.raises(NotConfirmed, match="another card"):
            await terminal.set_user(UserRecord(1, "100", "Person 0", card=8))
        with pytest.raises(NotConfirmed, match="uid 1"):
            await terminal.delete_user(1)
        with pytest.raises(NotConfirmed, match="finger 0"):
            await terminal.set_template(template)
        with pytest.raises(NotConfirmed):
            await terminal.set_people([Person(UserRecord(0, "100", "Person 0", card=5000, group=1), (template,))])
        assert not sim.is_held


async def test_an_empty_terminal_of_an_unknown_platform_wants_its_layout_named(start: Start) -> None:
    sim = await start()
    sim.memory.options |= {"~Platform": "Z9000", "~DeviceName": "Wonder"}
    async with open_terminal(sim.host, sim.port) as terminal:
        with pytest.raises(LayoutUnknown, match="name the layout"):
            await terminal.set_user(UserRecord(0, "9"))
        assert (await terminal.set_user(UserRecord(0, "9"), layout="72")).uid == 1


async def test_administrators_can_be_cleared(start: Start) -> None:
    sim = await start(users=[UserRecord(1, "1", "Boss", 14, card=4), UserRecord(2, "2")])
    async with open_terminal(sim.host, sim.port) as terminal:
        assert (await terminal.capacity()).admins == 1
        await terminal.clear_admins()
        assert [(u.name, u.is_admin, u.card) for u in (await terminal.users()).records] == [
            ("Boss", False, 4),
            ("", False, 0),
        ]


@FAMILIES
async def test_templates_are_written_read_and_deleted_to_the_byte(start: Start, profile: str) -> None:
    sim = await start(profile=profile, users=people(5))
    written = [
        Template(uid, finger, blob(version_of(profile), 500 + 300 * uid)) for uid in (1, 2, 5) for finger in (0, 9)
    ]
    async with open_terminal(sim.host, sim.port) as terminal:
        for template in written:
            await terminal.set_template(template)
        assert (await terminal.templates()).records == written
        assert await terminal.template(2, 9) == written[3]
        assert await terminal.template(3, 0) is None
        await terminal.delete_template(2, 9)
        await terminal.delete_template(2, 9)
        assert await terminal.template(2, 9) is None
        await terminal.set_template(replace(written[0], data=blob(version_of(profile), 640)))
        assert len((await terminal.templates()).records) == 5
        assert (await terminal.capacity()).fingers == 5
        await terminal.delete_user(5)
        assert {template.uid for template in (await terminal.templates()).records} == {1, 2}


@FAMILIES
async def test_people_move_with_their_templates(start: Start, profile: str) -> None:
    old, new = await start(profile=profile, users=people(8)), await start(profile=profile, users=people(2))
    for uid in range(1, 9):
        for finger in range(uid % 3):
            old.memory.templates[uid, finger] = Template(uid, finger, blob(version_of(profile)))
    async with open_terminal(old.host, old.port) as terminal:
        users, templates = (await terminal.users()).records, (await terminal.templates()).records
    moving = [
        Person(replace(user, uid=0, group=1), tuple(t for t in templates if t.uid == user.uid))
        for user in reversed(users)
    ]
    async with open_terminal(new.host, new.port) as terminal:
        stored = await terminal.set_people(moving)
    pin_of = {user.uid: user.user_id for user in stored}
    assert {(pin_of[t.uid], t.finger, t.data) for t in new.memory.templates.values()} == {
        (users[t.uid - 1].user_id, t.finger, t.data) for t in templates
    }
    assert [user.user_id for user in stored] == [person.user.user_id for person in moving]


async def test_a_template_of_another_version_is_refused_by_name(start: Start) -> None:
    sim = await start(users=people(1))
    async with open_terminal(sim.host, sim.port) as terminal:
        with pytest.raises(NotSupported, match="do not convert"):
            await terminal.set_template(Template(1, 0, blob(9)))
        with pytest.raises(TerminalRefused):
            await terminal.set_template(Template(77, 0, blob(10)))
        for bad in (Template(1, 10, blob(10)), Template(1, 0, b""), Template(70_000, 0, blob(10))):
            with pytest.raises(ValueError, match="expected"):
                await terminal.set_template(bad)
        assert not sim.is_held


async def test_a_template_shows_in_no_text() -> None:
    template = Template(1, 0, b"M\x05SS21secret")
    assert "secret" not in repr(template) + repr(Person(UserRecord(1, "1", password="secret"), (template,)))
