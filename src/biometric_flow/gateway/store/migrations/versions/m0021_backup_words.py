"""What a place says is wrong with its backups."""

from alembic import op

revision = "0021"
down_revision = "0020"


def upgrade() -> None:
    """Empty while all is well."""
    op.execute("ALTER TABLE place_report ADD COLUMN backup text NOT NULL DEFAULT ''")


def downgrade() -> None:
    """It is said again with the next report."""
    op.execute("ALTER TABLE place_report DROP COLUMN backup")
