"""Which passwords are taken: long enough, and not what attackers try first (security-design A4)."""

import gzip
import re
from collections.abc import Iterable
from functools import cache
from pathlib import Path
from typing import Final

from biometric_flow.identity.errors import PasswordWeak

CHARACTERS_MIN: Final = 12
CHARACTERS_MAX: Final = 128
_LIST: Final = Path(__file__).parent / "data" / "common_passwords.txt.gz"
_NEIGHBOURS: Final = ("abcdefghijklmnopqrstuvwxyz", "01234567890", "qwertyuiop", "asdfghjkl", "zxcvbnm", "azertyuiop")


def check_password(password: str, about: Iterable[str] = ()) -> None:
    """Raises PasswordWeak, saying why. `about` are words of the account, such as its e-mail address and name.

    No rules of composition: length counts, and that it is not a password which is found in breaches, a row of keys, one
    piece repeated, or the account's own name with something added.
    """
    if not CHARACTERS_MIN <= len(password) <= CHARACTERS_MAX:
        raise PasswordWeak(f"expected {CHARACTERS_MIN} to {CHARACTERS_MAX} characters, got {len(password)}")
    lower = password.lower()
    core = _core(lower)
    if lower in _common() or core in _common() or len(core) < 4:
        raise PasswordWeak("expected a password that is not known from breaches; a sentence of your own is a good one")
    if any(_is_repeated(one) or _is_row(one) for one in (lower, core)):
        raise PasswordWeak("expected more than one piece repeated, or keys in a row")
    for word in about:
        for part in re.split(r"[^a-z0-9]+", word.lower()):
            if len(part) >= 4 and part in lower and len(lower) - len(part) < CHARACTERS_MIN - 4:
                raise PasswordWeak("expected a password that does not consist of your own name or address")


@cache
def _common() -> frozenset[str]:
    return frozenset(gzip.decompress(_LIST.read_bytes()).decode().split("\n"))


def _core(lower: str) -> str:
    """What is left when digits and signs around it are taken off: `!Password2026!` is `password`."""
    return lower.strip("0123456789 !\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~")


def _is_repeated(text: str) -> bool:
    return bool(text) and text in (text + text)[1:-1]


def _is_row(text: str) -> bool:
    rows = (*_NEIGHBOURS, *(row[::-1] for row in _NEIGHBOURS))
    return any(text and text in row * 6 for row in rows)
