"""The alert rules that are shipped: promtool runs their tests, and no rule asks for what is not measured."""

import re
import subprocess
from datetime import timedelta
from pathlib import Path

import pytest

from biometric_flow.gateway.links import Links
from biometric_flow.gateway.metrics import Meter, ProcessMeasured, QuotaMeasured
from biometric_flow.gateway.metrics import exposition as of_gateway
from biometric_flow.gateway.place_calls import PlaceCalls
from biometric_flow.gateway.quotas import Used
from biometric_flow.gateway.registry import Registry
from biometric_flow.gateway.traffic.remembered import Memory
from biometric_flow.place.metrics import PushMeasured
from biometric_flow.place.metrics import exposition as of_place
from biometric_flow.runtime.clock import SystemClock
from biometric_flow.runtime.places import Quota
from tests.builders import MOMENT
from tests.requires import unpacked
from tests.services.gateways import places_file

FOLDER = Path(__file__).parents[2] / "config" / "prometheus"


def test_promtool_finds_the_rules_right_and_their_tests_pass(tmp_path_factory: pytest.TempPathFactory) -> None:
    promtool = unpacked("prometheus", "promtool", tmp_path_factory.mktemp("prometheus"))
    for command in (["check", "rules", "alerts.yml"], ["test", "rules", "alerts.test.yml"]):
        done = subprocess.run(
            [promtool, *command], cwd=FOLDER, check=False, capture_output=True, text=True, timeout=120
        )
        assert done.returncode == 0, done.stdout + done.stderr


def test_each_rule_has_a_test() -> None:
    rules = set(re.findall(r"alert: (\w+)", (FOLDER / "alerts.yml").read_text()))
    told = set(re.findall(r"alertname: (\w+)\n\s+exp_alerts:\n", (FOLDER / "alerts.test.yml").read_text()))
    assert told == rules


async def test_each_series_of_a_rule_is_measured() -> None:
    clock = SystemClock()

    async def nothing(_scope: object, _receive: object, _send: object) -> None:
        raise AssertionError("nobody asks")

    calls = PlaceCalls(Registry(places_file(), timedelta(seconds=15)), Links(), clock)
    process = ProcessMeasured(0, 1, 0, 0, 0, Memory(0))
    share = QuotaMeasured(Used(1, 1, 1), Quota())
    text = of_gateway(Meter(nothing, clock), process, [], calls, share, MOMENT, 0.0).decode()
    text += of_place([], 0, 0, MOMENT, PushMeasured({}, {}, {})).decode()
    measured = set(re.findall(r"# TYPE (\w+) ", text))
    asked = set(re.findall(r"\b(biometric_flow_\w+)[{\[ )]", (FOLDER / "alerts.yml").read_text()))
    assert asked
    assert asked <= measured
