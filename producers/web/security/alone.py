"""Nobody else can come: the screen listens on this computer only, for one agent."""

from starlette.requests import Request

from producers.state import State
from producers.web.reading.habilitations import read_agent
from producers.web.security.identity import Agent, NotAnAgent, Untrusted

_OF_PROXIES = ("forwarded", "x-forwarded-for", "x-forwarded-host", "x-real-ip")


class Alone:
    """The agent `name` of the table of agents; the only one there is when `name` is empty."""

    has_door = False

    def __init__(self, state: State, name: str) -> None:
        self._state = state
        self._name = name

    def identify(self, request: Request) -> Agent:
        """Always the same agent; a proxy would make everybody that agent, so what comes through one is refused."""
        if any(name in request.headers for name in _OF_PROXIES):
            raise Untrusted
        agent = read_agent(self._state, name=self._name)
        if agent is None:
            raise NotAnAgent(self._name)
        return agent
