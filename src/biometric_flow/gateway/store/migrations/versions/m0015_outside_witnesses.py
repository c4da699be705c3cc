"""What witnesses outside said of the gateway's own log: every cosignature, and how the last attempt went."""

from alembic import op

revision = "0015"
down_revision = "0014"

TABLES = ("outside_cosignature", "outside_witness")

SCHEMA = """
CREATE TABLE outside_cosignature (
    tenant_id text NOT NULL REFERENCES tenant,
    witness text NOT NULL,
    size bigint NOT NULL CHECK (size > 0),
    note text NOT NULL,
    cosigned_at timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, witness, size)
);
CREATE TABLE outside_witness (
    tenant_id text NOT NULL REFERENCES tenant,
    witness text NOT NULL,
    url text NOT NULL,
    since timestamptz NOT NULL,
    reached_at timestamptz,
    failure text NOT NULL,
    is_contradiction boolean NOT NULL,
    PRIMARY KEY (tenant_id, witness)
);
GRANT SELECT, INSERT ON outside_cosignature TO biometric_flow_app;
GRANT SELECT, INSERT, UPDATE, DELETE ON outside_witness TO biometric_flow_app
"""


def upgrade() -> None:
    """Make them, each tenant's own."""
    for statement in SCHEMA.split(";\n"):
        op.execute(statement)
    for table in TABLES:
        op.execute(f"ALTER TABLE {table} ENABLE ROW LEVEL SECURITY")
        op.execute(f"ALTER TABLE {table} FORCE ROW LEVEL SECURITY")
        op.execute(f"CREATE POLICY tenant_isolation ON {table} USING (tenant_id = current_setting('app.tenant', true))")


def downgrade() -> None:
    """Remove them; the witnesses themselves remember."""
    op.execute(f"DROP TABLE {', '.join(TABLES)}")
