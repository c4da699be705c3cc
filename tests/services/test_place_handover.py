"""A place's signing key is changed while it is down; its gateway follows, and its ledger verifies with either key."""

import shutil
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from biometric_flow.cli import main
from biometric_flow.ledger.note import PublicKey, Signer
from biometric_flow.model.ids import PlaceId
from biometric_flow.place.audit import Keys, LedgerAltered, audit
from biometric_flow.place.handover import KEY_FILE, NEXT_FILE, change_key, finish_change
from biometric_flow.runtime.signing import signing_key
from tests.builders import MOMENT
from tests.services.gateways import SECRETS, RunningGateway, places_file
from tests.services.places import RunningPlace, running_place, until
from tests.services.stores import keys_of, opened_store

CAIRO, ORIGIN = PlaceId("cairo"), "biometric-flow/demo/cairo"
TERMINAL = {"key": "gate", "name": "Gate", "host": "127.0.0.1", "port": 9, "is_enabled": False}


async def _is_cosigned(place: RunningPlace) -> bool:
    answer = await place.http.get("/v1/ledger/checkpoint")
    head = (await place.get("/health"))["head"]
    return answer.text.startswith(f"{ORIGIN}\n{head}\n") and "biometric-flow-gateway" in answer.text


async def test_the_gateway_follows_and_the_ledger_verifies_with_the_old_key_and_the_new(
    gateway: RunningGateway, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder, link = tmp_path / "places" / "cairo", {"gateway_url": gateway.url, "gateway_credential": SECRETS["cairo"]}
    async with running_place(folder, **link) as place:
        await place.http.post("/v1/terminals", json=TERMINAL)
        await until(lambda: _is_cosigned(place))
        old = PublicKey.parse((await place.http.get("/v1/ledger/key")).text)
    (tmp_path / "places.json").write_text(places_file().model_dump_json(), encoding="utf-8")
    where = ["--place", "cairo", "--config", str(tmp_path), "--data", str(tmp_path)]
    capsys.readouterr()
    assert main(["ledger", "change-key", "--by", "Omar", *where]) == 0
    new = PublicKey.parse(capsys.readouterr().out.strip().splitlines()[-1])
    async with running_place(folder, **link) as place:
        assert PublicKey.parse((await place.http.get("/v1/ledger/key")).text) == new
        await place.http.patch("/v1/terminals/gate", json={"name": "Front"})
        await until(lambda: _is_cosigned(place))
    for key in (old, new):
        assert audit(folder / "place.sqlite3", CAIRO, Keys(key), keys_of(folder / "place.sqlite3")).checkpoints >= 2
    stranger = Signer(ORIGIN, Ed25519PrivateKey.generate()).public
    with pytest.raises(LedgerAltered, match="the keys of this ledger are others"):
        audit(folder / "place.sqlite3", CAIRO, Keys(stranger), keys_of(folder / "place.sqlite3"))


def test_a_change_that_was_killed_in_the_middle_is_finished_or_forgotten(tmp_path: Path) -> None:
    store, _ = opened_store(tmp_path / "place.sqlite3")
    old = Signer(ORIGIN, signing_key(tmp_path / KEY_FILE)).public
    signing_key(tmp_path / NEXT_FILE)
    finish_change(tmp_path, ORIGIN, store)
    assert not (tmp_path / NEXT_FILE).exists(), "no entry names it"
    shutil.copy(tmp_path / KEY_FILE, tmp_path / "before.pem")
    new = change_key(tmp_path, ORIGIN, store, "Omar", MOMENT)
    (tmp_path / KEY_FILE).rename(tmp_path / NEXT_FILE)
    (tmp_path / "before.pem").rename(tmp_path / KEY_FILE)  # as it was just before the file was put in place
    finish_change(tmp_path, ORIGIN, store)
    assert Signer(ORIGIN, signing_key(tmp_path / KEY_FILE)).public == new != old
