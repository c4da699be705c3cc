"""How a reader wants the pages: language, Hijri dates beside, theme; from the address, a cookie, or the browser."""

from collections.abc import Mapping
from contextvars import ContextVar
from dataclasses import dataclass, replace
from typing import Final
from urllib.parse import parse_qsl, urlencode

COOKIE: Final = "bf-look"
COOKIE_SECONDS: Final = 365 * 24 * 3600
THEMES: Final = ("system", "light", "dark", "contrast")


@dataclass(frozen=True, slots=True)
class Language:
    """One language that the pages speak."""

    code: str
    name: str
    """In itself, so that whoever reads it finds it."""
    direction: str
    locale: str
    """Whose rules numbers and dates follow (CLDR)."""


ENGLISH: Final = Language("en", "English", "ltr", "en_GB")
ARABIC: Final = Language("ar", "العربية", "rtl", "ar")
PSEUDO: Final = Language("en-XA", "Pseudo", "ltr", "en_GB")
"""English with brackets and two fifths more length, for tests: a text without brackets is in no catalogue."""
OFFERED: Final = (ENGLISH, ARABIC)
LANGUAGES: Final = {one.code: one for one in (*OFFERED, PSEUDO)}


@dataclass(frozen=True, slots=True)
class Look:
    """One reader's choices."""

    language: Language = ENGLISH
    has_hijri: bool = False
    theme: str = "system"

    def cookie(self) -> str:
        """The value that `read_look` understands."""
        return urlencode({"lang": self.language.code, "hijri": int(self.has_hijri), "theme": self.theme})


_reader: ContextVar[Look] = ContextVar("reader's look", default=Look())  # noqa: B039 - Look is frozen


def look() -> Look:
    """The look of whoever reads what is being made right now."""
    return _reader.get()


def made_for(chosen: Look) -> None:
    """From here on, in this task or thread, texts are made for this reader."""
    _reader.set(chosen)


def read_look(query: Mapping[str, str], cookie: str, accepted: str = "") -> Look:
    """The reader's look: `?lang=` of the address first, then their cookie, then what their browser asks for.

    Whatever is not a choice of ours counts as not chosen. Readers of Arabic have Hijri dates unless they said no.
    """
    kept = dict(parse_qsl(cookie[:200]))
    kept_language = LANGUAGES.get(kept.get("lang", ""))
    language = LANGUAGES.get(query.get("lang", "")[:10]) or kept_language or _asked_for(accepted)
    theme = kept.get("theme", "")
    return Look(
        language,
        has_hijri=kept["hijri"] == "1" if "hijri" in kept else language is ARABIC,
        theme=theme if theme in THEMES else "system",
    )


def chosen(fields: Mapping[str, str], before: Look) -> Look:
    """What the form of the account menu says; an unknown word leaves the choice as it was."""
    language = LANGUAGES.get(fields.get("lang", ""), before.language)
    theme = fields.get("theme", "")
    # A form without the box (the way in) leaves the calendar to the language.
    has_hijri = fields.get("hijri") == "1" if "calendar" in fields else language is ARABIC
    return replace(before, language=language, has_hijri=has_hijri, theme=theme if theme in THEMES else before.theme)


def _asked_for(accepted: str) -> Language:
    """The first language of an Accept-Language header that we speak. Its order is that of preference in practice."""
    for part in accepted[:200].split(","):
        code = part.partition(";")[0].strip().partition("-")[0].lower()
        if code in LANGUAGES:
            return LANGUAGES[code]
    return ENGLISH
