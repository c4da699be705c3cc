"""The directory of people answers as a plain list of them would: searches, order, pages, and who is gone."""

import asyncio
from collections.abc import Sequence
from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from biometric_flow.gateway.store.directory import Directories, Directory, Employee, Subject, first
from biometric_flow.model.ids import TenantId

NAMES = st.sampled_from(["", "Amina Hassan", "amina", "ÉLODIE", "élodie Roux", "100%", "a_b", "Bo"])
SUBJECTS = st.dictionaries(
    st.tuples(st.sampled_from(["cairo", "leeds"]), st.text("0123456789A", min_size=1, max_size=3)), NAMES, max_size=30
)
PEOPLE = st.dictionaries(st.text("0123456789E-", min_size=1, max_size=3), NAMES, max_size=30)
SEARCHES = st.sampled_from([None, "1", "A", "amina", "É", "%", "_", "zz"])


def of(people: dict[tuple[str, str], str]) -> tuple[Directory, dict[bytes, tuple[str, str]]]:
    known = Directory()
    keys = {number.to_bytes(16, "big"): key for number, key in enumerate(people)}
    known.learn([(one, Subject(*key, people[key])) for one, key in keys.items()], [])
    return known, keys


@given(people=SUBJECTS, search=SEARCHES, place=st.sampled_from([None, "cairo", "leeds"]), size=st.integers(1, 7))
def test_pages_of_pins_are_those_of_a_sorted_list(
    people: dict[tuple[str, str], str], search: str | None, place: str | None, size: int
) -> None:
    known, keys = of(people)
    expected = [
        key
        for key in sorted(people)
        if (place is None or key[0] == place)
        and (search is None or search.lower() in people[key].lower() or search in key[1])
    ]
    seen: list[tuple[str, str]] = []
    while some := known.listed(search, place, seen[-1] if seen else None)[:size]:
        seen += [keys[one] for one in some]
    assert seen == expected
    assert {keys[one] for one in known.with_pin("1")} == {key for key in people if key[1] == "1"}


@given(people=PEOPLE, search=SEARCHES, size=st.integers(1, 7), left_out=st.sets(st.integers(0, 29)))
def test_pages_of_employees_are_those_of_a_sorted_list_without_whom_the_database_leaves_out(
    people: dict[str, str], search: str | None, size: int, left_out: set[int]
) -> None:
    known = Directory()
    ids = {UUID(int=number): key for number, key in enumerate(people)}
    known.learn([], [(one, Employee(number, people[number])) for one, number in ids.items()])
    hidden = {UUID(int=number) for number in left_out}
    expected = [
        key
        for key in sorted(people)
        if search is None or search.lower() in people[key].lower() or search in key
        if {one for one, number in ids.items() if number == key} - hidden
    ]

    async def among(some: Sequence[UUID]) -> dict[UUID, UUID]:
        return {one: one for one in some if one not in hidden}

    async def pages() -> list[str]:
        seen: list[UUID] = []
        while some := await first(known.numbered(search, (ids[seen[-1]], seen[-1]) if seen else None), among, size):
            seen += some
        return [ids[one] for one in seen]

    assert asyncio.run(pages()) == expected


def test_numbers_that_two_people_exchange_are_found_at_their_new_holders() -> None:
    one, other = UUID(int=1), UUID(int=2)
    known = Directory()
    known.learn([], [(one, Employee("1", "")), (other, Employee("2", ""))])
    known.learn([], [(one, Employee("2", "")), (other, Employee("1", ""))])
    assert (known.with_number("1"), known.with_number("2")) == (other, one)
    known.learn([], [(one, Employee("3", ""))])
    assert (known.with_number("2"), known.with_number("3")) == (None, one)


def test_a_copy_learns_for_itself_alone() -> None:
    known, _ = of({("cairo", "1"): "Amina"})
    twin = known.copy()
    twin.learn([(b"x" * 16, Subject("cairo", "2", ""))], [])
    assert (known.id_of("cairo", "2"), twin.id_of("cairo", "2")) == (None, b"x" * 16)


def test_the_tenants_least_recently_asked_for_go_when_memory_is_full() -> None:
    remembered = Directories(limit=2)
    for tenant in ("a", "b", "a", "c"):
        known, _ = of({("cairo", "1"): ""})
        known.version = 1
        remembered.keep(TenantId(tenant), known)
    assert [len(remembered.of(TenantId(tenant))) for tenant in ("a", "c", "b")] == [1, 1, 0]
