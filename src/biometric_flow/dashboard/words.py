"""Every text that people read, every number and day, in the language of whoever reads it.

The English text is the key; `catalogues/ar.po` holds the others. A test extracts all keys and fails on a missing one.
"""

import gettext
import io
import re
from datetime import date, datetime
from pathlib import Path
from typing import Final, Literal

from babel import Locale, UnknownLocaleError
from babel.core import get_global
from babel.dates import format_date
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po
from babel.numbers import format_decimal
from hijridate import Gregorian

from biometric_flow.dashboard.look import ARABIC, ENGLISH, PSEUDO, look

CATALOGUES: Final = Path(__file__).parent / "catalogues"
_PLACE: Final = re.compile(r"(\{[^}]*\})")
_LETTERS: Final = str.maketrans("aeiouAEIOUcnsyz", "åéîöûÅÉÎÖÛçñšýž")


def _read(code: str) -> gettext.NullTranslations:
    with CATALOGUES.joinpath(f"{code}.po").open("rb") as file:
        catalogue = read_po(file, locale=code)
    compiled = io.BytesIO()
    write_mo(compiled, catalogue)
    compiled.seek(0)
    return gettext.GNUTranslations(compiled)


_SPOKEN: Final = {ENGLISH.code: gettext.NullTranslations(), ARABIC.code: _read(ARABIC.code)}


def _(text: str, **values: object) -> str:
    """The text in the reader's language, with its named `{places}` filled. Never join two results into a sentence."""
    language = look().language
    said = _pseudo(text) if language is PSEUDO else _SPOKEN[language.code].gettext(text) if text else ""
    return said.format(**values) if values else said


def noted(text: str) -> str:
    """A text that stands in a table and is said by `_` later; marks it for the catalogue."""
    return text


def counted(count: int, one: str, many: str) -> str:
    """`one` or `many` with `{n}` filled, such as "1 person", "1,204 people"; Arabic has six forms."""
    language = look().language
    if language is PSEUDO:
        said = _pseudo(one if count == 1 else many)
    else:
        said = _SPOKEN[language.code].ngettext(one, many, count)
    return said.format(n=number(count))


def number(value: float) -> str:
    """A count as people read it: grouped digits, no fraction. Digits are Latin in every language."""
    return str(format_decimal(round(value), format="#,##0", locale=look().language.locale))


def day_text(day: date) -> str:
    """A day as people read it: 2026-11-22 in English (neither British nor American), 22 نوفمبر 2026 in Arabic."""
    if look().language is ARABIC:
        return str(format_date(day, "d MMMM y", locale="ar"))
    return f"{day:%Y-%m-%d}"


def month_text(day: date) -> str:
    """The month of a day, such as November 2026."""
    return _of_calendar(str(format_date(day, "LLLL y", locale=look().language.locale)))


def weekday_text(day: date, width: Literal["narrow", "short", "whole"] = "short") -> str:
    """The day of the week; narrow is as much as the head of a calendar has room for."""
    narrow = "EEEEE" if look().language is ARABIC else "EEE"
    pattern = {"narrow": narrow, "short": "EEE", "whole": "EEEE"}[width]
    return _of_calendar(str(format_date(day, pattern, locale=look().language.locale)))


def moment_text(moment: datetime, *, has_seconds: bool = True) -> str:
    """Day and time on the clock that the moment is given by."""
    return (
        f"{day_text(moment.date())} {moment:%H:%M:%S}" if has_seconds else f"{day_text(moment.date())} {moment:%H:%M}"
    )


def hijri(day: date) -> str:
    """The day by the Umm al-Qura calendar, where the reader wants it beside, else empty; evenings do not count."""
    if not look().has_hijri or not date(1924, 8, 1) <= day <= date(2077, 11, 16):
        return ""
    found = Gregorian.fromdate(day).to_hijri()
    code: Literal["ar", "en"] = "ar" if look().language is ARABIC else "en"
    return f"{found.day} {found.month_name(code)} {found.year} {found.notation(code)}"


def hijri_span(first: date, last: date) -> str:
    """From one day to another by the Umm al-Qura calendar, where the reader wants it beside."""
    begin, end = hijri(first), hijri(last)
    return _("{first} to {last}", first=begin, last=end) if begin and end and first != last else begin


def week_of(zone: str | None) -> tuple[int, frozenset[int]]:
    """The first day of the week and the days of the weekend (Monday is 0) where a zone is, by CLDR.

    Cairo: weeks begin on Saturday, Friday and Saturday are the weekend. Without a zone: Monday, Saturday and Sunday.
    """
    place = _country(zone)
    first, last = place.weekend_start, place.weekend_end
    return place.first_week_day, frozenset((first + step) % 7 for step in range((last - first) % 7 + 1))


def _country(zone: str | None) -> Locale:
    """Any locale of the country that a zone is in: the week is the country's, whatever is spoken there."""
    territory = get_global("zone_territories").get(zone or "", "")
    for language in get_global("territory_languages").get(territory, ()):
        try:
            return Locale(language.partition("_")[0], territory=territory)
        except UnknownLocaleError:
            continue
    return Locale("en", territory="001")


def _of_calendar(text: str) -> str:
    return _pseudo(text) if look().language is PSEUDO else text


def _pseudo(text: str) -> str:
    if not any(letter.isalpha() for letter in _PLACE.sub("", text)):
        return text
    parts = [part if part.startswith("{") else part.translate(_LETTERS) for part in _PLACE.split(text)]
    return f"⟦{''.join(parts)}{'~' * (len(text) * 2 // 5)}⟧"
