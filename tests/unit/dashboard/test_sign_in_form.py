import pytest
from starlette.datastructures import Headers

from biometric_flow.dashboard.gate import is_same_origin
from biometric_flow.dashboard.sign_in import form, local_path


@pytest.mark.parametrize("path", ["/", "/live", "/devices?loc=cairo&state=offline"])
def test_a_path_of_this_site_is_kept_over_the_sign_in(path: str) -> None:
    assert local_path(path) == path


@pytest.mark.parametrize(
    "wanted",
    [
        "",
        "https://evil.example",
        "//evil.example",
        "/\\evil.example",
        "live",
        "/a\\b",
        "/a\r\nSet-Cookie: x",
        "/sign-out",
    ],
)
def test_anything_a_browser_could_take_for_another_place_leads_home(wanted: str) -> None:
    assert local_path(wanted) == "/"


@pytest.mark.parametrize(
    ("headers", "is_ours"),
    [
        ({"origin": "https://bf.example", "host": "bf.example"}, True),
        ({"origin": "http://127.0.0.1:8501", "host": "127.0.0.1:8501"}, True),
        ({"origin": "https://evil.example", "host": "bf.example"}, False),
        ({"origin": "null", "host": "bf.example"}, False),
        ({"host": "bf.example"}, False),
        ({"host": "bf.example", "sec-fetch-site": "same-origin"}, True),
        ({"host": "bf.example", "sec-fetch-site": "cross-site"}, False),
    ],
)
def test_a_form_counts_only_when_the_browser_says_it_is_from_this_host(headers: dict[str, str], is_ours: bool) -> None:
    assert is_same_origin(Headers(headers)) is is_ours


def test_what_was_typed_comes_back_as_text_and_the_password_never() -> None:
    page = bytes(form("/live", '"><script>alert(1)</script>', "E-mail or password is not right.", 401).body).decode()

    assert "<script>alert" not in page
    assert "E-mail or password is not right." in page
    assert 'autocomplete="current-password"' in page
