"""Why the place of a correction can never record it."""

from alembic import op

revision = "0027"
down_revision = "0026"


def upgrade() -> None:
    """Empty for all that were recorded, or wait."""
    op.execute("ALTER TABLE correction ADD COLUMN refused text")
    op.execute("GRANT UPDATE (refused) ON correction TO biometric_flow_app")


def downgrade() -> None:
    """Their entries in the ledgers stay and say it."""
    op.execute("UPDATE correction SET sequence = NULL WHERE refused IS NOT NULL")
    op.execute("ALTER TABLE correction DROP COLUMN refused")
