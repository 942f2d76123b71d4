"""Who speaks to us: a listed proxy, which is believed about the client's address and scheme; or the client itself.

uvicorn's own middleware does the reading; here is kept who the peer really was, before it is replaced.
"""

from collections.abc import Sequence
from ipaddress import ip_address

from starlette.types import ASGIApp, Receive, Scope, Send
from uvicorn.middleware.proxy_headers import ProxyHeadersMiddleware

from producers.web.settings import Network

_KEY = "prefecture.from_proxy"


class TrustedProxies:
    """Marks what comes from a listed proxy, then takes the client's address from it."""

    def __init__(self, app: ASGIApp, proxies: Sequence[Network]) -> None:
        self._app = app
        self._proxies = tuple(proxies)
        trusted = [str(network) for network in proxies]
        self._believing = ProxyHeadersMiddleware(app, trusted_hosts=trusted) if trusted else app  # type: ignore[arg-type]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Go on with the client's own address."""
        client = scope.get("client")
        scope[_KEY] = client is not None and self._is_listed(client[0])
        await self._believing(scope, receive, send)  # type: ignore[arg-type]

    def _is_listed(self, host: str) -> bool:
        try:
            address = ip_address(host)
        except ValueError:
            return False
        return any(address in network for network in self._proxies)


def is_from_proxy(scope: Scope) -> bool:
    """Whether the peer is one of the listed proxies."""
    return scope.get(_KEY) is True


def client_address(scope: Scope) -> str:
    """The client's address, as well as it is known."""
    client = scope.get("client")
    return str(client[0]) if client else "?"
