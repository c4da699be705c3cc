"""Rows of a table for whoever writes it anew, some at a time."""

from collections.abc import Iterator
from typing import Any, Final

import psycopg
from psycopg.rows import tuple_row

STEP: Final = 2000


def batches(connection: psycopg.Connection[Any], query: str, form: Any = tuple_row) -> Iterator[list[Any]]:
    """Rows as they were when this began; they may be changed meanwhile."""
    with connection.cursor(name="rows_to_write", row_factory=form) as cursor:
        cursor.execute(query)
        while rows := cursor.fetchmany(STEP):
            yield rows
