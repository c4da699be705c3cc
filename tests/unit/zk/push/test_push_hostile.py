"""Whatever an upload holds, a reader gives lines or the one declared error (security-design P3)."""

import random
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from biometric_flow.zk.errors import ZkError
from biometric_flow.zk.push.attlog import read_attlog, read_usb_attlog
from biometric_flow.zk.push.commands import read_command, read_results
from biometric_flow.zk.push.handshake import Hello, read_stamp, read_terms
from biometric_flow.zk.push.operlog import read_operlog, unpack_archive
from biometric_flow.zk.push.options import read_info, read_options
from biometric_flow.zk.push.photo import read_photo
from biometric_flow.zk.push.realtime import read_rtlog, read_rtstate
from biometric_flow.zk.push.tables import read_table
from biometric_flow.zk.push.text import Lines, decode_text, read_fields

ROUNDS = 50_000
VECTORS = tomllib.loads((Path(__file__).parents[3] / "vectors" / "push" / "lines.toml").read_text())
MORE = [
    b"time=2026-03-02 08:00:00\tsensor=02\trelay=01\talarm=02",
    b"PIN=20260302080000-7.jpg\nSN=PUSH0001\nsize=4\nCMD=uploadphoto\0abcd",
    b"C:1:DATA UPDATE USERINFO PIN=7\tName=A",
    b"C:2:VERIFY SUM ATTLOG StartTime=2026-03-02 00:00:00\tEndTime=2026-03-02 23:59:59",
    b"GET OPTION FROM: X\nATTLOGStamp=0\nTimeZone=8\n",
    b"ERRORLOG ErrCode=D01E0001\tErrMsg=x\tDataOrigin=dev",
    b"",
]
SPICE = (
    b"\t",
    b"\n",
    b"\r",
    b"=",
    b" ",
    b"\0",
    b"&",
    b"ID=",
    b"\xff\xfe",
    b"9" * 30,
    b"-",
    b"[",
    b"\xd5\xc5",
    b"\xc2\x85",
)


def seeds() -> list[bytes]:
    tables = [vector for vectors in VECTORS.values() for vector in vectors]
    return [
        bytes.fromhex(one["hex"]) if "hex" in one else one.get("body", one.get("text", "")).encode() for one in tables
    ]


def mutations(count: int, seed: int) -> list[bytes]:
    dice = random.Random(seed)
    pool = seeds() + MORE
    found = []
    for _ in range(count):
        raw = bytearray(dice.choice(pool) * dice.choice((1, 1, 1, 2, 5)))
        for _ in range(dice.randrange(5)):
            place = dice.randrange(len(raw) + 1)
            match dice.randrange(3):
                case 0:
                    raw[place : place + 1] = dice.choice(SPICE)
                case 1:
                    raw[place : place + dice.randrange(12)] = b""
                case _:
                    raw[place : place + 1] = bytes((dice.randrange(256),))
        found.append(bytes(raw))
    return found


READERS: dict[str, Callable[[bytes], Any]] = {
    "attlog": read_attlog,
    "usb": read_usb_attlog,
    "operlog": read_operlog,
    "rtlog": read_rtlog,
    "rtstate": read_rtstate,
    "table-user": lambda body: read_table("user", body),
    "table-transaction": lambda body: read_table("transaction", body),
    "table-template": lambda body: read_table("templatev10", body),
    "table-other": lambda body: read_table("identitycard", body),
    "photo": read_photo,
    "archive": unpack_archive,
    "results": read_results,
    "command": lambda body: read_command(decode_text(body)),
    "info": lambda body: read_info(decode_text(body)),
    "options": lambda body: read_options(decode_text(body)),
    "terms": lambda body: read_terms(decode_text(body)),
    "hello": lambda body: Hello.of(read_fields(decode_text(body))),
    "stamp": lambda body: read_stamp(decode_text(body)),
}


@pytest.mark.parametrize("name", READERS)
def test_hostile_uploads_raise_nothing_but_a_named_error(name: str) -> None:
    texts = set()
    for body in mutations(ROUNDS // len(READERS), 20261122 + len(name)):
        try:
            read = READERS[name](body)
        except ZkError as error:
            texts.add(f"{error.code}: {error}")
            continue
        if isinstance(read, Lines):
            whole = [line for line in body.split(b"\n") if line.rstrip(b"\r\0").strip()]
            assert read.total == len(whole), "a line was neither read nor kept aside"
            texts.update(f"terminal.: {line.reason}" for line in read.rejected)
    assert all(text.startswith("terminal.") and "expected" in text for text in texts)
