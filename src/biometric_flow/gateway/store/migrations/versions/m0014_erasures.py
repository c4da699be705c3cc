"""Erasures of people at the gateway and their places, and the right to carry them out and nothing else."""

from alembic import op

revision = "0014"
down_revision = "0013"

TABLES = ("erasure", "erasure_order")

SCHEMA = """
CREATE TABLE erasure (
    tenant_id text NOT NULL REFERENCES tenant,
    erasure_id bytea NOT NULL CHECK (octet_length(erasure_id) = 16),
    person_id uuid,
    decided_by text NOT NULL,
    reason text NOT NULL,
    asked_at timestamptz NOT NULL,
    begun_at timestamptz,
    done_at timestamptz,
    entries bigint NOT NULL DEFAULT 0,
    PRIMARY KEY (tenant_id, erasure_id)
);
CREATE UNIQUE INDEX erasure_of_person ON erasure (tenant_id, person_id);
CREATE TABLE erasure_order (
    tenant_id text NOT NULL,
    erasure_id bytea NOT NULL,
    place_id text NOT NULL,
    pin text NOT NULL,
    PRIMARY KEY (tenant_id, erasure_id, place_id, pin),
    FOREIGN KEY (tenant_id, erasure_id) REFERENCES erasure,
    FOREIGN KEY (tenant_id, place_id) REFERENCES place
);
GRANT SELECT, INSERT, UPDATE ON erasure TO biometric_flow_app;
GRANT SELECT, INSERT, DELETE ON erasure_order TO biometric_flow_app;
"""

REACH = (
    "CREATE POLICY reach ON {} AS RESTRICTIVE USING ((SELECT coalesce(current_setting('app.places', true), '')) = '')"
)
"""Whoever reaches some places only sees nothing of them: an erasure is about all places."""

ERASE = """
CREATE FUNCTION erase_punches(of_place text, of_pin text) RETURNS bigint
LANGUAGE sql SECURITY DEFINER SET search_path = public, pg_temp AS $$
    WITH gone AS (
        DELETE FROM punch p WHERE p.place_id = of_place AND p.pin = of_pin AND EXISTS (
            SELECT FROM erasure_order o WHERE o.place_id = p.place_id AND o.pin = p.pin)
        RETURNING 1
    ), counted AS (
        SELECT count(*) AS punches FROM gone
    ), told AS (
        UPDATE place SET punches = place.punches - counted.punches FROM counted WHERE place.place_id = of_place
    )
    SELECT punches FROM counted
$$
"""
FORGET = """
CREATE FUNCTION forget_records(of_place text, entries bigint[]) RETURNS bigint
LANGUAGE sql SECURITY DEFINER SET search_path = public, pg_temp AS $$
    WITH blank AS (
        UPDATE ledger_entry e SET record = '', opening = ''
        WHERE e.place_id = of_place AND e.sequence = ANY (entries)
            AND EXISTS (SELECT FROM erasure_order o WHERE o.place_id = e.place_id)
        RETURNING 1
    )
    SELECT count(*) FROM blank
$$
"""
"""The application may delete no punch and change no entry; it may ask for those of an erasure that is under way."""
FUNCTIONS = ("erase_punches(text, text)", "forget_records(text, bigint[])")


def upgrade() -> None:
    """Make them, each tenant's own."""
    for statement in SCHEMA.split(";\n"):
        if statement.strip():
            op.execute(statement)
    for table in TABLES:
        op.execute(f"ALTER TABLE {table} ENABLE ROW LEVEL SECURITY")
        op.execute(f"ALTER TABLE {table} FORCE ROW LEVEL SECURITY")
        op.execute(f"CREATE POLICY tenant_isolation ON {table} USING (tenant_id = current_setting('app.tenant', true))")
        op.execute(REACH.format(table))
    op.execute(ERASE)
    op.execute(FORGET)
    for function in FUNCTIONS:
        op.execute(f"REVOKE ALL ON FUNCTION {function} FROM PUBLIC")
        op.execute(f"GRANT EXECUTE ON FUNCTION {function} TO biometric_flow_app")


def downgrade() -> None:
    """Remove them; who was erased stays erased."""
    for function in FUNCTIONS:
        op.execute(f"DROP FUNCTION {function}")
    op.execute(f"DROP TABLE {', '.join(reversed(TABLES))}")
