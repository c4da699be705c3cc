"""Tables of archived punches, as queries name them; the migrations make them."""

from sqlalchemy import (
    BigInteger,
    Column,
    Date,
    DateTime,
    ForeignKeyConstraint,
    Integer,
    LargeBinary,
    Table,
    Text,
)

from biometric_flow.gateway.store.tables import metadata

_instant = DateTime(timezone=True)


def _of_place() -> ForeignKeyConstraint:
    return ForeignKeyConstraint(["tenant_id", "place_id"], ["place.tenant_id", "place.place_id"])


archive_file = Table(
    "archive_file",
    metadata,
    Column("tenant_id", Text, primary_key=True),
    Column("file_id", Text, primary_key=True),
    Column("place_id", Text, nullable=False),
    Column("month", Date, nullable=False),
    Column("first_position", BigInteger, nullable=False),
    Column("last_position", BigInteger, nullable=False),
    Column("rows", Integer, nullable=False),
    Column("size", BigInteger, nullable=False),
    Column("sha256", LargeBinary, nullable=False),
    Column("name", Text, nullable=False),
    Column("version", Text, nullable=False),
    Column("created_at", _instant, nullable=False),
    Column("locked_until", _instant),
    _of_place(),
)

archive_key = Table(
    "archive_key",
    metadata,
    Column("tenant_id", Text, primary_key=True),
    Column("subject", LargeBinary, primary_key=True),
    Column("place_id", Text, nullable=False),
    Column("secret", LargeBinary),
    _of_place(),
)

archived_punch = Table(
    "archived_punch",
    metadata,
    Column("tenant_id", Text, primary_key=True),
    Column("punch_id", LargeBinary, primary_key=True),
    Column("place_id", Text, nullable=False),
    Column("sequence", BigInteger, nullable=False),
    Column("file_id", Text, nullable=False),
    ForeignKeyConstraint(["tenant_id", "file_id"], ["archive_file.tenant_id", "archive_file.file_id"]),
)
"""That a punch is known and where its entry stands: it is taken in once, and has a receipt, also when it is cold."""
