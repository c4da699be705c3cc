"""Text from terminals on a person's screen: nothing in it moves the cursor or turns the line (security-design P4)."""

import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from typing import Final

Row = Sequence[str]

_JOINERS: Final = "\u200c\u200d"
"""Letters of Persian and Indic names need them, and they move nothing."""
_ISOLATE: Final = ("\u2068", "\u2069")


def shown(text: str) -> str:
    """The text with control, bidi and other invisible characters as escapes; a backslash is doubled."""
    if text.isascii() and text.isprintable() and "\\" not in text:
        return text
    return "".join(map(_shown, text))


def width(text: str) -> int:
    """How many columns of a screen this text takes: two for wide characters, none for marks on the one before."""
    if text.isascii():
        return len(text)
    return sum(map(_columns, text))


def table(head: Row, rows: Iterable[Row], *, isolate: bool = False, right: Iterable[int] = ()) -> Iterator[str]:
    """Lines of a table whose columns stand under each other, two blanks between; `right` names columns of numbers.

    Cells are escaped. `isolate` keeps words that run from right to left from turning the rest of their line; for
    screens, not for files.
    """
    cells = [[shown(cell) for cell in row] for row in (head, *rows)]
    widths = [max(map(width, column)) for column in zip(*cells, strict=True)]
    numbers = set(right)
    for row in cells:
        yield "  ".join(
            _aligned(cell, widths[place], place in numbers, isolate) for place, cell in enumerate(row)
        ).rstrip()


def _shown(character: str) -> str:
    if character == "\\":
        return "\\\\"
    if character.isprintable() or character in _JOINERS or unicodedata.category(character) == "Zs":
        return character
    number = ord(character)
    if number <= 0xFF:
        return f"\\x{number:02x}"
    return f"\\u{number:04x}" if number <= 0xFFFF else f"\\U{number:08x}"


def _columns(character: str) -> int:
    if unicodedata.category(character) in ("Mn", "Me", "Cf"):
        return 0
    return 2 if unicodedata.east_asian_width(character) in "WF" else 1


def _aligned(cell: str, size: int, is_number: bool, isolate: bool) -> str:
    blanks = " " * (size - width(cell))
    if isolate and not cell.isascii() and any(unicodedata.bidirectional(letter) in ("R", "AL") for letter in cell):
        cell = cell.join(_ISOLATE)
    return blanks + cell if is_number else cell + blanks
