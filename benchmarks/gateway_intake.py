"""Ledger entries per second that a gateway takes over HTTP, verifies and stores; and the overview over the result.

Beside intake stands the check of the same entries' chain alone: the rest is HTTP, JSON and PostgreSQL.
"""

import asyncio
import tempfile
import time
from pathlib import Path

from benchmarks.harness import Result, note
from biometric_flow.gateway.store import schema
from biometric_flow.ledger.chain import EMPTY, check
from biometric_flow.model.ids import PlaceId
from biometric_flow.runtime.postgres import EmbeddedPostgres
from tests.services.gateways import TEMPLATE, Chain, fresh_database, running_gateway, touches

ENTRIES, UPLOAD, RUNS = 5_000, 1_000, 5


def main() -> list[Result]:
    return asyncio.run(_measure())


async def _measure() -> list[Result]:
    # Not below a private folder: PostgreSQL refuses to run as root and then runs as an account of its own.
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        server = EmbeddedPostgres(Path(folder) / "postgres")
        server.start()
        try:
            schema.prepare_embedded(server, TEMPLATE)
            schema.migrate(server.dsn(schema.OWNER, TEMPLATE))
            with fresh_database(server) as database:
                async with running_gateway(Path(folder) / "gateway", database) as gateway:
                    intake, checks, overviews = [], [], []
                    chain, uplink = Chain(), gateway.uplink()
                    for run in range(RUNS):
                        fresh = chain.add(*touches(ENTRIES, first=run * ENTRIES))
                        began = time.perf_counter()
                        for start in range(0, ENTRIES, UPLOAD):
                            await uplink.upload(run * ENTRIES + start, fresh[start : start + UPLOAD])
                        intake.append((time.perf_counter() - began) / ENTRIES)
                        began = time.perf_counter()
                        head = EMPTY
                        for entry in chain.entries[:ENTRIES]:
                            head = check(PlaceId("cairo"), head, entry.leaf, entry.record, entry.opening)
                        checks.append((time.perf_counter() - began) / ENTRIES)
                        began = time.perf_counter()
                        await gateway.client.overview(gateway.token)
                        overviews.append(time.perf_counter() - began)
                    await uplink.close()
        finally:
            server.stop()
    return [
        note("gateway-intake", intake, of="entries", limit=1 / 1_000, settings={"check_alone_s": checks}),
        note("gateway-overview", overviews, of="answers", limit=0.5, settings={"punches": ENTRIES * RUNS}),
    ]
