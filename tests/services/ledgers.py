"""A place's ledger in the making, with its tree and its key: what an honest place shows, and what a liar could."""

from dataclasses import dataclass, field

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from biometric_flow.api.clients import UplinkClient
from biometric_flow.ledger.chain import leaf_hash
from biometric_flow.ledger.merkle import fold
from biometric_flow.ledger.note import Checkpoint, Note, Signer
from tests.services.gateways import Chain

PLACE_KEY = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
OTHER_KEY = Ed25519PrivateKey.from_private_bytes(bytes(range(1, 33)))


@dataclass
class SignedChain(Chain):
    """A chain that can sign any of its checkpoints."""

    tenant: str = "demo"
    key: Ed25519PrivateKey = field(default=PLACE_KEY)

    @property
    def signer(self) -> Signer:
        return Signer(f"biometric-flow/{self.tenant}/{self.place}", self.key)

    def root(self, size: int) -> bytes:
        return fold([leaf_hash(entry.leaf) for entry in self.entries[:size]])

    def signed(self, size: int | None = None) -> Note:
        size = len(self.entries) if size is None else size
        return self.signer.sign(Checkpoint(self.signer.public.name, size, self.root(size)))

    async def show(self, uplink: UplinkClient, note: Note | None = None) -> Note:
        """What the gateway makes of this chain's checkpoint, or of another note under its key."""
        return Note.parse((await uplink.checkpoint(str(note or self.signed()), str(self.signer.public))).note)
