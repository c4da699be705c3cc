"""Retention policies and legal holds, and the right to delete what is older than they allow."""

from alembic import op

revision = "0007"
down_revision = "0006"

TABLES = ("retention_policy", "legal_hold")

SCHEMA = """
CREATE TABLE retention_policy (
    tenant_id text NOT NULL REFERENCES tenant,
    number integer NOT NULL,
    body jsonb NOT NULL,
    PRIMARY KEY (tenant_id, number)
);
CREATE TABLE legal_hold (
    tenant_id text NOT NULL REFERENCES tenant,
    hold_id text NOT NULL,
    body jsonb NOT NULL,
    PRIMARY KEY (tenant_id, hold_id)
);
GRANT SELECT, INSERT ON retention_policy TO biometric_flow_app;
GRANT SELECT, INSERT, UPDATE ON legal_hold TO biometric_flow_app;
GRANT DELETE ON correction, workday, leave_request, regularisation, adjustment, employee, person, enrolment
    TO biometric_flow_app;
"""

PURGE = """
CREATE FUNCTION purge_punches(older_than timestamptz, held uuid[]) RETURNS bigint
LANGUAGE sql SECURITY DEFINER SET search_path = public, pg_temp AS $$
    WITH gone AS (
        DELETE FROM punch p WHERE p.instant < older_than AND NOT EXISTS (
            SELECT FROM pin_holding h WHERE h.place_id = p.place_id AND h.pin = p.pin AND h.person_id = ANY (held))
        RETURNING p.place_id
    ), counted AS (
        SELECT place_id, count(*) AS punches FROM gone GROUP BY place_id
    ), told AS (
        UPDATE place SET punches = place.punches - counted.punches FROM counted WHERE counted.place_id = place.place_id
    )
    SELECT coalesce(sum(punches), 0)::bigint FROM counted
$$
"""
"""The application may not delete punches; it may ask for those to go that are older than a time, holds excepted."""


def upgrade() -> None:
    """Make them, each tenant's own."""
    for statement in SCHEMA.split(";\n"):
        if statement.strip():
            op.execute(statement)
    for table in TABLES:
        op.execute(f"ALTER TABLE {table} ENABLE ROW LEVEL SECURITY")
        op.execute(f"ALTER TABLE {table} FORCE ROW LEVEL SECURITY")
        op.execute(f"CREATE POLICY tenant_isolation ON {table} USING (tenant_id = current_setting('app.tenant', true))")
    op.execute(PURGE)
    op.execute("REVOKE ALL ON FUNCTION purge_punches(timestamptz, uuid[]) FROM PUBLIC")
    op.execute("GRANT EXECUTE ON FUNCTION purge_punches(timestamptz, uuid[]) TO biometric_flow_app")


def downgrade() -> None:
    """Remove them; what was deleted is gone."""
    op.execute("DROP FUNCTION purge_punches(timestamptz, uuid[])")
    op.execute(f"DROP TABLE {', '.join(TABLES)}")
