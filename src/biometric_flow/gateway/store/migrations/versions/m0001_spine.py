"""Tenants, places, accounts, replicated ledgers, punches and people; row-level security on all of them."""

from alembic import op

revision = "0001"
down_revision = None

TABLES = (
    "tenant",
    "place",
    "place_report",
    "account",
    "refresh_token",
    "ledger_entry",
    "punch",
    "person",
    "enrolment",
    "terminal_status",
)

SCHEMA = """
CREATE TABLE tenant (
    tenant_id text PRIMARY KEY,
    name text NOT NULL,
    feed_position bigint NOT NULL DEFAULT 0
);
CREATE TABLE place (
    tenant_id text NOT NULL REFERENCES tenant,
    place_id text NOT NULL,
    name text NOT NULL,
    zone text NOT NULL,
    is_active boolean NOT NULL,
    position bigint NOT NULL DEFAULT 0,
    head_hash bytea NOT NULL CHECK (length(head_hash) = 32),
    punches bigint NOT NULL DEFAULT 0,
    last_heard timestamptz,
    PRIMARY KEY (tenant_id, place_id)
);
CREATE TABLE place_report (
    tenant_id text NOT NULL,
    place_id text NOT NULL,
    head bigint NOT NULL,
    version text NOT NULL,
    sent_at timestamptz NOT NULL,
    received_at timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, place_id),
    FOREIGN KEY (tenant_id, place_id) REFERENCES place
);
CREATE TABLE account (
    tenant_id text NOT NULL REFERENCES tenant,
    account_id uuid NOT NULL,
    email text NOT NULL CHECK (email = lower(email)),
    name text NOT NULL,
    role text NOT NULL,
    password_hash text NOT NULL,
    is_enabled boolean NOT NULL,
    created_at timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, account_id),
    UNIQUE (tenant_id, email)
);
CREATE INDEX account_by_email ON account (email, tenant_id);
CREATE TABLE refresh_token (
    tenant_id text NOT NULL,
    digest bytea NOT NULL,
    account_id uuid NOT NULL,
    family uuid NOT NULL,
    expires_at timestamptz NOT NULL,
    used_at timestamptz,
    revoked_at timestamptz,
    PRIMARY KEY (tenant_id, digest),
    FOREIGN KEY (tenant_id, account_id) REFERENCES account
);
CREATE INDEX refresh_token_by_digest ON refresh_token (digest, tenant_id);
CREATE INDEX refresh_token_by_family ON refresh_token (tenant_id, family);
CREATE INDEX refresh_token_by_account ON refresh_token (tenant_id, account_id, expires_at);
CREATE TABLE ledger_entry (
    tenant_id text NOT NULL,
    place_id text NOT NULL,
    sequence bigint NOT NULL CHECK (sequence > 0),
    leaf bytea NOT NULL,
    hash bytea NOT NULL,
    record bytea NOT NULL,
    opening bytea NOT NULL,
    PRIMARY KEY (tenant_id, place_id, sequence),
    FOREIGN KEY (tenant_id, place_id) REFERENCES place
);
CREATE TABLE punch (
    tenant_id text NOT NULL,
    punch_id bytea NOT NULL CHECK (length(punch_id) = 32),
    place_id text NOT NULL,
    terminal text NOT NULL,
    pin text NOT NULL,
    local_time timestamp NOT NULL,
    instant timestamptz NOT NULL,
    state integer NOT NULL,
    verify integer NOT NULL,
    work_code bigint NOT NULL,
    drift_ms bigint,
    received_at timestamptz NOT NULL,
    channel text NOT NULL,
    position bigint NOT NULL,
    PRIMARY KEY (tenant_id, punch_id),
    UNIQUE (tenant_id, position),
    FOREIGN KEY (tenant_id, place_id) REFERENCES place
);
CREATE INDEX punch_by_instant ON punch (tenant_id, instant, position);
CREATE INDEX punch_by_day ON punch (tenant_id, place_id, local_time) INCLUDE (pin);
CREATE INDEX punch_by_person ON punch (tenant_id, pin, instant, position);
CREATE TABLE person (
    tenant_id text NOT NULL,
    place_id text NOT NULL,
    pin text NOT NULL,
    name text NOT NULL,
    last_punch timestamptz,
    PRIMARY KEY (tenant_id, place_id, pin),
    FOREIGN KEY (tenant_id, place_id) REFERENCES place
);
CREATE TABLE enrolment (
    tenant_id text NOT NULL,
    place_id text NOT NULL,
    pin text NOT NULL,
    terminal text NOT NULL,
    uid integer NOT NULL,
    privilege integer NOT NULL,
    seen_at timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, place_id, pin, terminal),
    FOREIGN KEY (tenant_id, place_id, pin) REFERENCES person
);
CREATE TABLE terminal_status (
    tenant_id text NOT NULL,
    place_id text NOT NULL,
    key text NOT NULL,
    serial text NOT NULL,
    name text NOT NULL,
    state text NOT NULL,
    body jsonb NOT NULL,
    as_of timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, place_id, key),
    FOREIGN KEY (tenant_id, place_id) REFERENCES place
);
CREATE INDEX terminal_status_by_serial ON terminal_status (tenant_id, serial);

GRANT SELECT, INSERT ON ledger_entry, punch TO biometric_flow_app;
GRANT SELECT, INSERT, UPDATE ON tenant, place, place_report, account, person, enrolment TO biometric_flow_app;
GRANT SELECT, INSERT, UPDATE, DELETE ON refresh_token, terminal_status TO biometric_flow_app;
"""

LOOKED_UP = "tenant_id, account_id, email, password_hash, role, is_enabled"
FUNCTIONS = (
    """
    CREATE FUNCTION accounts_by_email(wanted text)
    RETURNS TABLE (tenant_id text, account_id uuid, password_hash text, role text, is_enabled boolean)
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
        SELECT a.tenant_id, a.account_id, a.password_hash, a.role, a.is_enabled
        FROM account AS a WHERE a.email = wanted ORDER BY a.tenant_id LIMIT 3
    $$
    """,
    """
    CREATE FUNCTION tenant_of_refresh_token(wanted bytea) RETURNS text
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
        SELECT r.tenant_id FROM refresh_token AS r WHERE r.digest = wanted
    $$
    """,
)


def upgrade() -> None:
    """Make everything."""
    for statement in SCHEMA.split(";\n"):
        if statement.strip():
            op.execute(statement)
    for table in TABLES:
        op.execute(f"ALTER TABLE {table} ENABLE ROW LEVEL SECURITY")
        op.execute(f"ALTER TABLE {table} FORCE ROW LEVEL SECURITY")
        op.execute(f"CREATE POLICY tenant_isolation ON {table} USING (tenant_id = current_setting('app.tenant', true))")
    _make_lookups()


def _make_lookups() -> None:
    """What must be found before the tenant is known: two functions under a role that sees these columns only."""
    for statement in (
        f"GRANT SELECT ({LOOKED_UP}) ON account TO biometric_flow_lookup",
        "CREATE POLICY lookup ON account FOR SELECT TO biometric_flow_lookup USING (true)",
        "GRANT SELECT (tenant_id, digest) ON refresh_token TO biometric_flow_lookup",
        "CREATE POLICY lookup ON refresh_token FOR SELECT TO biometric_flow_lookup USING (true)",
        "GRANT CREATE ON SCHEMA public TO biometric_flow_lookup",
        *FUNCTIONS,
    ):
        op.execute(statement)
    for function in ("accounts_by_email(text)", "tenant_of_refresh_token(bytea)"):
        op.execute(f"ALTER FUNCTION {function} OWNER TO biometric_flow_lookup")
        op.execute("SET LOCAL ROLE biometric_flow_lookup")
        op.execute(f"REVOKE ALL ON FUNCTION {function} FROM PUBLIC")
        op.execute(f"GRANT EXECUTE ON FUNCTION {function} TO biometric_flow_app")
        op.execute("RESET ROLE")
    op.execute("REVOKE CREATE ON SCHEMA public FROM biometric_flow_lookup")


def downgrade() -> None:
    """Remove everything, with all data."""
    op.execute("DROP FUNCTION accounts_by_email(text), tenant_of_refresh_token(bytea)")
    op.execute(f"DROP TABLE {', '.join(TABLES)} CASCADE")
