"""The desired state: who should be on which terminal, and how that differs from who is."""

from dataclasses import replace
from typing import Annotated

from fastapi import APIRouter, Path, Query

from biometric_flow.api.enrolments import Differences, EnrolmentView, EnrolmentWish
from biometric_flow.model.ids import canonical_pin
from biometric_flow.place.enrolments import Enrolment, plan
from biometric_flow.place.errors import PinInvalid, TerminalNotRead
from biometric_flow.place.routes.push import Push
from biometric_flow.place.state import State

router = APIRouter(prefix="/v1", tags=["enrolments"])

RawPin = Annotated[str, Path(min_length=1, max_length=24)]


@router.get("/enrolments")
async def list_enrolments(
    state: State, terminal: Annotated[str, Query(description="The terminal's key.", max_length=64)]
) -> list[EnrolmentView]:
    """Everybody who should be on a terminal, and those whom it is to forget, by PIN."""
    entry = state.roster.get(terminal)
    return [_view(one) for one in await state.writer.call(state.enrolments.of, entry.key)]


@router.get("/enrolments/{terminal}/{pin}")
async def get_enrolment(terminal: str, pin: RawPin, state: State) -> EnrolmentView:
    """One person on one terminal."""
    entry = state.roster.get(terminal)
    return _view(await state.writer.call(state.enrolments.get, entry.key, _canonical(pin)))


@router.put("/enrolments/{terminal}/{pin}")
async def put_enrolment(terminal: str, pin: RawPin, wish: EnrolmentWish, state: State) -> EnrolmentView:
    """Want a person on a terminal like this. The terminal is not touched: ask for the job `push_users` for that."""
    entry = state.roster.get(terminal)
    password = None if wish.password is None else wish.password.get_secret_value()
    wanted = Enrolment(entry.key, _canonical(pin), wish.name, wish.privilege, wish.group, wish.card, password)
    wanted = replace(wanted, zones=None if wish.zones is None else tuple(wish.zones))
    return _view(await state.writer.call(state.enrolments.put, wanted))


@router.delete("/enrolments/{terminal}/{pin}")
async def delete_enrolment(terminal: str, pin: RawPin, state: State) -> EnrolmentView:
    """Want a person off a terminal. Forgotten here when the terminal has confirmed that they are gone."""
    entry = state.roster.get(terminal)
    return _view(await state.writer.call(state.enrolments.unwant, entry.key, _canonical(pin)))


@router.get("/terminals/{key}/differences")
async def list_differences(key: str, state: State, push: Push) -> Differences:
    """How the terminal, as it was last read, differs from what it should be."""
    entry = state.roster.get(key)
    known = state.collectors.users(key) or push.desk.intake.hearings.people.get(key)
    if known is None:
        how = "wait until it is online" if entry.protocol == "pull" else "order the job pull_again"
        raise TerminalNotRead(f"nobody has read the people of {key!r} since this place started; {how}")
    users, read_at = known
    made = plan(await state.writer.call(state.enrolments.of, key), users, entry.encoding)
    return Differences(terminal=key, read_at=read_at, differences=made.differences)


def _canonical(pin: str) -> str:
    try:
        return canonical_pin(pin)
    except ValueError as error:
        raise PinInvalid(str(error)) from error


def _view(enrolment: Enrolment) -> EnrolmentView:
    return EnrolmentView(
        terminal=enrolment.terminal,
        pin=enrolment.pin,
        name=enrolment.name,
        privilege=enrolment.privilege,
        group=enrolment.group,
        card=enrolment.card,
        has_password=bool(enrolment.password),
        is_wanted=enrolment.is_wanted,
        zones=None if enrolment.zones is None else list(enrolment.zones),
    )
