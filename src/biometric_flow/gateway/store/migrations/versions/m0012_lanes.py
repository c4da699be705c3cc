"""Orders to compute many workdays stand in a lane of their own, behind what just happened."""

from alembic import op

revision = "0012"
down_revision = "0011"

_KEY = "ALTER TABLE workday_due DROP CONSTRAINT workday_due_pkey, ADD PRIMARY KEY "


def upgrade() -> None:
    """Make it; who is due already counts as having just happened."""
    op.execute("ALTER TABLE workday_due ADD COLUMN is_order boolean NOT NULL DEFAULT false")
    op.execute(_KEY + "(tenant_id, person_id, is_order)")


def downgrade() -> None:
    """One lane again; the days of both."""
    op.execute(
        "INSERT INTO workday_due SELECT tenant_id, person_id, first_day, last_day, since, marked, false"
        " FROM workday_due WHERE is_order ON CONFLICT (tenant_id, person_id, is_order) DO UPDATE SET"
        " first_day = least(workday_due.first_day, excluded.first_day),"
        " last_day = greatest(workday_due.last_day, excluded.last_day)"
    )
    op.execute("DELETE FROM workday_due WHERE is_order")
    op.execute(_KEY + "(tenant_id, person_id)")
    op.execute("ALTER TABLE workday_due DROP COLUMN is_order")
