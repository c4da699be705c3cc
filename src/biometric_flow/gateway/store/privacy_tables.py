"""Tables of retention policies and legal holds, as queries name them; the migrations make them."""

from sqlalchemy import BigInteger, Column, ForeignKeyConstraint, Integer, Table, Text
from sqlalchemy.dialects.postgresql import JSONB

from biometric_flow.gateway.store.tables import metadata

retention_policy = Table(
    "retention_policy",
    metadata,
    Column("tenant_id", Text, primary_key=True),
    Column("number", Integer, primary_key=True),
    Column("body", JSONB, nullable=False),
    ForeignKeyConstraint(["tenant_id"], ["tenant.tenant_id"]),
)

legal_hold = Table(
    "legal_hold",
    metadata,
    Column("tenant_id", Text, primary_key=True),
    Column("hold_id", Text, primary_key=True),
    Column("body", JSONB, nullable=False),
    ForeignKeyConstraint(["tenant_id"], ["tenant.tenant_id"]),
)

consent = Table(
    "consent",
    metadata,
    Column("tenant_id", Text, primary_key=True),
    Column("place_id", Text, primary_key=True),
    Column("number", BigInteger, primary_key=True),
    Column("pin", Text, nullable=False),
    Column("body", JSONB, nullable=False),
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
