"""The country that a request comes from, as a proxy that is trusted says of the address: two letters, or nothing.

Anybody can send a header, so it is taken at the door, where the connection's other end is still known, and only from a
proxy of ours. Nothing further inside looks at it.
"""

import re
from collections.abc import Sequence
from ipaddress import ip_address, ip_network
from typing import Final

from litestar.enums import ScopeType
from litestar.types import ASGIApp, Receive, Scope, Send

from app.edge import Call

STATE: Final = "sensorium_country"
UNKNOWN: Final = "XX"
_LETTERS: Final = re.compile(rb"[A-Za-z]{2}")


def noting_country(app: ASGIApp, trusted: str, header: str) -> ASGIApp:
    """`app`, for which a request that one of the `trusted` proxies passes on comes from the country in its `header`.

    trusted: addresses and networks with commas between. The proxy must set the header itself, and pass on none of the
    sender's. What is not two letters, or XX, is no country.
    """
    networks = [ip_network(each) for each in trusted.split(",")]
    name = header.lower().encode()

    async def noting(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == ScopeType.HTTP:
            client = scope.get("client")
            country = _only([value for key, value in scope["headers"] if key.lower() == name])
            if country is not None and client is not None and _within(client[0], networks):
                scope["state"] = {**(scope.get("state") or {}), STATE: country}
        await app(scope, receive, send)

    return noting


def country_of(call: Call) -> str | None:
    """Where this request comes from, None where nobody to be trusted says."""
    country = call.request.scope["state"].get(STATE)
    return country if isinstance(country, str) else None


def _only(values: Sequence[bytes]) -> str | None:
    """The one country that the header names; several of them mean that a sender's own got through."""
    if len(values) != 1 or _LETTERS.fullmatch(values[0].strip()) is None:
        return None
    country = values[0].strip().decode().upper()
    return None if country == UNKNOWN else country


def _within(host: str, networks: Sequence[object]) -> bool:
    try:
        address = ip_address(host)
    except ValueError:
        return False
    return any(address in network for network in networks)  # type: ignore[operator]
