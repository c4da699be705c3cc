"""What kind of data a column may hold: the words that tag every column, and what each means for people (E7)."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final


class Data(StrEnum):
    """The kind of data in one column."""

    TECHNICAL = "technical"
    """Says nothing about anybody."""
    PSEUDONYM = "pseudonym"
    """A random or keyed value that leads to a person with a key only."""
    IDENTITY = "identity"
    """PIN, name, number, card: who somebody is."""
    ATTENDANCE = "attendance"
    """When and where somebody was, and what it amounts to."""
    BIOMETRIC = "biometric"
    """Templates and pictures, and what was agreed about them."""
    ACCOUNT = "account"
    """Who signs in, and what they decided."""
    EVIDENCE = "evidence"
    """Records, leaves and openings of a ledger."""
    SECRET = "secret"  # noqa: S105 - a word
    """What opens something: comm keys, tokens, wrapped keys."""


@dataclass(frozen=True, slots=True)
class Processing:
    """One line of a register of processing (GDPR article 30), for one kind of data."""

    about: str
    purpose: str
    kept: str


PROCESSING: Final[Mapping[Data, Processing]] = {
    Data.PSEUDONYM: Processing("workers", "telling records of people apart without naming them", "as the records"),
    Data.IDENTITY: Processing("workers", "naming people on terminals and in reports", "employment, until erased"),
    Data.ATTENDANCE: Processing(
        "workers", "recording working time and what follows from it", "payroll retention, until erased"
    ),
    Data.BIOMETRIC: Processing(
        "workers who signed a release", "carrying templates between terminals", "the release, three years at most"
    ),
    Data.ACCOUNT: Processing("users of the system", "access, and who decided what", "seven years"),
    Data.EVIDENCE: Processing("workers", "proving that records were not altered", "with the ledger; closed by erasure"),
}
"""What is done with data about people. TECHNICAL and SECRET are about nobody."""

Tags = Mapping[str, Mapping[str, Data]]
"""Table -> column -> kind."""


def tags(text: str) -> Tags:
    """Tags from lines `table: kind column column, kind column`. Raises ValueError for a word that is no kind."""
    found: dict[str, dict[str, Data]] = {}
    for line in filter(None, map(str.strip, text.splitlines())):
        table, _, rest = line.partition(":")
        columns = found.setdefault(table, {})
        for part in rest.split(","):
            kind, *names = part.split()
            columns |= dict.fromkeys(names, Data(kind))
    return found
