"""The process tree, with children that misbehave."""

import asyncio
from pathlib import Path

import pytest

from biometric_flow.runtime.clock import SystemClock
from biometric_flow.runtime.errors import StartRefused
from biometric_flow.supervisor.tree import TRIES, Child, Tree


class ImpatientClock(SystemClock):
    """Waits only a thousandth of what it is asked to."""

    async def sleep(self, seconds: float) -> None:
        await super().sleep(seconds / 1000)


async def test_a_child_that_can_never_run_ends_the_tree_with_its_own_last_words(tmp_path: Path) -> None:
    said: list[str] = []
    # A Python that cannot find its own library dies at once with exit code 1.
    broken = Child("gateway", ["gateway"], {"PYTHONHOME": str(tmp_path / "nothing")})
    with pytest.raises(StartRefused, match=f"^gateway failed {TRIES} times: ") as refused:
        await asyncio.wait_for(Tree(tmp_path / "logs", ImpatientClock(), said.append).run([broken]), 60)
    last = (tmp_path / "logs" / "gateway.log").read_text().strip().splitlines()[-1]
    assert last
    assert str(refused.value).endswith(last)
    assert len(said) == TRIES - 1
    assert all("exit code 1: " in line and "gateway.log" in line for line in said)
