"""The audit trail of administration: one log per tenant, and one of the installation under the tenant `-`."""

from alembic import op

revision = "0004"
down_revision = "0003"

TABLES = ("audit_log", "audit_entry", "audit_node")

SCHEMA = """
CREATE TABLE audit_log (
    tenant_id text PRIMARY KEY,
    size bigint NOT NULL,
    head_hash bytea NOT NULL CHECK (length(head_hash) = 32),
    note text NOT NULL
);
CREATE TABLE audit_entry (
    tenant_id text NOT NULL,
    sequence bigint NOT NULL CHECK (sequence > 0),
    leaf bytea NOT NULL,
    hash bytea NOT NULL CHECK (length(hash) = 32),
    record bytea NOT NULL,
    opening bytea NOT NULL,
    PRIMARY KEY (tenant_id, sequence)
);
CREATE TABLE audit_node (
    tenant_id text NOT NULL,
    level integer NOT NULL CHECK (level > 0),
    position bigint NOT NULL,
    hash bytea NOT NULL CHECK (length(hash) = 32),
    PRIMARY KEY (tenant_id, level, position)
);

GRANT SELECT, INSERT ON audit_entry, audit_node TO biometric_flow_app;
GRANT SELECT, INSERT, UPDATE ON audit_log TO biometric_flow_app;
"""


def upgrade() -> None:
    """Make them, each tenant's own."""
    for statement in SCHEMA.split(";\n"):
        if statement.strip():
            op.execute(statement)
    for table in TABLES:
        op.execute(f"ALTER TABLE {table} ENABLE ROW LEVEL SECURITY")
        op.execute(f"ALTER TABLE {table} FORCE ROW LEVEL SECURITY")
        op.execute(f"CREATE POLICY tenant_isolation ON {table} USING (tenant_id = current_setting('app.tenant', true))")


def downgrade() -> None:
    """Remove them, with what they prove."""
    op.execute(f"DROP TABLE {', '.join(TABLES)}")
