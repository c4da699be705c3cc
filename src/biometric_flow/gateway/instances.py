"""What joins this instance of the gateway with others: a store that all share, and the way from one to another."""

from dataclasses import dataclass
from typing import Final

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from biometric_flow.gateway.peers import Peers
from biometric_flow.gateway.settings import GatewaySettings
from biometric_flow.gateway.shared import SharedStore, shared_store
from biometric_flow.gateway.shared_counts import SharedCounts
from biometric_flow.identity.envelope import derive
from biometric_flow.runtime.clock import Clock

_COUNTED: Final = b"biometric-flow/gateway/counted-together/1"
"""Purpose of the key under which instances name what they count."""
_ASKED: Final = b"biometric-flow/gateway/asked-by-peers/1"
"""Purpose of the key with which instances prove themselves to each other."""


@dataclass(frozen=True, slots=True)
class Instances:
    """All of it None where this instance is the only one."""

    store: SharedStore | None = None
    counts: SharedCounts | None = None
    peers: Peers | None = None

    async def close(self) -> None:
        """Close all connections."""
        if self.peers is not None:
            await self.peers.close()
        if self.store is not None:
            await self.store.close()


def joined_instances(settings: GatewaySettings, key: Ed25519PrivateKey, clock: Clock) -> Instances:
    """As the settings name it; `key` is one that all instances hold."""
    if settings.shared_url is None:
        return Instances()
    store, secret = shared_store(settings.shared_url.get_secret_value(), clock), key.private_bytes_raw()
    counts, address = SharedCounts(store, derive(secret, _COUNTED)), settings.peer_url
    peers = None if address is None else Peers(store, derive(secret, _ASKED), address, clock)
    return Instances(store, counts, peers)
