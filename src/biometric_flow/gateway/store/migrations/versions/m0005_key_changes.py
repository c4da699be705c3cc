"""Changes of places' signing keys, as their ledgers tell them."""

from alembic import op

revision = "0005"
down_revision = "0004"

SCHEMA = """
CREATE TABLE place_key_change (
    tenant_id text NOT NULL,
    place_id text NOT NULL,
    sequence bigint NOT NULL,
    note text NOT NULL,
    PRIMARY KEY (tenant_id, place_id, sequence),
    FOREIGN KEY (tenant_id, place_id) REFERENCES place
);
GRANT SELECT, INSERT ON place_key_change TO biometric_flow_app;
ALTER TABLE place_key_change ENABLE ROW LEVEL SECURITY;
ALTER TABLE place_key_change FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant_isolation ON place_key_change USING (tenant_id = current_setting('app.tenant', true));
"""


def upgrade() -> None:
    """Make it, each tenant's own."""
    for statement in SCHEMA.split(";\n"):
        if statement.strip():
            op.execute(statement)


def downgrade() -> None:
    """Remove it; the entries that it was made from stay."""
    op.execute("DROP TABLE place_key_change")
