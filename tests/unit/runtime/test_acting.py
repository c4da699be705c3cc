"""What outlives a request acts in nobody's name."""

import asyncio
from datetime import UTC, datetime

import structlog

from biometric_flow.runtime.acting import Action, acting, acting_as, unattended


async def test_a_task_that_a_request_starts_and_leaves_behind_carries_neither_its_action_nor_its_id() -> None:
    seen: list[tuple[Action | None, dict[str, object]]] = []
    go = asyncio.Event()

    async def later() -> None:
        await go.wait()
        seen.append((acting(), dict(structlog.contextvars.get_contextvars())))

    with structlog.contextvars.bound_contextvars(process="place", request_id="of the request"):
        with acting_as(Action("PUT /v1/x", datetime(2026, 3, 2, tzinfo=UTC))) as action:
            task = unattended(later(), "later")
            assert acting() is action
            assert structlog.contextvars.get_contextvars()["request_id"] == "of the request"
            go.set()
            await task
    ((in_whose_name, bound),) = seen
    assert in_whose_name is None
    assert bound == {"process": "place"}
