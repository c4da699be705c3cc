"""Whoever reads what went wrong reads no path of the server."""

import pytest

from biometric_flow.gateway.attention import BackupWord, attention
from biometric_flow.gateway.pathless import pathless


@pytest.mark.parametrize(
    ("said", "shown"),
    [
        ("[Errno 28] No space left on device: '/var/lib/my app/x.tmp'", "[Errno 28] No space left on device: [path]"),
        ("cannot write /srv/backup/gateway-1.bfb: disk full", "cannot write [path]: disk full"),
        ("folder=/srv/a (see ~/b, /c)", "folder=[path] (see [path], [path])"),
        (r"cannot open C:\Program Files\x", r"cannot open [path] Files\x"),
        (r"cannot open 'C:\Program Files\x'", "cannot open [path]"),
        (r"on \\nas\backups", "on [path]"),
        ("file:///srv/archive is full", "[path] is full"),
        ("PUT https://s3.example.com/bucket/a failed", "PUT https://s3.example.com/bucket/a failed"),
        ("use PUT /v1/places/cairo and 3/4 of 10 km/h", "use PUT /v1/places/cairo and 3/4 of 10 km/h"),
    ],
)
def test_a_path_is_left_out_and_nothing_else(said: str, shown: str) -> None:
    assert pathless(said) == shown


def test_lines_of_what_needs_a_person_hold_no_path() -> None:
    [line] = attention([], [], backups=[BackupWord("", "the gateway", "cannot write '/srv/backup/x': full", None)])
    assert line.text == "Backups of the gateway: cannot write [path]: full"
