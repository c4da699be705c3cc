"""Files of archived punches, the keys of the people in them, and what is still to be known of each punch."""

from alembic import op

revision = "0016"
down_revision = "0015"

TABLES = ("archive_file", "archive_key", "archived_punch")

SCHEMA = """
CREATE TABLE archive_file (
    tenant_id text NOT NULL,
    file_id text NOT NULL,
    place_id text NOT NULL,
    month date NOT NULL,
    first_position bigint NOT NULL,
    last_position bigint NOT NULL,
    rows integer NOT NULL CHECK (rows > 0),
    size bigint NOT NULL,
    sha256 bytea NOT NULL CHECK (length(sha256) = 32),
    name text NOT NULL,
    version text NOT NULL,
    created_at timestamptz NOT NULL,
    locked_until timestamptz,
    PRIMARY KEY (tenant_id, file_id),
    FOREIGN KEY (tenant_id, place_id) REFERENCES place
);
CREATE TABLE archive_key (
    tenant_id text NOT NULL,
    subject bytea NOT NULL CHECK (length(subject) = 16),
    place_id text NOT NULL,
    pin text NOT NULL,
    secret bytea NOT NULL CHECK (length(secret) = 32),
    PRIMARY KEY (tenant_id, subject),
    UNIQUE (tenant_id, place_id, pin),
    FOREIGN KEY (tenant_id, place_id) REFERENCES place
);
CREATE TABLE archived_punch (
    tenant_id text NOT NULL,
    punch_id bytea NOT NULL CHECK (length(punch_id) = 32),
    place_id text NOT NULL,
    sequence bigint NOT NULL,
    file_id text NOT NULL,
    PRIMARY KEY (tenant_id, punch_id),
    FOREIGN KEY (tenant_id, file_id) REFERENCES archive_file (tenant_id, file_id)
);
CREATE INDEX archived_punch_by_file ON archived_punch (tenant_id, file_id);
GRANT SELECT, INSERT, DELETE ON archive_file, archive_key, archived_punch TO biometric_flow_app;
"""

REACH = (
    "(SELECT coalesce(current_setting('app.places', true), '')) = ''"
    " OR place_id = ANY (string_to_array((SELECT current_setting('app.places', true)), ','))"
)

MOVE = """
CREATE FUNCTION move_to_archive(wanted text) RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    moved bigint;
    file archive_file;
BEGIN
    SELECT * INTO STRICT file FROM archive_file WHERE file_id = wanted;
    WITH gone AS (
        DELETE FROM punch p WHERE p.place_id = file.place_id
            AND p.position BETWEEN file.first_position AND file.last_position
            AND p.instant >= file.month AT TIME ZONE 'UTC'
            AND p.instant < (file.month + interval '1 month') AT TIME ZONE 'UTC'
        RETURNING p.tenant_id, p.punch_id, p.place_id, p.sequence
    ), known AS (
        INSERT INTO archived_punch SELECT g.tenant_id, g.punch_id, g.place_id, g.sequence, wanted FROM gone g
    )
    SELECT count(*) INTO moved FROM gone;
    IF moved <> file.rows THEN
        RAISE EXCEPTION 'expected % punches to move to the archive, found %', file.rows, moved;
    END IF;
    RETURN moved;
END
$$
"""
"""The application may not delete punches; it may move those that a file holds, all of them or none."""


def upgrade() -> None:
    """Make them, each tenant's own."""
    for statement in SCHEMA.split(";\n"):
        if statement.strip():
            op.execute(statement)
    for table in TABLES:
        op.execute(f"ALTER TABLE {table} ENABLE ROW LEVEL SECURITY")
        op.execute(f"ALTER TABLE {table} FORCE ROW LEVEL SECURITY")
        op.execute(f"CREATE POLICY tenant_isolation ON {table} USING (tenant_id = current_setting('app.tenant', true))")
        op.execute(f"CREATE POLICY reach ON {table} AS RESTRICTIVE USING ({REACH})")
    op.execute(MOVE)
    op.execute("REVOKE ALL ON FUNCTION move_to_archive(text) FROM PUBLIC")
    op.execute("GRANT EXECUTE ON FUNCTION move_to_archive(text) TO biometric_flow_app")


def downgrade() -> None:
    """Remove them; restore all archived punches first."""
    op.execute("DROP FUNCTION move_to_archive(text)")
    op.execute(f"DROP TABLE {', '.join(reversed(TABLES))}")
