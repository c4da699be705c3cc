"""`biometric-flow up`: the places, the gateway and the dashboard of a real configuration, on one machine."""

import asyncio
from collections.abc import Callable
from pathlib import Path

from biometric_flow.runtime.clock import SystemClock
from biometric_flow.runtime.places import read_places
from biometric_flow.runtime.process import hold, usable_folder
from biometric_flow.supervisor.tree import Child, Tree


def run_up(config: Path, logs: Path, say: Callable[[str], None]) -> int:
    """Run everything until told to stop. Raises StartRefused when a process refuses its settings or its port."""
    places = read_places(config).places
    folder = usable_folder(logs.resolve())
    common = ["--config", str(config.resolve())]
    children = [
        Child("gateway", ["gateway", *common]),
        *(Child(f"place {place.id}", ["place", *common, "--place", place.id]) for place in places),
        Child("dashboard", ["dashboard", *common]),
    ]
    with hold(folder):
        say(f"Starting the gateway, {len(places)} places and the dashboard; their logs are in {folder}")
        asyncio.run(Tree(folder, SystemClock(), say).run(children))
    say("Everything has stopped.")
    return 0
