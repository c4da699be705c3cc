"""Judges a turned bit by the rows that lie where it was turned, thousands of times a second.

A file is read through a memory map, so that a bit turned in place is seen by the next statement. SQLite itself reads
again what lies on the page, and what differs is judged by `Judge`, as `ledger verify` does; what does not differ goes
through SQLite's own check of the table and then through the whole verify. Only where SQLite keeps nothing, between the
pointers and the cells of a page, it is enough that the same is read. That the real verify says the same of every kind
of place is shown by `bits.py`, over a sample.
"""

import mmap
import sqlite3
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from biometric_flow.ledger.chain import EMPTY, Head
from biometric_flow.ledger.errors import LedgerAltered
from biometric_flow.ledger.logs import FIRST
from biometric_flow.place import audit as audit_module
from biometric_flow.place.judge import Judge, Piece
from biometric_flow.place.schema import definitions, definitions_of
from biometric_flow.runtime.key_store import KeyStore
from tests.services.test_place_audit import CAIRO, KEYS, told

PAGE: Final = 4096
HEADER: Final = 100
INNER_TABLE, INNER_INDEX, TABLE, INDEX = 5, 2, 13, 10
"""Kinds of a page (sqlite.org/fileformat2)."""
ROWS: Final = ("ledger_entry", "punch")
FILE, VALUES = "header of the file", "values"
BETWEEN, FREED = "between the pointers and the cells", "inside a free block"
UNUSED: Final = (BETWEEN, FREED)
"""Where SQLite keeps nothing and reads nothing."""
SHOWN: Final = ("person", "cursor", "checkpoint", "sqlite_schema")
"""Tables of which some values are told to people and are in no entry: the whole verify is asked about each."""
_SIZES: Final = {1: 1, 2: 2, 3: 3, 4: 4, 5: 6, 6: 8, 8: 0, 9: 0}

Verdict = tuple[bool, str]
"""Whether verify finds the bit; then what it names."""


@dataclass(frozen=True, slots=True)
class Cell:
    """One row or key of a page: where its bytes begin, its values begin, and it ends; the number of its row."""

    start: int
    body: int
    end: int
    row: int


@dataclass(slots=True)
class Page:
    """What lies on a page: the parts of its head, and its cells in their order."""

    owner: str
    kind: int
    start: int
    pointers: int
    between: int
    content: int
    cells: list[Cell] = field(default_factory=list)
    freed: set[int] = field(default_factory=set)
    """Where SQLite keeps where the next free block is, and how long this one is."""

    def place(self, offset: int) -> tuple[str, Cell | None]:
        """What this byte of the page is, and whose."""
        if offset < self.start:
            return FILE, None
        if offset < self.pointers:
            return "header of a page", None
        if offset < self.between:
            return "pointer to a cell", self.cells[(offset - self.pointers) // 2]
        if offset < self.content:
            return BETWEEN, None
        for one in self.cells:
            if one.start <= offset < one.end:
                return (VALUES if offset >= one.body else "header of a cell"), one
        return ("head of a free block" if offset in self.freed else FREED), None


def page_of(content: bytes, number: int, owner: str) -> Page:
    """The parts of one page; rows that go on in another page are not expected, `dbstat` says that there are none."""
    start = HEADER if number == 1 else 0
    kind, cells = content[start], int.from_bytes(content[start + 3 : start + 5], "big")
    inner = kind in (INNER_TABLE, INNER_INDEX)
    pointers = start + (12 if inner else 8)
    area = int.from_bytes(content[start + 5 : start + 7], "big") or 65_536
    page = Page(owner, kind, start, pointers, pointers + 2 * cells, area)
    for one in range(cells):
        begin = int.from_bytes(content[pointers + 2 * one : pointers + 2 * one + 2], "big")
        page.cells.append(_cell(content, begin, kind, begin + (4 if inner else 0)))
    free = int.from_bytes(content[start + 1 : start + 3], "big")
    while free:
        page.freed.update(range(free, free + 4))
        free = int.from_bytes(content[free : free + 2], "big")
    return page


def _cell(content: bytes, begin: int, kind: int, at: int) -> Cell:
    if kind == INNER_TABLE:
        row, end = _number(content, at)
        return Cell(begin, end, end, row)
    length, at = _number(content, at)
    row, at = _number(content, at) if kind == TABLE else (0, at)
    end, (size, types) = at + length, _number(content, at)
    body, last = at + size, 0
    while types < body:
        last, types = _number(content, types)
    if kind != TABLE and last in _SIZES:  # a key of an index ends with the number of its row
        row = last - 8 if last > 7 else int.from_bytes(content[end - _SIZES[last] : end], "big", signed=True)
    return Cell(begin, body, end, row)


def _number(content: bytes, at: int) -> tuple[int, int]:
    """A number as SQLite writes it, and what follows it."""
    value = 0
    while content[at] > 127:
        value, at = value << 7 | content[at] & 127, at + 1
    return value << 7 | content[at], at + 1


def _counting(query: str) -> str:
    wanted, source = query.removeprefix("SELECT ").split(" FROM ", 1)
    return f"SELECT {wanted if wanted.startswith('count') else 'count(*)'} FROM {source.split(' ORDER BY ')[0]}"


class Remembered:
    """A file of which everything is known, and what one turned bit makes of it."""

    def __init__(self, file: Path, keys: KeyStore) -> None:
        self._file, self._keys = file, keys
        with file.open("r+b") as opened:
            self._content = mmap.mmap(opened.fileno(), 0)
        self._truth = told(file)
        self._live = self._connected()
        self._live.text_factory = audit_module._legible
        self._pieces: dict[Any, Piece] = {}
        self._judge = audit_module._Audit(self._connected(), CAIRO, KEYS, keys)._judge(FIRST)
        entries, punches = (self._live.execute(f"SELECT * FROM {name}").fetchall() for name in ROWS)
        self._rows = {"ledger_entry": {row[0]: row for row in entries}, "punch": {row[0]: row for row in punches}}
        self._tables = dict(self._live.execute("SELECT name, tbl_name FROM sqlite_schema"))
        self._tables["sqlite_schema"] = "sqlite_schema"
        self._of_punch = [name for name, table in self._tables.items() if table == "punch" != name]
        names = [row[1] for row in self._live.execute("PRAGMA table_info(punch)")]
        self._columns = {
            index: [names.index(row[2]) for row in self._live.execute(f"PRAGMA index_info({index})") if row[1] > 0]
            for index in self._of_punch
        }
        self._lookups = {index: self._lookup(index, names) for index in self._of_punch}
        self._pages = self._parts()
        self._all = {page.owner: self._reading(page.owner, names) for page in self._pages.values()}
        self._counted: dict[str, str] = {}
        self._known = {query: self._live.execute(query).fetchall() for query in self._all.values()}
        for page in self._pages.values():
            if page.kind in (INNER_TABLE, INNER_INDEX):
                self._counted[page.owner] = _counting(self._all[page.owner])
                self._known[self._counted[page.owner]] = self._live.execute(self._counted[page.owner]).fetchall()
        (version,) = self._live.execute("PRAGMA user_version").fetchone()
        self._definitions = definitions(version)
        assert self._verified() == (False, "")
        assert all(self._is_there(page.owner, cell) for page in self._pages.values() for cell in page.cells)

    def verdict(self, at: int, bit: int) -> Verdict:
        """Turn the bit, look, and turn it back."""
        before = self._content[at]
        self._content[at] = before ^ 1 << bit
        number, offset = divmod(at, PAGE)
        try:
            return self._look(self._pages[number + 1], offset, is_first=number == 0)
        except (sqlite3.DatabaseError, UnicodeDecodeError, OverflowError) as error:
            return True, f"cannot be read: {error}"
        finally:
            self._content[at] = before

    def where(self, at: int) -> tuple[str, int | None]:
        """What a byte is, for counting, and the entry among whose values it is."""
        page = self._pages[at // PAGE + 1]
        kind, cell = page.place(at % PAGE)
        if kind == FILE:
            return kind, None
        owner = page.owner if page.owner in self._tables.values() and page.cells else "without rows"
        owner = "indexes of punch" if page.owner in self._of_punch else owner
        inner = " of an inner page" if page.kind in (INNER_TABLE, INNER_INDEX) else ""
        entry = cell.row if cell and kind == VALUES and page.owner in ROWS else None
        return f"{owner}: {kind}{inner}", entry

    def _look(self, page: Page, offset: int, *, is_first: bool) -> Verdict:
        kind, cell = page.place(offset)
        if is_first:  # a connection keeps the first page, so that a fresh one has to look
            return (False, "") if kind in UNUSED and self._first_is_same() else self._verified()
        if page.owner in ROWS and page.kind == TABLE:
            altered = self._altered(page, cell if kind == VALUES else None)
            if altered or kind in UNUSED:
                return bool(altered), altered
        elif cell and not self._is_there(page.owner, cell):
            return True, f"row {cell.row} missing from index {page.owner}"
        elif kind in UNUSED:
            return (False, "") if self._is_same(page) else self._verified()
        elif page.owner == "sqlite_schema" and definitions_of(self._live) != self._definitions:
            return True, "is not as this program makes it"
        (answer,) = self._live.execute(f"PRAGMA integrity_check('{self._tables[page.owner]}')").fetchone()
        if answer != "ok":
            return True, f"the database file: {answer}"
        # What is whole and says the same is the same to verify, unless it is a page that says where others are.
        says_the_same = cell and page.kind in (TABLE, INDEX) and page.owner not in SHOWN and self._is_same(page)
        return (False, "") if says_the_same else self._verified()

    def _is_same(self, page: Page) -> bool:
        """Is all of a table or index read as before? Of a page above others, what is below it is counted only."""
        inner = page.kind in (INNER_TABLE, INNER_INDEX)
        query = self._counted[page.owner] if inner else self._all[page.owner]
        return self._live.execute(query).fetchall() == self._known[query]

    def _altered(self, page: Page, cell: Cell | None) -> str:
        """What Judge says of the rows of a page, or of the one whose values were changed; empty when all are right."""
        first, last = (cell.row, cell.row) if cell else (page.cells[0].row, page.cells[-1].row)
        known = self._rows[page.owner]
        query = f"SELECT * FROM {page.owner} WHERE sequence BETWEEN ? AND ?"
        read = self._live.execute(query, (first, last)).fetchall()
        if read == [known[at] for at in range(first, last + 1) if at in known]:
            return ""
        span = range(first, last + (1 if cell else 2))  # the entry behind a page tells what its end lacks
        rows = {name: [has[at] for at in span if at in has] for name, has in self._rows.items()}
        rows[page.owner] = read + [known[at] for at in span if at > last and at in known]
        before = self._rows["ledger_entry"].get(first - 1)
        head = Head(first - 1, before[2]) if before else EMPTY
        followed = {"punch": {row[0]: row for row in rows["punch"]}, "correction": {}}
        try:
            return self._judge.piece(head, rows["ledger_entry"], followed).altered
        except (
            TypeError,
            AttributeError,
            ValueError,
        ):  # values of another kind: verify asks SQLite first, as is done next
            return ""

    def _is_there(self, owner: str, cell: Cell) -> bool:
        """Is the key of this cell where SQLite looks for it? True for all but indexes of table punch."""
        if owner not in self._lookups:
            return True
        row = self._rows["punch"][cell.row]
        values = [row[at] for at in self._columns[owner]]
        return self._live.execute(self._lookups[owner], (*values, cell.row)).fetchone() is not None

    def _first_is_same(self) -> bool:
        connection = self._connected()
        try:
            return connection.execute(self._all["sqlite_schema"]).fetchall() == self._known[self._all["sqlite_schema"]]
        finally:
            connection.close()

    def _verified(self) -> Verdict:
        """The whole verify; pieces of which no byte was changed are judged from memory."""
        judged = Judge.piece

        def piece(judge: Judge, head: Head, stored: Any, rows: Any) -> Piece:
            key = head, tuple(stored), *(tuple(rows[table].values()) for table in sorted(rows))
            found = self._pieces.get(key) or judged(judge, head, stored, rows)
            if len(self._pieces) < 1:
                self._pieces[key] = found  # the first is the clean one
            return found

        Judge.piece = piece  # type: ignore[method-assign]
        try:
            audit_module.audit(self._file, CAIRO, KEYS, self._keys)
        except LedgerAltered as error:
            return True, str(error)
        finally:
            Judge.piece = judged  # type: ignore[method-assign]
        assert told(self._file) == self._truth, "a bit changed what is told, and nothing noticed"
        return False, ""

    def _connected(self) -> sqlite3.Connection:
        uri = f"{self._file.resolve().as_uri()}?mode=ro&immutable=1"
        connection = sqlite3.connect(uri, uri=True, isolation_level=None, cached_statements=512)
        connection.execute(f"PRAGMA mmap_size = {2**30}")
        return connection

    def _parts(self) -> dict[int, Page]:
        found = {}
        for owner, number, kind in self._live.execute("SELECT name, pageno, pagetype FROM dbstat"):
            assert kind in ("leaf", "internal"), "expected rows that lie on one page each"
            found[number] = page_of(self._content[(number - 1) * PAGE : number * PAGE], number, owner)
        assert len(found) * PAGE == len(self._content), "expected a file without free pages"
        return found

    def _lookup(self, index: str, names: list[str]) -> str:
        by = "" if index.startswith("sqlite_autoindex") else f"INDEXED BY {index}"  # that one cannot be named
        where = " AND ".join(f"{names[at]} = ?" for at in self._columns[index])
        return f"SELECT 1 FROM punch {by} WHERE {where} AND +sequence = ?"

    def _reading(self, owner: str, names: list[str]) -> str:
        """What reads all of a table, of a big one the numbers of its rows; or all of an index of table punch."""
        if owner not in self._columns:
            # Rows of a big table lie on its leaves, which are read by themselves: here its inner page is in question.
            wanted = "count(*), sum(sequence)" if owner in ROWS else "*"
            return f"SELECT {wanted} FROM {self._tables[owner]} NOT INDEXED"
        columns = ", ".join([names[at] for at in self._columns[owner]] + ["sequence"])
        by = "" if owner.startswith("sqlite_autoindex") else f"INDEXED BY {owner}"
        return f"SELECT {columns} FROM punch {by} ORDER BY {columns}"
