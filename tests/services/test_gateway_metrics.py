"""What Prometheus and a load balancer learn of a gateway, and what they do not."""

import asyncio
from pathlib import Path
from typing import Any

import psycopg
from prometheus_client.parser import text_string_to_metric_families

from biometric_flow.runtime.postgres import SUPERUSER
from biometric_flow.zk.simulator.terminal import SimulatedTerminal
from biometric_flow.zk.wire.users import UserRecord
from tests.services.gateways import SECRETS, RunningGateway
from tests.services.places import configured, running_place, until

PREFIX = "biometric_flow_gateway_"


async def test_a_gateway_with_a_linked_place_is_measured_and_nobody_is_named(
    gateway: RunningGateway, tmp_path: Path
) -> None:
    link = {"gateway_url": gateway.url, "gateway_credential": SECRETS["cairo"]}
    people = [UserRecord(0, "471147", "Amina Hassan")]
    async with SimulatedTerminal(users=people) as terminal:
        async with running_place(tmp_path, [configured(terminal)], **link):
            await until(lambda: _status(gateway, "/v1/places/cairo/health", 200))
            await terminal.punch("471147")
            await until(lambda: _has_count(gateway, 1))
            await until(lambda: _caught_up(gateway))
            text = (await _get(gateway, "/metrics")).text
            full = (await _get(gateway, "/health/full")).json()
    told = _samples(text)
    assert told["place_links", ("place", "cairo")] == 1
    assert told["place_links", ("place", "leeds")] == 0
    assert told["place_ledger_held", ("place", "cairo")] >= 1
    assert told["place_ledger_lag", ("place", "cairo")] == 0
    assert 0 <= told["place_last_heard_age_seconds", ("place", "cairo")] < 60
    assert told["place_breaker_state", ("kind", "read"), ("place", "cairo"), ("state", "closed")] == 1
    proxied = ("operation", "GET /v1/places/{place}/health")
    assert told["requests_total", proxied, ("status", "2xx")] >= 1
    assert told["request_duration_seconds_count", proxied] >= 1
    assert told["requests_total", ("operation", "POST /v1/places/{place}/entries"), ("status", "2xx")] >= 1
    assert told["requests_capacity",] == 256
    assert told["requests_under_way",] >= 1
    for hidden in ("471147", "Amina", "tokyo", "Other Works"):
        assert hidden not in text
    cairo, leeds = full["places"]
    assert (cairo["place"], cairo["links"], cairo["breakers"]["read"]) == ("cairo", 1, "closed")
    assert (full["status"], full["missing"], leeds["last_heard"]) == ("degraded", ["leeds"], None)


async def test_paths_that_do_not_exist_make_no_labels(gateway: RunningGateway) -> None:
    for number in range(20):
        await gateway.http.get(f"/v1/nothing/{number}")
    told = _samples((await _get(gateway, "/metrics")).text)
    assert told["requests_total", ("operation", "none"), ("status", "4xx")] >= 20
    assert not [key for key in told if "nothing" in str(key)]


async def test_metrics_need_the_permission_and_show_no_other_tenants_places(gateway: RunningGateway) -> None:
    assert (await gateway.http.get("/metrics")).status_code == 401
    other = await gateway.sign_in_of_other_tenant()
    text = (await gateway.http.get("/metrics", headers={"Authorization": f"Bearer {other}"})).text
    assert "tokyo" in text
    assert "cairo" not in text


async def test_an_instance_without_its_database_lives_and_is_not_ready(gateway: RunningGateway) -> None:
    assert (await gateway.http.get("/health/ready")).status_code == 204
    await asyncio.to_thread(_shut, gateway)
    await until(lambda: _is(gateway, "/health/ready", 503))
    assert (await gateway.http.get("/health/live")).status_code == 204


def _shut(gateway: RunningGateway) -> None:
    assert gateway.database is not None
    with psycopg.connect(gateway.database.server.dsn(SUPERUSER, SUPERUSER), autocommit=True) as connection:
        connection.execute(f'ALTER DATABASE "{gateway.database.name}" ALLOW_CONNECTIONS false')
        connection.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", (gateway.database.name,)
        )


def _samples(text: str) -> dict[Any, float]:
    return {
        (sample.name.removeprefix(PREFIX), *sorted(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


async def _get(gateway: RunningGateway, path: str) -> Any:
    return await gateway.http.get(path, headers={"Authorization": f"Bearer {gateway.token}"})


async def _status(gateway: RunningGateway, path: str, status: int) -> bool:
    return bool((await _get(gateway, path)).status_code == status)


async def _is(gateway: RunningGateway, path: str, status: int) -> bool:
    return (await gateway.http.get(path)).status_code == status


async def _has_count(gateway: RunningGateway, count: int) -> bool:
    return await gateway.count() == count


async def _caught_up(gateway: RunningGateway) -> bool:
    cairo = (await _get(gateway, "/health/full")).json()["places"][0]
    return bool(cairo["held"] == cairo["head"])
