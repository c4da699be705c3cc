"""Policy packs: dated, versioned sets of rules as data, each number with its source; all checks point at a field."""

import difflib
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from biometric_flow.policy.errors import PolicyInvalid
from biometric_flow.policy.fields import Fields, date_text
from biometric_flow.policy.reading import read_policy
from biometric_flow.policy.rounding import round_to
from biometric_flow.policy.rules import Grid, Policy

PACK_SCHEMA: Final = 1
VERSION_MAX: Final = 1_000_000
_ID: Final = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,38}[a-z0-9])?")
_NAMES: Final = ("schema", "id", "name", "version", "valid_from", "valid_to", "policy", "sources", "notes")
_UNFAIR_MINUTES: Final = 0.5


@dataclass(frozen=True, slots=True)
class PolicyPack:
    """A set of rules in force from `valid_from` to `valid_to` (days, both included; None: until further notice)."""

    id: str
    name: str
    version: int
    valid_from: int
    valid_to: int | None
    policy: Policy
    sources: Mapping[str, str]
    """By field path, without `policy.`; a path speaks for everything below it."""
    notes: tuple[str, ...]
    unsourced: tuple[str, ...]
    """Numbers no source speaks for."""

    @property
    def label(self) -> str:
        """Name and version as the trace shows them."""
        return f"{self.id} v{self.version}"

    def source_of(self, path: str) -> str | None:
        """The source that speaks for a field, the nearest one."""
        found = [name for name in self.sources if _is_below(path, name)]
        return self.sources[max(found, key=len)] if found else None


def read_pack(document: object) -> PolicyPack:
    """A pack out of its document. Raises PolicyInvalid, for a name that nobody knows too."""
    unknown: list[str] = []
    fields = Fields(document, "", unknown)
    if fields.integer("schema", None, 0, VERSION_MAX) != PACK_SCHEMA:
        raise PolicyInvalid("schema", str(PACK_SCHEMA), fields.value("schema"))
    rules = fields.child("policy")
    if rules is None:
        raise PolicyInvalid("policy", "an object of rules", is_missing=True)
    policy = read_policy(rules)
    sources = fields.child("sources")
    spoken = {name: sources.text(name) for name in sources.names()} if sources else {}
    numbers = [path.removeprefix("policy.") for path, _ in numbers_of(fields.value("policy"), "policy")]
    for name in spoken:
        if not any(_is_below(path, name) for path in paths_of(fields.value("policy"), "")):
            raise PolicyInvalid(f"sources.{name}", "the path of a field of this pack's policy", name)
    pack = PolicyPack(
        id=_pack_id(fields),
        name=fields.text("name"),
        version=fields.integer("version", None, 1, VERSION_MAX),
        valid_from=fields.date("valid_from"),
        valid_to=fields.date("valid_to") if fields.has("valid_to") else None,
        policy=policy,
        sources=spoken,
        notes=tuple(str(note) for note in fields.list("notes", 100)),
        unsourced=tuple(path for path in numbers if not any(_is_below(path, name) for name in spoken)),
    )
    if pack.valid_to is not None and pack.valid_to < pack.valid_from:
        raise PolicyInvalid("valid_to", f"a date from {date_text(pack.valid_from)} on", date_text(pack.valid_to))
    fields.rest()
    if unknown:
        raise PolicyInvalid(unknown[0], _instead(unknown[0]), unknown[0].rpartition(".")[2])
    return pack


def pack_in_force(packs: Iterable[PolicyPack], day: int) -> PolicyPack | None:
    """Of the packs valid on a day the one that began last; of those the highest version."""
    valid = [pack for pack in packs if pack.valid_from <= day and (pack.valid_to is None or day <= pack.valid_to)]
    return max(valid, key=lambda pack: (pack.valid_from, pack.version), default=None)


def warnings(pack: PolicyPack) -> list[str]:
    """What is allowed, and still should be looked at by a person."""
    told = [f"policy.{path}: a number without a source" for path in pack.unsourced]
    rounding = pack.policy.rounding
    loss = _mean(rounding.into) - _mean(rounding.out) - _mean(rounding.total)
    if loss >= _UNFAIR_MINUTES:
        told.append(
            f"policy.rounding: takes {loss:.1f} minutes a day from the person on average;"
            " 29 CFR 785.48(b) accepts rounding that is neutral over time"
        )
    mapped = {tier for remap in pack.policy.overtime.window_remap for tier in remap.map.values()}
    told.extend(
        f"policy.overtime.window_remap: tier {tier!r} has no multiplier in policy.tiers"
        for tier in sorted(mapped - {"regular", *pack.policy.tiers})
    )
    return told


def numbers_of(value: object, path: str) -> Iterator[tuple[str, float]]:
    """Every number of a document with its path."""
    if isinstance(value, Mapping):
        for name, inner in value.items():
            yield from numbers_of(inner, f"{path}.{name}" if path else str(name))
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            yield from numbers_of(inner, f"{path}[{index}]")
    elif isinstance(value, int | float) and not isinstance(value, bool):
        yield path, value


def paths_of(value: object, path: str) -> Iterator[str]:
    """The path of every value of a document that holds no other."""
    if isinstance(value, Mapping):
        for name, inner in value.items():
            yield from paths_of(inner, f"{path}.{name}" if path else str(name))
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            yield from paths_of(inner, f"{path}[{index}]")
    else:
        yield path


def _pack_id(fields: Fields) -> str:
    name = fields.text("id")
    if not _ID.fullmatch(name):
        raise PolicyInvalid("id", "1 to 40 of a-z, 0-9 and inner hyphens", name)
    return name


def _is_below(path: str, name: str) -> bool:
    return path == name or (path.startswith(name) and path[len(name)] in ".[")


def _mean(grid: Grid | None) -> float:
    """How far a rounding moves a minute on average; positive is later or more."""
    if grid is None:
        return 0.0
    base = grid.interval * 10
    return sum(round_to(grid, base + minute) - base - minute for minute in range(grid.interval)) / grid.interval


_KNOWN: Final = (
    *_NAMES,
    *("duplicate", "window", "pairing", "missing", "rounding", "snap", "clamp_early_in", "clamp_late_out", "breaks"),
    *("meal_penalty", "grace_in_min", "grace_out_min", "late_counting", "late_basis", "thresholds", "tiers"),
    *("day_attribution", "day_start", "max_session_min", "new_shift_gap_min", "overtime", "night", "compliance"),
    *("holiday", "daily", "weekly", "day_tiers", "seventh_day", "min_daily_ot_min", "premium_counts_weekly"),
    *("window_remap", "daily_cap_min", "approval_required", "week_start", "period", "interval", "grace", "mode"),
    *("window_min", "scope", "auto_deduct", "paid_gap", "windows", "after_min", "deduct_min", "inclusive"),
)


def _instead(path: str) -> str:
    near = difflib.get_close_matches(path.rpartition(".")[2], _KNOWN, 1)
    return "a field of the contract" + (f", perhaps {near[0]!r}" if near else "")
