"""One archived punch: what of it lies open, what is sealed under its person's key, how it is checked. Pure."""

import hashlib
import hmac
import io
import secrets
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

import cbor2
import pyarrow as pa
import pyarrow.parquet as pq

from biometric_flow.gateway.archive.errors import ArchiveDamaged
from biometric_flow.identity.envelope import NONCE_BYTES, Binding, SealingKey, row_name
from biometric_flow.identity.errors import IdentityError
from biometric_flow.ledger.chain import leaf_hash
from biometric_flow.ledger.errors import LedgerError
from biometric_flow.ledger.events import PunchRecorded, decode

_MOMENT: Final = pa.timestamp("us", tz="UTC")
SCHEMA: Final = pa.schema(
    [
        ("place", pa.string()),
        ("sequence", pa.int64()),
        ("position", pa.int64()),
        ("subject", pa.binary(16)),
        ("terminal", pa.string()),
        ("local_time", pa.timestamp("us")),
        ("instant", _MOMENT),
        ("state", pa.int32()),
        ("verify", pa.int32()),
        ("work_code", pa.int64()),
        ("drift_ms", pa.int64()),
        ("received_at", _MOMENT),
        ("channel", pa.string()),
        ("leaf", pa.binary()),
        ("hash", pa.binary(32)),
        ("sealed", pa.binary()),
    ]
)
"""`subject` names the key of `sealed`, which holds PIN, identity, record and opening: without it a row names nobody."""
_OPEN: Final = tuple(name for name in SCHEMA.names if name not in ("subject", "sealed"))


@dataclass(frozen=True, slots=True)
class Cold:
    """A punch with its entry of the ledger, as the tables hold them."""

    place: str
    sequence: int
    position: int
    terminal: str
    local_time: datetime
    instant: datetime
    state: int
    verify: int
    work_code: int
    drift_ms: int | None
    received_at: datetime
    channel: str
    leaf: bytes
    hash: bytes
    pin: str
    punch_id: bytes
    record: bytes
    opening: bytes


def to_parquet(tenant: str, rows: Sequence[Cold], keys: Mapping[str, SealingKey]) -> bytes:
    """A file of rows; `keys` has the key of every PIN among them."""
    columns: dict[str, list[Any]] = {name: [getattr(row, name) for row in rows] for name in _OPEN}
    columns["subject"] = [keys[row.pin].id for row in rows]
    columns["sealed"] = [
        keys[row.pin].seal(
            _bound(tenant, row.place, row.sequence),
            cbor2.dumps([row.pin, row.punch_id, row.record, row.opening]),
            secrets.token_bytes(NONCE_BYTES),
        )
        for row in rows
    ]
    sink = io.BytesIO()
    table = pa.table({name: columns[name] for name in SCHEMA.names}, schema=SCHEMA)
    pq.write_table(table, sink, compression="zstd", row_group_size=20_000)
    return sink.getvalue()


def from_parquet(name: str, content: bytes, sha256: bytes) -> list[dict[str, Any]]:
    """The rows of a file as they lie in it. Raises ArchiveDamaged."""
    if hashlib.sha256(content).digest() != sha256:
        raise ArchiveDamaged(f"{name}: its bytes are not those that were written")
    try:
        table = pq.read_table(io.BytesIO(content))
    except (pa.ArrowException, OSError) as error:
        raise ArchiveDamaged(f"{name}: it cannot be read: {error}") from None
    if not table.schema.equals(SCHEMA):
        raise ArchiveDamaged(f"{name}: expected the columns of an archive, it has others")
    rows: list[dict[str, Any]] = table.to_pylist()
    return rows


def opened(tenant: str, row: Mapping[str, Any], keys: Mapping[bytes, SealingKey]) -> Cold | None:
    """A row with what its person's key opens, None when that is destroyed. Raises ArchiveDamaged."""
    key = keys.get(row["subject"])
    if key is None:
        return None
    try:
        content = key.unseal(_bound(tenant, row["place"], row["sequence"]), row["sealed"])
        pin, punch_id, record, opening = cbor2.loads(content)
    except (IdentityError, cbor2.CBORError, ValueError, TypeError) as error:
        raise ArchiveDamaged(f"entry {row['sequence']}: its sealed part does not open: {error}") from None
    return Cold(**{name: row[name] for name in _OPEN}, pin=pin, punch_id=punch_id, record=record, opening=opening)


def check_leaf(row: Mapping[str, Any], place: str, leaf: bytes | None) -> bytes:
    """That a row stands on the leaf which the tree holds for its entry; its commitment. Raises ArchiveDamaged."""
    where = f"entry {row['sequence']}"
    if leaf is None or row["place"] != place:
        raise ArchiveDamaged(f"{where}: the ledger of {place} has no such entry")
    if leaf_hash(row["leaf"]) != row["hash"] or row["hash"] != leaf:
        raise ArchiveDamaged(f"{where}: its leaf is not the one in the ledger's tree")
    _version, of_place, sequence, _previous, _day, _kind, commitment = cbor2.loads(row["leaf"])
    if (of_place, sequence) != (place, row["sequence"]):
        raise ArchiveDamaged(f"{where}: its leaf is of entry {sequence} of {of_place}")
    return bytes(commitment)


def check_record(cold: Cold, commitment: bytes) -> None:
    """That a row says what its leaf committed to. Raises ArchiveDamaged."""
    where = f"entry {cold.sequence}"
    if not hmac.compare_digest(hmac.digest(cold.opening, cold.record, "sha256"), commitment):
        raise ArchiveDamaged(f"{where}: its record does not match the leaf's commitment")
    try:
        event = decode(cold.record)
    except LedgerError as error:
        raise ArchiveDamaged(f"{where}: {error}") from None
    if not isinstance(event, PunchRecorded):
        raise ArchiveDamaged(f"{where}: expected a punch, its record is {event.kind}")
    punch = event.punch
    drift = None if punch.drift is None else round(punch.drift.total_seconds() * 1000)
    said = (
        punch.id, punch.pin, punch.terminal, punch.local_time, punch.instant, punch.state, punch.verify,
        punch.work_code, drift, punch.received_at, str(punch.channel),
    )  # fmt: skip
    stored = (
        cold.punch_id, cold.pin, cold.terminal, cold.local_time, cold.instant, cold.state, cold.verify,
        cold.work_code, cold.drift_ms, cold.received_at, cold.channel,
    )  # fmt: skip
    if said != stored:
        raise ArchiveDamaged(f"{where}: the row is not what its record says")


def checked(
    tenant: str, rows: Iterable[Mapping[str, Any]], keys: Mapping[bytes, SealingKey], place: str,
    leaves: Mapping[int, bytes],
) -> Iterator[Cold | None]:  # fmt: skip
    """Every row, checked; None for one whose person was erased. Raises ArchiveDamaged for the first bad one."""
    for row in rows:
        commitment = check_leaf(row, place, leaves.get(row["sequence"]))
        cold = opened(tenant, row, keys)
        if cold is not None:
            check_record(cold, commitment)
        yield cold


def _bound(tenant: str, place: str, sequence: int) -> bytes:
    return Binding("archive", "sealed", row_name(place, sequence)).associated(tenant)
