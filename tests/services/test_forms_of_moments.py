"""Every day and instant that an interface takes has one form, and anything else is refused with a word on it."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tests.services.gateways import RunningGateway
from tests.services.hours import Desk, person
from tests.services.places import running_place

FORMS = ("date", "date-time", "local-date-time")


def moments(document: dict[str, Any], schema: Any, seen: frozenset[str] = frozenset()) -> Iterator[dict[str, Any]]:
    """Each schema of a day or instant below this one."""
    if isinstance(schema, list):
        for one in schema:
            yield from moments(document, one, seen)
    if not isinstance(schema, dict):
        return
    if schema.get("format") in FORMS:
        yield schema
    name = schema.get("$ref", "")
    if name and name not in seen:
        yield from moments(document, document["components"]["schemas"][name.rsplit("/", 1)[1]], seen | {name})
    for one in schema.values():
        yield from moments(document, one, seen)


def taken(document: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Each day and instant of a request, and of what."""
    for path, methods in document["paths"].items():
        for method, said in methods.items():
            for part in (said.get("parameters"), said.get("requestBody")):
                for schema in moments(document, part):
                    yield f"{method} {path}", schema


async def test_no_interface_guesses_what_a_day_or_an_instant_is(gateway: RunningGateway, tmp_path: Path) -> None:
    documents = [(await gateway.http.get("/openapi.json")).json()]
    async with running_place(tmp_path) as place:
        documents.append((await place.http.get("/openapi.json")).json())
    for document in documents:
        found = list(taken(document))
        assert len(found) > 5
        assert [where for where, schema in found if "pattern" not in schema] == [], (
            "use `Day`, `Instant` of api/moments"
        )


async def test_another_form_is_refused_by_name(gateway: RunningGateway) -> None:
    desk = Desk(gateway)
    for given in ("1704672000", "2024-W02-1", "2024-01-08T00:00:00", "20240108", "२०२४-०१-०८"):
        told = f"expected a date YYYY-MM-DD, got '{given}'"
        answer = await desk.raw("GET", "/v1/workdays", params={"from": given, "to": "2024-01-09"})
        assert (answer.status_code, told in answer.text) == (422, True), answer.text
        answer = await desk.raw("POST", "/v1/people", json=person("9", employed_from=given))
        assert (answer.status_code, told in answer.text) == (422, True), answer.text
    for given in ("1704672000", "2024-01-08", "2024-01-08T09:00:00", "2024-01-08 09:00:00Z", "now"):
        answer = await desk.raw("GET", "/v1/punches", params={"from": given})
        told = f"expected an instant with its offset such as 2024-01-08T09:00:00Z, got '{given}'"
        assert (answer.status_code, told in answer.text) == (422, True), answer.text
    for given in ("2024-01-08T09:00Z", "2024-01-08T09:00:00+02:00", "2024-01-08T09:00:00.25Z"):
        assert (await desk.raw("GET", "/v1/punches", params={"from": given})).status_code == 200
