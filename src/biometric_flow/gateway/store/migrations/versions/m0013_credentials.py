"""API keys, invitations, and what kind an account is."""

from alembic import op

revision = "0013"
down_revision = "0012"

TABLES = ("api_key", "invitation")

SCHEMA = """
ALTER TABLE account ADD COLUMN kind text NOT NULL DEFAULT 'person' CHECK (kind IN ('person', 'service'));
CREATE TABLE api_key (
    tenant_id text NOT NULL,
    key_id uuid NOT NULL,
    account_id uuid NOT NULL,
    name text NOT NULL,
    digest bytea NOT NULL CHECK (length(digest) = 32),
    permissions text[] NOT NULL,
    created_at timestamptz NOT NULL,
    created_by text NOT NULL,
    expires_at timestamptz NOT NULL,
    last_used timestamptz,
    PRIMARY KEY (tenant_id, key_id),
    UNIQUE (tenant_id, digest),
    FOREIGN KEY (tenant_id, account_id) REFERENCES account
);
CREATE TABLE invitation (
    tenant_id text NOT NULL,
    digest bytea NOT NULL CHECK (length(digest) = 32),
    account_id uuid NOT NULL,
    expires_at timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, digest),
    FOREIGN KEY (tenant_id, account_id) REFERENCES account
);
GRANT SELECT, INSERT, DELETE, UPDATE (last_used) ON api_key TO biometric_flow_app;
GRANT SELECT, INSERT, DELETE ON invitation TO biometric_flow_app;
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
    """Remove them; whoever used a key has to be given another."""
    op.execute(f"DROP TABLE {', '.join(TABLES)}")
    op.execute("ALTER TABLE account DROP COLUMN kind")
