"""Structured logs on standard error: one JSON object a line, identifiers instead of objects, secrets never."""

import logging
import re
import sys
from collections.abc import Mapping, MutableMapping
from typing import Any, Final

import structlog

REDACTED: Final = "[redacted]"
_SECRET_KEY: Final = re.compile(
    r"password|secret|token|credential|comm_key|api_key|authorization|cookie|template|(^|_)pin($|_)|(^|_)card($|_)",
    re.IGNORECASE,
)
_SECRET_VALUE: Final = re.compile(r"(?i)\b(bearer\s+)\S+|\bbf[prs]_[A-Za-z0-9_-]{8,}|eyJ[\w-]{10,}\.[\w-]+\.[\w-]+")

_OF_REQUEST: Final = ("request_id", "tenant", "place")


def configure_logging(process: str, level: str = "info", **bound: str) -> None:
    """Send this process's and its libraries' logs to standard error as JSON. `bound` fields go on every line."""
    shared: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        _of_process({"process": process, **bound}),
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,
        redact,
    ]
    structlog.configure(
        processors=[*shared, structlog.processors.JSONRenderer(ensure_ascii=False)],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.WriteLoggerFactory(file=sys.stderr),
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                structlog.processors.JSONRenderer(ensure_ascii=False),
            ],
        )
    )
    logging.basicConfig(handlers=[handler], level=logging.WARNING, force=True)


def bind_request(**ids: str) -> None:
    """Put ids on every line that is logged on behalf of the request under way: `request_id`, `tenant`, `place`."""
    structlog.contextvars.bind_contextvars(**ids)


def leave_request() -> None:
    """Take the ids of the request under way off what is logged from here on; those of the process stay."""
    structlog.contextvars.unbind_contextvars(*_OF_REQUEST)


def _of_process(fields: Mapping[str, str]) -> structlog.typing.Processor:
    """Not in a context: what threads and callbacks log has them too, and no request can take them off."""

    def add(_logger: object, _method: str, line: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
        for name, value in fields.items():
            line.setdefault(name, value)
        return line

    return add


def redact(_logger: object, _method: str, line: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Replace what must not be logged, by the field's name or the value's shape, at any depth."""
    for key in line:
        line[key] = REDACTED if _SECRET_KEY.search(key) else _clean(line[key])
    return line


def _clean(value: Any) -> Any:
    match value:
        case str():
            return _SECRET_VALUE.sub(lambda found: (found.group(1) or "") + REDACTED, value)
        case bytes() | bytearray() | memoryview():
            return f"[{len(value)} bytes]"
        case dict():
            return {key: REDACTED if _SECRET_KEY.search(str(key)) else _clean(inner) for key, inner in value.items()}
        case list() | tuple() | set() | frozenset():
            return [_clean(inner) for inner in value]
        case _:
            return value
