"""What can be wrong with a ledger, and with a request to write to it."""

from biometric_flow.model.errors import BiometricFlowError


class LedgerError(BiometricFlowError):
    """The root of this package's errors."""

    code = "ledger.error"


class EventUnreadable(LedgerError):
    """A record is not an event of a kind and version that this program knows."""

    code = "ledger.event_unreadable"


class ChainBroken(LedgerError):
    """An entry does not continue the chain: altered, missing, repeated or from another place."""

    code = "ledger.chain_broken"

    def __init__(self, sequence: int, why: str) -> None:
        super().__init__(f"entry {sequence}: {why}")
        self.sequence = sequence


class StorageUnavailable(LedgerError):
    """The disk did not take the write; nothing was accepted."""

    code = "ledger.storage_unavailable"
    retryable = True


class NoteRefused(LedgerError):
    """A note or checkpoint that cannot be read, or that the expected key did not sign."""

    code = "ledger.note_refused"


class KeyTextInvalid(LedgerError):
    """A text that is no public key in the form `<name>+<id>+<base64>`."""

    code = "ledger.key_invalid"


class TreeIncomplete(LedgerError):
    """Hashes of a tree are missing that were there once."""

    code = "ledger.tree_incomplete"


class CheckpointInconsistent(LedgerError):
    """A ledger is not the continuation of what was signed before."""

    code = "ledger.checkpoint_inconsistent"


class LedgerAltered(LedgerError):
    """Something in a ledger is not what was written; the message names the first such place."""

    code = "ledger.altered"
