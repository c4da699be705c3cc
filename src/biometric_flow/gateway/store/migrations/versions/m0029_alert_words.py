"""What alerts, places and terminals say, and where alerts are sent, becomes bytes, which the next start seals."""

from alembic import op

from biometric_flow.gateway.store.migrations.sealed_rows import look_again, refuse_downgrade

revision = "0029"
down_revision = "0028"

TEXTS = {"alert": ("text",), "alert_channel": ("url",), "alert_message": ("title", "body", "failure")}
REPORTS = {"place_report": ("backup",), "terminal_status": ("body",)}
UP = """
ALTER TABLE place_report ALTER backup DROP DEFAULT, ALTER backup TYPE bytea
    USING convert_to(ltrim(backup, chr(1)), 'UTF8');
ALTER TABLE place_report ALTER backup SET DEFAULT '';
ALTER TABLE terminal_status ALTER body TYPE bytea USING convert_to(body::text, 'UTF8')
"""
DOWN = """
ALTER TABLE place_report ALTER backup DROP DEFAULT, ALTER backup TYPE text USING convert_from(backup, 'UTF8');
ALTER TABLE place_report ALTER backup SET DEFAULT '';
ALTER TABLE terminal_status ALTER body TYPE jsonb USING convert_from(body, 'UTF8')::jsonb
"""
TRIGGER = """
CREATE TRIGGER data_of_alert_state AFTER UPDATE ON alert FOR EACH ROW
    WHEN ((OLD.text, OLD.told_at, OLD.acknowledged_at, OLD.resolved_at)
        IS DISTINCT FROM (NEW.text, NEW.told_at, NEW.acknowledged_at, NEW.resolved_at))
    EXECUTE FUNCTION data_changed('alert')
"""


def upgrade() -> None:
    """No text begins like an envelope: the control character that it begins with goes, where there is one."""
    _become("bytea", "convert_to(ltrim({}, chr(1)), 'UTF8')")
    for statement in UP.split(";\n"):
        op.execute(statement)
    look_again()


def downgrade() -> None:
    """Make them texts again, where none is sealed."""
    refuse_downgrade({**TEXTS, **REPORTS})
    _become("text", "convert_from({}, 'UTF8')")
    for statement in DOWN.split(";\n"):
        op.execute(statement)


def _become(kind: str, using: str) -> None:
    op.execute("DROP TRIGGER data_of_alert_state ON alert")
    for table, columns in TEXTS.items():
        for one in columns:
            op.execute(f"ALTER TABLE {table} ALTER {one} TYPE {kind} USING {using.format(one)}")
    op.execute(TRIGGER)
