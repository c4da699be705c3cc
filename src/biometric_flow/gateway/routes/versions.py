"""ETags: a version that a caller has read, and the version that a change is based on."""

from fastapi import Request, Response

from biometric_flow.gateway.people.errors import StaleVersion, VersionMissing


def tag(response: Response, version: int) -> None:
    """Say which version an answer shows."""
    response.headers["ETag"] = f'"{version}"'


def expect(request: Request, version: int | None) -> None:
    """Refuse a change that is not based on the stored version (None: there is none yet).

    Raises StaleVersion, and VersionMissing for a change of something that exists without `If-Match`.
    """
    given = request.headers.get("if-match")
    if given is None:
        if version is None:
            return
        raise VersionMissing(f'it exists: expected a header If-Match with the version it is based on, now "{version}"')
    if version is None or given.strip() not in ("*", f'"{version}"'):
        now = "nothing" if version is None else f'version "{version}"'
        raise StaleVersion(f"expected a change of {now}, got one of {given[:40]}; read it again and repeat the change")


def is_known(request: Request, version: int) -> bool:
    """Whether the caller holds this version already (`If-None-Match`)."""
    return request.headers.get("if-none-match", "").strip() == f'"{version}"'
