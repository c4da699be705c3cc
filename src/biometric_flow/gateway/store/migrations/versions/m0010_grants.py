"""Roles of a tenant's own, grants with a scope, and row-level security that narrows a request to its grants' reach."""

from alembic import op

revision = "0010"
down_revision = "0009"

TABLES = ("access_role", "access_grant")

SCHEMA = """
CREATE TABLE access_role (
    tenant_id text NOT NULL REFERENCES tenant,
    role text NOT NULL,
    about text NOT NULL,
    permissions text[] NOT NULL,
    inherits text[] NOT NULL,
    PRIMARY KEY (tenant_id, role)
);
CREATE TABLE access_grant (
    tenant_id text NOT NULL,
    grant_id uuid NOT NULL,
    account_id uuid NOT NULL,
    role text NOT NULL,
    scope text NOT NULL CHECK (scope IN ('tenant', 'place', 'department')),
    scope_id text NOT NULL,
    valid_from timestamptz NOT NULL,
    valid_to timestamptz,
    granted_by text NOT NULL,
    granted_at timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, grant_id),
    FOREIGN KEY (tenant_id, account_id) REFERENCES account
);
CREATE INDEX access_grant_by_account ON access_grant (tenant_id, account_id);
GRANT SELECT, INSERT, UPDATE, DELETE ON access_role TO biometric_flow_app;
GRANT SELECT, INSERT, DELETE ON access_grant TO biometric_flow_app;
"""

FROM_ROLES = """
INSERT INTO access_grant (tenant_id, grant_id, account_id, role, scope, scope_id, valid_from, granted_by, granted_at)
SELECT tenant_id, gen_random_uuid(), account_id, role, 'tenant', '', created_at, 'migration', created_at FROM account
"""
"""What an account's one role let it do in the whole tenant is its first grant; the column stays for display."""

OF_PLACES = (
    "place",
    "place_report",
    "ledger_entry",
    "punch",
    "person",
    "enrolment",
    "terminal_status",
    "checkpoint",
    "checkpoint_refused",
    "place_key",
    "place_key_change",
    "consent",
    "consent_text",
)
OF_PEOPLE = (
    "pin_holding",
    "workday",
    "workday_due",
    "workday_recheck",
    "leave_request",
    "regularisation",
    "correction",
    "adjustment",
)
UNLIMITED = "(SELECT coalesce(current_setting('app.places', true), '')) = ''"
"""A transaction that names no places is limited by its tenant alone. The subquery is evaluated once a statement."""
OF_PLACE = "place_id = ANY (string_to_array((SELECT current_setting('app.places', true)), ','))"
OF_DEPARTMENT = "department_id = ANY (string_to_array((SELECT current_setting('app.departments', true)), ','))"
OF_PERSON = (
    "EXISTS (SELECT FROM employee AS e WHERE e.tenant_id = {table}.tenant_id AND e.person_id = {table}.person_id)"
)


def upgrade() -> None:
    """Make them, each tenant's own, and limit what belongs to places and people."""
    for statement in SCHEMA.split(";\n"):
        if statement.strip():
            op.execute(statement)
    op.execute("ALTER TABLE account NO FORCE ROW LEVEL SECURITY")
    op.execute(FROM_ROLES)
    op.execute("ALTER TABLE account FORCE ROW LEVEL SECURITY")
    for table in TABLES:
        op.execute(f"ALTER TABLE {table} ENABLE ROW LEVEL SECURITY")
        op.execute(f"ALTER TABLE {table} FORCE ROW LEVEL SECURITY")
        op.execute(f"CREATE POLICY tenant_isolation ON {table} USING (tenant_id = current_setting('app.tenant', true))")
    conditions = {
        **dict.fromkeys(OF_PLACES, OF_PLACE),
        "employee": f"{OF_PLACE} OR {OF_DEPARTMENT}",
        **{table: OF_PERSON.format(table=table) for table in OF_PEOPLE},
    }
    for table, condition in conditions.items():
        op.execute(f"CREATE POLICY reach ON {table} AS RESTRICTIVE USING ({UNLIMITED} OR {condition})")


def downgrade() -> None:
    """Remove them; every account is what its role says again, in the whole tenant."""
    for table in ("employee", *OF_PLACES, *OF_PEOPLE):
        op.execute(f"DROP POLICY reach ON {table}")
    op.execute(f"DROP TABLE {', '.join(TABLES)}")
