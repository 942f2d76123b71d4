"""A reverse proxy knows who comes, and says it in a header that nobody else may write."""

import secrets

from starlette.requests import Request

from producers.state import State
from producers.web.reading.habilitations import find_agent
from producers.web.security.identity import Agent, Stranger, Untrusted
from producers.web.security.peers import is_from_proxy
from producers.web.settings import WebSettings

SECRET_HEADER = "X-Prefecture-Secret"  # noqa: S105 — the name of a header


class Proxy:
    """Believes `web_proxy_header`, from the peers of `web_trusted_proxies` only, with their secret if there is one."""

    has_door = False

    def __init__(self, state: State, settings: WebSettings) -> None:
        self._state = state
        self._header = settings.web_proxy_header
        self._secret = settings.web_proxy_secret
        self._known_by = settings.web_known_by

    def identify(self, request: Request) -> Agent:
        """The agent that the proxy names; the header from anybody else, or twice, is refused."""
        named = request.headers.getlist(self._header)
        if not is_from_proxy(request.scope) or not self._shows_secret(request):
            raise Untrusted if named else Stranger
        if len(named) > 1:
            raise Untrusted
        who = named[0].strip() if named else ""
        if not who:
            raise Stranger
        return find_agent(self._state, who, self._known_by)

    def _shows_secret(self, request: Request) -> bool:
        if self._secret is None:
            return True
        shown = request.headers.getlist(SECRET_HEADER)
        return len(shown) == 1 and secrets.compare_digest(shown[0].encode(), self._secret.get_secret_value().encode())
