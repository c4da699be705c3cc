"""Thirty people and more with the disk of one side: each is found by whoever looks next, who says where."""

import re

import pytest

from tests.adversaries import worlds
from tests.adversaries.scripts import ADVERSARIES, Adversary
from tests.adversaries.worlds import World


def test_there_are_at_least_thirty_and_each_does_something_else() -> None:
    assert len({one.name for one in ADVERSARIES}) == len(ADVERSARIES) >= 30


def test_nobody_is_found_where_nobody_was(world: World) -> None:
    assert worlds.by_verify(world) == ""
    assert worlds.by_verifying_the_gateway(world) == ""
    assert worlds.by_reading_what_the_gateway_serves(world) == ""
    assert worlds.by_the_receipts_holder(world) == ""
    assert worlds.by_the_next_checkpoint(world) == ""
    assert worlds.by_a_link_that_is_refused(world) == ""
    assert worlds.by_the_places_health(world) == ""


BY_LOOKING = (worlds.by_verify, worlds.by_starting, worlds.by_the_receipts_holder)
"""Finders that run no gateway: milliseconds each. The others take seconds, and two of three wait for the drill."""
SERVED = [one for one in ADVERSARIES if one.found_by not in BY_LOOKING]


def named(adversary: Adversary) -> str:
    return adversary.name


@pytest.mark.parametrize("adversary", [one for one in ADVERSARIES if one.found_by in BY_LOOKING], ids=named)
def test_whoever_looks_finds(world: World, adversary: Adversary) -> None:
    found(world, adversary)


@pytest.mark.parametrize("adversary", SERVED[::3], ids=named)
def test_the_other_side_finds(world: World, adversary: Adversary) -> None:
    found(world, adversary)


@pytest.mark.drill
@pytest.mark.parametrize("adversary", [one for one in SERVED if one not in SERVED[::3]], ids=named)
def test_the_other_side_finds_too(world: World, adversary: Adversary) -> None:
    found(world, adversary)


def found(world: World, adversary: Adversary) -> None:
    adversary.script(world)
    said = adversary.found_by(world)
    assert re.search(adversary.says, said), f"{adversary.name}: {said or 'nobody noticed'}"
