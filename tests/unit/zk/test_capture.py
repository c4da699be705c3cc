"""Masking takes any traffic, keeps every size, and a capture reads back as it was written."""

import random
from collections import Counter

import pytest

from biometric_flow.zk.capture import Capture
from biometric_flow.zk.masking import Mask, veil, veiled_text
from biometric_flow.zk.recorder import Exchange
from biometric_flow.zk.simulator.replay import Answers
from biometric_flow.zk.wire.commands import Command, Reply
from biometric_flow.zk.wire.connection import Request
from biometric_flow.zk.wire.frame import Packet
from biometric_flow.zk.wire.records import ATTLOG_LAYOUTS, AttlogRecord
from biometric_flow.zk.wire.timecode import TerminalTime
from biometric_flow.zk.wire.users import USER_LAYOUTS, UserRecord

COMMANDS = [*Command, 4242, 65_535]
REPLIES = [*Reply, 2002, 500, 31_337]


def traffic(seed: int) -> list[Exchange]:
    """Random requests and answers, often of the kinds that matter."""
    dice = random.Random(seed)

    def noise(most: int) -> bytes:
        return dice.randbytes(dice.randrange(most + 1))

    return [
        Exchange(
            dice.choice(COMMANDS),
            dice.choice((b"", noise(24), bytes(8), dice.randbytes(8), dice.randbytes(11))),
            [
                Packet(dice.choice(REPLIES), dice.randrange(65_536), 0, noise(300), dice.random() < 0.9)
                for _ in range(dice.randrange(4))
            ],
            noise(8) if dice.random() < 0.1 else b"",
        )
        for _ in range(dice.randrange(1, 12))
    ]


@pytest.mark.parametrize("start", range(0, 400, 100))
def test_any_traffic_can_be_masked_written_read_and_replayed(start: int) -> None:
    for seed in range(start, start + 100):
        exchanges = traffic(seed)
        layouts = {Command.READ_USERS: USER_LAYOUTS["72"], Command.READ_ATTLOG: ATTLOG_LAYOUTS["49"]}
        masked = Capture.masked(exchanges, layouts, "note", random.Random(seed))
        assert [sizes(one) for one in masked.exchanges] == [sizes(one) for one in exchanges]
        assert Capture.from_text(masked.to_text()) == masked
        answers = Answers(masked)
        for exchange in exchanges:
            answers.to(Request(exchange.command, 7, exchange.data, 1))


def sizes(exchange: Exchange) -> tuple[int, ...]:
    return (len(exchange.data), *(len(packet.data) for packet in exchange.packets))


@pytest.mark.parametrize("layout", ATTLOG_LAYOUTS.values(), ids=list(ATTLOG_LAYOUTS))
def test_masked_rows_keep_who_is_the_same_person_and_everything_that_names_nobody(layout: object) -> None:
    layout = ATTLOG_LAYOUTS[layout.name]  # type: ignore[attr-defined]
    dice = random.Random(3)
    people = [(50_000 + place, str(2_000_000_000 + place)) for place in range(300)]
    rows = [
        AttlogRecord(uid, pin, 1, place % 6, TerminalTime.of(2026, 1 + place % 12, 3, 8), 0, b"")
        for place, (uid, pin) in enumerate(dice.choices(people, k=2000))
    ]
    mask = Mask({Command.READ_ATTLOG: layout}, dice)
    masked = list(layout.decode(mask.rows(Command.READ_ATTLOG, b"".join(map(layout.encode, rows)))))
    assert [(row.time, row.state, row.verify) for row in masked] == [(row.time, row.state, row.verify) for row in rows]
    names = {(row.uid if "uid" in layout.order else 0, row.user_id if layout.has_user_id else "") for row in rows}
    stand_ins = {(row.uid, row.user_id) for row in masked}
    assert len(stand_ins) == len(names)
    assert not stand_ins & names


def test_masked_users_keep_letters_by_size_and_lose_what_is_theirs() -> None:
    layout = USER_LAYOUTS["72"]
    user = UserRecord(40_001, "90482", "Åsa 小明 7", 14, "secret", 0xDEADBEEF, 3, True, (1, 2, 3))
    mask = Mask({Command.READ_USERS: layout}, random.Random(1))
    kept = layout.decode(mask.rows(Command.READ_USERS, layout.encode(user)))
    assert (kept.name, kept.privilege, kept.group, kept.timezones) == ("éxx 中中 0", 14, 3, (1, 2, 3))
    assert (kept.password, kept.card) == ("*****", 0xFFFF_FFFF)
    assert len(kept.user_id) == 5
    assert kept.user_id != user.user_id


def test_short_pins_never_share_a_stand_in() -> None:
    layout = USER_LAYOUTS["72"]
    pins = [*map(str, range(1, 10)), *map(str, range(100, 400))]
    rows = b"".join(layout.encode(UserRecord(uid, pin)) for uid, pin in enumerate(pins, 1))
    mask = Mask({Command.READ_USERS: layout}, random.Random(2)).rows(Command.READ_USERS, rows)
    masked = [layout.decode(mask[start : start + 72]) for start in range(0, len(mask), 72)]
    assert max(Counter(user.user_id for user in masked).values()) == 1
    assert max(Counter(user.uid for user in masked).values()) == 1


def test_what_is_veiled_keeps_only_the_kind_of_each_byte() -> None:
    assert veil(b"Am 47\0\xff\x07\xe9") == b"xx 00\0\xff\x01\xb0"
    assert veiled_text("é7".encode("cp1252") + b"\0A") == b"\xb00\0x"
