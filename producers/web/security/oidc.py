"""A provider of identities (OpenID Connect, such as ProConnect) knows who comes; agents log in and out."""

from dataclasses import dataclass, field

from starlette.requests import Request

from producers.state import State
from producers.web.reading.habilitations import find_agent
from producers.web.security.claims import ClaimRules
from producers.web.security.identity import Agent, Stranger
from producers.web.security.provider import Provider
from producers.web.security.session import Sessions
from producers.web.settings import WebSettings


@dataclass(frozen=True)
class Oidc:
    """The session holds who logged in; whom that is, and what she may see, is read again for each page."""

    state: State
    settings: WebSettings
    provider: Provider
    rules: ClaimRules
    sessions: Sessions = field(default_factory=Sessions)
    has_door: bool = True

    @classmethod
    def of(cls, state: State, settings: WebSettings) -> "Oidc":
        """Composed from the settings."""
        return cls(state, settings, Provider(settings), ClaimRules.of(settings))

    def identify(self, request: Request) -> Agent:
        """The agent who logged in."""
        who = self.sessions.who(request)
        if not who:
            raise Stranger
        return find_agent(self.state, who, self.settings.web_known_by)

    def back(self, path: str) -> str:
        """The whole address of one of our pages, as the provider must know it: never taken from the request."""
        return f"{self.settings.public_url}{path}"
