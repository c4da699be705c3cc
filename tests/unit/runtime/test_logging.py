import json

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
