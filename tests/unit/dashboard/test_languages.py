"""Every text of the dashboard stands in the Arabic catalogue, whole; numbers, days and weeks follow the reader."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date

import pytest
from babel.messages.catalog import Catalog
from babel.messages.pofile import read_po
from catalogue_keys import keys

from biometric_flow.dashboard import account_menu, words
from biometric_flow.dashboard.look import ARABIC, ENGLISH, PSEUDO, Look, chosen, look, made_for, read_look
from biometric_flow.dashboard.said import said
from biometric_flow.dashboard.views import devices, statuses, terminal
from biometric_flow.dashboard.views.overview import _ATTENTION
from biometric_flow.identity.roles import BUILT_IN

PLACE = re.compile(r"\{[a-z]*\}")


@contextmanager
def reading(reader: Look) -> Iterator[None]:
    before = look()
    made_for(reader)
    try:
        yield
    finally:
        made_for(before)


def catalogue() -> Catalog:
    with words.CATALOGUES.joinpath("ar.po").open("rb") as file:
        return read_po(file, locale="ar")


def test_every_text_of_the_pages_stands_in_the_catalogue_and_no_other() -> None:
    found = keys()
    kept = {message.id if isinstance(message.id, str) else message.id[0] for message in catalogue() if message.id}

    assert len(found) > 350
    assert set(found) - kept == set(), "write these into catalogues/ar.po"
    assert kept - set(found) == set(), "no page says these any more"


def test_a_translation_is_there_is_final_and_has_the_places_of_its_text() -> None:
    for message in catalogue():
        if not message.id:
            continue
        assert not message.fuzzy, message.id
        if isinstance(message.id, str):
            assert message.string, message.id
            assert sorted(PLACE.findall(message.string)) == sorted(PLACE.findall(message.id)), message.id
        else:
            assert keys()[message.id[0]] == message.id[1]
            assert len(message.string) == 6, message.id
            assert all(message.string), message.id
            for form in message.string[3:]:  # zero, one and two say their number as a word
                assert set(PLACE.findall(form)) == set(PLACE.findall(message.id[1])), message.id


def test_words_of_tables_are_marked_for_the_catalogue() -> None:
    rows = (*_ATTENTION.values(), *devices.STATES.values(), *terminal.STATES.values(), *statuses.STATUSES.values())
    words_of_tables = {word for row in rows for word in row if re.match("[A-Z][a-z]", word)}

    assert len(words_of_tables) > 25
    assert words_of_tables - set(keys()) == set()


def test_no_region_writes_words_of_its_own() -> None:
    """The scripts draw what Python said. A literal with two words or more would be English for everybody."""
    sentence = re.compile(r"""["'`>]([A-Z][a-z]+(?: [a-z]+)+)""")
    for path in sorted(words.CATALOGUES.parent.joinpath("assets").glob("*.js")):
        code = "\n".join(line.split("//")[0] for line in path.read_text("utf-8").splitlines())
        assert sentence.findall(code) == [], path.name


@pytest.mark.parametrize(
    ("count", "said"),
    [(0, "لا حركات"), (1, "حركة واحدة"), (2, "حركتان"), (3, "3 حركات"), (11, "11 حركة"), (100, "100 حركة"),
     (1204, "1,204 حركات")],
)  # fmt: skip
def test_arabic_counts_in_its_six_forms(count: int, said: str) -> None:
    with reading(Look(ARABIC)):
        assert words.counted(count, "{n} punch", "{n} punches") == said


def test_english_counts_in_two_and_the_pseudo_language_brackets_what_comes_from_a_catalogue() -> None:
    assert words.counted(1, "{n} punch", "{n} punches") == "1 punch"
    assert words.counted(1204, "{n} punch", "{n} punches") == "1,204 punches"
    with reading(Look(PSEUDO)):
        said = words._("Period {id} is made.", id="2026-11")
        assert said.startswith("⟦")
        assert "2026-11" in said
        assert len(said) > 1.3 * len("Period 2026-11 is made.")
        assert words._("→") == "→"


def test_days_are_said_as_the_reader_says_them_with_hijri_beside_where_wanted() -> None:
    day = date(2026, 11, 22)
    assert words.day_text(day) == "2026-11-22"
    assert words.hijri(day) == ""
    with reading(Look(ARABIC, has_hijri=True)):
        assert words.day_text(day) == "22 نوفمبر 2026"
        assert words.weekday_text(day, "whole") == "الأحد"
        assert words.hijri(day) == "12 جمادى الآخرة 1448 هـ"
        assert words.hijri(date(2199, 1, 1)) == "", "beyond the published tables nothing is guessed"
        assert words.hijri_span(date(2026, 11, 1), date(2026, 11, 30)).startswith("من 21 جمادى الأولى 1448 هـ")
    with reading(Look(ENGLISH, has_hijri=True)):
        assert words.hijri(date(2026, 2, 18)) == "1 Ramadan 1447 AH"


def test_a_week_is_that_of_the_country_of_a_zone() -> None:
    saturday, friday_and_saturday = 5, {4, 5}
    assert words.week_of("Africa/Cairo") == (saturday, friday_and_saturday)
    assert words.week_of("Asia/Riyadh")[1] == friday_and_saturday
    assert words.week_of("Europe/Lisbon")[1] == {5, 6}
    assert words.week_of(None) == words.week_of("Mars/Olympus") == (0, {5, 6})


def test_the_address_says_the_language_before_the_cookie_and_the_cookie_before_the_browser() -> None:
    kept = Look(ARABIC, has_hijri=False, theme="contrast").cookie()

    assert read_look({}, "", "") == Look()
    assert read_look({}, "", "fr-FR, ar-EG;q=0.8, en;q=0.5").language is ARABIC
    assert read_look({}, "", "ar").has_hijri
    assert read_look({}, kept, "en") == Look(ARABIC, has_hijri=False, theme="contrast")
    assert read_look({"lang": "en"}, kept, "ar") == Look(ENGLISH, has_hijri=False, theme="contrast")
    assert read_look({"lang": "tlh"}, "lang=<b>&theme=red&hijri", "") == Look()


def test_the_form_of_the_menu_changes_what_it_names_and_the_way_in_leaves_the_calendar_to_the_language() -> None:
    before = Look(ENGLISH, has_hijri=False, theme="dark")

    assert chosen({"lang": "ar", "calendar": "1", "theme": "light"}, before) == Look(ARABIC, False, "light")
    assert chosen({"lang": "ar"}, before) == Look(ARABIC, True, "dark")
    assert chosen({"lang": "xx", "theme": "pink", "calendar": "1", "hijri": "1"}, before) == Look(ENGLISH, True, "dark")


def test_every_built_in_role_has_a_name_in_both_languages() -> None:
    with reading(Look(ARABIC)):
        for name in BUILT_IN:
            assert re.search(r"[\u0600-\u06ff]", account_menu.role_name(name)), name
            assert re.search(r"[\u0600-\u06ff]", said(BUILT_IN[name].about)), name
        assert account_menu.role_name("night_guard") == "Night guard", "a tenant's own role keeps its name"
