"""How long data stay, by kind, and what must not go whatever else is asked: policies, legal holds, answers (E3)."""

from collections.abc import Sequence
from datetime import date, datetime, timedelta
from typing import Annotated, Final, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, model_validator

from biometric_flow.api.moments import Day

Words = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=200)]
KeptData = Literal["identity", "attendance", "biometric", "account"]
"""Tags of columns that a rule can speak of. The rest follows these: a ledger's records go with their person."""

DAYS_MAX: Final = 36_500
HELD: Final[tuple[KeptData, ...]] = ("attendance", "identity")
"""What a hold or a duty to keep can hold back. Templates are never held."""
PINS_MAX: Final = 100_000


class RetentionRule(BaseModel):
    """How long one kind of data stays."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    data: KeptData
    at_least_days: int = Field(0, ge=0, le=DAYS_MAX, description="A duty to keep; an erasure waits for its end.")
    at_most_days: int | None = Field(None, ge=1, le=DAYS_MAX, description="None: until the person is erased.")
    because: Words = Field(description="The law or decision behind it; told to people who ask to be erased.")

    @model_validator(mode="after")
    def _an_end_after_the_duty(self) -> Self:
        if self.at_most_days is not None and self.at_most_days < self.at_least_days:
            raise ValueError("at_most_days: not less than at_least_days, or none")
        if self.data == "biometric" and self.at_least_days:
            raise ValueError("at_least_days: 0 for biometric data, which nothing can hold back")
        return self


class RetentionWanted(BaseModel):
    """The rules from a day on; they take the place of all rules of before."""

    model_config = ConfigDict(extra="forbid")

    valid_from: Day
    rules: list[RetentionRule] = Field(max_length=4)
    by: Words

    @model_validator(mode="after")
    def _one_rule_each(self) -> Self:
        if len({rule.data for rule in self.rules}) < len(self.rules):
            raise ValueError("rules: at most one for each kind of data")
        return self


class RetentionPolicy(RetentionWanted):
    """A saved policy. Policies are never changed: the next one begins where it says."""

    number: int
    saved_at: datetime

    def rule(self, data: str) -> RetentionRule | None:
        """What it says of one kind of data."""
        return next((rule for rule in self.rules if rule.data == data), None)


class HoldWanted(BaseModel):
    """Data that must not go while a matter is open, whoever asks: of a person, a department, or everybody."""

    model_config = ConfigDict(extra="forbid")

    scope: Literal["person", "department", "everybody"]
    who: str = Field("", max_length=64, description="PIN (at a place), employee number or department (at a gateway).")
    reason: Words = Field(examples=["claim 12/2026 at the labour court"])
    by: Words
    first_day: Day
    last_day: Day | None = Field(None, description="None: until it is ended.")

    @model_validator(mode="after")
    def _somebody(self) -> Self:
        if (self.scope == "everybody") == bool(self.who):
            raise ValueError("who: a person or department, and nothing for everybody")
        if self.last_day is not None and self.last_day < self.first_day:
            raise ValueError("last_day: not before first_day")
        return self


class HoldEnded(BaseModel):
    """That a hold is over."""

    model_config = ConfigDict(extra="forbid")

    by: Words


class Hold(HoldWanted):
    """A legal hold as it is kept."""

    id: str
    placed_at: datetime
    ended_at: datetime | None = None
    ended_by: str = ""

    def is_in_force(self, day: date) -> bool:
        """Whether it holds anything on this day."""
        return self.ended_at is None and self.first_day <= day and (self.last_day is None or day <= self.last_day)


class PlaceHold(BaseModel):
    """A hold as a place needs it: with the PINs it is about there, none for everybody."""

    model_config = ConfigDict(extra="forbid")

    hold: Hold
    pins: list[str] | None = Field(None, max_length=PINS_MAX)

    def covers(self, pin: str, day: date) -> bool:
        """Whether it holds what there is about this person back on this day."""
        return self.hold.is_in_force(day) and (self.pins is None or pin in self.pins)


class PlaceErasure(BaseModel):
    """Somebody to erase at a place; its ledger names the erasure by the same id."""

    model_config = ConfigDict(extra="forbid")

    erasure: str = Field(pattern="^[0-9a-f]{32}$")
    pin: str = Field(min_length=1, max_length=24)
    by: Words
    reason: Words


class PrivacyOrders(BaseModel):
    """What a gateway tells its places: the tenant's policies, holds, who left, and who is to be erased."""

    model_config = ConfigDict(extra="forbid")

    policies: list[RetentionPolicy] = Field(max_length=1000)
    holds: list[PlaceHold] = Field(max_length=1000)
    left: list[str] = Field(max_length=PINS_MAX, description="PINs whose holders' employment has ended.")
    erase: list[PlaceErasure] = Field([], max_length=1000, description="Until the place's ledger says it is done.")


class Stay(BaseModel):
    """Data that stays although somebody asked for it to go."""

    data: str
    why: str
    until: Day | None = Field(description="None: until the hold is ended.")


def in_force(policies: Sequence[RetentionPolicy], day: date) -> RetentionPolicy | None:
    """The policy of a day: of those that have begun the last that begins, and of several the newest."""
    begun = [one for one in policies if one.valid_from <= day]
    return max(begun, key=lambda one: (one.valid_from, one.number), default=None)


def stays(
    pin: str, last: datetime | None, policy: RetentionPolicy | None, holds: Sequence[PlaceHold], now: datetime
) -> list[Stay]:
    """What of a person must stay now, why and until when; nothing when they may be erased. `last` is the last punch."""
    found: list[Stay] = []
    for data in HELD:
        found += [
            Stay(data=data, why=one.hold.reason, until=one.hold.last_day)
            for one in holds
            if one.covers(pin, now.date())
        ]
        rule = policy.rule(data) if policy else None
        if rule is not None and rule.at_least_days and last is not None:
            until = last.date() + timedelta(days=rule.at_least_days)
            if until >= now.date():
                found.append(Stay(data=data, why=rule.because, until=until))
    return found


def is_over(last: datetime, policy: RetentionPolicy | None, data: KeptData, now: datetime) -> bool:
    """Whether what was last touched then has stayed as long as it may."""
    limit = too_old(policy, data, now)
    return limit is not None and last < limit


def too_old(policy: RetentionPolicy | None, data: KeptData, now: datetime) -> datetime | None:
    """What is older than this must go; None when nothing must."""
    rule = policy.rule(data) if policy else None
    return None if rule is None or rule.at_most_days is None else now - timedelta(days=rule.at_most_days)
