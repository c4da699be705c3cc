"""What people signed at places, and in which words, as the places tell it."""

from alembic import op

revision = "0008"
down_revision = "0007"

TABLES = ("consent", "consent_text")

SCHEMA = """
CREATE TABLE consent (
    tenant_id text NOT NULL,
    place_id text NOT NULL,
    number bigint NOT NULL,
    pin text NOT NULL,
    body jsonb NOT NULL,
    PRIMARY KEY (tenant_id, place_id, number),
    FOREIGN KEY (tenant_id, place_id) REFERENCES place
);
CREATE INDEX consent_by_pin ON consent (tenant_id, pin);
CREATE TABLE consent_text (
    tenant_id text NOT NULL,
    place_id text NOT NULL,
    version text NOT NULL,
    language text NOT NULL,
    body jsonb NOT NULL,
    PRIMARY KEY (tenant_id, place_id, version, language),
    FOREIGN KEY (tenant_id, place_id) REFERENCES place
);
GRANT SELECT, INSERT, UPDATE, DELETE ON consent TO biometric_flow_app;
GRANT SELECT, INSERT ON consent_text TO biometric_flow_app;
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
    """Remove them; the places have them."""
    op.execute(f"DROP TABLE {', '.join(TABLES)}")
