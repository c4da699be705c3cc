"""Corrections of terminals' clocks as documents."""

from alembic import op

revision = "0009"
down_revision = "0008"

_CHECK = "ALTER TABLE plan_document DROP CONSTRAINT plan_document_kind_check, ADD CONSTRAINT plan_document_kind_check "


def upgrade() -> None:
    """Allow them."""
    op.execute(_CHECK + "CHECK (kind IN ('shift', 'schedule', 'calendar', 'clock', 'payroll'))")


def downgrade() -> None:
    """Remove them; what they corrected counts as the terminals told it again."""
    op.execute("DELETE FROM plan_document WHERE kind = 'clock'")
    op.execute(_CHECK + "CHECK (kind IN ('shift', 'schedule', 'calendar', 'payroll'))")
