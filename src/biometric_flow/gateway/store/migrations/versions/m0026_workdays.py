"""Of a workday, what lists and periods ask for in columns; all else becomes bytes that the next start seals."""

from alembic import op

from biometric_flow.gateway.store.migrations.sealed_rows import look_again, refuse_downgrade

revision = "0026"
down_revision = "0025"

UP = """
ALTER TABLE workday ADD COLUMN pay jsonb;
ALTER TABLE workday ALTER COLUMN pay TYPE jsonb USING body -> 'pay',
    ALTER COLUMN body TYPE bytea USING convert_to(body::text, 'UTF8');
ALTER TABLE workday ALTER COLUMN pay SET NOT NULL
"""
DOWN = """
ALTER TABLE workday ALTER COLUMN body TYPE jsonb USING convert_from(body, 'UTF8')::jsonb, DROP COLUMN pay
"""


def upgrade() -> None:
    """Written anew once, without a change of rows: no trigger says that hours changed."""
    for statement in UP.split(";\n"):
        op.execute(statement)
    look_again()


def downgrade() -> None:
    """Make it a document again, where none is sealed."""
    refuse_downgrade({"workday": ("body",)})
    op.execute(DOWN)
