"""The polls that a commune prepares, and the meetings of its commission de contrôle: what the operator says of them."""

import datetime as dt
from collections.abc import Iterable
from typing import NamedTuple

from sqlalchemy import Connection, delete, insert, select, update

from common.calendrier import is_poll_day, last_round
from common.french import short_date
from schemas.vocabulary import Liste
from worker.domain.tableau.demande import Calendrier
from worker.errors import RefusedError
from worker.registre.communes import check_commune
from worker.registre.models import Commission, Scrutin

NATIONAL = ""
"""Instead of a commune's code: the poll is held in the whole country."""
ALL_LISTS = ""
"""Instead of a list's code: the commission met about all of them."""


class KnownScrutin(NamedTuple):
    """A poll; `cloture` is the last day to register when it is not the usual one."""

    code_commune: str
    date: dt.date
    libelle: str
    cloture: dt.date | None

    def last_round(self, others: Iterable[dt.date]) -> dt.date | None:
        """The last day of it on which people may vote, as what it is called says, or the other polls that are known."""
        return last_round(self.date, self.libelle, others)


class Reunion(NamedTuple):
    """A meeting of the commission de contrôle. Code électoral, art. L. 19."""

    liste: str
    date: dt.date


def select_scrutins(connection: Connection, code_commune: str = NATIONAL) -> list[KnownScrutin]:
    """The national polls and those of the commune, in the order of their dates."""
    columns = Scrutin.code_commune, Scrutin.date, Scrutin.libelle, Scrutin.cloture
    query = select(*columns).where(Scrutin.code_commune.in_({NATIONAL, code_commune}))
    return [KnownScrutin(*row) for row in connection.execute(query.order_by(Scrutin.date, Scrutin.code_commune))]


def set_scrutin(connection: Connection, scrutin: KnownScrutin) -> None:
    """Add a poll, or replace what is known of it.

    Raises:
        RefusedError: the commune is unknown, nobody votes on that day, or the list would close after it.
    """
    if scrutin.code_commune:
        check_commune(connection, scrutin.code_commune)
    if not is_poll_day(scrutin.date, scrutin.code_commune):
        raise RefusedError(f"on ne vote pas le {short_date(scrutin.date)} : ce n'est pas un dimanche")
    if scrutin.cloture and scrutin.cloture >= scrutin.date:
        raise RefusedError("la clôture de la liste précède le scrutin")
    values = {"libelle": scrutin.libelle, "cloture": scrutin.cloture}
    is_it = (Scrutin.code_commune == scrutin.code_commune) & (Scrutin.date == scrutin.date)
    if not connection.execute(update(Scrutin).where(is_it).values(values)).rowcount:
        connection.execute(insert(Scrutin).values(scrutin._asdict()))


def remove_scrutin(connection: Connection, code_commune: str, day: dt.date) -> None:
    """Forget a poll.

    Raises:
        RefusedError: there is none on that day.
    """
    is_it = (Scrutin.code_commune == code_commune) & (Scrutin.date == day)
    if not connection.execute(delete(Scrutin).where(is_it)).rowcount:
        raise RefusedError(f"aucun scrutin le {short_date(day)}")


def select_reunions(connection: Connection, code_commune: str, liste: Liste | None = None) -> list[Reunion]:
    """The meetings of the commission in the order of their dates; with a list, those that were about it."""
    query = select(Commission.liste, Commission.date).where(Commission.code_commune == code_commune)
    if liste:
        query = query.where(Commission.liste.in_([ALL_LISTS, liste.value]))
    return [Reunion(*row) for row in connection.execute(query.order_by(Commission.date, Commission.liste))]


def read_calendrier(connection: Connection, code_commune: str, liste: Liste) -> Calendrier:
    """What the tableaux of a list are counted from."""
    scrutins = select_scrutins(connection, code_commune)
    days = tuple(scrutin.date for scrutin in scrutins)
    return Calendrier(
        scrutins=days,
        last_rounds={scrutin.date: last for scrutin in scrutins if (last := scrutin.last_round(days))},
        clotures={scrutin.date: scrutin.cloture for scrutin in scrutins if scrutin.cloture},
        reunions=tuple(reunion.date for reunion in select_reunions(connection, code_commune, liste)),
    )


def add_reunion(connection: Connection, code_commune: str, reunion: Reunion) -> None:
    """Note a meeting; noting it again does nothing.

    Raises:
        RefusedError: the commune is unknown.
    """
    check_commune(connection, code_commune)
    if reunion not in select_reunions(connection, code_commune):
        connection.execute(insert(Commission).values(code_commune=code_commune, **reunion._asdict()))


def remove_reunion(connection: Connection, code_commune: str, reunion: Reunion) -> None:
    """Forget a meeting.

    Raises:
        RefusedError: there was none on that day.
    """
    is_it = (Commission.code_commune == code_commune) & (Commission.date == reunion.date)
    if not connection.execute(delete(Commission).where(is_it, Commission.liste == reunion.liste)).rowcount:
        raise RefusedError(f"aucune réunion le {short_date(reunion.date)}")
