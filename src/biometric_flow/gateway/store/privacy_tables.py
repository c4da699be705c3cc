"""Tables of retention policies and legal holds, as queries name them; the migrations make them."""

from sqlalchemy import BigInteger, Column, DateTime, ForeignKeyConstraint, Integer, LargeBinary, Table, Text, Uuid
from sqlalchemy.dialects.postgresql import JSONB

from biometric_flow.gateway.store.tables import metadata

retention_policy = Table(
    "retention_policy",
    metadata,
    Column("tenant_id", Text, primary_key=True),
    Column("number", Integer, primary_key=True),
    Column("body", LargeBinary, nullable=False),
    ForeignKeyConstraint(["tenant_id"], ["tenant.tenant_id"]),
)

legal_hold = Table(
    "legal_hold",
    metadata,
    Column("tenant_id", Text, primary_key=True),
    Column("hold_id", Text, primary_key=True),
    Column("body", LargeBinary, nullable=False),
    ForeignKeyConstraint(["tenant_id"], ["tenant.tenant_id"]),
)

consent = Table(
    "consent",
    metadata,
    Column("tenant_id", Text, primary_key=True),
    Column("place_id", Text, primary_key=True),
    Column("number", BigInteger, primary_key=True),
    Column("subject", LargeBinary, nullable=False),
    Column("given_at", DateTime(timezone=True), nullable=False),
    Column("body", LargeBinary, nullable=False),
    ForeignKeyConstraint(["tenant_id", "place_id"], ["place.tenant_id", "place.place_id"]),
)

consent_text = Table(
    "consent_text",
    metadata,
    Column("tenant_id", Text, primary_key=True),
    Column("place_id", Text, primary_key=True),
    Column("version", Text, primary_key=True),
    Column("language", Text, primary_key=True),
    Column("body", JSONB, nullable=False),
    ForeignKeyConstraint(["tenant_id", "place_id"], ["place.tenant_id", "place.place_id"]),
)

erasure = Table(
    "erasure",
    metadata,
    Column("tenant_id", Text, primary_key=True),
    Column("erasure_id", LargeBinary, primary_key=True),
    Column("person_id", Uuid),
    Column("decided_by", LargeBinary, nullable=False),
    Column("reason", LargeBinary, nullable=False),
    Column("asked_at", DateTime(timezone=True), nullable=False),
    Column("begun_at", DateTime(timezone=True)),
    Column("done_at", DateTime(timezone=True)),
    Column("entries", BigInteger, nullable=False, server_default="0"),
    Column("marks", LargeBinary, nullable=False, server_default=""),
    ForeignKeyConstraint(["tenant_id"], ["tenant.tenant_id"]),
)
"""`person_id` stands while the erasure waits for what must stay; from its beginning on nothing says who it was
but `marks`, which only the gateway's key can compare with somebody."""

erasure_order = Table(
    "erasure_order",
    metadata,
    Column("tenant_id", Text, primary_key=True),
    Column("erasure_id", LargeBinary, primary_key=True),
    Column("place_id", Text, primary_key=True),
    Column("subject", LargeBinary, primary_key=True),
    ForeignKeyConstraint(["tenant_id", "erasure_id"], ["erasure.tenant_id", "erasure.erasure_id"]),
    ForeignKeyConstraint(["tenant_id", "place_id"], ["place.tenant_id", "place.place_id"]),
)
"""What places are still to carry out; the subject, and so the PIN, goes with the row."""
