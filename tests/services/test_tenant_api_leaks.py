"""Random questions of one tenant about another's things, through the API: answered as if there were no such thing.

Both tenants hold like data: the same PIN, employee number, department, role, period and plan. What differs are the
names, and those of the other tenant must never stand in an answer.
"""

import asyncio
import contextlib
import random
import re
import string
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx2
import pytest

from tests.services.gateways import ADMIN, PASSWORD, Chain, RunningGateway, TestDatabase, running_gateway, touches
from tests.services.hours import Desk, person
from tests.services.test_access_matrix import PARAMETERS, Operation, operations_of

CANARY = "Zyxwcanary"
WORDS = (CANARY, ADMIN, "cairo")
"""What only the other tenant has."""
LIKE = {"name": "day", "role": "desk", "period": "november", "department": "works"}
"""What both tenants call alike."""
NOT_ASKED = ("public", "self:read", "self:write", "ledger:write")
_CHANGING = re.compile(r'"request_id":"[^"]*"|\d{4}-\d\d-\d\dT[\d:.]+(?:Z|[+-]\d\d:\d\d)|"(?:id|next_cursor)":"[^"]*"')


@dataclass
class Theirs:
    """Something of each kind in a tenant: path parameter -> what names it; cursors and ETags that it was told."""

    named: dict[str, str]
    cursors: list[str] = field(default_factory=list)
    tags: list[tuple[str, str, str]] = field(default_factory=list)
    """ETag, path and body."""


async def staged(gateway: RunningGateway, desk: Desk, tenant: str, place: str, name: str) -> Theirs:
    chain = Chain(place)
    chain.add(*touches(3, pin="7", tenant=tenant))
    await gateway.uplink(place).upload(0, chain.entries)
    await desk.plan()
    await desk.ask("PUT", "/v1/departments/works", json={"name": name})
    for number in ("N1", "N2"):
        body = person(number) | {"name": name, "department": "works", "place": place}
        body["pins"] = [{"place": place, "pin": number[1] + "7"[: number == "N1"], "from": "2026-01-01"}]
        made = await desk.ask("POST", "/v1/people", 201, json=body)
    invited = {"email": f"x@{name}.com".lower(), "name": name}
    account = (await desk.ask("POST", "/v1/accounts", 201, json=invited))["account"]
    grant = (await desk.ask("POST", f"/v1/accounts/{account}/grants", 201, json={"role": "auditor"}))["id"]
    asked = {"name": name, "permissions": ["punch:read"]}
    key = (await desk.ask("POST", f"/v1/accounts/{account}/keys", 201, json=asked))["id"]
    await desk.ask("PUT", "/v1/roles/desk", json={"about": name, "permissions": ["place:read"]})
    await desk.ask("PUT", "/v1/periods/november", json={"from": "2026-11-01", "to": "2026-11-30"})
    punch = (await desk.ask("GET", "/v1/punches"))["items"][0]["id"]
    named = {"account": account, "grant": grant, "key": key, "person": made["id"], "place": place, "punch": punch}
    return Theirs({**LIKE, **named})


async def told(desk: Desk, theirs: Theirs, listed: list[Operation]) -> None:
    """Collect the cursors and ETags of every read that needs no more than what there is."""
    for operation in listed:
        if operation.method != "GET" or operation.path.endswith(("/stream", "/link", "/socket")):
            continue
        answer = await desk.raw("GET", operation.at(**theirs.named), params={"limit": 1})
        if "json" in answer.headers.get("content-type", "") and answer.status_code == 200:
            said = answer.json()
            if isinstance(said, dict) and said.get("next_cursor"):
                theirs.cursors.append(said["next_cursor"])
            if "etag" in answer.headers:
                theirs.tags.append((answer.headers["etag"], operation.at(**theirs.named), answer.text))


def missing(name: str, like: str, dice: random.Random) -> str:
    """What nobody has, of the same form."""
    if name in ("account", "grant", "key", "person"):
        return str(UUID(int=dice.getrandbits(128), version=4))
    if name == "punch":
        return dice.randbytes(32).hex()
    return "".join(dice.choices(string.ascii_lowercase, k=len(like)))


def body_of(document: Mapping[str, Any], operation: Operation) -> Any:
    """The example that the document gives of a body, None where it takes none."""
    described = document["paths"][operation.path][operation.method.lower()].get("requestBody")
    if described is None:
        return None
    schema = described["content"].get("application/json", {}).get("schema", {})
    while "$ref" in schema:
        schema = document["components"]["schemas"][schema["$ref"].rpartition("/")[2]]
    return (schema.get("examples") or [{}])[0]


class Stranger:
    """An administrator of one tenant who knows every id, cursor and ETag of another's."""

    def __init__(self, desk: Desk, theirs: Theirs, document: Mapping[str, Any], dice: random.Random) -> None:
        self._desk, self._theirs, self._document, self._dice = desk, theirs, document, dice
        asked = [one for one in operations_of(document) if one.permission not in NOT_ASKED]
        self._reads = [one for one in asked if one.method == "GET" and not one.path.endswith(("/stream", "/socket"))]
        self._streams = [one for one in asked if one.path.endswith("/stream")]
        own = theirs.named.keys() - LIKE
        self._by_path = [one for one in asked if set(_names(one)) & own]
        self._by_filter = [one for one in self._reads if self._filters(one)]
        self._paged = [one for one in self._reads if "cursor" in self._queries(one)]
        assert min(map(len, (self._by_path, self._by_filter, self._paged, self._streams))) > 1
        assert len(self._by_path) > 30

    async def try_something(self) -> int:
        """One random question; how it was answered. Fails when the answer holds anything of theirs."""
        turn = self._dice.random()
        if turn < 0.5:
            return await self._name(self._dice.choice(self._by_path), in_path=True)
        if turn < 0.75:
            return await self._name(self._dice.choice(self._by_filter), in_path=False)
        if turn < 0.88:
            return await self._go_on(self._dice.choice(self._paged))
        return await (self._listen() if turn < 0.9 else self._compare())

    async def _name(self, operation: Operation, *, in_path: bool) -> int:
        """Something that is theirs, and something that nobody has, are one and the same to a stranger."""
        named = self._theirs.named
        names = [name for name in (_names(operation) if in_path else self._filters(operation)) if name not in LIKE]
        chosen = names if in_path else [self._dice.choice(names)]
        foreign = {name: named.get(name, PARAMETERS.get(name, "1")) for name in chosen}
        nobody = {name: missing(name, foreign[name], self._dice) if name in named else foreign[name] for name in chosen}
        answers = [await self._asked(operation, values, in_path=in_path) for values in (foreign, nobody)]
        assert answers[0] == answers[1], (operation, foreign)
        return answers[0][0]

    async def _asked(self, operation: Operation, values: dict[str, str], *, in_path: bool) -> tuple[int, str]:
        body = body_of(self._document, operation)
        path = operation.at(**LIKE, **values) if in_path else operation.at(**LIKE, person=self._theirs.named["person"])
        query = {} if in_path else values
        if operation.path.endswith("/stream"):
            status, said = await self._beginning(path, {})
            return status, _without(said, values)
        answer = await self._desk.raw(operation.method, path, params=query, json=body)
        self._check(operation, answer.text, values.values())
        return answer.status_code, _without(answer.text, values)

    async def _go_on(self, operation: Operation) -> int:
        """Behind a page of theirs comes one's own, or a refusal."""
        cursor = self._dice.choice(self._theirs.cursors)
        answer = await self._desk.raw("GET", operation.at(**LIKE), params={"cursor": cursor, "limit": 50})
        self._check(operation, answer.text, ())
        return answer.status_code

    async def _compare(self) -> int:
        """An ETag of theirs confirms nothing but what one's own answer says as well."""
        tag, path, body = self._dice.choice(self._theirs.tags)
        answer = await self._desk.raw("GET", path, params={"limit": 1}, headers={"If-None-Match": tag})
        assert CANARY not in answer.text
        if answer.status_code == 304:
            own = await self._desk.raw("GET", path, params={"limit": 1})
            assert own.headers["etag"] == tag, path
            assert CANARY not in own.text, path
            assert own.text == body or tag.strip('"').isdecimal(), path
        return answer.status_code

    async def _listen(self) -> int:
        """A stream that goes on where theirs was brings nothing of theirs."""
        operation, number = self._dice.choice(self._streams), str(self._dice.randrange(10))
        status, said = await self._beginning(operation.at(place="cairo"), {"Last-Event-ID": number})
        self._check(operation, said, ("cairo",))
        return status

    async def _beginning(self, path: str, headers: dict[str, str]) -> tuple[int, str]:
        signed = {"Authorization": f"Bearer {self._desk.token}", **headers}
        said, status = "", 0
        with contextlib.suppress(TimeoutError, httpx2.HTTPError):
            async with asyncio.timeout(0.3), self._desk.gateway.http.stream("GET", path, headers=signed) as answer:
                status = answer.status_code
                async for text in answer.aiter_text():
                    said += text
        assert CANARY not in said, path
        return status, said if status == 404 else ""

    def _check(self, operation: Operation, said: str, sent: Any) -> None:
        held = [word for word in WORDS if word in said and word not in sent]
        assert not held or ("audit" in operation.path and held == ["cairo"]), (operation, held, said)

    def _queries(self, operation: Operation) -> set[str]:
        described = self._document["paths"][operation.path][operation.method.lower()].get("parameters", [])
        return {one["name"] for one in described if one["in"] == "query"}

    def _filters(self, operation: Operation) -> list[str]:
        return sorted(self._queries(operation) & (self._theirs.named.keys() - LIKE))


def _without(said: str, values: Mapping[str, str]) -> str:
    """An answer without what it repeats of the question, and without what no two answers share."""
    for value in values.values():
        said = said.replace(value, "…")
    return _CHANGING.sub("", said)


def _names(operation: Operation) -> list[str]:
    return sorted(set(re.findall(r"{(\w+)}", operation.path)))


async def seen(desk: Desk) -> list[Any]:
    """What a tenant reads of its own things, of those that nothing changes by itself."""
    paths = ["people", "accounts", "roles", "departments", "shifts", "schedules", "policies", "periods", "punches"]
    return [await desk.ask("GET", f"/v1/{path}") for path in paths]


LONG = [pytest.mark.drill, pytest.mark.timeout(18_000)]


@pytest.mark.parametrize("cases", [60, pytest.param(10_000, marks=LONG), pytest.param(100_000, marks=LONG)])
async def test_what_another_tenant_has_is_answered_like_what_nobody_has(
    database: TestDatabase, tmp_path: Path, cases: int
) -> None:
    rates: dict[str, object] = dict.fromkeys(("address_rate", "identity_rate", "tenant_rate"), 1_000_000)
    async with running_gateway(tmp_path, database, **rates) as gateway:
        document = (await gateway.http.get("/openapi.json")).json()
        theirs, own = Desk(gateway), Desk(gateway, token=await gateway.sign_in_of_other_tenant())
        named = await staged(gateway, theirs, "demo", "cairo", CANARY)
        await staged(gateway, own, "other", "tokyo", "Harmless")
        await told(theirs, named, operations_of(document))
        assert named.cursors
        assert named.tags
        before = await seen(theirs)
        stranger, statuses = Stranger(own, named, document, random.Random(20261123)), []
        for number in range(cases):
            if number % 300 == 299:
                own.token = (await gateway.client.sign_in("other@example.com", PASSWORD)).access_token
            statuses.append(await stranger.try_something())
        theirs.token = (await gateway.client.sign_in(ADMIN, PASSWORD)).access_token
        assert await seen(theirs) == before
        assert statuses.count(404) > cases / 6
        assert statuses.count(200) > cases / 10
