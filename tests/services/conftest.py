"""One PostgreSQL per test worker, and a fresh gateway per test."""

import tempfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from biometric_flow.gateway.store import schema
from biometric_flow.runtime.postgres import EmbeddedPostgres
from tests.services.gateways import TEMPLATE, RunningGateway, TestDatabase, fresh_database, running_gateway


@pytest.fixture(scope="session")
def cluster() -> Iterator[EmbeddedPostgres]:
    with tempfile.TemporaryDirectory(prefix="bf-test-") as folder:
        yield from _served(EmbeddedPostgres(Path(folder) / "postgres"))


def _served(server: EmbeddedPostgres) -> Iterator[EmbeddedPostgres]:
    server.start()
    try:
        schema.prepare_embedded(server, TEMPLATE)
        schema.migrate(server.dsn(schema.OWNER, TEMPLATE))
        yield server
    finally:
        server.stop()


@pytest.fixture
def database(cluster: EmbeddedPostgres) -> Iterator[TestDatabase]:
    with fresh_database(cluster) as made:
        yield made


@pytest.fixture
async def gateway(database: TestDatabase, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[RunningGateway]:
    async with running_gateway(tmp_path_factory.mktemp("gateway"), database) as running:
        yield running
