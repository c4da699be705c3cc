"""Openings of the sealed role: who asked, who opened it, until when, and who looked at it afterwards."""

from alembic import op

revision = "0032"
down_revision = "0031"

SCHEMA = """
CREATE TABLE break_glass (
    tenant_id text NOT NULL,
    opening_id uuid NOT NULL,
    account_id uuid NOT NULL,
    lasts interval NOT NULL,
    asked_at timestamptz NOT NULL,
    reason bytea NOT NULL,
    opened_by text NOT NULL,
    ends_at timestamptz,
    reviewed_by text NOT NULL,
    reviewed_at timestamptz,
    review bytea NOT NULL,
    PRIMARY KEY (tenant_id, opening_id),
    FOREIGN KEY (tenant_id, account_id) REFERENCES account
);
GRANT SELECT, INSERT, UPDATE ON break_glass TO biometric_flow_app;
ALTER TABLE break_glass ENABLE ROW LEVEL SECURITY;
ALTER TABLE break_glass FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant_isolation ON break_glass USING (tenant_id = current_setting('app.tenant', true))
"""


def upgrade() -> None:
    """Make it, each tenant's own."""
    for statement in SCHEMA.split(";\n"):
        op.execute(statement)


def downgrade() -> None:
    """Remove it."""
    op.execute("DROP TABLE break_glass")
