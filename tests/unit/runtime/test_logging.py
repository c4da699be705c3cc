import json
import subprocess
import sys

import pytest

from biometric_flow.runtime.logging import redact

SECRET = "s3cret-value-of-someone"


@pytest.mark.parametrize(
    "field",
    ["password", "comm_key", "api_key", "gateway_credential", "access_token", "template", "pin", "card", "cookie"],
)
def test_a_secret_field_never_reaches_the_log(field: str) -> None:
    assert SECRET not in json.dumps(redact(None, "info", {"event": "x", field: SECRET}))
    assert SECRET not in json.dumps(redact(None, "info", {"event": "x", "outer": {"inner": [{field: SECRET}]}}))


@pytest.mark.parametrize(
    "text",
    [
        "header was Authorization: Bearer abcdef0123456789",
        "credential bfp_abcdef0123456789 refused",
        "token eyJhbGciOiJFZERTQSJ9.eyJzdWIiOiIxIn0.c2lnbmF0dXJl expired",
    ],
)
def test_a_secret_inside_a_text_never_reaches_the_log(text: str) -> None:
    line = json.dumps(redact(None, "info", {"event": text}))
    assert "abcdef0123456789" not in line
    assert "eyJ" not in line


def test_bytes_such_as_templates_are_only_counted() -> None:
    assert redact(None, "info", {"event": "x", "data": b"\x4d\x01SS21"})["data"] == "[6 bytes]"


def test_what_is_no_secret_stays() -> None:
    line = {"event": "log_read", "terminal": "cairo-gate", "rows": 12, "shipping": "kept"}
    assert redact(None, "info", dict(line)) == line


def test_the_ids_of_a_process_stand_on_every_line_and_those_of_a_request_only_on_its_own() -> None:
    logged = """
import logging, threading, structlog
from biometric_flow.runtime.logging import bind_request, configure_logging, leave_request
configure_logging("place", tenant="demo", place="cairo")
log = structlog.get_logger()
bind_request(request_id="of the request")
log.info("during")
leave_request()
log.info("after")
thread = threading.Thread(target=lambda: log.info("beside"))
thread.start()
thread.join()
logging.getLogger("a.library").warning("from a library")
"""
    ended = subprocess.run([sys.executable, "-c", logged], capture_output=True, text=True, check=True, timeout=60)
    lines = [json.loads(line) for line in ended.stderr.splitlines()]
    assert [line["event"] for line in lines] == ["during", "after", "beside", "from a library"]
    assert {(line["process"], line["tenant"], line["place"]) for line in lines} == {("place", "demo", "cairo")}
    assert [line.get("request_id") for line in lines] == ["of the request", None, None, None]
