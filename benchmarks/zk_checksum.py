"""The packet checksum at 16 bytes, 1 KB and 64 KB, against pyzk's loop over words."""

import os
from collections.abc import Callable
from typing import Final

from zk import ZK

from benchmarks.harness import Anchor, Result, measure
from biometric_flow.zk.wire.checksum import checksum

SIZES: Final = ((16, 20_000, 2_000, 8.0), (1_024, 2_000, 100, 200.0), (65_472, 40, 1, 1_000.0))
"""Bytes, our rounds and pyzk's rounds in a run, floor."""


def main() -> list[Result]:
    return [_size(*row) for row in SIZES]


def _size(size: int, rounds: int, peer_rounds: int, floor: float) -> Result:
    payload = os.urandom(size)
    as_pyzk_has_it = tuple(payload)
    peer: Callable[[tuple[int, ...]], bytes] = ZK("127.0.0.1")._ZK__create_checksum  # it has no public name

    def subject() -> None:
        for _ in range(rounds):
            checksum(payload)

    def anchor() -> None:
        for _ in range(peer_rounds):
            peer(as_pyzk_has_it)

    return measure(
        f"zk-checksum-{size}",
        subject,
        units=rounds,
        of="checksums",
        anchor=Anchor("pyzk", anchor, units=peer_rounds, note="fewer rounds a run; compared per checksum"),
        floor=floor,
        settings={"bytes": size},
    )
