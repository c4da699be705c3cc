"""All or nothing on the writer's connection, within somebody's transaction or as one."""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager

from biometric_flow.ledger.errors import StorageUnavailable


@contextmanager
def savepoint(connection: sqlite3.Connection, what: str) -> Iterator[None]:
    """Keep everything that is written inside, or nothing. Raises StorageUnavailable; `what` was then not kept."""
    try:
        connection.execute("SAVEPOINT kept")
        try:
            yield
        except BaseException:
            connection.execute("ROLLBACK TO kept")
            connection.execute("RELEASE kept")
            raise
        connection.execute("RELEASE kept")
    except sqlite3.Error as error:
        raise StorageUnavailable(f"{what} was not kept: {error}") from error
