"""The Grafana dashboards that are shipped: every query of every panel has data on a live Prometheus."""

import contextlib
import json
import re
import socket
import subprocess
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest

from biometric_flow.zk.simulator.terminal import SimulatedTerminal
from tests.requires import unpacked
from tests.services.gateways import SECRETS, RunningGateway
from tests.services.places import API_KEY, configured, running_place, until

CONFIG = Path(__file__).parents[2] / "config"
DASHBOARDS = sorted((CONFIG / "grafana" / "dashboards").glob("*.json"))
EMPTY_WHILE_WELL = {
    "Share of the quota": "no tenant of the test has limits",
    "Alarms": "nothing has rung",
    "Uploads": "the place has no push port",
    "Commands": "the place has no push port",
    "Not let in": "the place has no push port",
}
"""Panel -> why it is empty here. Their series are asked for by name in the tests of metrics."""


def panels(path: Path) -> Iterator[dict[str, Any]]:
    yield from (one for one in json.loads(path.read_text("utf-8"))["panels"] if one["type"] != "row")


def queries() -> list[tuple[str, str]]:
    """Title and expression of each target, as Grafana asks it with every variable at "All"."""
    found = [
        (panel["title"], target["expr"]) for path in DASHBOARDS for panel in panels(path) for target in panel["targets"]
    ]
    filled = {"$__rate_interval": "10s", "$place": ".*", "$terminal": ".*"}
    return [(title, re.sub(r"\$\w+", lambda one: filled[one[0]], expression)) for title, expression in found]


@contextlib.asynccontextmanager
async def prometheus(program: str, folder: Path, scrapes: list[dict[str, Any]]) -> AsyncIterator[str]:
    """A Prometheus that asks every half second; its address."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{probe.getsockname()[1]}"
    file = folder / "prometheus.yml"
    file.write_text(json.dumps({"global": {"scrape_interval": "500ms"}, "scrape_configs": scrapes}))  # YAML too
    command = [
        program,
        f"--config.file={file}",
        f"--storage.tsdb.path={folder / 'data'}",
        f"--web.listen-address={address}",
    ]
    with (folder / "log").open("wb") as log, subprocess.Popen(command, stdout=log, stderr=log) as running:
        try:
            yield f"http://{address}"
        finally:
            running.terminate()


def scrape(name: str, url: str, credentials: str, **labels: str) -> dict[str, Any]:
    return {
        "job_name": name,
        "authorization": {"credentials": credentials},
        "static_configs": [{"targets": [url.removeprefix("http://")], "labels": labels}],
    }


def test_panels_do_not_cover_each_other_and_say_what_they_show() -> None:
    for path in DASHBOARDS:
        taken: set[tuple[int, int]] = set()
        for panel in json.loads(path.read_text("utf-8"))["panels"]:
            at = panel["gridPos"]
            cells = {(x, y) for x in range(at["x"], at["x"] + at["w"]) for y in range(at["y"], at["y"] + at["h"])}
            assert not cells & taken, panel["title"]
            taken |= cells
        titles = [panel["title"] for panel in panels(path)]
        assert len(titles) == len(set(titles))


async def test_every_query_of_every_dashboard_has_data_on_a_live_prometheus(
    gateway: RunningGateway, tmp_path: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    program = unpacked("prometheus", "prometheus", tmp_path_factory.mktemp("prometheus"))
    link = {"gateway_url": gateway.url, "gateway_credential": SECRETS["cairo"]}
    async with SimulatedTerminal() as terminal, SimulatedTerminal(serial="GONE0001") as gone:
        await gone.power_off()
        devices = [configured(terminal), configured(gone, "gone")]
        async with (
            running_place(tmp_path / "cairo", devices, **link) as place,
            prometheus(
                program,
                tmp_path,
                [scrape("gateway", gateway.url, gateway.token), scrape("cairo", place.url, API_KEY, place="cairo")],
            ) as url,
            httpx2.AsyncClient(base_url=url, timeout=10, trust_env=False) as asked,
        ):
            headers = {"Authorization": f"Bearer {gateway.token}"}

            async def answered() -> bool:
                # A question to the place, and answers that are remembered: what the panels of both show.
                for path in ("/v1/places/cairo/health", "/v1/punches/count"):
                    await gateway.http.get(path, headers=headers)
                missing = [title for title, expression in queries() if not await _series(asked, expression)]
                return set(missing) <= EMPTY_WHILE_WELL.keys()

            await until(lambda: _is_ready(asked))
            try:
                await until(answered, 60)
            except AssertionError:
                empty = [query for query in queries() if not await _series(asked, query[1])]
                raise AssertionError(f"no data for {empty}; {(tmp_path / 'log').read_text()[-500:]}") from None


async def _is_ready(asked: httpx2.AsyncClient) -> bool:
    with contextlib.suppress(httpx2.TransportError):
        return (await asked.get("/-/ready")).status_code == 200
    return False


async def _series(asked: httpx2.AsyncClient, expression: str) -> list[Any]:
    answer = await asked.get("/api/v1/query", params={"query": expression})
    assert answer.status_code == 200, f"{expression}: {answer.text}"
    found: list[Any] = answer.json()["data"]["result"]
    return found
