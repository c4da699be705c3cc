"""Alerts, the channels where they are told, and messages that wait for their delivery."""

from alembic import op

revision = "0022"
down_revision = "0021"

TABLES = ("alert", "alert_channel", "alert_message")

SCHEMA = """
CREATE TABLE alert (
    tenant_id text NOT NULL REFERENCES tenant,
    alert_id uuid NOT NULL,
    kind text NOT NULL,
    place_id text NOT NULL,
    subject text NOT NULL,
    text text NOT NULL,
    is_urgent boolean NOT NULL,
    raised_at timestamptz NOT NULL,
    seen_at timestamptz NOT NULL,
    told_at timestamptz,
    acknowledged_at timestamptz,
    acknowledged_by text NOT NULL,
    resolved_at timestamptz,
    PRIMARY KEY (tenant_id, alert_id)
);
CREATE UNIQUE INDEX alert_open ON alert (tenant_id, kind, place_id, subject) WHERE resolved_at IS NULL;
CREATE INDEX alert_by_time ON alert (tenant_id, raised_at);
CREATE TABLE alert_channel (
    tenant_id text NOT NULL REFERENCES tenant,
    name text NOT NULL,
    url text NOT NULL,
    quiet jsonb,
    is_enabled boolean NOT NULL,
    PRIMARY KEY (tenant_id, name)
);
CREATE TABLE alert_message (
    tenant_id text NOT NULL,
    message_id uuid NOT NULL,
    channel text NOT NULL,
    title text NOT NULL,
    body text NOT NULL,
    created_at timestamptz NOT NULL,
    due_at timestamptz NOT NULL,
    attempts integer NOT NULL,
    failure text NOT NULL,
    PRIMARY KEY (tenant_id, message_id),
    FOREIGN KEY (tenant_id, channel) REFERENCES alert_channel (tenant_id, name) ON DELETE CASCADE
);
CREATE INDEX alert_message_due ON alert_message (tenant_id, due_at);
GRANT SELECT, INSERT, UPDATE ON alert TO biometric_flow_app;
GRANT SELECT, INSERT, UPDATE, DELETE ON alert_channel, alert_message TO biometric_flow_app;
CREATE TRIGGER data_of_alert AFTER INSERT ON alert FOR EACH ROW EXECUTE FUNCTION data_changed('alert');
CREATE TRIGGER data_of_alert_state AFTER UPDATE ON alert FOR EACH ROW
    WHEN ((OLD.text, OLD.told_at, OLD.acknowledged_at, OLD.resolved_at)
        IS DISTINCT FROM (NEW.text, NEW.told_at, NEW.acknowledged_at, NEW.resolved_at))
    EXECUTE FUNCTION data_changed('alert')
"""

REACH = (
    "(SELECT coalesce(current_setting('app.places', true), '')) = ''"
    " OR place_id = ANY (string_to_array((SELECT current_setting('app.places', true)), ','))"
)


def upgrade() -> None:
    """Make them, each tenant's own."""
    for statement in SCHEMA.split(";\n"):
        op.execute(statement)
    for table in TABLES:
        op.execute(f"ALTER TABLE {table} ENABLE ROW LEVEL SECURITY")
        op.execute(f"ALTER TABLE {table} FORCE ROW LEVEL SECURITY")
        op.execute(f"CREATE POLICY tenant_isolation ON {table} USING (tenant_id = current_setting('app.tenant', true))")
    op.execute(f"CREATE POLICY reach ON alert AS RESTRICTIVE USING ({REACH})")


def downgrade() -> None:
    """Remove them."""
    op.execute(f"DROP TABLE {', '.join(reversed(TABLES))}")
