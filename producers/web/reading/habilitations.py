"""Who may see which commune: the view `habilitations`."""

from typing import Literal

from sqlalchemy import String, column, false, func, select, table

from producers.errors import StateAwayError
from producers.state import State
from producers.web.security.identity import Agent, Commune, NotAnAgent

_VIEW = table("habilitations", *(column(name, String) for name in ("agent", "email", "code_commune", "nom_commune")))


def read_agent(state: State, *, name: str = "", email: str = "") -> Agent | None:
    """The agent of that name or that address, with her communes; without either, the only one there is.

    None when there is no such agent, or several names for one address. Of an address the case does not matter, but for
    letters outside of ASCII: lowered, some become letters of somebody else's address.

    Raises:
        StateAwayError: the database did not answer.
    """
    query = select(_VIEW).order_by(_VIEW.c.nom_commune, _VIEW.c.code_commune)
    if name:
        query = query.where(_VIEW.c.agent == name)
    if email.isascii() and email:
        query = query.where(func.lower(_VIEW.c.email) == email.lower())
    elif email:
        query = query.where(_VIEW.c.email == email)
    with state.reading() as connection:
        rows = connection.execute(query).all()
    if len({row.agent for row in rows}) != 1:
        return None
    return Agent(rows[0].agent, tuple(Commune(row.code_commune, row.nom_commune) for row in rows))


def find_agent(state: State, who: str, known_by: Literal["email", "name"]) -> Agent:
    """The agent whom somebody else vouches for.

    Raises:
        NotAnAgent: nobody in the table is called so.
        StateAwayError: the database did not answer.
    """
    agent = read_agent(state, **{known_by: who}) if who else None
    if agent is None:
        raise NotAnAgent(who)
    return agent


def answers(state: State) -> bool:
    """Whether the database answers, and lets this account read who may come."""
    try:
        with state.reading() as connection:
            connection.execute(select(_VIEW).where(false()))
    except StateAwayError:
        return False
    return True
