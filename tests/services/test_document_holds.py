"""What the API document promises holds for whatever it allows: no failure of ours, no answer of another form.

schemathesis makes requests out of the document; each operation is asked by who may do everything and
by one role, by turns; in a drill by every role.
"""

import asyncio
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis.checks import not_a_server_error
from schemathesis.core.failures import Failure
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from tests.services.gateways import TestDatabase, running_gateway
from tests.services.test_access_matrix import ROLES, Cast, staged

STREAMS = ("/stream", "/link", "/socket")
CHECKS = [not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance]


def problems_of(document: Mapping[str, Any], url: str, tokens: Sequence[tuple[str, str]], examples: int) -> list[str]:
    """Ask every operation, `examples` times by each of the roles whose turn it is; says what did not hold."""
    found: list[str] = []
    schema = schemathesis.openapi.from_dict(dict(document))
    operations = [one.ok() for one in schema.get_all_operations()]
    for number, operation in enumerate(operations):
        if operation.path.endswith(STREAMS):
            continue
        for role, token in tokens if len(tokens) == 1 else tokens[number % len(tokens) :][:1]:
            said = asked(operation, url, role, token, examples)
            if said:
                found.append(said)
    return found


def asked(operation: Any, url: str, role: str, token: str, examples: int) -> str:
    """What did not hold of one operation, empty when all did."""

    @settings(
        max_examples=examples,
        deadline=None,
        derandomize=True,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(case=operation.as_strategy())
    def ask(case: Any) -> None:
        answer = case.call(base_url=url, headers={"Authorization": f"Bearer {token}"}, timeout=30)
        # No place runs here: what travels to one is told that no way leads there.
        if answer.status_code in (503, 502) and answer.json()["code"].startswith(("place.", "link.")):
            return
        case.validate_response(answer, checks=CHECKS)

    try:
        ask()
    except (Failure, BaseExceptionGroup) as failure:
        first = failure.exceptions[0] if isinstance(failure, BaseExceptionGroup) else failure
        return f"{role}: {operation.method.upper()} {operation.path}: {first}"[:1500]
    return ""


@pytest.mark.parametrize("examples", [1, pytest.param(20, marks=pytest.mark.drill)])
async def test_every_operation_answers_as_the_document_says(
    database: TestDatabase, tmp_path: Path, examples: int
) -> None:
    rates: dict[str, object] = dict.fromkeys(("address_rate", "identity_rate", "tenant_rate"), 100_000)
    async with running_gateway(tmp_path, database, **rates) as gateway:
        cast = Cast(gateway)
        await staged(gateway, gateway.token)
        document = (await gateway.http.get("/openapi.json")).json()
        tokens = [(role, cast.token(await cast.account(role))) for role in ROLES]
        admin = [one for one in tokens if one[0] == "tenant_admin"]
        turns = [[one] for one in tokens] if examples > 1 else [admin, tokens]
        for turn in turns:
            found = await asyncio.to_thread(problems_of, document, gateway.url, turn, examples)
            assert not found, "\n\n".join(found)
        await cast.close()
