"""By what a restore knows again whom an erasure was about, without a name."""

from alembic import op

revision = "0020"
down_revision = "0019"


def upgrade() -> None:
    """Digests of 32 bytes each, one after the other; erasures of before have none."""
    op.execute(
        "ALTER TABLE erasure ADD COLUMN marks bytea NOT NULL DEFAULT ''"
        " CONSTRAINT erasure_marks CHECK (octet_length(marks) % 32 = 0)"
    )


def downgrade() -> None:
    """A register beside the backups keeps what was written there."""
    op.execute("ALTER TABLE erasure DROP COLUMN marks")
