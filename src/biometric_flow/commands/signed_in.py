"""Commands that ask the gateway as somebody: the account that the environment names."""

import os
from collections.abc import Iterator
from contextlib import contextmanager

from biometric_flow.api.clients import BlockingGatewayClient, GatewayError
from biometric_flow.runtime.errors import StartRefused


@contextmanager
def signed_in(url: str) -> Iterator[BlockingGatewayClient]:
    """The gateway at this address. Raises StartRefused with what was refused, or that nothing answers there."""
    names = ("BIOMETRIC_FLOW_EMAIL", "BIOMETRIC_FLOW_PASSWORD", "BIOMETRIC_FLOW_CODE")
    email, password, code = (os.environ.get(name, "") for name in names)
    if not email or not password:
        raise StartRefused("expected the account to ask with in BIOMETRIC_FLOW_EMAIL and BIOMETRIC_FLOW_PASSWORD")
    try:
        with BlockingGatewayClient(url) as gateway:
            gateway.sign_in(email, password, code)
            yield gateway
    except GatewayError as error:
        raise StartRefused(str(error)) from None
