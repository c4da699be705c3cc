"""The authorization matrix: every operation of the API document, asked by everybody who could ask (security-design A2).

What a request needs beyond its operation is in the tables below. An operation with a permission or a path parameter
that they do not know fails the test until somebody has decided who may use it.
"""

import hashlib
import re
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest
from joserfc import jwt
from joserfc.jwk import OKPKey

from biometric_flow.gateway.store import accounts, credentials, grants, schema
from biometric_flow.identity.grants import Grant, Scope, ScopeKind
from biometric_flow.identity.keys import load_or_create_key
from biometric_flow.model.ids import TenantId
from biometric_flow.runtime.database import Database
from tests.builders import MOMENT
from tests.services.gateways import SECRETS, Chain, RunningGateway, TestDatabase, running_gateway, touches
from tests.services.hours import person

READERS = "tenant_admin auditor hr_manager observer"
HOLDERS = {
    "overview:read": f"{READERS} place_manager",
    "place:read": f"{READERS} place_manager device_technician platform_operator",
    "terminal:read": f"{READERS} place_manager device_technician platform_operator",
    "person:read": f"{READERS} place_manager department_head payroll integration",
    "person:write": "tenant_admin hr_manager integration",
    "plan:read": f"{READERS} payroll",
    "plan:write": "tenant_admin hr_manager",
    "workday:read": f"{READERS} place_manager department_head payroll integration",
    "workday:order": "tenant_admin hr_manager",
    "correction:request": "tenant_admin hr_manager place_manager department_head",
    "correction:decide": "tenant_admin hr_manager place_manager department_head",
    "period:read": f"{READERS} payroll",
    "period:close": "tenant_admin hr_manager payroll",
    "period:approve": "tenant_admin payroll",
    "period:export": "tenant_admin payroll",
    "punch:read": f"{READERS} place_manager integration",
    "ledger:read": f"{READERS} platform_operator security_officer",
    "ledger:decide": "tenant_admin",
    "alert:read": f"{READERS} place_manager device_technician platform_operator security_officer",
    "alert:acknowledge": "tenant_admin place_manager device_technician platform_operator security_officer",
    "alert:configure": "tenant_admin platform_operator",
    "metrics:read": "tenant_admin platform_operator",
    "terminal:operate": "tenant_admin place_manager device_technician platform_operator",
    "door:open": "tenant_admin place_manager",
    "terminal:people": "tenant_admin place_manager",
    "terminal:maintain": "tenant_admin place_manager device_technician platform_operator",
    "audit:read": "tenant_admin auditor security_officer",
    "privacy:read": "tenant_admin auditor hr_manager",
    "privacy:write": "tenant_admin",
    "access:read": "tenant_admin auditor security_officer",
    "access:write": "tenant_admin security_officer",
    "emergency:request": "tenant_admin hr_manager security_officer platform_operator",
    "emergency:decide": "tenant_admin security_officer",
    "ledger:write": "",
}
"""Permission -> the built-in roles that hold it in the whole tenant, written down a second time."""
SEALED = (
    "overview:read place:read terminal:read terminal:operate terminal:people door:open person:read person:write"
    " punch:read plan:read workday:read correction:request period:read ledger:read alert:read alert:acknowledge"
)
"""What the sealed role gives for its hour."""
HOLDERS |= {one: f"{HOLDERS[one]} break_glass" for one in SEALED.split()}
ROLES = sorted({role for roles in HOLDERS.values() for role in roles.split()} | {"employee"})
IN_A_PLACE = {
    "overview:read",
    "place:read",
    "terminal:read",
    "terminal:operate",
    "door:open",
    "terminal:people",
    "terminal:maintain",
    "alert:read",
    "alert:acknowledge",
    "person:read",
    "workday:read",
    "correction:request",
    "correction:decide",
    "punch:read",
}
"""What a place_manager of one place may use; the answers hold nothing of another place."""
SELF = {"self:read", "self:write"}

NOBODY = str(UUID(int=7))
PARAMETERS = {
    "account": NOBODY,
    "alert": NOBODY,
    "case": "1",
    "code": "nothing",
    "day": "2026-11-02",
    "department": "nowhere",
    "file": NOBODY,
    "grant": NOBODY,
    "hold": "nothing",
    "key": NOBODY,
    "language": "en",
    "layout": "datev",
    "log": "nothing",
    "name": "nothing",
    "number": "1",
    "opening": NOBODY,
    "path": "0/000",
    "period": "nothing",
    "person": NOBODY,
    "pin": "4711",
    "place": "cairo",
    "punch": "0" * 64,
    "role": "nothing",
    "version": "1",
}
"""A value for each path parameter. Ids name nothing, so that an admitted request changes nothing."""
CAIRO_ONLY, LEEDS_ONLY = ("910101", "Carim Onlycairo"), ("930303", "Leena Onlyleeds")


@dataclass(frozen=True)
class Operation:
    method: str
    path: str
    permission: str

    def at(self, **more: str) -> str:
        values = {**PARAMETERS, **more}
        unknown = set(re.findall(r"{(\w+)}", self.path)) - set(values)
        assert not unknown, f"{self.method} {self.path}: no test data for {unknown}; add it to PARAMETERS"
        return re.sub(r"{(\w+)}", lambda found: values[found[1]], self.path)

    def is_for(self, role: str) -> bool:
        assert self.permission in HOLDERS or self.permission in SELF, (
            f"{self.method} {self.path}: nobody wrote down who holds {self.permission}; add it to HOLDERS"
        )
        return self.permission in SELF or role in HOLDERS[self.permission].split()


def operations_of(document: Mapping[str, Any]) -> list[Operation]:
    methods = {"get", "put", "post", "patch", "delete"}
    return [
        Operation(method.upper(), path, said["x-permission"])
        for path, described in document["paths"].items()
        for method, said in described.items()
        if method in methods
    ]


@dataclass
class Asked:
    status: int
    code: str
    text: str


async def ask(gateway: RunningGateway, operation: Operation, token: str, **more: str) -> Asked:
    """The answer to an operation with an empty body; of a stream only how it begins."""
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    body = None if operation.method in ("GET", "DELETE") else {}
    async with gateway.http.stream(operation.method, operation.at(**more), headers=headers, json=body) as answer:
        if answer.headers.get("content-type", "").startswith("text/event-stream"):
            return Asked(answer.status_code, "", "")
        content = await answer.aread()
        said = answer.json() if "problem+json" in answer.headers.get("content-type", "") else {}
    # No place runs here: an operation that travels to one was let in when it says that no way leads there.
    has_travelled = said.get("code", "").startswith(("place.", "link."))
    assert answer.status_code < 500 or has_travelled, (operation, answer.text)
    return Asked(answer.status_code, said.get("code", ""), content.decode("utf-8", "replace"))


class Cast:
    """Everybody who could ask, each with a token that was never signed in for."""

    def __init__(self, gateway: RunningGateway) -> None:
        assert gateway.database is not None
        self._key = load_or_create_key(gateway.folder / "token-key.pem")
        self._database = Database(gateway.database.dsn, schema.APPLICATION)
        self._database.is_ready = True

    def token(self, account: UUID, tenant: str = "demo", key: OKPKey | None = None, **changed: Any) -> str:
        key, now = key or self._key, int(time.time())
        claims = {"iss": "biometric-flow", "aud": "biometric-flow-gateway", "sub": str(account), "tenant": tenant}
        claims |= {"sid": str(uuid4()), "iat": now, "exp": now + 500, "jti": "1", **changed}
        header = {"alg": "Ed25519", "typ": "at+jwt", "kid": self._key.thumbprint()}
        return jwt.encode(header, claims, key, ["Ed25519"])

    async def account(self, role: str, tenant: str = "demo", place: str = "", *, is_enabled: bool = True) -> UUID:
        account = uuid4()
        async with self._database.tenant(TenantId(tenant)) as connection:
            await accounts.add(
                connection,
                tenant_id=tenant,
                account_id=account,
                email=f"{account}@example.com",
                name=role,
                role="" if place else role,
                password_hash="",
                is_enabled=is_enabled,
                created_at=MOMENT,
            )
            if place:
                grant = Grant(str(uuid4()), role, Scope(ScopeKind.PLACE, place), MOMENT)
                await grants.add(connection, TenantId(tenant), account, grant, "test", MOMENT)
        return account

    async def key(self, account: UUID, permissions: list[str], *, is_over: bool = False) -> str:
        secret = f"bfk_demo.{uuid4().hex}{uuid4().hex[:11]}"
        async with self._database.tenant(TenantId("demo")) as connection:
            await credentials.add_key(
                connection,
                tenant_id="demo",
                key_id=uuid4(),
                account_id=account,
                name="test",
                digest=hashlib.sha256(secret.encode()).digest(),
                permissions=permissions,
                created_at=MOMENT,
                created_by="test",
                expires_at=MOMENT if is_over else MOMENT.replace(year=MOMENT.year + 5),
            )
        return secret

    async def broken(self) -> dict[str, str]:
        """Tokens that must open nothing, and what is wrong with them."""
        admin = await self.account("tenant_admin")
        good, now = self.token(admin), int(time.time())
        return {
            "nothing": "",
            "rubbish": "x" * 40,
            "another key": self.token(admin, key=OKPKey.generate_key("Ed25519")),
            "over": self.token(admin, iat=now - 700, exp=now - 100),
            "another issuer": self.token(admin, iss="other"),
            "another tenant": self.token(admin, tenant="other"),
            "an account that is not there": self.token(uuid4()),
            "a disabled account": self.token(await self.account("tenant_admin", is_enabled=False)),
            "a changed byte": good[:-8] + ("AAAAAAAA" if not good.endswith("AAAAAAAA") else "BBBBBBBB"),
            "an unknown place": "bfp_" + "x" * 43,
            "an unknown key": "bfk_demo." + "x" * 43,
            "a key that is over": await self.key(admin, ["punch:read"], is_over=True),
        }

    async def close(self) -> None:
        await self._database.close()


async def staged(gateway: RunningGateway, admin: str) -> None:
    """One person and punches of theirs at each of two places."""
    for place, (pin, name) in (("cairo", CAIRO_ONLY), ("leeds", LEEDS_ONLY)):
        chain = Chain(place)
        chain.add(*touches(2, pin=pin))
        await gateway.uplink(place).upload(0, chain.entries)
        body = person(f"N{pin}") | {"name": name, "place": place}
        body["pins"] = [{"place": place, "pin": pin, "from": "2026-01-01"}]
        made = await gateway.http.post("/v1/people", json=body, headers={"Authorization": f"Bearer {admin}"})
        assert made.status_code == 201, made.text


@pytest.fixture
async def stage(database: TestDatabase, tmp_path: Path) -> Any:
    rates = dict.fromkeys(("address_rate", "identity_rate", "tenant_rate"), 100_000)
    async with running_gateway(tmp_path, database, **rates) as gateway:  # type: ignore[arg-type]
        cast = Cast(gateway)
        await staged(gateway, gateway.token)
        listed = operations_of((await gateway.http.get("/openapi.json")).json())
        assert len(listed) > 90
        yield gateway, cast, listed
        await cast.close()


@pytest.mark.parametrize("each", [1, pytest.param(0, marks=pytest.mark.drill)])
async def test_nobody_without_a_good_token_is_let_in_anywhere(stage: Any, each: int) -> None:
    """Every operation with no token and, by turns, with one of the broken ones; in a drill with each of them."""
    gateway, cast, listed = stage
    broken = list((await cast.broken()).items())
    for number, operation in enumerate(listed):
        if operation.permission != "public":
            turn = number % (len(broken) - 1)
            for what, token in [broken[0], broken[1 + turn]] if each else broken:
                answer = await ask(gateway, operation, token)
                assert (answer.status, answer.code) == (401, "access.unauthenticated"), (what, operation)


@pytest.mark.parametrize("every", [12, pytest.param(1, marks=pytest.mark.drill)])
async def test_each_role_is_let_in_where_its_row_says_and_nowhere_else(stage: Any, every: int) -> None:
    """Every operation asked by one role, by turns; in a drill by every role."""
    gateway, cast, listed = stage
    for turn, role in enumerate(ROLES):
        account = await cast.account(role)
        for number, operation in enumerate(listed):
            if operation.permission == "public" or (number + turn) % every:
                continue
            answer = await ask(gateway, operation, cast.token(account))
            if operation.is_for(role):
                assert answer.status not in (401, 403) or answer.code == "grant.refused", (role, operation, answer)
            else:
                assert (answer.status, answer.code) == (403, "access.forbidden"), (role, operation)


async def test_a_manager_of_one_place_gets_nothing_of_another(stage: Any) -> None:
    gateway, cast, listed = stage
    token = cast.token(await cast.account("place_manager", place="cairo"))
    seen = ""
    for operation in listed:
        if operation.permission == "public":
            continue
        answer = await ask(gateway, operation, token, place="leeds")
        if operation.permission in IN_A_PLACE | SELF:
            assert answer.status not in (401, 403), (operation, answer)
            assert not [word for word in LEEDS_ONLY if word in answer.text], operation
            seen += answer.text
        else:
            assert (answer.status, answer.code) == (403, "access.forbidden"), operation
    assert all(word in seen for word in CAIRO_ONLY)


async def test_an_administrator_of_another_tenant_gets_nothing_of_this_one(stage: Any) -> None:
    gateway, cast, listed = stage
    account = await cast.account("tenant_admin", tenant="other")
    for operation in listed:
        if operation.permission != "public":
            answer = await ask(gateway, operation, cast.token(account, tenant="other"))
            expected_refusal = operation.permission == "ledger:write"
            assert (answer.status == 403) is expected_refusal, (operation, answer)
            assert not [word for word in (*CAIRO_ONLY, *LEEDS_ONLY) if word in answer.text], operation


async def test_a_places_credential_opens_its_own_ledger_and_nothing_else(stage: Any) -> None:
    gateway, _cast, listed = stage
    for operation in listed:
        if operation.permission == "public":
            continue
        answer = await ask(gateway, operation, f"bfp_{SECRETS['leeds']}", place="leeds")
        if operation.permission == "ledger:write":
            assert answer.status not in (401, 403), (operation, answer)
            elsewhere = await ask(gateway, operation, f"bfp_{SECRETS['leeds']}", place="cairo")
            assert elsewhere.status in (404, 422, 426), (operation, elsewhere)
        else:
            assert (answer.status, answer.code) == (403, "access.forbidden"), operation


async def test_a_key_is_let_in_only_for_what_it_was_made_for(stage: Any) -> None:
    gateway, cast, listed = stage
    secret = await cast.key(await cast.account("tenant_admin"), ["terminal:read", "audit:read"])
    for operation in listed:
        if operation.permission != "public":
            answer = await ask(gateway, operation, secret)
            is_for = operation.permission in ("terminal:read", "audit:read", "self:read")
            assert (answer.status not in (401, 403)) is is_for, (operation, answer)


ORDERS = {"restart": {}, "unlock": {}, "delete_templates": {"pin": "7"}, "set_comm_key": {}}


async def test_who_may_order_a_restart_may_not_open_a_door(stage: Any) -> None:
    gateway, cast, _listed = stage
    admin = await cast.account("tenant_admin")
    tokens = {
        "technician": cast.token(await cast.account("device_technician")),
        "manager": cast.token(await cast.account("place_manager", place="cairo")),
        "key": await cast.key(admin, ["terminal:operate", "terminal:maintain"]),
        "auditor": cast.token(await cast.account("auditor")),
    }
    let_in = {}
    for who, token in tokens.items():
        answers = {}
        for kind, more in ORDERS.items():
            answer = await gateway.http.post(
                "/v1/places/cairo/terminals/gate/jobs",
                json={"kind": kind, **more},
                headers={"Authorization": f"Bearer {token}"},
            )
            answers[kind] = answer.json()["code"]
        assert set(answers.values()) <= {"place.unreachable", "access.forbidden"}, answers
        let_in[who] = {kind for kind, code in answers.items() if code == "place.unreachable"}
    assert let_in["technician"] == {"restart", "set_comm_key"}
    assert let_in["manager"] == set(ORDERS)
    assert let_in["key"] == {"restart", "set_comm_key"}, "the account may open doors, its key was not made for it"
    assert not let_in["auditor"]


def test_an_operation_without_test_data_fails_the_matrix() -> None:
    with pytest.raises(AssertionError, match="no test data"):
        Operation("GET", "/v1/moons/{moon}", "place:read").at()
    with pytest.raises(AssertionError, match="nobody wrote down"):
        Operation("GET", "/v1/moons", "moon:read").is_for("auditor")
