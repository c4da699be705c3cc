"""The gateway's tables, as its queries name them; the migrations make them."""

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    DateTime,
    ForeignKeyConstraint,
    Integer,
    LargeBinary,
    MetaData,
    Table,
    Text,
    UniqueConstraint,
    Uuid,
)

metadata = MetaData()
_instant = DateTime(timezone=True)


def _of_place(*more: str) -> ForeignKeyConstraint:
    return ForeignKeyConstraint(["tenant_id", "place_id", *more], ["place.tenant_id", "place.place_id", *more])


tenant = Table(
    "tenant",
    metadata,
    Column("tenant_id", Text, primary_key=True),
    Column("name", Text, nullable=False),
    Column("feed_position", BigInteger, nullable=False, server_default="0"),
    Column("directory_version", BigInteger, nullable=False, server_default="0"),
    Column("directory_base", BigInteger, nullable=False, server_default="0"),
)
"""`feed_position` numbers the tenant's punches in the order of their commits: its row lock is held until the commit.

`directory_version` does so with changes of people's PINs, names and numbers; at `directory_base` somebody was removed.
"""

place = Table(
    "place",
    metadata,
    Column("tenant_id", Text, primary_key=True),
    Column("place_id", Text, primary_key=True),
    Column("name", Text, nullable=False),
    Column("zone", Text, nullable=False),
    Column("is_active", Boolean, nullable=False),
    Column("position", BigInteger, nullable=False, server_default="0"),
    Column("head_hash", LargeBinary, nullable=False),
    Column("punches", BigInteger, nullable=False, server_default="0"),
    Column("last_heard", _instant),
    ForeignKeyConstraint(["tenant_id"], ["tenant.tenant_id"]),
)

place_report = Table(
    "place_report",
    metadata,
    Column("tenant_id", Text, primary_key=True),
    Column("place_id", Text, primary_key=True),
    Column("head", BigInteger, nullable=False),
    Column("version", Text, nullable=False),
    Column("sent_at", _instant, nullable=False),
    Column("received_at", _instant, nullable=False),
    Column("backup", LargeBinary, nullable=False, server_default=""),
    _of_place(),
)

account = Table(
    "account",
    metadata,
    Column("tenant_id", Text, primary_key=True),
    Column("account_id", Uuid, primary_key=True),
    Column("email", Text, nullable=False),
    Column("name", Text, nullable=False),
    Column("role", Text, nullable=False),
    Column("password_hash", Text, nullable=False),
    Column("is_enabled", Boolean, nullable=False),
    Column("created_at", _instant, nullable=False),
    Column("kind", Text, nullable=False, server_default="person"),
    UniqueConstraint("tenant_id", "email"),
    ForeignKeyConstraint(["tenant_id"], ["tenant.tenant_id"]),
)

refresh_token = Table(
    "refresh_token",
    metadata,
    Column("tenant_id", Text, primary_key=True),
    Column("digest", LargeBinary, primary_key=True),
    Column("account_id", Uuid, nullable=False),
    Column("family", Uuid, nullable=False),
    Column("expires_at", _instant, nullable=False),
    Column("used_at", _instant),
    Column("revoked_at", _instant),
    ForeignKeyConstraint(["tenant_id", "account_id"], ["account.tenant_id", "account.account_id"]),
)

ledger_entry = Table(
    "ledger_entry",
    metadata,
    Column("tenant_id", Text, primary_key=True),
    Column("place_id", Text, primary_key=True),
    Column("sequence", BigInteger, primary_key=True),
    Column("leaf", LargeBinary, nullable=False),
    Column("hash", LargeBinary, nullable=False),
    Column("record", LargeBinary, nullable=False),
    Column("opening", LargeBinary, nullable=False),
    _of_place(),
)

punch = Table(
    "punch",
    metadata,
    Column("tenant_id", Text, primary_key=True),
    Column("punch_id", LargeBinary, primary_key=True),
    Column("place_id", Text, nullable=False),
    Column("terminal", Text, nullable=False),
    Column("subject", LargeBinary, nullable=False),
    Column("local_time", DateTime(timezone=False), nullable=False),
    Column("instant", _instant, nullable=False),
    Column("state", Integer, nullable=False),
    Column("verify", Integer, nullable=False),
    Column("work_code", BigInteger, nullable=False),
    Column("drift_ms", BigInteger),
    Column("received_at", _instant, nullable=False),
    Column("channel", Text, nullable=False),
    Column("position", BigInteger, nullable=False),
    Column("sequence", BigInteger, nullable=False),
    UniqueConstraint("tenant_id", "position"),
    _of_place(),
)

told_again = Table(
    "told_again",
    metadata,
    Column("tenant_id", Text, primary_key=True),
    Column("place_id", Text, primary_key=True),
    Column("sequence", BigInteger, primary_key=True),
    _of_place(),
)
"""Entries of touches that another place had told before."""

subject = Table(
    "subject",
    metadata,
    Column("tenant_id", Text, primary_key=True),
    Column("subject", LargeBinary, primary_key=True),
    Column("place_id", Text, nullable=False),
    Column("pin", LargeBinary, nullable=False),
    Column("name", LargeBinary, nullable=False),
    Column("changed", BigInteger, nullable=False),
    _of_place(),
)
"""The only table with PINs: whom the random ids of all others stand for. `changed` is of `tenant.directory_version`."""

person = Table(
    "person",
    metadata,
    Column("tenant_id", Text, primary_key=True),
    Column("place_id", Text, primary_key=True),
    Column("subject", LargeBinary, primary_key=True),
    Column("last_punch", _instant),
    _of_place(),
    ForeignKeyConstraint(["tenant_id", "subject"], ["subject.tenant_id", "subject.subject"]),
)
"""Whom the terminals of a place know."""

enrolment = Table(
    "enrolment",
    metadata,
    Column("tenant_id", Text, primary_key=True),
    Column("place_id", Text, primary_key=True),
    Column("subject", LargeBinary, primary_key=True),
    Column("terminal", Text, primary_key=True),
    Column("uid", Integer, nullable=False),
    Column("privilege", Integer, nullable=False),
    Column("seen_at", _instant, nullable=False),
    ForeignKeyConstraint(
        ["tenant_id", "place_id", "subject"], ["person.tenant_id", "person.place_id", "person.subject"]
    ),
)

terminal_status = Table(
    "terminal_status",
    metadata,
    Column("tenant_id", Text, primary_key=True),
    Column("place_id", Text, primary_key=True),
    Column("key", Text, primary_key=True),
    Column("serial", Text, nullable=False),
    Column("name", Text, nullable=False),
    Column("state", Text, nullable=False),
    Column("body", LargeBinary, nullable=False),
    Column("as_of", _instant, nullable=False),
    _of_place(),
)

terminal_place = Table(
    "terminal_place",
    metadata,
    Column("tenant_id", Text, primary_key=True),
    Column("terminal", Text, primary_key=True),
    Column("place_id", Text, primary_key=True),
    _of_place(),
)
"""Where the ledgers tell punches of a terminal, by serial number: at two places, when it was moved."""

place_key = Table(
    "place_key",
    metadata,
    Column("tenant_id", Text, primary_key=True),
    Column("place_id", Text, primary_key=True),
    Column("vkey", Text, primary_key=True),
    Column("source", Text, nullable=False),
    Column("pinned_at", _instant, nullable=False),
    _of_place(),
)

place_log = Table(
    "place_log",
    metadata,
    Column("tenant_id", Text, primary_key=True),
    Column("place_id", Text, primary_key=True),
    Column("number", Integer, primary_key=True),
    Column("begins", BigInteger, nullable=False),
    Column("note", Text, nullable=False),
    Column("vkey", Text, nullable=False),
    Column("begun_at", _instant, nullable=False),
    _of_place(),
)

outside_cosignature = Table(
    "outside_cosignature",
    metadata,
    Column("tenant_id", Text, primary_key=True),
    Column("witness", Text, primary_key=True),
    Column("size", BigInteger, primary_key=True),
    Column("note", Text, nullable=False),
    Column("cosigned_at", _instant, nullable=False),
    ForeignKeyConstraint(["tenant_id"], ["tenant.tenant_id"]),
)

outside_witness = Table(
    "outside_witness",
    metadata,
    Column("tenant_id", Text, primary_key=True),
    Column("witness", Text, primary_key=True),
    Column("url", Text, nullable=False),
    Column("since", _instant, nullable=False),
    Column("reached_at", _instant),
    Column("failure", Text, nullable=False),
    Column("is_contradiction", Boolean, nullable=False),
    ForeignKeyConstraint(["tenant_id"], ["tenant.tenant_id"]),
)

place_key_change = Table(
    "place_key_change",
    metadata,
    Column("tenant_id", Text, primary_key=True),
    Column("place_id", Text, primary_key=True),
    Column("sequence", BigInteger, primary_key=True),
    Column("note", Text, nullable=False),
    _of_place(),
)

ledger_node = Table(
    "ledger_node",
    metadata,
    Column("tenant_id", Text, primary_key=True),
    Column("log", Text, primary_key=True),
    Column("level", Integer, primary_key=True),
    Column("position", BigInteger, primary_key=True),
    Column("hash", LargeBinary, nullable=False),
    ForeignKeyConstraint(["tenant_id"], ["tenant.tenant_id"]),
)

checkpoint = Table(
    "checkpoint",
    metadata,
    Column("tenant_id", Text, primary_key=True),
    Column("place_id", Text, primary_key=True),
    Column("size", BigInteger, primary_key=True),
    Column("note", Text, nullable=False),
    Column("received_at", _instant, nullable=False),
    Column("number", BigInteger, nullable=False),
    Column("leaf", LargeBinary, nullable=False),
    Column("hash", LargeBinary, nullable=False),
    UniqueConstraint("tenant_id", "number"),
    _of_place(),
)

checkpoint_refused = Table(
    "checkpoint_refused",
    metadata,
    Column("tenant_id", Text, primary_key=True),
    Column("place_id", Text, primary_key=True),
    Column("digest", LargeBinary, primary_key=True),
    Column("note", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("received_at", _instant, nullable=False),
    _of_place(),
)

audit_log = Table(
    "audit_log",
    metadata,
    Column("tenant_id", Text, primary_key=True),
    Column("size", BigInteger, nullable=False),
    Column("head_hash", LargeBinary, nullable=False),
    Column("note", Text, nullable=False),
)

audit_entry = Table(
    "audit_entry",
    metadata,
    Column("tenant_id", Text, primary_key=True),
    Column("sequence", BigInteger, primary_key=True),
    Column("leaf", LargeBinary, nullable=False),
    Column("hash", LargeBinary, nullable=False),
    Column("record", LargeBinary, nullable=False),
    Column("opening", LargeBinary, nullable=False),
)

audit_node = Table(
    "audit_node",
    metadata,
    Column("tenant_id", Text, primary_key=True),
    Column("level", Integer, primary_key=True),
    Column("position", BigInteger, primary_key=True),
    Column("hash", LargeBinary, nullable=False),
)

sealing = Table(
    "sealing",
    metadata,
    Column("tenant_id", Text, primary_key=True),
    Column("probe", LargeBinary, nullable=False),
    Column("is_rewritten", Boolean, nullable=False),
    Column("has_words", Boolean, nullable=False),
    Column("has_punch_ids", Boolean, nullable=False),
)
"""What only the right key store opens; that rows of before were sealed, words too, and the tables written anew."""

key_ending = Table(
    "key_ending",
    metadata,
    Column("tenant_id", Text, primary_key=True),
    Column("kind", Text, primary_key=True),
    Column("owner", Text, primary_key=True),
)
"""Whose keys are destroyed once the transaction that says so is durable."""

checkpoint_log = Table(
    "checkpoint_log",
    metadata,
    Column("tenant_id", Text, primary_key=True),
    Column("size", BigInteger, nullable=False),
    Column("note", Text, nullable=False),
    ForeignKeyConstraint(["tenant_id"], ["tenant.tenant_id"]),
)
