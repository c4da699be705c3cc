"""The operations of a place's own interface as entries of its ledger (security-design S1, L9)."""

from typing import Final

from biometric_flow.place.store import PlaceStore
from biometric_flow.place.writer import Writer
from biometric_flow.runtime.acting import Action

HOLDER: Final = "api-key"
"""Who acts at a place: whoever holds its key. Where an operation asks for a person, it is named in the request."""


class PlaceTrail:
    """Records what was refused or changed nothing; what changed something is recorded where it is written."""

    def __init__(self, store: PlaceStore, writer: Writer) -> None:
        self._store, self._writer = store, writer

    async def settle(self, action: Action, status: int) -> None:
        """Add the entry of an action that no transaction recorded. Raises StorageUnavailable."""
        await self._writer.tell(self._store.settle, action, status)
