"""Takes alerts to people by mail, Slack, Teams, webhook or SMS, within the rules for outgoing calls.

Only services of the list are taken; an address inside the operator's own network is refused unless it is allowed, no
redirect is followed, and every step has a deadline (security-design A12).
"""

import asyncio
import ipaddress
import socket
from typing import Final

import apprise

from biometric_flow.model.errors import BiometricFlowError

SERVICES: Final = frozenset(
    {
        *("mailto", "mailtos", "slack", "msteams", "workflow", "workflows", "json", "jsons"),
        *("twilio", "vonage", "nexmo", "sns", "clicksend", "msgbird", "bulksms", "d7sms", "sinch"),
    }
)
"""Mail, Slack, Teams, webhooks with a JSON body, and SMS by its larger carriers."""
OWN_HOST: Final = frozenset({"mailto", "mailtos", "json", "jsons"})
"""Those that connect to a host which the address names; the others know their own."""
SECONDS: Final = 20.0
_STEP: Final = "?cto=5&rto=10"


class ChannelInvalid(BiometricFlowError):
    """The address of a channel is not one that alerts can be sent to."""

    code = "alert.channel_invalid"


class NotDelivered(BiometricFlowError):
    """A channel did not take a message."""

    code = "alert.not_delivered"
    retryable = True


class Couriers:
    """Sends one message at a time; blocking work is done in threads."""

    def __init__(self, *, may_call_private: bool) -> None:
        self._may_call_private = may_call_private
        self._asset = apprise.AppriseAsset(
            app_id="BiometricFlow", app_desc="BiometricFlow alerts", async_mode=False, http_redirects=False
        )

    async def check(self, url: str) -> None:
        """Can alerts be sent there? Nothing is sent. Raises ChannelInvalid."""
        service = service_of(url)
        if service not in SERVICES:
            raise ChannelInvalid(f"url: expected one of {', '.join(sorted(SERVICES))}, came {service[:20] or 'none'}")
        # The first time, Apprise loads its services for two seconds: not where others wait.
        courier = await asyncio.to_thread(apprise.Apprise.instantiate, url, asset=self._asset)
        if courier is None:
            raise ChannelInvalid(f"url: Apprise cannot read it as an address of {service}; see its documentation")
        if service in OWN_HOST and not self._may_call_private:
            await _refuse_private(str(getattr(courier, "smtp_host", None) or courier.host).strip("[]"))

    async def send(self, url: str, title: str, body: str) -> None:
        """Deliver one message. Raises ChannelInvalid, NotDelivered."""
        await self.check(url)
        try:
            async with asyncio.timeout(SECONDS):
                is_there = await asyncio.to_thread(self._notify, url, title, body)
        except TimeoutError:
            raise NotDelivered(f"{service_of(url)} did not take it within {SECONDS:g} s") from None
        if not is_there:
            raise NotDelivered(f"{service_of(url)} did not take it; is the address right and the service there?")

    def _notify(self, url: str, title: str, body: str) -> bool:
        courier = apprise.Apprise.instantiate(
            f"{url}{_STEP.replace('?', '&') if '?' in url else _STEP}", asset=self._asset
        )
        return courier is not None and bool(courier.notify(title=title, body=body))


def service_of(url: str) -> str:
    """The service that an address names."""
    return url.partition("://")[0].lower() if "://" in url else ""


async def _refuse_private(host: str) -> None:
    loop = asyncio.get_running_loop()
    try:
        async with asyncio.timeout(5):
            found = await loop.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError, TimeoutError):
        raise NotDelivered(f"the name {host[:100]} does not lead to any address now") from None
    for _family, _kind, _protocol, _name, where in found:
        address = ipaddress.ip_address(str(where[0]).partition("%")[0])
        mapped = getattr(address, "ipv4_mapped", None) or address
        if not mapped.is_global or mapped.is_multicast:
            raise ChannelInvalid(
                f"url: {host[:100]} is an address inside this network; an operator may allow those (ALERT_PRIVATE)"
            )
