"""Approved corrections that places have to record in their ledgers, and where they stand there."""

from alembic import op

revision = "0006"
down_revision = "0005"

SCHEMA = """
CREATE TABLE correction (
    tenant_id text NOT NULL,
    regularisation_id uuid NOT NULL,
    is_withdrawal boolean NOT NULL,
    position bigint NOT NULL,
    number bigint NOT NULL,
    person_id uuid NOT NULL,
    day date NOT NULL,
    place_id text,
    pin text NOT NULL,
    operation text NOT NULL CHECK (operation IN ('add', 'void', 'replace', 'overtime', 'withdraw')),
    target text NOT NULL,
    changes jsonb NOT NULL,
    asked_by text NOT NULL,
    reason text NOT NULL,
    approved_by text NOT NULL,
    decided_at timestamptz NOT NULL,
    sequence bigint,
    PRIMARY KEY (tenant_id, regularisation_id, is_withdrawal),
    UNIQUE (tenant_id, position),
    FOREIGN KEY (tenant_id, regularisation_id) REFERENCES regularisation,
    FOREIGN KEY (tenant_id, place_id) REFERENCES place,
    FOREIGN KEY (tenant_id, person_id) REFERENCES employee (tenant_id, person_id)
);
CREATE INDEX correction_waiting ON correction (tenant_id, place_id, position) WHERE sequence IS NULL;
GRANT SELECT, INSERT, UPDATE (place_id, pin, sequence) ON correction TO biometric_flow_app;
ALTER TABLE correction ENABLE ROW LEVEL SECURITY;
ALTER TABLE correction FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant_isolation ON correction USING (tenant_id = current_setting('app.tenant', true));
"""


def upgrade() -> None:
    """Make it, each tenant's own."""
    for statement in SCHEMA.split(";\n"):
        if statement.strip():
            op.execute(statement)


def downgrade() -> None:
    """Remove it; the entries that places recorded stay."""
    op.execute("DROP TABLE correction")
