"""Words about erasures, holds, releases, policies and periods become bytes, which the next start seals."""

from alembic import op

from biometric_flow.gateway.store.migrations.sealed_rows import look_again, refuse_downgrade

revision = "0028"
down_revision = "0027"

TEXTS = {"erasure": ("decided_by", "reason"), "pay_period_event": ("reason",)}
DOCUMENTS = ("legal_hold", "retention_policy", "consent")

UP = """
ALTER TABLE consent ADD COLUMN given_at timestamptz;
ALTER TABLE consent ALTER COLUMN given_at TYPE timestamptz USING (body ->> 'given_at')::timestamptz;
ALTER TABLE consent ALTER COLUMN given_at SET NOT NULL
"""


def upgrade() -> None:
    """No text begins like an envelope: the control character that it begins with goes, where there is one."""
    for statement in UP.split(";\n"):
        op.execute(statement)
    for table, columns in TEXTS.items():
        for one in columns:
            op.execute(f"ALTER TABLE {table} ALTER {one} TYPE bytea USING convert_to(ltrim({one}, chr(1)), 'UTF8')")
    for table in DOCUMENTS:
        op.execute(f"ALTER TABLE {table} ALTER body TYPE bytea USING convert_to(body::text, 'UTF8')")
    look_again()


def downgrade() -> None:
    """Make them what they were, where none is sealed."""
    refuse_downgrade({**TEXTS, **dict.fromkeys(DOCUMENTS, ("body",))})
    for table, columns in TEXTS.items():
        for one in columns:
            op.execute(f"ALTER TABLE {table} ALTER {one} TYPE text USING convert_from({one}, 'UTF8')")
    for table in DOCUMENTS:
        op.execute(f"ALTER TABLE {table} ALTER body TYPE jsonb USING convert_from(body, 'UTF8')::jsonb")
    op.execute("ALTER TABLE consent DROP COLUMN given_at")
