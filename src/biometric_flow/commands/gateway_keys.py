"""`biometric-flow keys ... --gateway`: state and rotation of a gateway's key stores, on its machine, running or not."""

import argparse
import os
import time
from contextlib import closing
from functools import partial
from typing import Final

from biometric_flow.commands.backup import gateway_settings, gateway_source
from biometric_flow.commands.screen import Screen
from biometric_flow.gateway.key_store import TenantKeys, open_tenant_keys
from biometric_flow.identity.keyring import ROOT
from biometric_flow.runtime.clock import SystemClock
from biometric_flow.runtime.errors import StartRefused
from biometric_flow.runtime.key_store import KeyStore
from biometric_flow.runtime.root_home import Service, Token

OWNED: Final = ("terminals", "people", "place")
"""Levels whose keys seal data: what they sealed is sealed anew."""


def status(given: argparse.Namespace) -> int:
    """Print how many keys there are, tenant by tenant."""
    with closing(_opened(given)) as keys:
        _show(keys)
    return 0


def rotate(given: argparse.Namespace) -> int:
    """Replace one key of every tenant. Whoever was stopped calls it again: it goes on with what is left."""
    if given.level == "terminals":
        raise StartRefused("expected another --level than terminals for a gateway: these are keys of its places")
    from biometric_flow.gateway.by_hand import recorded

    source = gateway_source(given.config, os.environ)
    about = {"level": given.level}
    with recorded(source, "keys rotate", SystemClock(), about, Screen().note), closing(_opened(given)) as keys:
        for tenant in keys.tenants():
            if given.level in OWNED:
                _rotate_owners(given, keys.of(tenant))
            else:
                rotate_store(keys.of(tenant), given.level)
        _show(keys)
    note_closed_backups(given.level, source.root)
    return 0


def note_closed_backups(level: str, root: Token | Service | None) -> None:
    """Say what a new root key means for backups of the keys: only a root key in a file travels with them."""
    if level in OWNED:
        Screen().note(
            "note: make a backup now. Data backups from before open only with the keys that were kept with them"
        )
    if level == "root" and root is not None:
        Screen().note(
            "note: make a backup now. The old root key is destroyed, and backups of the keys from before open nothing"
            " any more"
        )


def rotate_store(store: KeyStore, level: str) -> None:
    """Finish the rotation that is under way, or do one; other processes go on with the same store meanwhile."""
    owner = ROOT if level == "root" else store.tenant_owner
    steps = store.rotation(owner, begin=True)
    while steps:
        store.take(steps[0])
        steps = store.rotation(owner)


def _rotate_owners(given: argparse.Namespace, store: KeyStore) -> None:
    import psycopg

    from biometric_flow.gateway.keeper import database_addresses
    from biometric_flow.gateway.resealing import SETTLE_SECONDS, replace

    settings = gateway_settings(given.config, os.environ)
    _, _, owner_dsn = database_addresses(settings)
    try:
        replace(owner_dsn, store, given.level, partial(time.sleep, SETTLE_SECONDS))
    except psycopg.Error as error:
        raise StartRefused(
            f"expected the gateway's database, to seal its rows anew: {str(error).strip()}; start the gateway, then"
            " call this again: it goes on with what is left"
        ) from None


def _opened(given: argparse.Namespace) -> TenantKeys:
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
