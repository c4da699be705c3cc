"""Releases, what is kept of people, what was destroyed. No operation gives a template away."""

from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Path, Query

from biometric_flow.api.biometrics import (
    BiometricCount,
    BiometricsView,
    ConsentText,
    ConsentTextWanted,
    Destroyed,
    DestructionView,
    KeptSampleView,
    Language,
    ReleaseEnded,
    ReleaseGiven,
    ReleaseView,
    TemplatesCopy,
    TextVersion,
    TransferView,
)
from biometric_flow.model.ids import Pin, canonical_pin
from biometric_flow.place.biometrics.samples import Release
from biometric_flow.place.biometrics.transfers import Transfer
from biometric_flow.place.errors import PinInvalid
from biometric_flow.place.state import State

router = APIRouter(prefix="/v1", tags=["biometrics"])

PersonPin = Annotated[str, Path(max_length=24)]


@router.get("/biometrics")
async def read_biometrics(state: State) -> BiometricsView:
    """Whether templates are kept here at all, and what became of those that terminals sent."""
    counts = await state.writer.call(state.biometrics.vault.counts)
    waiting = await state.writer.call(lambda: state.biometrics.destructions.listed(is_open=True))
    told = [
        BiometricCount.model_validate({"terminal": serial, "outcome": outcome, "count": count})
        for serial, outcome, count in counts
    ]
    return BiometricsView(is_on=state.biometrics.vault.is_on, counts=told, open_destructions=len(waiting))


@router.get("/biometrics/destructions")
async def list_destructions(
    state: State, is_open: bool = False, limit: Annotated[int, Query(ge=1, le=1000)] = 100
) -> list[DestructionView]:
    """What was destroyed on which terminal, and what is still to be, newest first."""
    found = await state.writer.call(lambda: state.biometrics.destructions.listed(is_open=is_open, limit=limit))
    return [DestructionView.model_validate(one, from_attributes=True) for one in found]


@router.put("/consent/texts/{version}/{language}", status_code=201)
async def save_text(version: TextVersion, language: Language, wanted: ConsentTextWanted, state: State) -> ConsentText:
    """Keep a wording that people are to sign, in one language. It is never changed; a change is the next version."""
    return await state.writer.call(state.texts.save, version, language, wanted, state.clock.now().isoformat())


@router.get("/consent/texts")
async def list_texts(state: State) -> list[ConsentText]:
    """Every wording there ever was, by version and language."""
    return await state.writer.call(state.texts.all)


@router.get("/consent/texts/{version}/{language}")
async def read_text(version: TextVersion, language: Language, state: State) -> ConsentText:
    """One wording."""
    return await state.writer.call(state.texts.get, version, language)


@router.put("/people/{pin}/release", status_code=201)
async def record_release(pin: PersonPin, given: ReleaseGiven, state: State) -> ReleaseView:
    """Record that a person agreed in writing; only then are their templates kept, where the place keeps any."""
    now = state.clock.now()
    digest = ""
    if given.text_language is not None:
        digest = (await state.writer.call(state.texts.get, given.text_version, given.text_language)).sha256
    release = Release(
        0,
        _pin(pin),
        given.purpose,
        given.text_version,
        given.given_at,
        given.until,
        given.recorded_by,
        now,
        given.allows_keeping,
        text_language=given.text_language or "",
        text_sha256=digest,
    )
    return release_view(await state.writer.call(state.biometrics.vault.agree, release), now)


@router.get("/people/{pin}/release")
async def list_releases(pin: PersonPin, state: State) -> list[ReleaseView]:
    """Everything a person signed here, newest first; ended ones stay as evidence."""
    releases = await state.writer.call(state.biometrics.vault.releases, _pin(pin))
    return [release_view(one, state.clock.now()) for one in releases]


@router.post("/people/{pin}/release/end", status_code=202)
async def end_release(pin: PersonPin, ended: ReleaseEnded, state: State) -> Destroyed:
    """End a release: what it allowed is destroyed here at once, and on each terminal by a job it has to confirm."""
    reason = f"{ended.reason}, recorded by {ended.recorded_by}"
    gone, tasks = await state.biometrics.end(_pin(pin), reason)
    return Destroyed(
        destroyed_here=gone, tasks=[DestructionView.model_validate(one, from_attributes=True) for one in tasks]
    )


@router.post("/people/{pin}/templates/copies", status_code=202)
async def copy_templates(pin: PersonPin, copy: TemplatesCopy, state: State) -> TransferView:
    """Bring a person's templates from one terminal to others, through memory only; each target reads them back."""
    return _transfer_view(await state.courier.copy(_pin(pin), copy.source, copy.targets))


@router.get("/people/{pin}/templates/copies/{transfer}")
async def read_copy(pin: PersonPin, transfer: Annotated[str, Path(max_length=32)], state: State) -> TransferView:
    """How far a copy is."""
    return _transfer_view(await state.courier.open(transfer, _pin(pin)))


@router.get("/people/{pin}/biometrics")
async def list_kept(pin: PersonPin, state: State) -> list[KeptSampleView]:
    """What is kept of a person, without what it is."""
    found = await state.writer.call(state.biometrics.vault.listed, _pin(pin))
    return [KeptSampleView.model_validate(one, from_attributes=True) for one in found]


def _pin(text: str) -> Pin:
    try:
        return canonical_pin(text)
    except ValueError as error:
        raise PinInvalid(str(error)) from None


def _transfer_view(transfer: Transfer) -> TransferView:
    return TransferView(
        id=transfer.id,
        pin=transfer.pin,
        source=transfer.source,
        jobs=transfer.jobs,
        waits_for=list(transfer.targets),
        ends_at=transfer.ends_at,
    )


def release_view(release: Release, now: datetime) -> ReleaseView:
    """A release as it is told."""
    told = {name: getattr(release, name) for name in ReleaseView.model_fields if name != "is_in_force"}
    return ReleaseView(**told, is_in_force=release.is_in_force(now))
