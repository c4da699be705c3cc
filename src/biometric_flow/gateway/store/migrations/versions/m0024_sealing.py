"""What proves that the key store belongs to this database, and keys that are to be destroyed."""

from alembic import op

from biometric_flow.gateway.store.migrations.sealed_rows import refuse_downgrade

revision = "0024"
down_revision = "0023"

TABLES = ("sealing", "key_ending")

SCHEMA = """
CREATE TABLE sealing (
    tenant_id text PRIMARY KEY,
    probe bytea NOT NULL,
    is_rewritten boolean NOT NULL
);
CREATE TABLE key_ending (
    tenant_id text NOT NULL,
    kind text NOT NULL,
    owner text NOT NULL,
    PRIMARY KEY (tenant_id, kind, owner)
);
ALTER TABLE archive_key ALTER COLUMN secret DROP NOT NULL;
GRANT SELECT ON sealing TO biometric_flow_app;
GRANT SELECT, INSERT, DELETE ON key_ending TO biometric_flow_app;
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
    """Remove them, where no row is sealed: an older program could not read it."""
    refuse_downgrade({"ledger_entry": ("record",), "audit_entry": ("record",)})
    op.execute("DROP TABLE key_ending, sealing")
