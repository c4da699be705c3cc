"""Privacy: erase a person, give them what is held about them; and the state of the place's keys."""

from fastapi import APIRouter

from biometric_flow.api.biometrics import ReleaseCopy
from biometric_flow.api.privacy import (
    ErasureDone,
    ErasureWanted,
    EventCopy,
    KeysView,
    PersonExport,
    RotationView,
    RotationWanted,
    TerminalCopy,
)
from biometric_flow.model.ids import Pin, canonical_pin
from biometric_flow.place.biometrics.samples import Release
from biometric_flow.place.errors import PersonUnknown, PinInvalid
from biometric_flow.place.reader import PunchFilter
from biometric_flow.place.routes.biometrics import release_view
from biometric_flow.place.routes.punches import BEFORE_ALL, punch_view
from biometric_flow.place.state import PlaceState, State
from biometric_flow.runtime.acting import acting, takes_out

router = APIRouter(prefix="/v1", tags=["privacy"])

EXPORT_MAX = 1_000_000
"""Punches in one export; nobody has more."""


@router.post("/erasures")
async def erase_person(wanted: ErasureWanted, state: State) -> ErasureDone:
    """Erase a person: their keys, every row about them, and an entry that says so and names nobody.

    Under a legal hold or a duty to keep, templates go at once, and `stays` says what does not; it follows by itself.
    """
    done = await state.retention.erase(_pin(wanted.pin), wanted.by, wanted.reason)
    action = acting()
    if action is not None and done.erasure:
        action.about("erasure", done.erasure)
    return done


@router.get("/people/{pin}/export", openapi_extra=takes_out())
async def export_person(pin: str, state: State) -> PersonExport:
    """Everything this place holds about one person, as one document."""
    return await state.writer.call(_export, state, _pin(pin))


@router.get("/keys")
async def read_keys(state: State) -> KeysView:
    """How many keys there are, in which states, and what is left of rotations. Never a key."""
    return state.rotation.view()


@router.post("/keys/rotations", status_code=202)
async def rotate_key(wanted: RotationWanted, state: State) -> RotationView:
    """Replace the root key, the tenant key, or the keys of terminals, people or the place; a restart goes on with it.

    The place works on. What was sealed is sealed anew before an old key is destroyed; copies of before stay closed.
    """
    return await state.rotation.begin(wanted.level)


def _export(state: PlaceState, pin: Pin) -> PersonExport:
    reader, vault = state.reader, state.biometrics.vault
    if state.writer.subjects.id_of(pin) is None:
        raise PersonUnknown("expected the PIN of somebody whom this place knows, nobody has it")
    wanted = [one for entry in state.roster for one in state.enrolments.of(entry.key) if one.pin == pin]
    return PersonExport(
        place=state.place.id,
        made_at=state.clock.now(),
        pin=pin,
        known_by=[TerminalCopy(**known) for known in reader.known_by(pin)],
        wanted_on=[
            TerminalCopy(terminal=one.terminal, name=one.name, privilege=one.privilege, card=one.card) for one in wanted
        ],
        punches=[punch_view(punch) for _, punch in reader.punches(PunchFilter(pin=pin), BEFORE_ALL, EXPORT_MAX)],
        put_aside=reader.put_aside(pin),
        events=[EventCopy(**event) for event in reader.events_about(pin)],
        releases=[_signed(state, one) for one in vault.releases(pin)],
        templates=[one.slot for one in vault.listed(pin)],
    )


def _signed(state: PlaceState, release: Release) -> ReleaseCopy:
    text = state.texts.find(release.text_version, release.text_language)
    told = release_view(release, state.clock.now()).model_dump()
    return ReleaseCopy(**told, text=text.body if text else "")


def _pin(text: str) -> Pin:
    try:
        return canonical_pin(text)
    except ValueError as error:
        raise PinInvalid(str(error)) from None
