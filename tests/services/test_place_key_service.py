"""A place whose root key lies in a key service: it works on while the service is away, and says so at a start."""

from pathlib import Path

import pytest

from biometric_flow.identity import root_service
from biometric_flow.identity.root_service import RootKeyService
from biometric_flow.runtime.errors import FolderUnusable
from biometric_flow.runtime.key_store import open_keys
from biometric_flow.runtime.root_home import ROOT_FILE_NAME
from tests.key_service import CREDENTIALS, free_port, held_up, key_service
from tests.services.lone_place import usb_file
from tests.services.places import RunningPlace, running_place, until
from tests.services.pushes import pushing


@pytest.fixture(autouse=True)
def credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in CREDENTIALS.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(root_service, "READ_SECONDS", 3)


async def _take(place: RunningPlace, first: int, count: int) -> int:
    answer = await place.http.post("/v1/terminals/door/import", content=usb_file(first, count))
    assert answer.status_code == 200, answer.text
    accepted: int = answer.json()["accepted"]
    return accepted


async def test_an_outage_of_the_key_service_stops_no_running_place_and_a_start_says_what_is_missing(
    tmp_path: Path,
) -> None:
    pids: list[int] = []
    with key_service(free_port(), pids) as address:
        kms = {"kms_prefix": "test-cairo", "kms_region": "eu-central-1", "kms_endpoint": address}
        async with running_place(tmp_path, [pushing()], **kms) as place:
            assert await _take(place, 0, 5) == 5
            with held_up(pids[0]):
                assert await _take(place, 5, 20) == 20, "also of people who are new, whose keys are made now"
                assert len(await place.punches()) == 25
                begun = await place.http.post("/v1/keys/rotations", json={"level": "root"})
                assert (begun.status_code, begun.json()["code"]) == (503, "keys.root_unavailable"), begun.text
        assert not (tmp_path / "keys" / ROOT_FILE_NAME).exists()
        async with running_place(tmp_path, [pushing()], **kms) as place:
            answer = await place.http.post("/v1/keys/rotations", json={"level": "root"})
            assert answer.status_code == 202, answer.text
            await until(lambda: _is_done(place))
            assert await _take(place, 25, 5) == 5
        with pytest.raises(FolderUnusable, match="expected the root key"):
            open_keys(tmp_path / "keys", "demo", RootKeyService("test-leeds", "eu-central-1", address))
        with held_up(pids[0]), pytest.raises(FolderUnusable, match="the key service did not answer in time"):
            async with running_place(tmp_path, [pushing()], **kms):
                pass


async def _is_done(place: RunningPlace) -> bool:
    view = await place.get("/v1/keys")
    return not any(one["is_running"] for one in view["rotations"])
