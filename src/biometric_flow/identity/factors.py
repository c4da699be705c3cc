"""A second factor: six digits by the clock (TOTP, RFC 6238) and recovery codes for who lost the telephone. Pure."""

import base64
import hmac
import secrets
from collections.abc import Iterable
from datetime import datetime
from typing import Final

import pyotp
import segno

from biometric_flow.identity.tokens import digest

STEP_SECONDS: Final = 30
WINDOW: Final = 1
"""Steps before and after the present one whose codes count: clocks of telephones differ (security-design A5)."""
SECRET_BYTES: Final = 20
RECOVERY_CODES: Final = 10
_RECOVERY_BYTES: Final = 10
_ISSUER: Final = "BiometricFlow"


def new_factor_secret() -> bytes:
    """160 random bits, as RFC 4226 asks for."""
    return secrets.token_bytes(SECRET_BYTES)


def spelled(secret: bytes) -> str:
    """The secret as people type it into an app that cannot scan."""
    return base64.b32encode(secret).decode()


def step_of(secret: bytes, code: str, now: datetime) -> int | None:
    """The time step whose code this is, None when it is of none nearby.

    Every step of the window is compared, in constant time, so that the answer takes as long whichever it was.
    """
    generator, present = pyotp.TOTP(spelled(secret), interval=STEP_SECONDS), int(now.timestamp()) // STEP_SECONDS
    given, found = code.encode("utf-8", "replace"), None
    for step in range(present - WINDOW, present + WINDOW + 1):
        if hmac.compare_digest(generator.generate_otp(step).encode(), given):
            found = step
    return found


def provisioning(secret: bytes, email: str, tenant: str) -> str:
    """The address that an authenticator app reads out of the picture (`otpauth://`)."""
    return pyotp.TOTP(spelled(secret), interval=STEP_SECONDS).provisioning_uri(
        name=email, issuer_name=f"{_ISSUER} {tenant}"
    )


def picture(uri: str) -> str:
    """The address as a QR code: one SVG element, without a script, a link or a style of its own."""
    return segno.make(uri, error="m", micro=False).svg_inline(scale=4, border=4, dark="#000", light="#fff")


def new_recovery_codes() -> list[str]:
    """Ten codes of 80 random bits, in groups that can be typed from paper."""
    return [_grouped(base64.b32encode(secrets.token_bytes(_RECOVERY_BYTES)).decode()) for _ in range(RECOVERY_CODES)]


def recovery_digest(code: str) -> bytes:
    """What is stored of a recovery code, however it was typed. A plain hash is enough for 80 random bits."""
    return digest("".join(letter for letter in code.upper() if letter.isalnum()))


def is_digits(code: str) -> bool:
    """Has it the form of a code by the clock? Everything else is taken for a recovery code."""
    return len(code) == 6 and code.isascii() and code.isdecimal()


def must_have_factor(is_for_all: bool, asked_of: Iterable[str], held: Iterable[str]) -> bool:
    """Does a tenant's rule ask the holder of these roles for a second factor?"""
    return is_for_all or bool(set(asked_of) & set(held))


def _grouped(letters: str) -> str:
    return "-".join(letters[start : start + 4] for start in range(0, len(letters), 4))
