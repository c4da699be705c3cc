import json
from pathlib import Path

import pytest
from pydantic import Field, SecretStr

from biometric_flow.place.settings import PlaceSettings
from biometric_flow.runtime.errors import SettingsInvalid
from biometric_flow.runtime.places import find_place, read_places
from biometric_flow.runtime.settings import Settings, StrongSecret, load_settings

STRONG = "k" * 43


class Sample(Settings):
    port: int = Field(8000, ge=1, le=65535)
    name: str = "none"
    key: StrongSecret = SecretStr(STRONG)


def environment_file(config: Path, name: str, text: str) -> None:
    folder = config / "environments"
    folder.mkdir(exist_ok=True)
    (folder / f"{name}.env").write_text(text)


def load(config: Path, environment: dict[str, str], **given: object) -> Sample:
    return load_settings(Sample, "sample", config, environment, instance="sample-one", **given)


def test_command_line_beats_environment_beats_files_beats_default(tmp_path: Path) -> None:
    assert load(tmp_path, {}).port == 8000
    environment_file(tmp_path, "local", "BIOMETRIC_FLOW_SAMPLE_PORT=1")
    assert load(tmp_path, {}).port == 1
    environment_file(tmp_path, "sample-one", "BIOMETRIC_FLOW_SAMPLE_PORT=2")
    assert load(tmp_path, {}).port == 2
    variables = {"BIOMETRIC_FLOW_SAMPLE_PORT": "3", "BIOMETRIC_FLOW_OTHER_PORT": "x", "PATH": "/bin"}
    assert load(tmp_path, variables).port == 3
    assert load(tmp_path, variables, port=4).port == 4


def test_a_wrong_value_is_named_with_its_file_and_what_was_expected(tmp_path: Path) -> None:
    environment_file(tmp_path, "local", "BIOMETRIC_FLOW_SAMPLE_PORT=eighty")
    with pytest.raises(SettingsInvalid) as refused:
        load(tmp_path, {})
    text = str(refused.value)
    assert str(tmp_path / "environments" / "local.env") in text
    assert "BIOMETRIC_FLOW_SAMPLE_PORT" in text
    assert "valid integer" in text
    assert "'eighty'" in text


def test_a_misspelt_key_is_refused_with_the_known_ones(tmp_path: Path) -> None:
    with pytest.raises(SettingsInvalid, match="environment variable BIOMETRIC_FLOW_SAMPLE_PROT: expected a known key"):
        load(tmp_path, {"BIOMETRIC_FLOW_SAMPLE_PROT": "1"})


def test_a_named_environment_must_exist(tmp_path: Path) -> None:
    with pytest.raises(SettingsInvalid, match=r"production.env: expected this file to exist"):
        load(tmp_path, {"BIOMETRIC_FLOW_ENVIRONMENT": "production"})


@pytest.mark.parametrize("weak", ["change-me", "demo-only-password", "x" * 42])
def test_a_default_or_short_secret_is_refused_and_not_repeated(tmp_path: Path, weak: str) -> None:
    with pytest.raises(SettingsInvalid) as refused:
        load(tmp_path, {"BIOMETRIC_FLOW_SAMPLE_KEY": weak})
    assert weak not in str(refused.value)
    assert "BIOMETRIC_FLOW_SAMPLE_KEY" in str(refused.value)


def test_a_rule_over_several_keys_shows_none_of_their_values(tmp_path: Path) -> None:
    environment = {
        "BIOMETRIC_FLOW_PLACE_API_KEY": STRONG,
        "BIOMETRIC_FLOW_PLACE_PKCS11_TOKEN": "a label",
    }
    with pytest.raises(SettingsInvalid) as refused:
        load_settings(PlaceSettings, "place", tmp_path, environment, id="cairo")
    assert "expected pkcs11_module, pkcs11_token and pkcs11_pin, all or none" in str(refused.value)
    assert STRONG not in str(refused.value)


PLACE = {
    "id": "cairo",
    "tenant": "acme",
    "name": "Cairo",
    "zone": "Africa/Cairo",
    "port": 8000,
    "credential_sha256": "0" * 64,
}
TENANTS = [{"id": "acme", "name": "Acme"}]


def places(config: Path, *entries: dict[str, object]) -> None:
    (config / "places.json").write_text(json.dumps({"tenants": TENANTS, "places": entries}))


def test_places_are_read(tmp_path: Path) -> None:
    places(tmp_path, PLACE)
    assert find_place(tmp_path, "cairo").zone_info.key == "Africa/Cairo"


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"zone": "Egypt/Kairo"}, r"places\.json: places\[0\]\.zone: expected an IANA time zone.*'Egypt/Kairo'"),
        ({"prot": 1}, r"places\[0\]\.prot: expected a known key"),
        ({"port": 70000}, r"places\[0\]\.port: expected less than or equal to 65535, got 70000"),
        ({"tenant": "acne"}, r"not listed: acne"),
    ],
)
def test_a_wrong_place_is_named_by_file_and_key(tmp_path: Path, change: dict[str, object], told: str) -> None:
    places(tmp_path, {**PLACE, **change})
    with pytest.raises(SettingsInvalid, match=told) as refused:
        read_places(tmp_path)
    assert "at least 1 item" not in str(refused.value), "there is one, and it is wrong"


def test_two_places_with_one_id_are_refused(tmp_path: Path) -> None:
    places(tmp_path, PLACE, {**PLACE, "port": 8001})
    with pytest.raises(SettingsInvalid, match="these stand twice: cairo"):
        read_places(tmp_path)


def test_a_file_that_is_not_json_is_named_with_the_line(tmp_path: Path) -> None:
    (tmp_path / "places.json").write_text('{"tenants": [,]}')
    with pytest.raises(SettingsInvalid, match=r"places\.json: expected JSON, got: .*line 1"):
        read_places(tmp_path)


def test_an_unknown_place_is_answered_with_the_known_ones(tmp_path: Path) -> None:
    places(tmp_path, PLACE)
    with pytest.raises(SettingsInvalid, match="expected one with id 'dhaka', got cairo"):
        find_place(tmp_path, "dhaka")
