"""What migrations do about sealed rows: have the next start seal more, and refuse to go back while some are sealed."""

from collections.abc import Mapping, Sequence
from typing import Final

from alembic import op
from alembic.util import CommandError

_IS_SEALED: Final = "substring({} FROM 1 FOR 2) = '\\x0101'::bytea AND length({}) >= 46"


def look_again() -> None:
    """Have the next start seal words in the clear: there are columns for it that are new."""
    op.execute("ALTER TABLE sealing NO FORCE ROW LEVEL SECURITY")
    op.execute("UPDATE sealing SET has_words = false")
    op.execute("ALTER TABLE sealing FORCE ROW LEVEL SECURITY")


def refuse_downgrade(columns: Mapping[str, Sequence[str]]) -> None:
    """Raise CommandError when any of these columns, by table, holds an envelope."""
    for table, names in columns.items():
        sealed = " OR ".join(f"({_IS_SEALED.format(name, name)})" for name in names)
        op.execute(f"ALTER TABLE {table} NO FORCE ROW LEVEL SECURITY")
        query = f"SELECT count(*) FROM {table} WHERE {sealed}"  # noqa: S608 - our own words
        count = op.get_bind().exec_driver_sql(query).scalar_one()
        op.execute(f"ALTER TABLE {table} FORCE ROW LEVEL SECURITY")
        if count:
            raise CommandError(
                f"expected no sealed rows in the table {table}, {count} are: an older program cannot read them, and"
                " nothing was changed. Keep this version, or restore the backup from before the upgrade"
                " (biometric-flow backup restore)"
            )
