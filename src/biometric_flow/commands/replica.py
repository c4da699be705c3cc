"""`biometric-flow ledger verify-url`: check a log over HTTP, as its place or gateway serves it."""

import argparse
import functools
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

import httpx2
from pydantic import ValidationError

from biometric_flow.api.place import LedgerPage
from biometric_flow.api.problems import Problem
from biometric_flow.commands.screen import Screen
from biometric_flow.ledger.errors import LedgerError
from biometric_flow.ledger.note import Checkpoint, Note, PublicKey
from biometric_flow.ledger.replica import Checked, ReplicaAltered, check_records, check_replica
from biometric_flow.model.ids import PlaceId
from biometric_flow.runtime.errors import StartRefused

TOKEN_VARIABLE: Final = "BIOMETRIC_FLOW_TOKEN"  # noqa: S105 - a name
"""Holds the access token of an account, or a place's API key; never an argument, which others could list."""
AUDIT: Final = "/v1/audit"
AUDIT_LOG: Final = PlaceId("#audit")
"""What leaves of an audit trail name as their place."""
WHOLE, ALTERED = 0, 1
_SECONDS: Final = 30.0
_MAX_ANSWER: Final = 4 * 1024 * 1024
_PAGE: Final = 500
"""Entries asked for at once."""
_TOLD: Final = frozenset({"ledger.chain_broken", "ledger.altered", "ledger.tree_incomplete"})
"""What a gateway answers that found by itself that what it holds was altered."""


def add_replica(parser: argparse.ArgumentParser) -> None:
    """Arguments of the command."""
    parser.add_argument("url", help="address of a gateway or a place, such as http://127.0.0.1:9000")
    which = parser.add_mutually_exclusive_group()
    which.add_argument("--place", metavar="ID", help="the gateway's replica of this place")
    which.add_argument("--audit", action="store_true", help="the gateway's audit trail")
    which.add_argument("--checkpoints", action="store_true", help="the gateway's log of checkpoints")
    which.add_argument("--own", metavar="ID", help="the URL is this place itself (default: a gateway's audit trail)")
    parser.add_argument("--log", type=int, metavar="N", help="with --place: an older log of it (default: the newest)")
    parser.add_argument("--key", required=True, help="public key that signs the log: <name>+<id>+<base64>")
    parser.add_argument("--gateway-key", help="checks the gateway's cosignature too")
    parser.add_argument(
        "--earlier",
        type=Path,
        action="append",
        default=[],
        metavar="FILE",
        help="a checkpoint of this log that was fetched before, which must still hold; may be given again",
    )
    parser.add_argument("--json", action="store_true", help="one JSON document")
    parser.set_defaults(command=verify_url)


def verify_url(given: argparse.Namespace) -> int:
    """0 when everything fits, 1 when something does not, 2 when it could not be checked."""
    screen = Screen(as_json=given.json)
    try:
        key = PublicKey.parse(given.key)
        witness = PublicKey.parse(given.gateway_key) if given.gateway_key else None
        earlier = kept_checkpoints(given.earlier)
    except LedgerError as error:
        raise StartRefused(str(error)) from None
    base, chained = _log(given, key)
    query = [] if given.log is None else [f"log={given.log}"]
    headers = {"Authorization": f"Bearer {os.environ[TOKEN_VARIABLE]}"} if os.environ.get(TOKEN_VARIABLE) else {}
    with httpx2.Client(base_url=given.url, headers=headers, timeout=_SECONDS, trust_env=False) as http:

        @functools.cache
        def checkpoint() -> bytes:
            return _answer(http, f"{base}/checkpoint", query)

        def fetch(path: str) -> bytes:
            return checkpoint() if path == "checkpoint" else _answer(http, f"{base}/{path}", query)

        try:
            if base == AUDIT:
                covered = Checkpoint.parse(Note.parse(checkpoint().decode("utf-8", "replace")).text).size
                records = check_records(AUDIT_LOG, _entries(http, covered))
            found = check_replica(fetch, key, witness, chained, earlier)
            if base == AUDIT and records != (found.size, found.root):
                raise ReplicaAltered("the leaves of the records are not those that were signed")
        except LedgerError as error:
            if screen.as_json:
                screen.document({"is_whole": False, "first": str(error)})
            screen.note(f"biometric-flow: what {given.url} serves was altered or is damaged: {error}")
            return ALTERED
    facts = _facts(found)
    if screen.as_json:
        screen.document({"is_whole": True, **facts})
    else:
        screen.facts({name: str(value) for name, value in facts.items()})
    return WHOLE


def _answer(http: httpx2.Client, path: str, query: Sequence[str]) -> bytes:
    """What is served there. Raises ReplicaAltered when the answer says so, StartRefused when there is none."""
    try:
        answer = http.get("?".join((path, *query)))
    except httpx2.HTTPError as error:
        raise StartRefused(f"{http.base_url} does not answer: {error}") from None
    if answer.status_code == 200 and len(answer.content) <= _MAX_ANSWER:
        return answer.content
    try:
        said = Problem.model_validate_json(answer.content)
    except ValidationError:
        said = None
    if said is not None and said.code in _TOLD:
        raise ReplicaAltered(said.detail)
    raise StartRefused(
        f"{http.base_url}{path} answered {answer.status_code}; expected 200. Set {TOKEN_VARIABLE} to"
        " the access token of an account that may read it, or to the place's API key"
    )


def _entries(http: httpx2.Client, covered: int) -> Iterator[tuple[bytes, bytes, bytes]]:
    """Leaf, record and opening of the audit trail's first entries, as many as are served of those that are covered."""
    for after in range(0, covered, _PAGE):
        content = _answer(http, f"{AUDIT}/entries", [f"after={after}&limit={min(_PAGE, covered - after)}"])
        try:
            page = LedgerPage.model_validate_json(content)
        except ValidationError:
            raise ReplicaAltered(f"expected entries after {after}, got something else") from None
        for entry in page.entries:
            yield entry.leaf, entry.record, entry.opening


def kept_checkpoints(files: Sequence[Path]) -> list[Note]:
    """Checkpoints that somebody kept in files. Raises NoteRefused or StartRefused."""
    try:
        return [Note.parse(file.read_text(encoding="utf-8")) for file in files]
    except (OSError, UnicodeDecodeError) as error:
        raise StartRefused(f"expected a checkpoint as it was fetched, it cannot be read: {error}") from None


def _log(given: argparse.Namespace, key: PublicKey) -> tuple[str, PlaceId | None]:
    """Where the log is served, and the place that its leaves name; the key says which of its logs it is."""
    name = PlaceId(key.name.rpartition("/")[2])
    if given.place:
        return f"/v1/places/{given.place}", name
    if given.checkpoints:
        return "/v1/ledger", None
    if given.own:
        return "/v1/ledger", name
    return AUDIT, AUDIT_LOG


def _facts(found: Checked) -> dict[str, int | str]:
    facts: dict[str, int | str] = {"log": found.origin, "leaves": found.size, "root": found.root.hex()}
    return facts if found.cosigned_at is None else {**facts, "cosigned at": found.cosigned_at}
