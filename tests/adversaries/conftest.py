"""One world that was run, for all scripts of this folder."""

import asyncio
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from biometric_flow.gateway.store import schema
from biometric_flow.runtime.postgres import EmbeddedPostgres
from tests.adversaries.worlds import Origin, World, clone, drop, make_origin
from tests.services.gateways import TEMPLATE, TestDatabase


@pytest.fixture(scope="session")
def origin() -> Iterator[Origin]:
    with tempfile.TemporaryDirectory(prefix="bf-test-") as name:
        folder = Path(name)
        server = EmbeddedPostgres(folder / "postgres")
        server.start()
        try:
            schema.prepare_embedded(server, TEMPLATE)
            schema.migrate(server.dsn(schema.OWNER, TEMPLATE))
            (folder / "origin").mkdir()
            yield asyncio.run(make_origin(folder / "origin", clone(TestDatabase(TEMPLATE, server), "adversaries")))
        finally:
            server.stop()


@pytest.fixture
def world(origin: Origin, tmp_path: Path) -> Iterator[World]:
    made = origin.copy(tmp_path / "world")
    yield made
    if made.own is not None:
        drop(made.own)
