"""One table holds PINs; all others name people by random subjects, and holds by the id of their person."""

from alembic import op

from biometric_flow.gateway.store.migrations.sealed_rows import refuse_downgrade

revision = "0019"
down_revision = "0018"

OF_PIN = ("punch", "person", "enrolment", "pin_holding", "consent", "correction", "erasure_order", "archive_key")
"""Tables that had a PIN."""
READ = (*OF_PIN, "employee", "legal_hold", "tenant", "data_version", "subject")
"""The owner is bound by row-level security too; while it moves data of all tenants, it is not."""

SUBJECT = """
CREATE TABLE subject (
    tenant_id text NOT NULL,
    subject bytea NOT NULL CHECK (length(subject) = 16),
    place_id text NOT NULL,
    pin bytea NOT NULL,
    name bytea NOT NULL,
    changed bigint NOT NULL,
    PRIMARY KEY (tenant_id, subject),
    FOREIGN KEY (tenant_id, place_id) REFERENCES place
);
GRANT SELECT, INSERT, UPDATE, DELETE ON subject TO biometric_flow_app;
ALTER TABLE tenant ADD COLUMN directory_version bigint NOT NULL DEFAULT 0;
ALTER TABLE tenant ADD COLUMN directory_base bigint NOT NULL DEFAULT 0;
UPDATE tenant SET directory_version = 1;
"""
FILL = """
INSERT INTO subject
SELECT known.tenant_id, coalesce(k.subject, uuid_send(gen_random_uuid())), known.place_id,
    convert_to(known.pin, 'UTF8'), convert_to(coalesce(p.name, ''), 'UTF8'), 1
FROM ({everybody}) known
LEFT JOIN person p USING (tenant_id, place_id, pin) LEFT JOIN archive_key k USING (tenant_id, place_id, pin);
CREATE INDEX subject_by_pin ON subject (tenant_id, place_id, pin)
"""
"""Whoever has a key of archived punches keeps its id, which the files in the archive name."""
CONTRACT = """
DROP INDEX subject_by_pin;
CREATE INDEX subject_by_change ON subject (tenant_id, changed);
ALTER TABLE enrolment DROP CONSTRAINT enrolment_tenant_id_place_id_pin_fkey;
ALTER TABLE punch ALTER COLUMN subject SET NOT NULL, DROP COLUMN pin;
CREATE INDEX punch_by_day ON punch (tenant_id, place_id, local_time) INCLUDE (subject);
CREATE INDEX punch_by_subject ON punch (tenant_id, subject, instant, position);
ALTER TABLE person DROP COLUMN pin, DROP COLUMN name, ADD PRIMARY KEY (tenant_id, place_id, subject),
    ADD FOREIGN KEY (tenant_id, subject) REFERENCES subject;
CREATE INDEX person_by_subject ON person (tenant_id, subject);
ALTER TABLE enrolment DROP COLUMN pin, ADD PRIMARY KEY (tenant_id, place_id, subject, terminal),
    ADD FOREIGN KEY (tenant_id, place_id, subject) REFERENCES person (tenant_id, place_id, subject);
ALTER TABLE pin_holding ALTER COLUMN subject SET NOT NULL, DROP COLUMN pin,
    ADD FOREIGN KEY (tenant_id, subject) REFERENCES subject;
CREATE INDEX pin_holding_by_subject ON pin_holding (tenant_id, subject);
ALTER TABLE consent ALTER COLUMN subject SET NOT NULL, DROP COLUMN pin;
UPDATE consent SET body = body - 'pin';
CREATE INDEX consent_by_subject ON consent (tenant_id, subject);
ALTER TABLE correction DROP COLUMN pin;
CREATE INDEX correction_by_subject ON correction (tenant_id, subject);
GRANT UPDATE (subject) ON correction TO biometric_flow_app;
ALTER TABLE erasure_order DROP COLUMN pin, ADD PRIMARY KEY (tenant_id, erasure_id, place_id, subject);
ALTER TABLE archive_key DROP COLUMN pin
"""
EMPLOYEE = """
UPDATE legal_hold h SET body = h.body || jsonb_build_object('who', coalesce((SELECT e.person_id::text FROM employee e
    WHERE e.tenant_id = h.tenant_id AND e.number = h.body ->> 'who'), 'erased')) WHERE h.body ->> 'scope' = 'person';
ALTER TABLE employee DROP CONSTRAINT employee_tenant_id_number_key;
ALTER TABLE employee ALTER COLUMN number TYPE bytea USING convert_to(number, 'UTF8'),
    ALTER COLUMN name TYPE bytea USING convert_to(name, 'UTF8'), ADD COLUMN changed bigint NOT NULL DEFAULT 1;
ALTER TABLE employee ALTER COLUMN changed DROP DEFAULT;
CREATE INDEX employee_by_change ON employee (tenant_id, changed)
"""

REACH = (
    "(SELECT coalesce(current_setting('app.places', true), '')) = ''"
    " OR place_id = ANY (string_to_array((SELECT current_setting('app.places', true)), ','))"
)
DIRECTORY = """
CREATE FUNCTION directory_{people}(known bigint) RETURNS TABLE ({columns})
LANGUAGE plpgsql SET search_path = public, pg_temp AS $$
DECLARE
    reached text := coalesce(current_setting('app.places', true), '');
BEGIN
    PERFORM set_config('app.places', '', true);
    RETURN QUERY SELECT {names} FROM {table} d WHERE d.changed > known;
    PERFORM set_config('app.places', reached, true);
END
$$
"""
"""The directory in memory is the tenant's: it is read whole, also when a request that reaches one place asks first."""
PURGE = """
CREATE OR REPLACE FUNCTION purge_punches(older_than timestamptz, held uuid[]) RETURNS bigint
LANGUAGE sql SECURITY DEFINER SET search_path = public, pg_temp AS $$
    WITH gone AS (
        DELETE FROM punch p WHERE p.instant < older_than AND NOT EXISTS (
            SELECT FROM pin_holding h WHERE {matches} AND h.person_id = ANY (held))
        RETURNING p.place_id
    ), counted AS (
        SELECT place_id, count(*) AS punches FROM gone GROUP BY place_id
    ), told AS (
        UPDATE place SET punches = place.punches - counted.punches FROM counted WHERE counted.place_id = place.place_id
    )
    SELECT coalesce(sum(punches), 0)::bigint FROM counted
$$
"""
ERASE = """
CREATE FUNCTION erase_punches(of_place text, whose {kind}) RETURNS bigint
LANGUAGE sql SECURITY DEFINER SET search_path = public, pg_temp AS $$
    WITH gone AS (
        DELETE FROM punch p WHERE p.place_id = of_place AND p.{column} = whose AND EXISTS (
            SELECT FROM erasure_order o WHERE o.place_id = p.place_id AND o.{column} = p.{column})
        RETURNING 1
    ), counted AS (
        SELECT count(*) AS punches FROM gone
    ), told AS (
        UPDATE place SET punches = place.punches - counted.punches FROM counted WHERE place.place_id = of_place
    )
    SELECT punches FROM counted
$$
"""

BACK = """
ALTER TABLE enrolment DROP CONSTRAINT enrolment_tenant_id_place_id_subject_fkey;
ALTER TABLE punch ALTER COLUMN pin SET NOT NULL, DROP COLUMN subject;
CREATE INDEX punch_by_day ON punch (tenant_id, place_id, local_time) INCLUDE (pin);
CREATE INDEX punch_by_person ON punch (tenant_id, pin, instant, position);
ALTER TABLE person DROP COLUMN subject, ADD PRIMARY KEY (tenant_id, place_id, pin);
ALTER TABLE enrolment DROP COLUMN subject, ADD PRIMARY KEY (tenant_id, place_id, pin, terminal),
    ADD FOREIGN KEY (tenant_id, place_id, pin) REFERENCES person (tenant_id, place_id, pin);
ALTER TABLE pin_holding ALTER COLUMN pin SET NOT NULL, DROP COLUMN subject;
CREATE INDEX pin_holding_by_pin ON pin_holding (tenant_id, place_id, pin);
UPDATE consent SET body = body || jsonb_build_object('pin', pin);
ALTER TABLE consent ALTER COLUMN pin SET NOT NULL, DROP COLUMN subject;
CREATE INDEX consent_by_pin ON consent (tenant_id, pin);
UPDATE correction SET pin = '' WHERE pin IS NULL;
ALTER TABLE correction ALTER COLUMN pin SET NOT NULL, DROP COLUMN subject;
GRANT UPDATE (pin) ON correction TO biometric_flow_app;
ALTER TABLE erasure_order DROP COLUMN subject, ADD PRIMARY KEY (tenant_id, erasure_id, place_id, pin);
ALTER TABLE archive_key ALTER COLUMN pin SET NOT NULL, ADD UNIQUE (tenant_id, place_id, pin);
DROP INDEX employee_by_change;
ALTER TABLE employee DROP COLUMN changed, ALTER COLUMN number TYPE text USING convert_from(number, 'UTF8'),
    ALTER COLUMN name TYPE text USING convert_from(name, 'UTF8');
ALTER TABLE employee ADD UNIQUE (tenant_id, number);
UPDATE legal_hold h SET body = h.body || jsonb_build_object('who', e.number) FROM employee e
    WHERE h.body ->> 'scope' = 'person' AND e.tenant_id = h.tenant_id AND e.person_id::text = h.body ->> 'who';
ALTER TABLE tenant DROP COLUMN directory_version, DROP COLUMN directory_base;
DROP TABLE subject
"""


def upgrade() -> None:
    """Give each PIN of each place a subject, and put that in the PIN's place."""
    _run(SUBJECT)
    _bound(READ, "NO FORCE")
    known = "SELECT tenant_id, place_id, pin FROM {} WHERE place_id IS NOT NULL AND pin <> ''"
    _run(FILL.format(everybody=" UNION ".join(map(known.format, OF_PIN))))
    for table in OF_PIN:
        if table != "archive_key":
            op.execute(f"ALTER TABLE {table} ADD COLUMN subject bytea")
            op.execute(
                f"UPDATE {table} t SET subject = s.subject FROM subject s WHERE s.tenant_id = t.tenant_id"  # noqa: S608
                " AND s.place_id = t.place_id AND s.pin = convert_to(t.pin, 'UTF8')"
            )
    _run(CONTRACT)
    _run(EMPLOYEE)
    _bound(READ, "FORCE")
    op.execute("ALTER TABLE subject ENABLE ROW LEVEL SECURITY")
    op.execute("CREATE POLICY tenant_isolation ON subject USING (tenant_id = current_setting('app.tenant', true))")
    op.execute(f"CREATE POLICY reach ON subject AS RESTRICTIVE USING ({REACH})")
    op.execute(
        "CREATE TRIGGER data_of_punch AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON subject"
        " FOR EACH STATEMENT EXECUTE FUNCTION data_changed('punch')"
    )
    op.execute(_directory("subjects", "subject", "subject bytea, place_id text, pin bytea, name bytea"))
    op.execute(_directory("people", "employee", "person_id uuid, number bytea, name bytea"))
    op.execute(PURGE.format(matches="h.subject = p.subject"))
    op.execute("DROP FUNCTION erase_punches(text, text)")
    op.execute(ERASE.format(kind="bytea", column="subject"))
    _allow("erase_punches(text, bytea)", "directory_subjects(bigint)", "directory_people(bigint)")


def downgrade() -> None:
    """Put PINs back everywhere, where none is sealed."""
    refuse_downgrade({"subject": ("pin", "name"), "employee": ("number", "name")})
    op.execute("DROP FUNCTION erase_punches(text, bytea), directory_subjects(bigint), directory_people(bigint)")
    _bound(READ, "NO FORCE")
    for table in OF_PIN:
        op.execute(f"ALTER TABLE {table} ADD COLUMN pin text")
        op.execute(
            f"UPDATE {table} t SET pin = convert_from(s.pin, 'UTF8') FROM subject s"  # noqa: S608
            " WHERE s.tenant_id = t.tenant_id AND s.subject = t.subject"
        )
    op.execute("ALTER TABLE person ADD COLUMN name text NOT NULL DEFAULT ''")
    op.execute("UPDATE person p SET name = convert_from(s.name, 'UTF8') FROM subject s WHERE s.subject = p.subject")
    op.execute("ALTER TABLE person ALTER COLUMN name DROP DEFAULT")
    _run(BACK)
    _bound(tuple(table for table in READ if table != "subject"), "FORCE")
    op.execute(PURGE.format(matches="h.place_id = p.place_id AND h.pin = p.pin"))
    op.execute(ERASE.format(kind="text", column="pin"))
    _allow("erase_punches(text, text)")


def _directory(people: str, table: str, columns: str) -> str:
    names = ", ".join(f"d.{column.split()[0]}" for column in columns.split(", "))
    return DIRECTORY.format(people=people, table=table, columns=columns, names=names)


def _run(script: str) -> None:
    for statement in script.split(";\n"):
        if statement.strip():
            op.execute(statement)


def _bound(tables: tuple[str, ...], how: str) -> None:
    for table in tables:
        op.execute(f"ALTER TABLE {table} {how} ROW LEVEL SECURITY")


def _allow(*functions: str) -> None:
    for function in functions:
        op.execute(f"REVOKE ALL ON FUNCTION {function} FROM PUBLIC")
        op.execute(f"GRANT EXECUTE ON FUNCTION {function} TO biometric_flow_app")
