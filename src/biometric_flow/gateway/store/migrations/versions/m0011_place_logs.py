"""The logs of a place after its first one: where each begins, and the decision that ended the one before."""

from alembic import op

revision = "0011"
down_revision = "0010"

SCHEMA = """
CREATE TABLE place_log (
    tenant_id text NOT NULL,
    place_id text NOT NULL,
    number integer NOT NULL CHECK (number > 1),
    begins bigint NOT NULL CHECK (begins > 0),
    note text NOT NULL,
    vkey text NOT NULL,
    begun_at timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, place_id, number),
    FOREIGN KEY (tenant_id, place_id) REFERENCES place
);
GRANT SELECT, INSERT ON place_log TO biometric_flow_app;
ALTER TABLE place_log ENABLE ROW LEVEL SECURITY;
ALTER TABLE place_log FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant_isolation ON place_log USING (tenant_id = current_setting('app.tenant', true));
CREATE POLICY reach ON place_log AS RESTRICTIVE USING (
    (SELECT coalesce(current_setting('app.places', true), '')) = ''
    OR place_id = ANY (string_to_array((SELECT current_setting('app.places', true)), ','))
);
"""


def upgrade() -> None:
    """Make it, each tenant's own."""
    for statement in SCHEMA.split(";\n"):
        if statement.strip():
            op.execute(statement)


def downgrade() -> None:
    """Remove it; places that began another log are refused afterwards."""
    op.execute("DROP TABLE place_log")
