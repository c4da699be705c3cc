"""Where each terminal has punched, and whether punches have names that nobody can guess: the next start gives them."""

from alembic import op
from alembic.util import CommandError

revision = "0031"
down_revision = "0030"

SCHEMA = """
CREATE TABLE terminal_place (
    tenant_id text NOT NULL,
    terminal text NOT NULL,
    place_id text NOT NULL,
    PRIMARY KEY (tenant_id, terminal, place_id),
    FOREIGN KEY (tenant_id, place_id) REFERENCES place
);
GRANT SELECT, INSERT ON terminal_place TO biometric_flow_app;
ALTER TABLE terminal_place ENABLE ROW LEVEL SECURITY;
ALTER TABLE terminal_place FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant_isolation ON terminal_place USING (tenant_id = current_setting('app.tenant', true));
CREATE POLICY reach ON terminal_place AS RESTRICTIVE USING (
    (SELECT coalesce(current_setting('app.places', true), '')) = ''
    OR place_id = ANY (string_to_array((SELECT current_setting('app.places', true)), ',')));
ALTER TABLE sealing ADD COLUMN has_punch_ids boolean NOT NULL DEFAULT false;
ALTER TABLE sealing ALTER COLUMN has_punch_ids DROP DEFAULT
"""


def upgrade() -> None:
    """No punch is named anew here: that takes keys, which the next start has."""
    for statement in SCHEMA.split(";\n"):
        op.execute(statement)


def downgrade() -> None:
    """An older program would take every punch again: it has to find none."""
    op.execute("ALTER TABLE punch NO FORCE ROW LEVEL SECURITY")
    op.execute("ALTER TABLE archived_punch NO FORCE ROW LEVEL SECURITY")
    query = "SELECT (SELECT count(*) FROM punch) + (SELECT count(*) FROM archived_punch)"
    count = op.get_bind().exec_driver_sql(query).scalar_one()
    if count:
        raise CommandError(
            f"expected no punches, there are {count}, by names that an older program does not know: it would take each"
            " of them again, and nothing was changed. Keep this version, or restore the backup from before the upgrade"
            " (biometric-flow backup restore)"
        )
    op.execute("ALTER TABLE punch FORCE ROW LEVEL SECURITY")
    op.execute("ALTER TABLE archived_punch FORCE ROW LEVEL SECURITY")
    op.execute("ALTER TABLE sealing DROP COLUMN has_punch_ids")
    op.execute("DROP TABLE terminal_place")
