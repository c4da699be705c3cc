"""Keys that places prove themselves with, and the single-use tokens that they join with."""

from alembic import op

revision = "0023"
down_revision = "0022"

TABLES = ("link_key", "join_token")

SCHEMA = """
CREATE TABLE link_key (
    tenant_id text NOT NULL,
    place_id text NOT NULL,
    key_id text NOT NULL,
    public_key bytea NOT NULL CHECK (length(public_key) = 32),
    made_at timestamptz NOT NULL,
    ends_at timestamptz,
    revoked_at timestamptz,
    PRIMARY KEY (tenant_id, place_id, key_id),
    FOREIGN KEY (tenant_id, place_id) REFERENCES place
);
CREATE TABLE join_token (
    tenant_id text NOT NULL,
    digest bytea NOT NULL CHECK (length(digest) = 32),
    place_id text NOT NULL,
    expires_at timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, digest),
    FOREIGN KEY (tenant_id, place_id) REFERENCES place
);
GRANT SELECT, INSERT, UPDATE (ends_at, revoked_at) ON link_key TO biometric_flow_app;
GRANT SELECT, INSERT, DELETE ON join_token TO biometric_flow_app
"""
UNLIMITED = "(SELECT coalesce(current_setting('app.places', true), '')) = ''"
OF_PLACE = "place_id = ANY (string_to_array((SELECT current_setting('app.places', true)), ','))"


def upgrade() -> None:
    """Make them, each tenant's own, within the reach of a request."""
    for statement in SCHEMA.split(";\n"):
        op.execute(statement)
    for table in TABLES:
        op.execute(f"ALTER TABLE {table} ENABLE ROW LEVEL SECURITY")
        op.execute(f"ALTER TABLE {table} FORCE ROW LEVEL SECURITY")
        op.execute(f"CREATE POLICY tenant_isolation ON {table} USING (tenant_id = current_setting('app.tenant', true))")
        op.execute(f"CREATE POLICY reach ON {table} AS RESTRICTIVE USING ({UNLIMITED} OR {OF_PLACE})")


def downgrade() -> None:
    """Remove them; places have to join again."""
    op.execute(f"DROP TABLE {', '.join(TABLES)}")
