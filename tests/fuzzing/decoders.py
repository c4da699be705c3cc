"""Every decoder of both protocols, as something that takes bytes; with seeds that show it what real bytes are."""

import gzip
import io
import random
import tarfile
import tomllib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from biometric_flow.zk.capture import Capture
from biometric_flow.zk.errors import ZkError
from biometric_flow.zk.masking import Mask, masked_option, veiled_text
from biometric_flow.zk.push.attlog import read_attlog, read_time, read_usb_attlog
from biometric_flow.zk.push.command_lines import read_command
from biometric_flow.zk.push.handshake import Hello, read_stamp, read_terms, read_timezone_option
from biometric_flow.zk.push.operlog import read_operlog, unpack_archive
from biometric_flow.zk.push.options import read_info, read_options
from biometric_flow.zk.push.people import read_card, read_zones
from biometric_flow.zk.push.photo import read_photo
from biometric_flow.zk.push.realtime import read_rtlog, read_rtstate, read_verify, verify_methods
from biometric_flow.zk.push.results import read_results
from biometric_flow.zk.push.tables import read_table
from biometric_flow.zk.push.text import Lines, PushProtocol, decode_text, read_fields, without_secrets
from biometric_flow.zk.wire import options, templates
from biometric_flow.zk.wire.access import (
    OPEN,
    AccessGroup,
    AccessZone,
    UnlockCombination,
    UserZones,
    decode_verify_mode,
)
from biometric_flow.zk.wire.capacity import Capacity
from biometric_flow.zk.wire.cards import decode_card, encode_card
from biometric_flow.zk.wire.commands import Command, EventMask, Reply
from biometric_flow.zk.wire.connection import ClientConnection, ServerConnection
from biometric_flow.zk.wire.events import decode_enrol_request, decode_event
from biometric_flow.zk.wire.frame import FrameReader, Packet, decode_packet, encode_frame, encode_packet
from biometric_flow.zk.wire.layouts import attlog_layout, user_layout
from biometric_flow.zk.wire.marks import LogMark
from biometric_flow.zk.wire.messages import ShortMessage, decode_link
from biometric_flow.zk.wire.oplog import OPLOG_LAYOUTS, OperationLog, oplog_layout
from biometric_flow.zk.wire.records import ATTLOG_LAYOUTS, AttendanceLog
from biometric_flow.zk.wire.templates import (
    Person,
    Template,
    TemplateList,
    decode_commit,
    decode_finger,
    decode_package,
    encode_package,
)
from biometric_flow.zk.wire.timecode import TerminalTime
from biometric_flow.zk.wire.transfer import BulkAnswer, Prepared, unwrap_rows
from biometric_flow.zk.wire.users import USER_LAYOUTS, UserList, UserRecord

VECTORS: Final = Path(__file__).parents[1] / "vectors"
Read = Callable[[bytes], object]


@dataclass(frozen=True, slots=True)
class Decoder:
    """Something that bytes from outside are given to."""

    read: Read
    seeds: tuple[bytes, ...]
    declared: tuple[type[Exception], ...] = (ZkError,)
    """What it may raise, besides giving a value."""


def _vectors(path: str) -> list[dict[str, str]]:
    tables = tomllib.loads((VECTORS / path).read_text())
    return [vector for table in tables.values() for vector in table]


def _bytes_of(vector: dict[str, str]) -> bytes:
    return bytes.fromhex(vector["hex"]) if "hex" in vector else vector.get("body", vector.get("text", "")).encode()


def _archive() -> bytes:
    raw, lines = io.BytesIO(), b"7\t2026-03-02 08:00:00\t0\t1\n"
    with tarfile.open(fileobj=raw, mode="w") as archive:
        member = tarfile.TarInfo("attlog")
        member.size = len(lines)
        archive.addfile(member, io.BytesIO(lines))
    return gzip.compress(raw.getvalue(), mtime=0)


_TEMPLATE: Final = Template(3, 1, b"M\x01SS21" + bytes(60))
_FRAMES: Final = b"".join(
    encode_frame(packet)
    for packet in (
        Packet(Reply.OK, 7, 0),
        Packet(Command.REGISTER_EVENTS, EventMask.ATTLOG, 0, bytes(32)),
        Packet(Reply.PREPARE_DATA, 7, 0, (24).to_bytes(4, "little")),
        Packet(Reply.DATA, 7, 0, (20).to_bytes(4, "little") + bytes(20)),
        Packet(Reply.OK, 7, 0),
    )
)
WIRE_SEEDS: Final = (
    *(bytes.fromhex(vector["hex"]) for name in ("packets", "records") for vector in _vectors(f"zk/{name}.toml")),
    *(encode_package([Person(UserRecord(3, "3", group=1), (_TEMPLATE,))], one) for one in USER_LAYOUTS.values()),
    _TEMPLATE.encode() * 3,
    encode_card(3, [_TEMPLATE, _TEMPLATE]),
    AccessZone(1, (OPEN,) * 7).encode(),
    _FRAMES,
    encode_packet(Packet(Reply.DATA, 7, 0, bytes(40))),
    b"~SerialNumber=ABC1234567890\0",
    b"",
    bytes(400),
)
PUSH_SEEDS: Final = (
    *map(_bytes_of, _vectors("push/lines.toml")),
    b"time=2026-03-02 08:00:00\tsensor=02\trelay=01\talarm=02",
    b"PIN=20260302080000-7.jpg\nSN=PUSH0001\nsize=4\nCMD=uploadphoto\0abcd",
    b"C:1:DATA UPDATE USERINFO PIN=7\tName=A",
    b"C:3:CONTROL DEVICE 01020105",
    b"C:4:DATA UPDATE timezone TimezoneId=2\tSunTime1=52430759\tMonTime1=52430759",
    (
        b"C:5:DATA UPDATE AccTimeZone UID=2\tSunStart=0800\tSunEnd=1700\tMonStart=0800\tMonEnd=1700\tTuesStart=0800"
        b"\tTuesEnd=1700\tWedStart=0800\tWedEnd=1700\tThursStart=0800\tThursEnd=1700\tFriStart=2357\tFriEnd=2356"
        b"\tSatStart=0800\tSatEnd=1700"
    ),
    b"C:9:SET OPTION DateFormat=3",
    b"C:10:GET OPTION FROM DateFormat",
    b"0001000200000000",
    b"C:6:DATA UPDATE AccGroup ID=3\tVerify=0\tValidHoliday=1\tTZ=1;0;0",
    b"C:7:DATA QUERY tablename=transaction,fielddesc=*,filter=starttime=2026-03-02 00:00:00\tendtime=2026-03-02 01:00",
    b"C:8:DATA UPDATE FINGERTMP PIN=7\tFID=3\tSize=8\tValid=1\tTMP=QUJDREVG",
    b"C:2:VERIFY SUM ATTLOG StartTime=2026-03-02 00:00:00\tEndTime=2026-03-02 23:59:59",
    b"GET OPTION FROM: X\nATTLOGStamp=0\nTimeZone=8\n",
    b"ERRORLOG ErrCode=D01E0001\tErrMsg=x\tDataOrigin=dev",
    b"FP PIN=7 FID=1 Size=4 Valid=1 TMP=AAAA",
    b"WORKCODE PIN=1\tCODE=120\tNAME=Night",
    b"attphoto pin=20260302080000-7.jpg\tsn=PUSH0001\tsize=3\tphoto=QUJD",
    b"[0A0B0C0D]",
    _archive(),
    b"",
)
CAPTURE_SEEDS: Final = (
    b'{"capture": 1, "note": "x"}\n{"ask": 1000, "data": ""}\n{"reply": 2000, "data": "00", "state": 7}\n',
    b'{"capture": 1, "note": ""}\n{"ask": 11, "data": "7e"}\n{"event": 1, "data": "0102"}\n{"foreign": "ff"}\n',
)


def _client(data: bytes, *, is_stream: bool = True) -> None:
    connection = ClientConnection(is_stream=is_stream)
    connection.request(Command.CONNECT)
    connection.receive(data)
    while connection.next_answer():
        pass
    while connection.next_event():
        pass
    connection.acknowledgements()


def _bulk(data: bytes, size: int | None = None) -> None:
    answer = BulkAnswer("rows", size=size)
    for payload in (data, data[:20], data[3:]):
        got = answer.take(decode_packet(payload))
        if isinstance(got, Prepared):
            next(got.windows(), None)


def _columns(data: bytes) -> None:
    for layout in ATTLOG_LAYOUTS.values():
        if columns := AttendanceLog.decode(data, layout).columns():
            assert len(columns.moments()) == len(columns)


def _mark(data: bytes) -> None:
    mark = LogMark.behind("8", 8, 0, data[: len(data) // 16 * 8])
    if mark:
        mark.end_in(bytearray(data))
        mark.moved(3, data)


def _attlog(name: str) -> Read:
    layout = ATTLOG_LAYOUTS[name]

    def read(data: bytes) -> None:
        log = AttendanceLog.decode(data, layout)
        assert len(list(log.records)) + len(list(log.rejected)) == log.rows == -(-len(data) // layout.size)

    return read


def _users(name: str, encoding: str = "utf-8") -> Read:
    layout = USER_LAYOUTS[name]

    def read(data: bytes) -> None:
        found = UserList.decode(data, layout, encoding)
        assert len(found.records) + len(found.rejected) == -(-len(data) // layout.size)

    return read


def _lines(read: Callable[[bytes], Lines[object]]) -> Read:
    def checked(body: bytes) -> None:
        found = read(body)
        whole = [line for line in body.removeprefix(b"\xef\xbb\xbf").split(b"\n") if line.rstrip(b"\r\0").strip()]
        assert found.total == len(whole), "a line was neither read nor kept aside"
        for line in found.rejected:
            assert "expected" in line.reason, line.reason

    return checked


def _attlog_lines(body: bytes) -> Lines[object]:
    found = read_attlog(body)
    for line in found.records:
        _ = line.mask, line.temperature, line.utc_offset, line.position
    return found  # type: ignore[return-value]


def _text(read: Callable[[str], object]) -> Read:
    return lambda data: read(decode_text(data))


def _verify(text: str) -> None:
    verify_methods(read_verify(text))


def _masked(data: bytes) -> None:
    layouts = {Command.READ_USERS: USER_LAYOUTS["72"], Command.READ_ATTLOG: ATTLOG_LAYOUTS["40"]}
    mask = Mask(layouts, random.Random(1))
    for command in (Command.READ_USERS, Command.READ_ATTLOG, Command.READ_OPLOG):
        assert len(mask.rows(command, data)) == len(data)
    mask.event(EventMask.ATTLOG, data[:64])
    veiled_text(data[:64])
    masked_option(data)


_WIRE: Final[dict[str, Read]] = {
    "frame": lambda data: FrameReader().feed(data),
    "packet": decode_packet,
    "client": _client,
    "client-datagram": lambda data: _client(data, is_stream=False),
    "server": lambda data: ServerConnection(1).receive(data),
    "server-datagram": lambda data: ServerConnection(1, is_stream=False).receive(data),
    "bulk": _bulk,
    "bulk-asked": lambda data: _bulk(data, 12),
    "unwrap": lambda data: unwrap_rows(bytearray(data), "rows"),
    **{f"event-{mask.value}": lambda data, mask=mask: decode_event(mask, data) for mask in EventMask},
    "event-chinese": lambda data: decode_event(1, data, "gbk"),
    "capacity": Capacity.decode,
    "templates": TemplateList.decode,
    "template-unpad": templates.unpad_template,
    "template-commit": decode_commit,
    "template-finger": decode_finger,
    "package-72": lambda data: decode_package(data, USER_LAYOUTS["72"]),
    "package-28": lambda data: decode_package(data, USER_LAYOUTS["28"]),
    "zone": AccessZone.decode,
    "zone-write": AccessZone.decode_request,
    "group": AccessGroup.decode,
    "combination": UnlockCombination.decode,
    "user-zones": UserZones.decode,
    "user-zones-write": UserZones.decode_request,
    "verify-mode": decode_verify_mode,
    "message": ShortMessage.decode,
    "message-link": decode_link,
    "option": options.decode_option,
    "card": decode_card,
    "mark": _mark,
    "oplog-guess": oplog_layout,
    **{
        f"oplog-{name}": lambda data, layout=layout: list(OperationLog.decode(data, layout).records)
        for name, layout in OPLOG_LAYOUTS.items()
    },
    "columns": _columns,
    "attlog-guess": lambda data: attlog_layout(data, 3),
    **{f"attlog-{name}": _attlog(name) for name in ATTLOG_LAYOUTS},
    "attlog-utf16": lambda data: list(AttendanceLog.decode(data, ATTLOG_LAYOUTS["40"], 0, "utf-16").records),
    "user-guess": lambda data: user_layout(data, 3),
    **{f"user-{name}": _users(name) for name in USER_LAYOUTS},
    "user-72-chinese": _users("72", "gbk"),
    "user-72-arabic": _users("72", "cp1256"),
    "masked": _masked,
}
_PUSH: Final[dict[str, Read]] = {
    "attlog": _lines(_attlog_lines),
    "usb": _lines(read_usb_attlog),  # type: ignore[arg-type]
    "operlog": _lines(read_operlog),  # type: ignore[arg-type]
    "rtlog": _lines(read_rtlog),  # type: ignore[arg-type]
    "rtstate": _lines(read_rtstate),  # type: ignore[arg-type]
    **{
        f"table-{name}": _lines(lambda body, name=name: read_table(name, body))  # type: ignore[misc]
        for name in ("user", "transaction", "templatev10", "identitycard", "attphoto", "errorlog", "timezone")
    },
    "photo": read_photo,
    "archive": unpack_archive,
    "results": read_results,
    **{
        f"command-{protocol.value}": lambda body, protocol=protocol: read_command(decode_text(body), protocol)
        for protocol in PushProtocol
    },
    "info": _text(read_info),
    "options": _text(read_options),
    "terms": _text(read_terms),
    "hello": _text(lambda text: Hello.of(read_fields(text))),
    "stamp": _text(read_stamp),
    "time": _text(read_time),
    "card": _text(read_card),
    "zones": _text(read_zones),
    "verify": _text(_verify),
    "secrets": without_secrets,
}
_OWN_ERROR: Final[dict[str, Read]] = {
    "enrol-request": decode_enrol_request,
    "six-bytes": TerminalTime.from_six_bytes,
    "time-text": _text(TerminalTime.from_text),
    "push-timezone": _text(read_timezone_option),
    "push-capture": _text(Capture.from_text),
}
"""Those whose declared error is ValueError."""

DECODERS: Final[dict[str, Decoder]] = {
    **{f"zk-{name}": Decoder(read, WIRE_SEEDS) for name, read in _WIRE.items()},
    **{f"push-{name}": Decoder(read, PUSH_SEEDS) for name, read in _PUSH.items()},
    **{
        name: Decoder(read, CAPTURE_SEEDS + PUSH_SEEDS if "push" in name else WIRE_SEEDS, (ValueError,))
        for name, read in _OWN_ERROR.items()
    },
}
