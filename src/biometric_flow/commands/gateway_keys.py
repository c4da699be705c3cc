"""`biometric-flow keys ... --gateway`: state and rotation of a gateway's key stores, on its machine, running or not."""

import argparse
import os
from contextlib import closing

from biometric_flow.commands.screen import Screen
from biometric_flow.gateway.key_store import TenantKeys, open_tenant_keys
from biometric_flow.identity.keyring import ROOT
from biometric_flow.runtime.errors import StartRefused
from biometric_flow.runtime.key_store import KeyStore


def status(given: argparse.Namespace) -> int:
    """Print how many keys there are, tenant by tenant."""
    with closing(_opened(given)) as keys:
        _show(keys)
    return 0


def rotate(given: argparse.Namespace) -> int:
    """Replace one key of every tenant. Whoever was stopped calls it again: it goes on with what is left."""
    if given.level == "terminals":
        raise StartRefused("expected --level root or tenant for a gateway; terminals' keys are their places'")
    with closing(_opened(given)) as keys:
        for tenant in keys.tenants():
            rotate_store(keys.of(tenant), given.level)
        _show(keys)
    return 0


def rotate_store(store: KeyStore, level: str) -> None:
    """Finish the rotation that is under way, or do one; other processes go on with the same store meanwhile."""
    owner = ROOT if level == "root" else store.tenant_owner
    steps = store.rotation(owner, begin=True)
    while steps:
        store.take(steps[0])
        steps = store.rotation(owner)


def _opened(given: argparse.Namespace) -> TenantKeys:
    from biometric_flow.commands.backup import gateway_source

    source = gateway_source(given.config, os.environ)
    if not source.key_stores.is_dir():
        raise StartRefused(f"expected the gateway's key stores in {source.key_stores}, there are none; see --config")
    return open_tenant_keys(source.key_stores, source.tenants, source.root)


def _show(keys: TenantKeys) -> None:
    rows = [
        (tenant, kind, state, str(count))
        for tenant in keys.tenants()
        for (kind, state), count in sorted(keys.of(tenant).counts().items())
    ]
    Screen().table(("tenant", "kind", "state", "keys"), rows)
