"""Who comes: the agent behind a request, and the communes that are hers."""

from dataclasses import dataclass
from typing import Protocol

from starlette.exceptions import HTTPException
from starlette.requests import Request


@dataclass(frozen=True)
class Commune:
    """A commune that an agent may see."""

    code: str
    nom: str


@dataclass(frozen=True)
class Agent:
    """A person of the table of agents, by the name that `requested_by` bears."""

    name: str
    communes: tuple[Commune, ...] = ()

    def commune(self, code: str) -> Commune | None:
        """That commune, if it is one of hers."""
        return next((commune for commune in self.communes if commune.code == code), None)


class Stranger(HTTPException):
    """Nobody is known to come: she is sent to the door, where there is one."""

    def __init__(self) -> None:
        super().__init__(401)


class NotAnAgent(HTTPException):
    """Somebody is known to come, and is not in the table of agents, or is there under several names."""

    def __init__(self, who: str) -> None:
        super().__init__(403)
        self.who = who


class Untrusted(HTTPException):
    """What came is not to be believed: a proxy that nobody listed, a header that only a proxy may write."""

    def __init__(self) -> None:
        super().__init__(403)


class Identity(Protocol):
    """One way to know who comes."""

    @property
    def has_door(self) -> bool:
        """Whether agents log in and out here, at `connexion` and `deconnexion`."""

    def identify(self, request: Request) -> Agent:
        """The agent behind the request, with the communes that are hers at this moment.

        Raises:
            Stranger: nobody is known to come.
            NotAnAgent: she is not in the table.
            Untrusted: the request is not to be believed.
            StateAwayError: the database did not answer.
        """
