"""Second factors, recovery codes, and which roles have to have one."""

from alembic import op

revision = "0018"
down_revision = "0017"

TABLES = ("second_factor", "recovery_code", "sign_in_rule")

SCHEMA = """
CREATE TABLE second_factor (
    tenant_id text NOT NULL,
    account_id uuid NOT NULL,
    sealed bytea NOT NULL,
    made_at timestamptz NOT NULL,
    confirmed_at timestamptz,
    last_step bigint NOT NULL,
    PRIMARY KEY (tenant_id, account_id),
    FOREIGN KEY (tenant_id, account_id) REFERENCES account
);
CREATE TABLE recovery_code (
    tenant_id text NOT NULL,
    account_id uuid NOT NULL,
    digest bytea NOT NULL CHECK (length(digest) = 32),
    PRIMARY KEY (tenant_id, account_id, digest),
    FOREIGN KEY (tenant_id, account_id) REFERENCES account
);
CREATE TABLE sign_in_rule (
    tenant_id text NOT NULL REFERENCES tenant,
    is_factor_for_all boolean NOT NULL,
    factor_roles text[] NOT NULL,
    PRIMARY KEY (tenant_id)
);
GRANT SELECT, INSERT, UPDATE, DELETE ON second_factor, sign_in_rule TO biometric_flow_app;
GRANT SELECT, INSERT, DELETE ON recovery_code TO biometric_flow_app
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
    """Remove them; everybody signs in with a password alone."""
    op.execute(f"DROP TABLE {', '.join(TABLES)}")
