"""What an operator does at the gateway's machine leaves one leaf in each audit log, done or refused."""

import asyncio
from pathlib import Path
from typing import Any

import pytest

from biometric_flow.cli import main
from biometric_flow.gateway.key_store import INSTALLATION
from biometric_flow.gateway.store import audit, schema
from biometric_flow.gateway.trail import LOG
from biometric_flow.ledger.chain import EMPTY, check
from biometric_flow.ledger.decisions import OperationDone
from biometric_flow.ledger.events import decode
from biometric_flow.model.ids import TenantId
from biometric_flow.runtime.database import Database
from biometric_flow.runtime.sealed_file import new_identity
from tests.services.gateways import TestDatabase, places_file, running_gateway, with_keys

LOGS = (TenantId("demo"), TenantId("other"), INSTALLATION)


def configured(folder: Path, database: TestDatabase) -> list[str]:
    """The configuration of a gateway whose data are in `folder / "gateway"`, as arguments."""
    config = folder / "config"
    (config / "environments").mkdir(parents=True)
    (config / "places.json").write_text(places_file().model_dump_json(), encoding="utf-8")
    values = {"DATA": folder / "gateway", "DSN": database.dsn, "OWNER_DSN": database.owner_dsn}
    lines = "".join(f"BIOMETRIC_FLOW_GATEWAY_{name}={value}\n" for name, value in values.items())
    (config / "environments" / "gateway.env").write_text(lines, encoding="utf-8")
    return ["--gateway", "--config", str(config)]


async def told(folder: Path, dsn: str) -> dict[str, list[OperationDone]]:
    """What each log tells of the operator, every entry of it checked."""
    database, found = with_keys(Database(dsn, schema.APPLICATION), folder), {}
    database.is_ready = True
    for tenant in LOGS:
        head, events = EMPTY, list[Any]()
        async with database.tenant(tenant) as connection:
            for entry in await audit.entries(connection, 0, 1000):
                head = check(LOG, head, entry.leaf, entry.record, entry.opening)
                events.append(decode(entry.record))
        found[tenant] = [one for one in events if one.actor == "process:cli"]
    await database.close()
    return found


async def run(*arguments: str) -> int:
    return await asyncio.to_thread(main, list(arguments))


@pytest.mark.parametrize("is_up", [True, False])
async def test_keys_and_backups_leave_one_leaf_in_every_log_also_when_they_fail(
    database: TestDatabase, tmp_path: Path, is_up: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    which, folder = configured(tmp_path, database), tmp_path / "gateway"
    recipient = new_identity(tmp_path / "identity")
    create = ("backup", "create", *which, "--recipient", recipient, "--to", str(tmp_path / "backups"))

    async def all_of_it() -> None:
        assert await run("keys", "rotate", *which, "--level", "tenant") == 0
        assert await run(*create) == 2, "this role may not replicate"

    async with running_gateway(folder, database):
        if is_up:
            await all_of_it()
    if not is_up:
        await all_of_it()
    for tenant, events in (await told(folder, database.dsn)).items():
        said = [(one.operation, one.result) for one in events]
        assert said == [("keys rotate", "200"), ("backup create", "500 internal")], tenant
        assert dict(events[0].scope) == {"level": "tenant"}
        assert dict(events[1].scope) == {"recipient": recipient, "failed": "backup.refused"}
    assert "audit trail does not tell" not in capsys.readouterr().err
