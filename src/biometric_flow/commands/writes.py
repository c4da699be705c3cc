"""`biometric-flow terminal enable|disable|...`: changing a terminal."""

import argparse
from typing import Final

from biometric_flow.commands.connection import connected
from biometric_flow.commands.screen import Screen

DONE: Final = 0


async def enable(given: argparse.Namespace, screen: Screen) -> int:
    """Let people use it again."""
    async with connected(given, screen) as terminal:
        await terminal.enable()
    return told(screen, "enabled")


async def disable(given: argparse.Namespace, screen: Screen) -> int:
    """Lock keypad and sensors; it enables itself after --seconds."""
    async with connected(given, screen) as terminal:
        await terminal.disable(given.seconds)
    return told(screen, "disabled", seconds=given.seconds)


def told(screen: Screen, done: str, **more: object) -> int:
    """Say what was done."""
    if screen.as_json:
        screen.document({"done": done, **more})
    else:
        screen.say(" ".join([done, *(f"{name.replace('_', ' ')} {value}" for name, value in more.items())]))
    return DONE
