"""Words about requests become bytes, so that they can lie sealed; the start that follows seals those of before."""

from alembic import op

from biometric_flow.gateway.store.migrations.sealed_rows import refuse_downgrade

revision = "0025"
down_revision = "0024"

TEXTS = {"regularisation": ("reason", "decision_reason"), "correction": ("reason",), "leave_request": ("reason",)}
DOCUMENTS = {"correction": ("changes",)}


def upgrade() -> None:
    """No text begins like an envelope: the control character that it begins with goes, where there is one."""
    for table, columns in TEXTS.items():
        _become(table, columns, "bytea", "convert_to(ltrim({}, chr(1)), 'UTF8')")
    for table, columns in DOCUMENTS.items():
        _become(table, columns, "bytea", "convert_to({}::text, 'UTF8')")
    op.execute("ALTER TABLE sealing ADD COLUMN has_words boolean NOT NULL DEFAULT false")
    op.execute("ALTER TABLE sealing ALTER COLUMN has_words DROP DEFAULT")


def downgrade() -> None:
    """Make them texts again, where none is sealed."""
    columns = {table: (*TEXTS[table], *DOCUMENTS.get(table, ())) for table in TEXTS}
    refuse_downgrade(columns)
    for table, names in TEXTS.items():
        _become(table, names, "text", "convert_from({}, 'UTF8')")
    for table, names in DOCUMENTS.items():
        _become(table, names, "jsonb", "convert_from({}, 'UTF8')::jsonb")
    op.execute("ALTER TABLE sealing DROP COLUMN has_words")


def _become(table: str, columns: tuple[str, ...], kind: str, using: str) -> None:
    changes = (f"ALTER COLUMN {one} TYPE {kind} USING {using.format(one)}" for one in columns)
    op.execute(f"ALTER TABLE {table} {', '.join(changes)}")
