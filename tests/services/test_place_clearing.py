"""Clearing with a real gateway: its cosignature is believed only under the key that was pinned (I4, L6)."""

from pathlib import Path
from zoneinfo import ZoneInfo

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from biometric_flow.ledger.note import Cosigner
from biometric_flow.zk.simulator.terminal import SimulatedTerminal
from tests.services.gateways import SECRETS, RunningGateway
from tests.services.places import RunningPlace, configured, running_place, until
from tests.services.test_place_jobs import do, past


async def test_a_list_is_cleared_once_the_gateway_cosigned_and_never_on_a_strangers_word(
    gateway: RunningGateway, tmp_path: Path
) -> None:
    headers = {"Authorization": f"Bearer {gateway.token}"}
    pinned = (await gateway.http.get("/v1/ledger/keys", headers=headers)).text.splitlines()[0]
    name = pinned.partition("+")[0]
    stranger = Cosigner(name, Ed25519PrivateKey.from_private_bytes(bytes(range(1, 33)))).public
    link = {"gateway_url": gateway.url, "gateway_credential": SECRETS["cairo"], "clearing_is_allowed": True}
    async with SimulatedTerminal(zone=ZoneInfo("Africa/Cairo"), punches=past(12)) as terminal:
        async with running_place(tmp_path, [configured(terminal)], gateway_key=str(stranger), **link) as place:
            await until(lambda: _link_is(place, "refused"))
            state, detail = await do(place, "clear_log")
            assert (state, "not cosigned" in detail) == ("failed", True), detail
            assert len(terminal.truth()) == 12
        async with running_place(tmp_path, [configured(terminal)], gateway_key=pinned, **link) as place:

            async def is_cleared() -> bool:
                return (await do(place, "clear_log"))[0] == "confirmed"

            await until(is_cleared)
            assert terminal.truth() == []
            assert len(await place.punches()) == 12


async def _link_is(place: RunningPlace, state: str) -> bool:
    return bool((await place.get("/health"))["gateway"] == state)
