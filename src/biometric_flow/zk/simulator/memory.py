"""What a simulated terminal remembers: people, punches, options and a clock that may be wrong."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta, tzinfo
from typing import NamedTuple

from biometric_flow.zk.simulator.extras import Extras
from biometric_flow.zk.simulator.profiles import Profile
from biometric_flow.zk.wire.capacity import Capacity
from biometric_flow.zk.wire.commands import DataKind
from biometric_flow.zk.wire.events import AttendanceEvent, encode_attendance
from biometric_flow.zk.wire.messages import encode_link
from biometric_flow.zk.wire.oplog import OPLOG_LAYOUTS
from biometric_flow.zk.wire.records import AttlogRecord
from biometric_flow.zk.wire.templates import Template
from biometric_flow.zk.wire.timecode import TerminalTime
from biometric_flow.zk.wire.users import UserRecord


class StoredPunch(NamedTuple):
    """One row as the terminal remembers it."""

    pin: str
    time: TerminalTime
    verify: int = 1
    state: int = 0
    work_code: int = 0


@dataclass(slots=True)
class TerminalClock:
    """Wall-clock time in the terminal's zone, off by its drift."""

    zone: tzinfo = UTC
    drift: timedelta = timedelta()
    now: Callable[[], datetime] = field(default=lambda: datetime.now(UTC))

    def read(self) -> TerminalTime:
        """What its display shows."""
        return TerminalTime.from_datetime((self._true() + self.drift).replace(microsecond=0))

    def set(self, time: TerminalTime) -> None:
        """Turn the hands. Raises ValueError for a day that the calendar does not know."""
        self.drift = time.to_datetime() - self._true()

    def _true(self) -> datetime:
        return self.now().astimezone(self.zone).replace(tzinfo=None)


class TerminalMemory:
    """People and punches in the layouts of one profile."""

    def __init__(
        self, profile: Profile, serial: str, users: Iterable[UserRecord] = (), encoding: str = "utf-8"
    ) -> None:
        self.profile = profile
        self.encoding = encoding
        """The code page of names; terminals do not tell theirs."""
        self.punches: list[StoredPunch] = []
        self.options = {
            "~SerialNumber": serial,
            "~DeviceName": profile.model,
            "~Platform": profile.platform,
            "~OS": "1",
            "~OEMVendor": "ZKTECO CO., LTD.",
            "~ZKFPVersion": profile.fingerprint_version,
            "ZKFaceVersion": profile.face_version,
            "~PIN2Width": str(profile.pin_width),
            "MAC": _mac(serial),
            "FaceFunOn": str(int(bool(profile.faces_capacity))),
            "WorkCode": "0",
            "SDKBuild": "0",
        }
        self.templates: dict[tuple[int, int], Template] = {}
        """Fingerprints by uid and finger."""
        self.extras = Extras()
        self._users: dict[str, UserRecord] = {}
        self._as_written: dict[int, bytes] = {}
        """Records as clients wrote them; what was written reads back to the byte."""
        self._uids: set[int] = set()
        self._next_uid = 1
        self._rows = bytearray()
        self.unreadable = 0
        """Rows besides `punches` that are there on purpose to be rejected."""
        for user in users:
            self.enrol(user.user_id, user)

    @property
    def serial(self) -> str:
        """The serial number it tells."""
        return self.options["~SerialNumber"]

    @property
    def users(self) -> list[UserRecord]:
        """Everybody it knows, in order of enrolment."""
        return list(self._users.values())

    def enrol(self, pin: str, user: UserRecord | None = None) -> UserRecord:
        """Know this person; the uid is the next free one unless `user` brings a free one.

        Raises ValueError for a PIN that the profile cannot store.
        """
        known = self._users.get(pin)
        wanted = known.uid if known else user.uid if user else 0
        uid = wanted if wanted and (known or wanted not in self._uids) else self._free_uid()
        base = user or UserRecord(uid, pin)
        record = UserRecord(
            uid,
            pin,
            base.name,
            base.privilege,
            base.password,
            base.card,
            base.group,
            base.own_timezones,
            base.timezones,
        )
        self.profile.users.encode(record, self.encoding)
        self._as_written.pop(uid, None)
        self._users[pin] = record
        self._uids.add(uid)
        return record

    def write_user(self, row: bytes) -> bool:
        """Store a record as a client wrote it; False when its user id has another uid. Raises ProtocolViolation."""
        user = self.profile.users.decode(row, self.encoding)
        known = self._users.get(user.user_id)
        if not user.uid or not user.user_id or (known and known.uid != user.uid):
            return False
        self._users = {pin: other for pin, other in self._users.items() if other.uid != user.uid or pin == user.user_id}
        self._users[user.user_id] = user
        self._uids.add(user.uid)
        self._as_written[user.uid] = row
        return True

    def delete_user(self, uid: int) -> bool:
        """Forget a person with everything that is theirs, punches apart."""
        if uid not in self._uids:
            return False
        self._users = {pin: user for pin, user in self._users.items() if user.uid != uid}
        self._uids.discard(uid)
        self._as_written.pop(uid, None)
        self.templates = {place: template for place, template in self.templates.items() if place[0] != uid}
        return True

    def has_uid(self, uid: int) -> bool:
        """Whether somebody has this uid."""
        return uid in self._uids

    def clear_admins(self) -> None:
        """Everybody becomes an ordinary user."""
        for user in self.users:
            self.enrol(user.user_id, replace(user, privilege=user.privilege & 1))

    def template_rows(self) -> bytes:
        """The fingerprints as they are stored."""
        return b"".join(template.encode() for template in self.templates.values())

    def remember(self, punch: StoredPunch) -> None:
        """Store a row; a person it does not know yet becomes known, since some layouts store the uid only.

        Raises ValueError for a row that the profile cannot store.
        """
        user = self._users.get(punch.pin) or self.enrol(punch.pin)
        self._rows += self.profile.attlog.encode(
            AttlogRecord(user.uid, punch.pin, punch.verify, punch.state, punch.time, self._work_code(punch), b"")
        )
        self.punches.append(punch)

    def clear_punches(self) -> None:
        """Forget every row."""
        self.punches.clear()
        self._rows = bytearray()
        self.unreadable = 0

    def operation_rows(self) -> bytes:
        """The operation log as it is stored."""
        return b"".join(map(OPLOG_LAYOUTS["16"].encode, self.extras.operations))

    def table_rows(self, kind: int) -> bytes | None:
        """A small table as it is stored; None for one that it has not."""
        extras = self.extras
        if kind == DataKind.SMS:
            return b"".join(message.encode(self.encoding) for message in extras.messages.values())
        if kind == DataKind.USER_SMS:
            return b"".join(encode_link(*link) for link in sorted(extras.given))
        return extras.work_codes if kind == DataKind.WORK_CODES else None

    def spoil(self) -> None:
        """Store a row that no client can read: a user id of bytes that are no text."""
        layout = self.profile.attlog
        if "pin" not in layout.order:
            raise ValueError(f"expected a profile with text user ids, {self.profile.name} has none")
        row = bytearray(layout.encode(AttlogRecord(1, "?", 1, 0, TerminalTime.of(2024, 1, 1), 0, b"")))
        row[2:6] = b"\xff\xfe\x01\x80"
        self._rows += row
        self.unreadable += 1

    def event(self, punch: StoredPunch) -> bytes:
        """The realtime event of a stored punch."""
        user = self._users[punch.pin]
        event = AttendanceEvent(user.uid, punch.pin, punch.verify, punch.state, punch.time, b"")
        return encode_attendance(event, self.profile.event_size)

    def attlog_rows(self) -> bytes:
        """The log as it is stored."""
        return bytes(self._rows)

    def user_rows(self) -> bytes:
        """The users as they are stored."""
        encode, written = self.profile.users.encode, self._as_written
        return b"".join(written.get(user.uid) or encode(user, self.encoding) for user in self._users.values())

    def capacity(self) -> Capacity:
        """Counts and room."""
        profile, users, rows = self.profile, len(self._users), len(self.punches) + self.unreadable
        return Capacity(
            users=users,
            fingers=len(self.templates),
            attlog_rows=rows,
            oplog_rows=len(self.extras.operations),
            admins=sum(user.is_admin for user in self._users.values()),
            passwords=sum(bool(user.password) for user in self._users.values()),
            fingers_capacity=profile.fingers_capacity,
            users_capacity=profile.users_capacity,
            attlog_capacity=profile.attlog_capacity,
            fingers_free=max(0, profile.fingers_capacity - len(self.templates)),
            users_free=max(0, profile.users_capacity - users),
            attlog_free=max(0, profile.attlog_capacity - rows),
            faces=self.extras.faces,
            faces_capacity=profile.faces_capacity,
        )

    def _free_uid(self) -> int:
        while self._next_uid in self._uids:
            self._next_uid += 1
        return self._next_uid

    def _work_code(self, punch: StoredPunch) -> int:
        return punch.work_code if "work_code" in self.profile.attlog.order else 0


def _mac(serial: str) -> str:
    """A hardware address of the vendor's range, the same for the same serial."""
    tail = sum(ord(letter) * 31**place for place, letter in enumerate(reversed(serial))) & 0xFFFFFF
    return "00:17:61:" + ":".join(f"{tail >> shift & 0xFF:02x}" for shift in (16, 8, 0))
