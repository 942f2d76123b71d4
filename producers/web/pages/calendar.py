"""What the calendar asks of a commune from today on, as two pages show it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from producers.web.echeances import Agenda, build_agenda
from producers.web.reading.depots import read_tableaux
from producers.web.reading.registres import Registre, read_registres
from producers.web.reading.scrutins import Reunion, Scrutin, read_reunions, read_scrutins
from producers.web.visit import Visit
from schemas.vocabulary import Liste


@dataclass(frozen=True)
class Calendar:
    """The polls to come with what each calls for, the meetings (the last one first), the lists of the commune."""

    agendas: Sequence[Agenda]
    reunions: Sequence[Reunion]
    registres: Mapping[str, Registre]

    @property
    def scrutins(self) -> list[Scrutin]:
        """The polls alone."""
        return [agenda.scrutin for agenda in self.agendas]


def read_calendar(visit: Visit) -> Calendar:
    """The calendar of the visit's commune.

    Raises:
        StateAwayError: the database did not answer.
    """
    state, commune = visit.screen.state, visit.commune.code
    reunions, registres = read_reunions(state, commune), read_registres(state, commune)
    listes, tableaux = [liste.value for liste in Liste if liste in registres], read_tableaux(state, commune)
    coming = (scrutin for scrutin in read_scrutins(state, commune) if scrutin.jour >= visit.today)
    return Calendar([build_agenda(it, reunions, tableaux, listes) for it in coming], reunions, registres)
