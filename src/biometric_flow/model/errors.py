"""The root of our own errors: a stable code, and whether trying again can help."""

from typing import ClassVar


class BiometricFlowError(Exception):
    """An error with a stable code. Its text says what was expected, what came and what to do."""

    code: ClassVar[str] = "internal"
    retryable: ClassVar[bool] = False
