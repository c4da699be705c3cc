"""Entries of touches that were told before: whose punch is theirs once the first one's person is erased."""

from alembic import op

revision = "0030"
down_revision = "0029"

SCHEMA = """
CREATE TABLE told_again (
    tenant_id text NOT NULL,
    place_id text NOT NULL,
    sequence bigint NOT NULL,
    PRIMARY KEY (tenant_id, place_id, sequence),
    FOREIGN KEY (tenant_id, place_id) REFERENCES place
);
GRANT SELECT, INSERT, DELETE ON told_again TO biometric_flow_app
"""
READ = ("ledger_entry", "punch", "archived_punch")
FILL = """
INSERT INTO told_again SELECT tenant_id, place_id, sequence FROM ledger_entry e
WHERE e.record <> '' AND position(convert_to('punch_recorded', 'UTF8') IN e.leaf) > 0
    AND NOT EXISTS (SELECT FROM punch p WHERE p.tenant_id = e.tenant_id AND p.place_id = e.place_id
        AND p.sequence = e.sequence)
    AND NOT EXISTS (SELECT FROM archived_punch a WHERE a.tenant_id = e.tenant_id AND a.place_id = e.place_id
        AND a.sequence = e.sequence)
"""
"""The leaf says in the clear what kind of entry it is. Rows that retention let go come along, and do no harm."""
UNLIMITED = "(SELECT coalesce(current_setting('app.places', true), '')) = ''"
OF_PLACE = "place_id = ANY (string_to_array((SELECT current_setting('app.places', true)), ','))"


def upgrade() -> None:
    """Make it, each tenant's own, within the reach of a request, and find what was told again until now."""
    for statement in SCHEMA.split(";\n"):
        op.execute(statement)
    for table in READ:
        op.execute(f"ALTER TABLE {table} NO FORCE ROW LEVEL SECURITY")
    op.execute(FILL)
    for table in READ:
        op.execute(f"ALTER TABLE {table} FORCE ROW LEVEL SECURITY")
    op.execute("ALTER TABLE told_again ENABLE ROW LEVEL SECURITY")
    op.execute("ALTER TABLE told_again FORCE ROW LEVEL SECURITY")
    op.execute("CREATE POLICY tenant_isolation ON told_again USING (tenant_id = current_setting('app.tenant', true))")
    op.execute(f"CREATE POLICY reach ON told_again AS RESTRICTIVE USING ({UNLIMITED} OR {OF_PLACE})")


def downgrade() -> None:
    """Remove it."""
    op.execute("DROP TABLE told_again")
