"""Second factors: set up, asked for at sign-in, each code once, lost and reset; and what a failed sign-in tells."""

import asyncio
import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from xml.etree import ElementTree

import psycopg
import pyotp
import pytest
from sqlalchemy import event
from sqlalchemy.engine import Engine

from biometric_flow.api.clients import BlockingGatewayClient, GatewayProblem
from biometric_flow.gateway.factors import KEY_FILE
from biometric_flow.identity.passwords import Passwords
from tests.services.gateways import ADMIN, PASSWORD, RunningGateway
from tests.services.hours import Desk

SENTENCE = "lantern quay and seven geese"
AMINA = "amina@example.com"


async def amina(gateway: RunningGateway, role: str = "") -> Desk:
    admin = Desk(gateway)
    made = await admin.ask("POST", "/v1/accounts", 201, json={"email": AMINA, "name": "Amina"})
    body = {"invitation": made["invitation"], "password": SENTENCE}
    assert (await gateway.http.post("/v1/auth/invitation", json=body)).status_code == 204
    if role:
        await admin.ask("POST", f"/v1/accounts/{made['account']}/grants", 201, json={"role": role})
    return Desk(gateway, token=(await gateway.client.sign_in(AMINA, SENTENCE)).access_token)


class App:
    """An authenticator app whose person waits for the next code each time: from the earliest that still counts."""

    def __init__(self, secret: str) -> None:
        self._codes, self._given = pyotp.TOTP(secret), 0

    def fresh(self) -> str:
        """A code that was not given before; three in a row are within the window."""
        self._given = max(self._given + 1, int(time.time()) // 30 - 1)
        return str(self._codes.generate_otp(self._given))

    def old(self) -> str:
        """The code of the step before the last one given."""
        return str(self._codes.generate_otp(self._given - 1))


async def set_up(desk: Desk) -> tuple[App, list[str]]:
    made = await desk.ask("POST", "/v1/me/factor", 201, json={"password": SENTENCE})
    app = App(made["secret"])
    told = await desk.ask("POST", "/v1/me/factor/confirmation", json={"code": app.fresh()})
    return app, told["codes"]


async def ticket(gateway: RunningGateway) -> str:
    with pytest.raises(GatewayProblem) as refused:
        await gateway.client.sign_in(AMINA, SENTENCE)
    assert (refused.value.status, refused.value.code) == (401, "access.code_needed")
    return str(refused.value.more["ticket"])


async def second_step(gateway: RunningGateway, code: str, by: str = "") -> tuple[int, str]:
    grant = {"grant_type": "code", "ticket": by or await ticket(gateway), "code": code}
    answer = await gateway.http.post("/v1/auth/token", json=grant)
    return answer.status_code, answer.json().get("code", "")


async def test_signing_in_takes_a_code_and_each_code_counts_once(gateway: RunningGateway) -> None:
    desk = await amina(gateway)
    assert (await desk.ask("GET", "/v1/me/factor")) == {"is_on": False, "is_asked": False, "recovery_codes": 0}
    app, codes = await set_up(desk)
    assert (await desk.ask("GET", "/v1/me/factor")) == {"is_on": True, "is_asked": False, "recovery_codes": 10}
    code = app.fresh()
    grant = {"grant_type": "code", "ticket": await ticket(gateway), "code": code}
    tokens = (await gateway.http.post("/v1/auth/token", json=grant)).json()
    again = Desk(gateway, token=tokens["access_token"])
    assert (await again.ask("GET", "/v1/me"))["email"] == AMINA
    assert await second_step(gateway, code) == (401, "access.bad_credentials")
    # A code of an earlier step than the last that was taken is no more use than the same one.
    assert await second_step(gateway, app.old()) == (401, "access.bad_credentials")
    assert await second_step(gateway, app.fresh()) == (200, "")
    assert len(set(codes)) == 10


async def test_a_script_signs_in_with_a_code_in_one_call(gateway: RunningGateway) -> None:
    app, _codes = await set_up(await amina(gateway))

    def script() -> str:
        with BlockingGatewayClient(gateway.url) as client:
            client.sign_in(AMINA, SENTENCE, app.fresh())
            return client.me().email

    assert await asyncio.to_thread(script) == AMINA


async def test_a_recovery_code_lets_in_once_however_it_is_typed(gateway: RunningGateway) -> None:
    desk = await amina(gateway)
    app, codes = await set_up(desk)
    assert await second_step(gateway, codes[0].lower().replace("-", " ")) == (200, "")
    assert await second_step(gateway, codes[0]) == (401, "access.bad_credentials")
    assert (await desk.ask("GET", "/v1/me/factor"))["recovery_codes"] == 9
    renewed = (await desk.ask("POST", "/v1/me/factor/recovery-codes", json={"code": app.fresh()}))["codes"]
    assert await second_step(gateway, codes[1]) == (401, "access.bad_credentials")
    assert await second_step(gateway, renewed[1]) == (200, "")


async def test_neither_secret_nor_recovery_codes_lie_open_in_the_database(gateway: RunningGateway) -> None:
    desk = await amina(gateway)
    made = await desk.ask("POST", "/v1/me/factor", 201, json={"password": SENTENCE})
    app = App(made["secret"])
    codes = (await desk.ask("POST", "/v1/me/factor/confirmation", json={"code": app.fresh()}))["codes"]
    assert gateway.database is not None
    with psycopg.connect(gateway.database.owner_dsn) as connection:
        connection.execute("SELECT set_config('app.tenant', 'demo', true)")
        rows = connection.execute("SELECT sealed FROM second_factor").fetchall()
        rows += connection.execute("SELECT digest FROM recovery_code").fetchall()
        held = b"".join(bytes(row[0]) for row in rows)
        secret = pyotp.TOTP(made["secret"]).byte_secret()
        assert secret not in held
        assert not [code for code in codes if code.encode() in held or code.replace("-", "").encode() in held]
        # A sealed secret that was put into somebody else's row opens nothing.
        connection.execute(
            "UPDATE second_factor SET account_id = (SELECT account_id FROM account WHERE email = %s)", [ADMIN]
        )
        connection.commit()
    assert (gateway.folder / KEY_FILE).stat().st_mode & 0o077 == 0
    with pytest.raises(GatewayProblem) as moved:
        await gateway.client.sign_in(ADMIN, PASSWORD)
    grant = {"grant_type": "code", "ticket": moved.value.more["ticket"], "code": app.fresh()}
    answer = await gateway.http.post("/v1/auth/token", json=grant)
    assert (answer.status_code, answer.json()["code"]) == (500, "keys.envelope_refused")


async def test_a_picture_that_an_app_can_scan_and_that_runs_nothing(gateway: RunningGateway) -> None:
    made = await (await amina(gateway)).ask("POST", "/v1/me/factor", 201, json={"password": SENTENCE})
    read = pyotp.parse_uri(made["uri"])
    assert isinstance(read, pyotp.TOTP)
    assert (read.secret, read.name, read.interval) == (made["secret"], AMINA, 30)
    root = ElementTree.fromstring(made["picture"])
    assert {re.sub("{.*}", "", one.tag) for one in root.iter()} <= {"svg", "g", "path"}


async def test_a_factor_is_set_up_with_the_password_and_removed_with_a_code(gateway: RunningGateway) -> None:
    desk = await amina(gateway)
    guessed = await desk.raw("POST", "/v1/me/factor", json={"password": "guess"})
    assert guessed.json()["code"] == "access.bad_credentials"
    assert (await desk.raw("POST", "/v1/me/factor/removal", json={"code": "123456"})).json()["code"] == "factor.unknown"
    early = await desk.raw("POST", "/v1/me/factor/confirmation", json={"code": "123456"})
    assert early.json()["code"] == "factor.unknown"
    # What was begun and never confirmed is not asked for.
    await desk.ask("POST", "/v1/me/factor", 201, json={"password": SENTENCE})
    await gateway.client.sign_in(AMINA, SENTENCE)
    app, _codes = await set_up(desk)
    twice = await desk.raw("POST", "/v1/me/factor", json={"password": SENTENCE})
    assert twice.json()["code"] == "factor.exists"
    assert (await desk.raw("POST", "/v1/me/factor/removal", json={"code": "000000"})).status_code == 401
    await desk.ask("POST", "/v1/me/factor/removal", 204, json={"code": app.fresh()})
    await gateway.client.sign_in(AMINA, SENTENCE)


async def test_guessing_codes_is_slowed_down_from_wherever_it_comes(gateway: RunningGateway) -> None:
    app, _codes = await set_up(await amina(gateway))
    by = await ticket(gateway)
    answers = [await second_step(gateway, f"{number:06}", by) for number in range(7)]
    assert answers[0] == (401, "access.bad_credentials")
    assert (429, "access.too_many") in answers
    # Waiting is for the account, not for the ticket or the address: a right code has to wait too.
    assert await second_step(gateway, app.fresh(), await ticket(gateway)) == (429, "access.too_many")


async def test_codes_that_are_guessed_together_count_as_those_one_after_the_other(gateway: RunningGateway) -> None:
    await set_up(await amina(gateway))
    by = await ticket(gateway)
    answers = await asyncio.gather(*(second_step(gateway, f"{number:06}", by) for number in range(24)))
    assert answers.count((401, "access.bad_credentials")) == 5
    assert set(answers) == {(401, "access.bad_credentials"), (429, "access.too_many")}


async def test_a_ticket_is_no_token_and_a_token_no_ticket(gateway: RunningGateway) -> None:
    desk = await amina(gateway)
    app, _codes = await set_up(desk)
    by = await ticket(gateway)
    assert (await Desk(gateway, token=by).raw("GET", "/v1/me")).status_code == 401
    assert (await second_step(gateway, app.fresh(), desk.token)) == (401, "access.bad_credentials")
    assert (await second_step(gateway, app.fresh(), by[:-4] + "AAAA")) == (401, "access.bad_credentials")


async def test_who_is_asked_for_a_factor_may_set_one_up_and_nothing_else(gateway: RunningGateway) -> None:
    admin, desk = Desk(gateway), await amina(gateway, "auditor")
    await desk.ask("GET", "/v1/places")
    unknown = await admin.raw("PUT", "/v1/sign-in-rule", json={"is_factor_for_all": False, "factor_roles": ["nobody"]})
    assert unknown.json()["code"] == "role.unknown"
    rule = {"is_factor_for_all": False, "factor_roles": ["auditor"]}
    assert (await admin.ask("PUT", "/v1/sign-in-rule", json=rule)) == rule
    assert (await admin.ask("GET", "/v1/sign-in-rule")) == rule
    async with asyncio.timeout(5):
        while (refused := await desk.raw("GET", "/v1/places")).status_code == 200:
            await asyncio.sleep(0.1)
    assert (refused.status_code, refused.json()["code"]) == (403, "access.factor_needed")
    me = await desk.ask("GET", "/v1/me")
    assert (me["needs_factor"], me["pages"]) == (True, [])
    app, _codes = await set_up(desk)
    await desk.ask("GET", "/v1/places")
    kept = await desk.raw("POST", "/v1/me/factor/removal", json={"code": app.fresh()})
    assert kept.json()["code"] == "factor.asked"
    # The administrator's own role was not named.
    await admin.ask("GET", "/v1/places")


async def test_an_administrator_resets_the_factor_of_another_and_it_is_audited(gateway: RunningGateway) -> None:
    admin, desk = Desk(gateway), await amina(gateway)
    await set_up(desk)
    known = {one["email"]: one["id"] for one in await admin.ask("GET", "/v1/accounts")}
    own = await admin.raw("DELETE", f"/v1/accounts/{known[ADMIN]}/factor")
    assert own.json()["code"] == "account.own"
    await admin.ask("DELETE", f"/v1/accounts/{known[AMINA]}/factor", 204)
    assert (await admin.raw("DELETE", f"/v1/accounts/{known[AMINA]}/factor")).json()["code"] == "factor.unknown"
    async with asyncio.timeout(5):
        while (await desk.raw("GET", "/v1/me")).status_code != 401:
            await asyncio.sleep(0.1)
    await gateway.client.sign_in(AMINA, SENTENCE)
    trail = (await admin.ask("GET", "/v1/audit", params={"limit": 200}))["items"]
    [leaf] = [one for one in trail if one["operation"].endswith("/factor") and one["result"] == "204"]
    assert leaf["scope"]["account"] == known[AMINA]


class Work:
    """What a request makes the gateway do: passwords hashed, statements sent to the database."""

    def __init__(self) -> None:
        self.hashes, self.statements = 0, 0


@contextmanager
def counted(monkeypatch: pytest.MonkeyPatch) -> Iterator[Work]:
    work, real = Work(), Passwords._matches

    def matches(self: Passwords, stored: str, password: str) -> bool:
        work.hashes += 1
        return real(self, stored, password)

    def sent(_connection: Any, _cursor: Any, statement: str, *_more: Any) -> None:
        # The loops of the gateway that run all the time ask for other things.
        work.statements += any(word in statement for word in ("account", "audit", "factor", "recovery"))

    monkeypatch.setattr(Passwords, "_matches", matches)
    event.listen(Engine, "before_cursor_execute", sent)
    try:
        yield work
    finally:
        event.remove(Engine, "before_cursor_execute", sent)


async def test_a_failed_sign_in_tells_nothing_by_its_words_or_its_work(
    gateway: RunningGateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Unknown, mistyped, disabled, invited, a service: one answer, one hash, as many statements (A4)."""
    admin = Desk(gateway)
    await set_up(await amina(gateway))
    for email, more in (("off@example.com", {}), ("new@example.com", {}), ("robot@example.com", {"kind": "service"})):
        made = await admin.ask("POST", "/v1/accounts", 201, json={"email": email, "name": "N", **more})
        if email.startswith("off"):
            body = {"invitation": made["invitation"], "password": SENTENCE}
            await gateway.http.post("/v1/auth/invitation", json=body)
            await admin.ask("PUT", f"/v1/accounts/{made['account']}/state", 204, json={"is_enabled": False})
    told: dict[str, Any] = {}
    for who in ("nobody@example.com", AMINA, "off@example.com", "new@example.com", "robot@example.com"):
        password = SENTENCE if who.startswith("off") else "a wrong sentence"
        with counted(monkeypatch) as work:
            grant = {"grant_type": "password", "email": who, "password": password}
            answer = await gateway.http.post("/v1/auth/token", json=grant)
        said = {name: value for name, value in answer.json().items() if name != "request_id"}
        told[who] = (answer.status_code, said, sorted(answer.headers), work.hashes, work.statements)
    assert len({str(one) for one in told.values()}) == 1, told
    assert told[AMINA][3] == 1


async def test_a_failed_second_step_tells_nothing_by_its_words_or_its_work(
    gateway: RunningGateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A wrong code, a used one, a wrong recovery code, a right code of a disabled account: all alike."""
    admin = Desk(gateway)
    app, codes = await set_up(await amina(gateway))
    by, used = await ticket(gateway), app.fresh()
    assert (await second_step(gateway, used, by))[0] == 200
    known = {one["email"]: one["id"] for one in await admin.ask("GET", "/v1/accounts")}
    told = {}
    for what, code in {"wrong": "000000", "used": used, "other": "AAAA-BBBB-CCCC-DDDD", "off": app.fresh()}.items():
        if what == "off":
            await admin.ask("PUT", f"/v1/accounts/{known[AMINA]}/state", 204, json={"is_enabled": False})
        with counted(monkeypatch) as work:
            answer = await gateway.http.post("/v1/auth/token", json={"grant_type": "code", "ticket": by, "code": code})
        said = {name: value for name, value in answer.json().items() if name != "request_id"}
        told[what] = (answer.status_code, said, sorted(answer.headers), work.hashes, work.statements)
    assert len({str(one) for one in told.values()}) == 1, told
    assert codes
