"""How often what the API shows was changed, by tenant and topic: what a remembered answer is compared with.

A statement that writes raises the counter of a slot that no other transaction under way holds, so that no writer ever
waits for another; the sum over the slots grows with every commit, in the moment in which it becomes visible.
"""

from alembic import op

revision = "0017"
down_revision = "0016"

SCHEMA = """
CREATE TABLE data_version (
    tenant_id text NOT NULL REFERENCES tenant,
    topic text NOT NULL,
    slot integer NOT NULL,
    changes bigint NOT NULL,
    PRIMARY KEY (tenant_id, topic, slot)
);
GRANT SELECT, INSERT, UPDATE ON data_version TO biometric_flow_app;
ALTER TABLE data_version ENABLE ROW LEVEL SECURITY;
ALTER TABLE data_version FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant_isolation ON data_version USING (tenant_id = current_setting('app.tenant', true))
"""

CHANGED = """
CREATE FUNCTION data_changed() RETURNS trigger LANGUAGE plpgsql SET search_path = public, pg_temp AS $$
DECLARE
    topic_changed CONSTANT text := TG_ARGV[0];
    owner CONSTANT text := coalesce(current_setting('app.tenant', true), '');
    mark CONSTANT text := owner || ' ' || pg_current_xact_id()::text;
    free_slot integer := 0;
BEGIN
    IF owner = '' THEN
        INSERT INTO data_version SELECT tenant_id, topic_changed, 0, 1 FROM tenant
            ON CONFLICT (tenant_id, topic, slot) DO UPDATE SET changes = data_version.changes + 1;
        RETURN NULL;
    END IF;
    IF current_setting('app.changed_' || topic_changed, true) = mark THEN
        RETURN NULL;
    END IF;
    WHILE NOT pg_try_advisory_xact_lock(hashtext(owner || ' changes ' || topic_changed), free_slot) LOOP
        free_slot := free_slot + 1;
    END LOOP;
    INSERT INTO data_version VALUES (owner, topic_changed, free_slot, 1)
        ON CONFLICT (tenant_id, topic, slot) DO UPDATE SET changes = data_version.changes + 1;
    PERFORM set_config('app.changed_' || topic_changed, mark, true);
    RETURN NULL;
END
$$
"""
"""Without a tenant it is a superuser's hand: then every tenant's answers are forgotten."""

WHOLE = {
    "punch": ("punch", "person", "archive_file", "archive_key", "archived_punch"),
    "workday": ("workday", "employee", "department", "pay_period", "regularisation", "leave_request", "adjustment"),
}
"""Topic -> tables of which every change counts."""

PARTLY = """
CREATE TRIGGER data_of_punch AFTER INSERT OR DELETE OR UPDATE OF name, zone, is_active ON place
    FOR EACH STATEMENT EXECUTE FUNCTION data_changed('punch');
CREATE TRIGGER data_of_punch AFTER INSERT OR DELETE ON terminal_status
    FOR EACH ROW EXECUTE FUNCTION data_changed('punch');
CREATE TRIGGER data_of_punch_names AFTER UPDATE ON terminal_status
    FOR EACH ROW WHEN (OLD.name IS DISTINCT FROM NEW.name OR OLD.serial IS DISTINCT FROM NEW.serial)
    EXECUTE FUNCTION data_changed('punch')
"""
"""Reports of places, every few seconds, change nothing that is shown with a punch."""


def upgrade() -> None:
    """Make the counters and what raises them."""
    for statement in SCHEMA.split(";\n"):
        op.execute(statement)
    op.execute(CHANGED)
    for topic, tables in WHOLE.items():
        for table in tables:
            op.execute(
                f"CREATE TRIGGER data_of_{topic} AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON {table}"
                f" FOR EACH STATEMENT EXECUTE FUNCTION data_changed('{topic}')"
            )
    for statement in PARTLY.split(";\n"):
        op.execute(statement)


def downgrade() -> None:
    """Remove them."""
    op.execute("DROP FUNCTION data_changed() CASCADE")
    op.execute("DROP TABLE data_version")
