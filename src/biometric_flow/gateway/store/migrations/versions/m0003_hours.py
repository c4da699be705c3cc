"""People with their own ids, plans, policy packs, leave, workdays, regularisations and pay periods."""

from alembic import op

revision = "0003"
down_revision = "0002"

TABLES = (
    "department",
    "employee",
    "pin_holding",
    "plan_document",
    "policy_pack",
    "leave_request",
    "regularisation",
    "pay_period",
    "pay_period_event",
    "workday",
    "workday_due",
    "workday_recheck",
    "workday_feed",
    "adjustment",
)

SCHEMA = """
CREATE TABLE department (
    tenant_id text NOT NULL REFERENCES tenant,
    department_id text NOT NULL,
    name text NOT NULL,
    parent_id text,
    version integer NOT NULL,
    PRIMARY KEY (tenant_id, department_id),
    FOREIGN KEY (tenant_id, parent_id) REFERENCES department (tenant_id, department_id)
);
CREATE TABLE employee (
    tenant_id text NOT NULL REFERENCES tenant,
    person_id uuid NOT NULL,
    number text NOT NULL,
    name text NOT NULL,
    department_id text,
    place_id text,
    zone text NOT NULL,
    employed_from date NOT NULL,
    employed_to date,
    plan jsonb NOT NULL,
    version integer NOT NULL,
    PRIMARY KEY (tenant_id, person_id),
    UNIQUE (tenant_id, number),
    FOREIGN KEY (tenant_id, department_id) REFERENCES department (tenant_id, department_id),
    FOREIGN KEY (tenant_id, place_id) REFERENCES place (tenant_id, place_id)
);
CREATE TABLE pin_holding (
    tenant_id text NOT NULL,
    person_id uuid NOT NULL,
    number integer NOT NULL,
    place_id text NOT NULL,
    pin text NOT NULL,
    terminals text[] NOT NULL,
    valid_from date NOT NULL,
    valid_to date,
    PRIMARY KEY (tenant_id, person_id, number),
    FOREIGN KEY (tenant_id, person_id) REFERENCES employee (tenant_id, person_id) ON DELETE CASCADE,
    FOREIGN KEY (tenant_id, place_id) REFERENCES place (tenant_id, place_id)
);
CREATE INDEX pin_holding_by_pin ON pin_holding (tenant_id, place_id, pin);
CREATE TABLE plan_document (
    tenant_id text NOT NULL REFERENCES tenant,
    kind text NOT NULL CHECK (kind IN ('shift', 'schedule', 'calendar', 'payroll')),
    document_id text NOT NULL,
    body jsonb NOT NULL,
    version integer NOT NULL,
    PRIMARY KEY (tenant_id, kind, document_id)
);
CREATE TABLE policy_pack (
    tenant_id text NOT NULL REFERENCES tenant,
    pack_id text NOT NULL,
    version integer NOT NULL,
    body jsonb NOT NULL,
    saved_by text NOT NULL,
    saved_at timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, pack_id, version)
);
CREATE TABLE leave_request (
    tenant_id text NOT NULL,
    leave_id uuid NOT NULL,
    person_id uuid NOT NULL,
    first_day date NOT NULL,
    last_day date NOT NULL,
    kind text NOT NULL,
    minutes integer NOT NULL,
    status text NOT NULL CHECK (status IN ('requested', 'approved', 'rejected', 'withdrawn')),
    reason text NOT NULL,
    requested_by text NOT NULL,
    requested_at timestamptz NOT NULL,
    decided_by text,
    decided_at timestamptz,
    PRIMARY KEY (tenant_id, leave_id),
    FOREIGN KEY (tenant_id, person_id) REFERENCES employee (tenant_id, person_id)
);
CREATE INDEX leave_request_by_person ON leave_request (tenant_id, person_id, first_day);
CREATE TABLE regularisation (
    tenant_id text NOT NULL,
    regularisation_id uuid NOT NULL,
    number bigint NOT NULL,
    person_id uuid NOT NULL,
    day date NOT NULL,
    operation text NOT NULL CHECK (operation IN ('add', 'void', 'replace', 'overtime')),
    target text,
    instant timestamptz,
    state integer,
    minutes integer,
    reason text NOT NULL,
    status text NOT NULL CHECK (status IN ('requested', 'approved', 'rejected', 'withdrawn')),
    requested_by text NOT NULL,
    requested_at timestamptz NOT NULL,
    decided_by text CHECK (status = 'withdrawn' OR decided_by <> requested_by),
    decided_at timestamptz,
    decision_reason text NOT NULL,
    PRIMARY KEY (tenant_id, regularisation_id),
    UNIQUE (tenant_id, number),
    FOREIGN KEY (tenant_id, person_id) REFERENCES employee (tenant_id, person_id)
);
CREATE INDEX regularisation_by_person ON regularisation (tenant_id, person_id, day);
CREATE TABLE pay_period (
    tenant_id text NOT NULL REFERENCES tenant,
    period_id text NOT NULL,
    first_day date NOT NULL,
    last_day date NOT NULL,
    status text NOT NULL CHECK (status IN ('open', 'closed', 'locked')),
    approvers integer NOT NULL,
    approved_by text[] NOT NULL,
    locked_at timestamptz,
    version integer NOT NULL,
    PRIMARY KEY (tenant_id, period_id)
);
CREATE TABLE pay_period_event (
    tenant_id text NOT NULL,
    period_id text NOT NULL,
    number integer NOT NULL,
    at timestamptz NOT NULL,
    account text NOT NULL,
    action text NOT NULL,
    reason text NOT NULL,
    PRIMARY KEY (tenant_id, period_id, number),
    FOREIGN KEY (tenant_id, period_id) REFERENCES pay_period (tenant_id, period_id)
);
CREATE TABLE workday (
    tenant_id text NOT NULL,
    person_id uuid NOT NULL,
    day date NOT NULL,
    status text NOT NULL,
    irregularities text[] NOT NULL,
    body jsonb NOT NULL,
    digest bytea NOT NULL,
    PRIMARY KEY (tenant_id, person_id, day),
    FOREIGN KEY (tenant_id, person_id) REFERENCES employee (tenant_id, person_id)
);
CREATE INDEX workday_by_day ON workday (tenant_id, day, person_id);
CREATE TABLE workday_due (
    tenant_id text NOT NULL,
    person_id uuid NOT NULL,
    first_day date NOT NULL,
    last_day date NOT NULL,
    since timestamptz NOT NULL,
    marked timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, person_id),
    FOREIGN KEY (tenant_id, person_id) REFERENCES employee (tenant_id, person_id) ON DELETE CASCADE
);
CREATE TABLE workday_recheck (
    tenant_id text NOT NULL,
    person_id uuid NOT NULL,
    at timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, person_id),
    FOREIGN KEY (tenant_id, person_id) REFERENCES employee (tenant_id, person_id) ON DELETE CASCADE
);
CREATE INDEX workday_recheck_by_time ON workday_recheck (tenant_id, at);
CREATE TABLE workday_feed (
    tenant_id text NOT NULL REFERENCES tenant,
    position bigint NOT NULL,
    PRIMARY KEY (tenant_id)
);
CREATE TABLE adjustment (
    tenant_id text NOT NULL,
    person_id uuid NOT NULL,
    day date NOT NULL,
    paid_in text NOT NULL,
    delta jsonb NOT NULL,
    PRIMARY KEY (tenant_id, person_id, day, paid_in),
    FOREIGN KEY (tenant_id, person_id) REFERENCES employee (tenant_id, person_id)
);

GRANT SELECT, INSERT ON policy_pack, pay_period_event TO biometric_flow_app;
GRANT SELECT, INSERT, UPDATE ON regularisation, leave_request, pay_period TO biometric_flow_app;
GRANT SELECT, INSERT, UPDATE, DELETE ON department, employee, pin_holding, plan_document, workday, workday_due,
    workday_recheck, workday_feed, adjustment TO biometric_flow_app;
"""


def upgrade() -> None:
    """Make them, each tenant's own."""
    for statement in SCHEMA.split(";\n"):
        if statement.strip():
            op.execute(statement)
    for table in TABLES:
        op.execute(f"ALTER TABLE {table} ENABLE ROW LEVEL SECURITY")
        op.execute(f"ALTER TABLE {table} FORCE ROW LEVEL SECURITY")
        op.execute(f"CREATE POLICY tenant_isolation ON {table} USING (tenant_id = current_setting('app.tenant', true))")


def downgrade() -> None:
    """Remove them, with all that was computed and decided."""
    op.execute(f"DROP TABLE {', '.join(reversed(TABLES))}")
