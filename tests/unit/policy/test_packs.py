"""Policy packs: what is refused, where the refusal points, what presets say."""

import json
from importlib import resources
from typing import Any

import pytest

from biometric_flow.policy.engine import evaluate
from biometric_flow.policy.errors import PolicyInvalid
from biometric_flow.policy.fields import day_number
from biometric_flow.policy.inputs import GivenPunch, Inputs
from biometric_flow.policy.packs import numbers_of, pack_in_force, read_pack, warnings
from biometric_flow.policy.sentences import sentences
from biometric_flow.policy.zones import home_zone

FOLDER = resources.files("biometric_flow.policy.presets")
PRESETS = {entry.name: json.loads(entry.read_text()) for entry in FOLDER.iterdir() if entry.name.endswith(".json")}


def pack(policy: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"schema": 1, "id": "x", "name": "X", "version": 1, "valid_from": "2024-01-01", "policy": policy, **more}


@pytest.mark.parametrize("name", sorted(PRESETS))
def test_every_number_of_a_preset_has_its_source(name: str) -> None:
    found = read_pack(PRESETS[name])
    assert list(numbers_of(PRESETS[name]["policy"], ""))
    assert found.unsourced == ()
    assert warnings(found) == []
    assert found.id == name.removesuffix(".json")


@pytest.mark.parametrize("name", sorted(PRESETS))
def test_every_rule_of_a_preset_is_told_in_a_sentence_that_has_its_numbers(name: str) -> None:
    found = read_pack(PRESETS[name])
    told = dict(sentences(found.policy))
    for source in found.sources:
        if not source.startswith("tiers") and source != "compliance.break_min_len":
            assert any(path.startswith(source) or source.startswith(path) for path in told), source
    assert all(words.endswith(".") for words in told.values())


@pytest.mark.parametrize(
    ("policy", "path", "expected"),
    [
        ({"rounding": {"in": {"mode": "nearest", "interval": 0}}}, "policy.rounding.in.interval", "from 1 to 1440"),
        ({"rounding": {"in": {"mode": "sideways"}}}, "policy.rounding.in.mode", "one of none, nearest, up, down"),
        ({"overtime": {"daily": [{"after": 480, "tier": "ot9"}]}}, "policy.overtime.daily[0].tier", "a multiplier"),
        (
            {"overtime": {"daily": [{"after": "soon", "tier": "regular"}]}},
            "policy.overtime.daily[0].after",
            "scheduled",
        ),
        ({"tiers": {"regular": 1.2}}, "policy.tiers.regular", "1.0"),
        ({"tiers": {"ot1": float("nan")}}, "policy.tiers.ot1", "a number"),
        ({"night": {"from": "25:00", "to": "06:00"}}, "policy.night.from", "HH:MM"),
        ({"missing": {"out": "cap"}}, "policy.missing.cap_min", "a whole number"),
        ({"grace_in_min": True}, "policy.grace_in_min", "a whole number"),
        ({"gracein_min": 5}, "policy.gracein_min", "perhaps 'grace_in_min'"),
        ({"overtime": {"weekley": []}}, "policy.overtime.weekley", "perhaps 'weekly'"),
        ({"breaks": {"auto_deduct": {}}}, "policy.breaks.auto_deduct", "a list"),
    ],
)
def test_a_refusal_points_at_the_field(policy: dict[str, Any], path: str, expected: str) -> None:
    with pytest.raises(PolicyInvalid) as refused:
        read_pack(pack(policy))
    assert refused.value.path == path
    assert expected in str(refused.value)


def test_a_source_for_a_field_that_is_not_there_is_refused() -> None:
    with pytest.raises(PolicyInvalid, match="the path of a field"):
        read_pack(pack({"grace_in_min": 5}, sources={"grace_out_min": "law"}))


def test_a_number_without_a_source_is_told() -> None:
    assert warnings(read_pack(pack({"grace_in_min": 5}))) == ["policy.grace_in_min: a number without a source"]


@pytest.mark.parametrize(
    ("rounding", "warns"),
    [
        ({"in": {"mode": "up", "interval": 15}, "out": {"mode": "down", "interval": 15}}, True),
        ({"in": {"mode": "up", "interval": 15}}, True),
        ({"total": {"mode": "down", "interval": 5}}, True),
        ({"in": {"mode": "nearest", "interval": 15}, "out": {"mode": "nearest", "interval": 15}}, False),
        ({"in": {"mode": "nearest", "interval": 6}, "out": {"mode": "nearest", "interval": 6}}, False),
        ({"in": {"mode": "up", "interval": 5, "grace": 3}, "out": {"mode": "down", "interval": 5, "grace": 3}}, False),
        ({"in": {"mode": "down", "interval": 15}, "out": {"mode": "up", "interval": 15}}, False),
        ({"in": {"mode": "up", "interval": 2}}, True),
        ({"in": {"mode": "up", "interval": 7}, "total": {"mode": "up", "interval": 6}}, True),
    ],
)
def test_rounding_against_the_person_warns(rounding: dict[str, Any], warns: bool) -> None:
    told = warnings(read_pack(pack({"rounding": rounding}, sources={"rounding": "our contract"})))
    assert [line for line in told if "785.48(b)" in line] != [] if warns else told == []


def test_the_pack_in_force_is_the_one_that_began_last() -> None:
    old = read_pack(pack({}, valid_from="2020-01-01"))
    new = read_pack(pack({}, valid_from="2024-06-01", version=2))
    ended = read_pack(pack({}, valid_from="2024-07-01", valid_to="2024-07-31", version=3))
    in_force = [
        pack_in_force([new, ended, old], day_number(text, "day"))
        for text in ("2019-12-31", "2024-05-31", "2024-06-01", "2024-07-31", "2024-08-01")
    ]
    assert in_force == [None, old, new, ended, new]


@pytest.mark.parametrize(
    ("name", "hours", "pay", "irregularities"),
    [
        ("us-flsa", (8, 21), {"regular": 780}, set()),
        ("us-ca", (8, 21), {"regular": 480, "ot1": 240, "ot2": 60}, set()),
        ("de", (8, 18), {"regular": 555}, {"CONSECUTIVE_LONG"}),
        ("eg", (8, 19), {"regular": 480, "otd": 120}, {"SPAN_LONG", "CONSECUTIVE_LONG"}),
        ("sa", (8, 21), {"regular": 480, "ot": 300}, {"SPAN_LONG", "CONSECUTIVE_LONG"}),
        ("ae", (14, 23), {"regular": 480, "otn": 60}, {"CONSECUTIVE_LONG"}),
        ("ae", (13, 22), {"regular": 480, "ot": 60}, {"CONSECUTIVE_LONG"}),
        ("in", (8, 18), {"regular": 540, "ot": 60}, {"CONSECUTIVE_LONG"}),
        ("in", (8, 19), {"regular": 540, "ot": 120}, {"SPAN_LONG", "CONSECUTIVE_LONG"}),
        ("bd", (8, 18), {"regular": 480, "ot": 120}, {"CONSECUTIVE_LONG"}),
        ("ng", (8, 14), {"overtime": 360}, {"CONSECUTIVE_LONG"}),
        ("mx", (8, 18), {"regular": 480, "ot": 120}, set()),
    ],
)
def test_a_long_day_without_a_break_by_the_law(
    name: str, hours: tuple[int, int], pay: dict[str, int], irregularities: set[str]
) -> None:
    monday = day_number("2024-01-08", "day")
    punches = tuple(GivenPunch(str(hour), (monday * 24 + hour) * 3600) for hour in hours)
    policy = read_pack(PRESETS[f"{name}.json"]).policy
    (day,) = evaluate(Inputs(home_zone("Etc/UTC"), monday, monday, policy, punches)).days
    assert day.pay == pay
    assert set(day.irregularities) == irregularities | {"UNSCHEDULED"}


def test_a_slip_of_a_letter_is_told_with_one_name_that_was_meant() -> None:
    for path, said in (("window_mun", "'window_min'"), ("zzz", "")):
        with pytest.raises(PolicyInvalid) as refused:
            read_pack(pack({"duplicate": {path: 1}}))
        assert refused.value.expected == "a field of the contract" + (f", perhaps {said}" if said else "")


def test_the_nearest_source_speaks_for_a_field() -> None:
    found = read_pack(
        pack(
            {"overtime": {"daily": [], "daily_cap_min": 9}}, sources={"overtime": "law", "overtime.daily_cap_min": "us"}
        )
    )
    assert found.source_of("overtime.daily_cap_min") == "us"
    assert found.source_of("overtime.weekly") == "law"
    assert found.source_of("overtimes") is None
    assert found.source_of("night") is None
