"""Gives a place's ledger another signing key: an entry in which the old key names the new one, then the file."""

import os
from datetime import datetime
from pathlib import Path
from typing import Final

from biometric_flow.ledger.decisions import KeyChanged
from biometric_flow.ledger.errors import EventUnreadable
from biometric_flow.ledger.events import decode
from biometric_flow.ledger.note import PublicKey, Signer
from biometric_flow.ledger.rotation import hand_over
from biometric_flow.place.store import PlaceStore
from biometric_flow.runtime.signing import signing_key

KEY_FILE: Final = "ledger-key.pem"
NEXT_FILE: Final = "ledger-key.next.pem"
_LOOK_BACK: Final = 50
"""Entries at the end of a ledger among which an unfinished change is looked for; nobody else writes meanwhile."""


def change_key(folder: Path, origin: str, store: PlaceStore, by: str, now: datetime) -> PublicKey:
    """Make a new key and hand the ledger over to it. The place must be down. Safe to be killed in and done again."""
    finish_change(folder, origin, store)
    old = signing_key(folder / KEY_FILE)
    store.checkpoint(Signer(origin, old), now)
    new = signing_key(folder / NEXT_FILE)
    store.change_key(KeyChanged(str(hand_over(origin, old, new)), by, now))
    finish_change(folder, origin, store)
    return Signer(origin, new).public


def finish_change(folder: Path, origin: str, store: PlaceStore) -> None:
    """After a kill in the middle: the next key takes its place when the ledger names it, and is forgotten when not."""
    waiting = folder / NEXT_FILE
    if not waiting.exists():
        return
    named = str(Signer(origin, signing_key(waiting)).public)
    head = store.ledger.head().sequence
    for entry in store.ledger.read(max(0, head - _LOOK_BACK), _LOOK_BACK):
        try:
            event = decode(entry.record)
        except EventUnreadable:
            continue
        if isinstance(event, KeyChanged) and f"\n{named}\n" in event.note:
            os.replace(waiting, folder / KEY_FILE)
            return
    waiting.unlink()
