"""Terminals: list, add, change, switch on and off."""

from fastapi import APIRouter
from pydantic import SecretStr

from biometric_flow.api.place import TerminalChange, TerminalCreate, TerminalIdentity, TerminalView
from biometric_flow.place.errors import FindingUnknown, NotAsSeen
from biometric_flow.place.identity import CHANGED_CODES, Identity
from biometric_flow.place.push.access import push_access
from biometric_flow.place.roster import RosterEntry
from biometric_flow.place.state import State
from biometric_flow.runtime.acting import replaces

router = APIRouter(prefix="/v1/terminals", tags=["terminals"])


@router.get("")
async def list_terminals(state: State) -> list[TerminalView]:
    """All terminals of this place, by key."""
    return state.terminal_views()


@router.get("/{key}")
async def get_terminal(key: str, state: State) -> TerminalView:
    """One terminal."""
    return state.terminal_view(state.roster.get(key))


@router.post("", status_code=201)
async def add_terminal(new: TerminalCreate, state: State) -> TerminalView:
    """Add a terminal; collecting begins at once."""
    entry = RosterEntry(
        protocol=new.protocol,
        **push_access(new),
        key=new.key,
        name=new.name,
        host=new.host,
        port=new.port,
        comm_key=_digits(new.comm_key),
        encoding=new.encoding,
        is_enabled=new.is_enabled,
        clock=new.clock,
        clock_above_seconds=new.clock_above_seconds,
        attlog_layout=new.attlog_layout,
        unlock_unit=new.unlock_unit,
    )
    added = await state.writer.call(state.roster.add, entry)
    await state.collectors.apply(added)
    return state.terminal_view(added)


@router.patch("/{key}")
async def change_terminal(key: str, change: TerminalChange, state: State) -> TerminalView:
    """Change a terminal; its collector starts anew with what it is told."""
    replaces(state.roster.get(key))
    changes = change.model_dump(exclude_unset=True, exclude_none=True, exclude={"comm_key"})
    if "comm_key" in change.model_fields_set:
        changes |= {"comm_key": _digits(change.comm_key), "comm_key_next": 0}
    if change.serial and change.serial != state.roster.get(key).serial:
        # Another machine: what was known of the one before says nothing about it.
        changes |= {"firmware": "", "platform": "", "mac": ""}
    changed = await state.writer.call(lambda: state.roster.change(key, **changes))
    await state.collectors.apply(changed)
    return state.terminal_view(changed)


@router.post("/{key}/confirm")
async def confirm_terminal(key: str, seen: TerminalIdentity, state: State) -> TerminalView:
    """Confirm that a terminal which is not what was enrolled is on purpose; its whole log is read then.

    The body repeats `unconfirmed` as it was shown, so that nobody confirms what they have not seen.
    """
    entry = state.roster.get(key)
    replaces(entry)
    told = state.health.condition(key, state.clock.now()).told
    if told != Identity(seen.serial, seen.firmware, seen.platform, seen.mac):
        raise NotAsSeen(f"expected what {key!r} says of itself, got another identity; look again and confirm that")
    replaces(entry)
    changed = await state.writer.call(lambda: state.roster.learn(entry.key, **seen.model_dump()))
    for code in CHANGED_CODES:
        await state.writer.call(state.incidents.dismiss, entry.key, code)
    await state.collectors.apply(changed)
    return state.terminal_view(changed)


@router.delete("/{key}/findings/{code}", status_code=204)
async def dismiss_finding(key: str, code: str, state: State) -> None:
    """A person has seen an incident. What lasts, such as a missing comm key, goes away when it is mended."""
    entry = state.roster.get(key)
    if not await state.writer.call(state.incidents.dismiss, entry.key, code):
        raise FindingUnknown(f"expected the code of an incident of {key!r} that waits, got {code!r}")
    state.health.noted(key)


def _digits(comm_key: SecretStr | None) -> int:
    return int(comm_key.get_secret_value()) if comm_key else 0
