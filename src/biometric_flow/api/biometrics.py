"""What a place says of templates and pictures: releases, what is kept, what was destroyed. Never what they hold."""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from biometric_flow.api.moments import Instant

Words = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=200)]


TextVersion = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9._-]{1,40}$")]
Language = Annotated[str, StringConstraints(pattern=r"^[a-z]{2,3}(-[A-Za-z0-9]{2,8}){0,2}$")]
"""As BCP 47 writes it: `ar`, `pt-BR`."""


class ConsentTextWanted(BaseModel):
    """A wording that people are to sign."""

    model_config = ConfigDict(extra="forbid")

    body: str = Field(min_length=1, max_length=50_000)
    by: Words = Field(description="Who approved it.")


class ConsentText(ConsentTextWanted):
    """A wording in one language as it is kept; never changed."""

    version: TextVersion
    language: Language
    sha256: str = Field(description="Of the text in UTF-8, hexadecimal digits; stands in each release that was given.")
    saved_at: Instant


class ReleaseGiven(BaseModel):
    """A written release as it is recorded: purpose, wording, time, period, and who recorded it."""

    model_config = ConfigDict(extra="forbid")

    purpose: Words = Field(examples=["attendance at the Cairo plant"])
    text_version: Words = Field(description="Which wording was signed.", examples=["2026-01"])
    text_language: Language | None = Field(
        None,
        description="In which language; then the text must be saved here. None for a paper that is kept elsewhere.",
    )
    given_at: Instant = Field(description="When it was signed.")
    until: Instant = Field(description="The end of the period, three years after the signature at the latest.")
    recorded_by: Words
    allows_keeping: bool = Field(True, description="False: they may travel between terminals, nothing stays here.")


class ReleaseEnded(BaseModel):
    """Why a release ends; what it allowed is destroyed."""

    model_config = ConfigDict(extra="forbid")

    reason: Literal["withdrawn", "employment_ended"]
    recorded_by: Words


class ReleaseView(BaseModel):
    """A release and whether it is in force."""

    number: int
    purpose: str
    text_version: str
    text_language: str = Field(description="Empty for a paper that is kept elsewhere, as is the hash.")
    text_sha256: str
    given_at: Instant
    until: Instant
    recorded_by: str
    recorded_at: Instant
    allows_keeping: bool
    ended_at: Instant | None
    end_reason: str
    is_in_force: bool


class KeptSampleView(BaseModel):
    """That something is kept of a person; what it is stays sealed."""

    slot: str = Field(description="Kind, type, number, index.", examples=["FP/1/3/0/"])
    terminal: str = Field(description="Serial number it came from.")
    received_at: Instant
    size: int = Field(description="Bytes of the sealed envelope.")


class DestructionView(BaseModel):
    """A person's templates to be destroyed on one terminal; open until it confirmed."""

    number: int
    pin: str
    terminal: str = Field(description="The terminal's key.")
    reason: str
    asked_at: Instant
    job: int | None = Field(description="The last job that was to do it.")
    detail: str
    confirmed_at: Instant | None


class Destroyed(BaseModel):
    """What an ended release set in motion."""

    destroyed_here: int
    tasks: list[DestructionView]


class BiometricCount(BaseModel):
    """How many templates and pictures came from a terminal, and what became of them."""

    terminal: str = Field(description="Serial number.")
    outcome: Literal["kept", "switched_off", "no_release", "unreadable", "empty"]
    count: int


class BiometricsView(BaseModel):
    """Whether a place keeps templates and pictures, and what became of those that came."""

    is_on: bool
    counts: list[BiometricCount]
    open_destructions: int


class TemplatesCopy(BaseModel):
    """Where a person's templates are to go."""

    model_config = ConfigDict(extra="forbid")

    source: str = Field("", max_length=40, description="A terminal's key; empty for what this place keeps.")
    targets: list[str] = Field(min_length=1, max_length=50, description="Keys of terminals.")


class TransferView(BaseModel):
    """Templates on their way. What became of each step stands in the jobs."""

    id: str
    pin: str
    source: str
    jobs: dict[str, int] = Field(description="Terminal -> the job that gives or takes; targets follow the source.")
    waits_for: list[str] = Field(description="Targets that have not confirmed yet.")
    ends_at: Instant = Field(description="What is not taken by then is forgotten.")


class ReleaseCopy(ReleaseView):
    """A release as the person gets it: with the words they signed."""

    text: str = Field(description="Empty for a paper that is kept elsewhere.")


class Consent(ReleaseView):
    """A release as a gateway shows it."""

    place: str
    pin: str


class ConsentReport(BaseModel):
    """What a place tells of consent: some releases, some texts, and which releases there are at all."""

    model_config = ConfigDict(extra="forbid")

    releases: list[Consent] = Field(max_length=500)
    texts: list[ConsentText] = Field(max_length=20)
    numbers: list[int] | None = Field(None, max_length=200_000, description="All there are; None: not told now.")
