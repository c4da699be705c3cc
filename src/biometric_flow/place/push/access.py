"""What people say about who may push -> what the roster keeps."""

from typing import Any

from pydantic import SecretStr

from biometric_flow.api.place import TerminalCreate
from biometric_flow.api.push import PushAccessChange
from biometric_flow.place.push.errors import AccessInvalid
from biometric_flow.place.roster import RosterEntry, network_text, push_secret_text, secret_digest


def push_access(new: TerminalCreate) -> dict[str, Any]:
    """The roster's fields of a new terminal. Raises AccessInvalid when it could not be reached or let in."""
    if new.protocol == "pull" and not new.host:
        raise AccessInvalid("expected a host for a terminal that is pulled, got none")
    if new.protocol == "push" and not (new.serial and new.push_secret):
        raise AccessInvalid("expected serial and push_secret for a terminal that pushes, got not both")
    if new.push_secret and not new.serial:
        raise AccessInvalid("expected the serial number beside push_secret, got none")
    return {
        "serial": new.serial or "",
        "push_secret": _digest(new.push_secret),
        "push_networks": _networks(new.push_networks),
    }


def changed_access(entry: RosterEntry, change: PushAccessChange) -> dict[str, Any]:
    """The roster's fields that change. Raises AccessInvalid."""
    given = change.model_fields_set
    changes: dict[str, Any] = {}
    if "secret" in given:
        changes["push_secret"] = _digest(change.secret)
    if "networks" in given:
        changes["push_networks"] = _networks(change.networks or [])
    if "version" in given:
        changes["push_version"] = change.version or ""
    if change.serial:
        changes["serial"] = change.serial
    if changes.get("push_secret") and not (change.serial or entry.serial):
        raise AccessInvalid("expected the serial number of a terminal that was never reached, got none")
    return changes


def _digest(secret: SecretStr | None) -> str:
    if secret is None:
        return ""
    try:
        return secret_digest(push_secret_text(secret).get_secret_value())
    except ValueError as error:
        raise AccessInvalid(f"push_secret: expected {error}") from None


def _networks(networks: list[str]) -> str:
    try:
        return ",".join(map(network_text, networks))
    except ValueError as error:
        raise AccessInvalid(f"push_networks: expected networks such as 192.0.2.0/24, got: {error}") from None
