"""Tables of retention policies and legal holds, as queries name them; the migrations make them."""

from sqlalchemy import Column, ForeignKeyConstraint, Integer, Table, Text
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
