"""What the gateway witnessed: keys of places, their checkpoints, its own log of these, and what it refused."""

from alembic import op

revision = "0002"
down_revision = "0001"

TABLES = ("place_key", "ledger_node", "checkpoint", "checkpoint_refused", "checkpoint_log")

SCHEMA = """
CREATE TABLE place_key (
    tenant_id text NOT NULL,
    place_id text NOT NULL,
    vkey text NOT NULL,
    source text NOT NULL CHECK (source IN ('configured', 'first_use')),
    pinned_at timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, place_id, vkey),
    FOREIGN KEY (tenant_id, place_id) REFERENCES place
);
CREATE TABLE ledger_node (
    tenant_id text NOT NULL REFERENCES tenant,
    log text NOT NULL,
    level integer NOT NULL CHECK (level > 0),
    position bigint NOT NULL,
    hash bytea NOT NULL CHECK (length(hash) = 32),
    PRIMARY KEY (tenant_id, log, level, position)
);
CREATE TABLE checkpoint (
    tenant_id text NOT NULL,
    place_id text NOT NULL,
    size bigint NOT NULL CHECK (size > 0),
    note text NOT NULL,
    received_at timestamptz NOT NULL,
    number bigint NOT NULL,
    leaf bytea NOT NULL,
    hash bytea NOT NULL CHECK (length(hash) = 32),
    PRIMARY KEY (tenant_id, place_id, size),
    UNIQUE (tenant_id, number),
    FOREIGN KEY (tenant_id, place_id) REFERENCES place
);
CREATE TABLE checkpoint_refused (
    tenant_id text NOT NULL,
    place_id text NOT NULL,
    digest bytea NOT NULL CHECK (length(digest) = 32),
    note text NOT NULL,
    reason text NOT NULL,
    received_at timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, place_id, digest),
    FOREIGN KEY (tenant_id, place_id) REFERENCES place
);
CREATE TABLE checkpoint_log (
    tenant_id text PRIMARY KEY REFERENCES tenant,
    size bigint NOT NULL,
    note text NOT NULL
);

GRANT SELECT, INSERT ON place_key, ledger_node, checkpoint, checkpoint_refused TO biometric_flow_app;
GRANT SELECT, INSERT, UPDATE ON checkpoint_log TO biometric_flow_app;
"""


SEQUENCES = """
UPDATE punch AS p SET sequence = e.sequence FROM ledger_entry AS e
WHERE p.tenant_id = e.tenant_id AND p.place_id = e.place_id
    AND substring(e.record FROM 2 FOR 5) = '\\x6269645820' AND substring(e.record FROM 7 FOR 32) = p.punch_id
"""
"""A punch's record is a map whose first key is its id: `bf?` `62 6964` `58 20`, then the 32 bytes."""


def upgrade() -> None:
    """Make them, each tenant's own, and tell each punch its place in the ledger."""
    op.execute("ALTER TABLE punch ADD COLUMN sequence bigint")
    for table in ("punch", "ledger_entry"):
        op.execute(f"ALTER TABLE {table} NO FORCE ROW LEVEL SECURITY")
    op.execute(SEQUENCES)
    for table in ("punch", "ledger_entry"):
        op.execute(f"ALTER TABLE {table} FORCE ROW LEVEL SECURITY")
    op.execute("ALTER TABLE punch ALTER COLUMN sequence SET NOT NULL")
    for statement in SCHEMA.split(";\n"):
        if statement.strip():
            op.execute(statement)
    for table in TABLES:
        op.execute(f"ALTER TABLE {table} ENABLE ROW LEVEL SECURITY")
        op.execute(f"ALTER TABLE {table} FORCE ROW LEVEL SECURITY")
        op.execute(f"CREATE POLICY tenant_isolation ON {table} USING (tenant_id = current_setting('app.tenant', true))")


def downgrade() -> None:
    """Remove them, with what they prove."""
    op.execute("ALTER TABLE punch DROP COLUMN sequence")
    op.execute(f"DROP TABLE {', '.join(TABLES)}")
