"""Settings: environment over file over default, validated once at start with errors that say where and what."""

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Annotated, Any, Final, TypeVar

from dotenv import dotenv_values
from pydantic import AfterValidator, BaseModel, ConfigDict, SecretStr, ValidationError

from biometric_flow.runtime.errors import SettingsInvalid

PREFIX: Final = "BIOMETRIC_FLOW_"
ENVIRONMENT_VARIABLE: Final = f"{PREFIX}ENVIRONMENT"
SECRET_CHARACTERS: Final = 43
"""256 bits in unpadded base64url, the form that `biometric-flow secret` prints (security-design K5)."""

DEFAULT_SECRETS: Final = frozenset(
    {"change-me", "changeme", "secret", "password", "admin", "default", "demo-only-password", "biometric-flow"}
)


def _strong(secret: SecretStr) -> SecretStr:
    text = secret.get_secret_value()
    if text.lower() in DEFAULT_SECRETS:
        raise ValueError("a secret of your own, this is a well-known default; `biometric-flow secret` makes one")
    if len(text) < SECRET_CHARACTERS:
        raise ValueError(
            f"at least {SECRET_CHARACTERS} characters, this has {len(text)}; `biometric-flow secret` makes one"
        )
    return secret


StrongSecret = Annotated[SecretStr, AfterValidator(_strong)]
"""A key or token of at least 256 bits that is not a well-known default."""


class Settings(BaseModel):
    """The base of each process's settings class: frozen, and unknown keys are refused."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class FileModel(BaseModel):
    """The base of what is read from a JSON file: frozen, and unknown keys are refused."""

    model_config = ConfigDict(extra="forbid", frozen=True)


SettingsT = TypeVar("SettingsT", bound=Settings)
FileModelT = TypeVar("FileModelT", bound=FileModel)


def load_settings(
    kind: type[SettingsT],
    process: str,
    config: Path,
    environment: Mapping[str, str],
    instance: str | None = None,
    **given: object,
) -> SettingsT:
    """Settings of one process: `given` (command line) over environment over files over defaults.

    Files, later over earlier: `config/environments/<BIOMETRIC_FLOW_ENVIRONMENT>.env` (`local` when unset; one that was
    named must exist), then `config/environments/<instance>.env`, such as `gateway.env` or `place-cairo.env`, for what
    only one process may know.
    """
    prefix = f"{PREFIX}{process.upper()}_"
    values: dict[str, object] = {}
    sources: dict[str, str] = {}
    layers = [
        _environment_file(config, environment.get(ENVIRONMENT_VARIABLE)),
        _variables(config / "environments" / f"{instance or process}.env"),
    ]
    for source, variables in (*layers, ("environment variable ", environment)):
        for variable, value in variables.items():
            if variable.startswith(prefix):
                key = variable.removeprefix(prefix).lower()
                values[key], sources[key] = value, f"{source}{variable}"
    for key, given_value in given.items():
        if given_value is not None:
            values[key], sources[key] = given_value, f"--{key.replace('_', '-')}"
    try:
        return kind.model_validate(values)
    except ValidationError as error:
        raise SettingsInvalid("; ".join(_explain(error, sources, prefix, kind))) from None


def read_json(path: Path, kind: type[FileModelT]) -> FileModelT:
    """A validated JSON file. Errors name the file, the key, what was expected and what came."""
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise SettingsInvalid(f"{path}: expected this file to exist; see docs/configuration.md for its form") from None
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsInvalid(f"{path}: expected a readable UTF-8 file, got: {error}") from None
    try:
        raw = json.loads(text)
    except ValueError as error:
        raise SettingsInvalid(f"{path}: expected JSON, got: {error}") from None
    try:
        return kind.model_validate(raw)
    except ValidationError as error:
        problems = [
            f"{path}: {_key_path(problem['loc'])}: expected {_expected(problem)}, got {_came(problem)}"
            for problem in _own_faults(error)
        ]
        raise SettingsInvalid("; ".join(problems)) from None


def _environment_file(config: Path, name: str | None) -> tuple[str, Mapping[str, str]]:
    path = config / "environments" / f"{name or 'local'}.env"
    if name is not None and not path.is_file():
        raise SettingsInvalid(f"{path}: expected this file to exist, because {ENVIRONMENT_VARIABLE} is {name!r}")
    return _variables(path)


def _variables(path: Path) -> tuple[str, Mapping[str, str]]:
    variables: dict[str, str] = {}
    if path.is_file():
        for variable, value in dotenv_values(path, interpolate=False).items():
            if not variable.startswith(PREFIX) or value is None:
                raise SettingsInvalid(f"{path}: {variable}: expected lines of the form {PREFIX}<PROCESS>_<KEY>=value")
            variables[variable] = value
    return f"{path}: ", variables


def _explain(error: ValidationError, sources: Mapping[str, str], prefix: str, kind: type[Settings]) -> Iterable[str]:
    for problem in error.errors():
        key = str(problem["loc"][0]) if problem["loc"] else ""
        where = sources.get(key, f"{prefix}{key.upper()}")
        if problem["type"] == "extra_forbidden":
            known = ", ".join(f"{prefix}{name.upper()}" for name in kind.model_fields)
            yield f"{where}: expected a known key ({known})"
        elif problem["type"] == "missing":
            yield f"{where}: expected a value, got none"
        else:
            yield f"{where}: expected {_expected(problem)}, got {_came(problem)}"


def _own_faults(error: ValidationError) -> Iterable[Any]:
    """Without lists that are too short only because what stands in them is wrong."""
    problems = error.errors()
    for problem in problems:
        depth = len(problem["loc"])
        inside = (one for one in problems if len(one["loc"]) > depth and one["loc"][:depth] == problem["loc"])
        if problem["type"] != "too_short" or not any(inside):
            yield problem


def _key_path(location: tuple[int | str, ...]) -> str:
    return (
        "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in location).lstrip(".") or "(whole file)"
    )


def _expected(problem: Any) -> str:
    if problem["type"] == "missing":
        return "a value for this key"
    if problem["type"] == "extra_forbidden":
        return "a known key"
    text: str = problem["msg"]
    for opening in ("Value error, ", "Input should be ", "String should "):
        text = text.removeprefix(opening)
    return text


def _came(problem: Any) -> str:
    hidden = ("secret", "password", "key", "token", "credential")
    if problem["type"] == "missing":
        return "none"
    if isinstance(problem["input"], dict | list):
        return "something else"  # the whole input: secrets may be in it
    if isinstance(problem["input"], SecretStr) or any(word in str(problem["loc"]).lower() for word in hidden):
        return "a value that is not shown here"
    return repr(problem["input"])[:80]
