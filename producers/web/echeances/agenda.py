"""What a poll calls for, in the order of the days: the closing of the list, the commission's meeting, the tableaux."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

from sqlalchemy import Select, column, select, table

from common.calendrier import (
    Echeance,
    commission_between,
    last_day_to_register,
    meeting_before,
    regime_on,
    tableaux_of_scrutin,
)
from common.law import Regime
from producers.state import State, to_day, to_document
from producers.web.exports.query import DERNIERS_EXPORTS, AskedFile, read_all, read_made, select_made
from producers.web.listes.query import Registre, read_registres
from schemas.tableaux import Edition, TypeTableau, why_never_published
from schemas.vocabulary import ExportKind, Liste

_SCRUTINS = table("scrutins", *(column(name) for name in ("code_commune", "jour", "libelle", "cloture")))
_REUNIONS = table("reunions", *(column(name) for name in ("code_commune", "liste", "jour")))
_NATIONAL = ""
_MOST_TABLEAUX = 250


@dataclass(frozen=True)
class CalendarScrutin:
    """A poll; `cloture` is the last day to register when it is not the usual one."""

    jour: date
    libelle: str
    cloture: date | None


@dataclass(frozen=True)
class CalendarReunion:
    """A meeting of the commission de contrôle; an empty `liste` means that it was about all of them."""

    jour: date
    liste: str


def read_tableaux(state: State, commune: str) -> list[AskedFile]:
    """The last tableaux that were made, the newest first; purged ones too.

    Raises:
        StateAwayError: the database did not answer.
    """
    return read_all(state, _newest_tableaux(select_made(commune)))


def _newest_tableaux(query: Select[Any]) -> Select[Any]:
    view = DERNIERS_EXPORTS.c
    return query.where(view.kind == ExportKind.TABLEAU).order_by(view.export_id.desc()).limit(_MOST_TABLEAUX)


def _read_made_for(state: State, commune: str, echeances: Sequence[Echeance]) -> list[AskedFile]:
    """Of the last tableaux, those that are for one of these, the newest first: few, so that few are read whole."""
    view = DERNIERS_EXPORTS.c
    said = view.type_tableau, view.presentation, view.edition
    asked = select_made(commune).with_only_columns(view.export_id, *said, view.parameters)
    asked = asked.where(view.edition != Edition.COMMISSION)  # which are as many again
    with state.reading() as connection:
        rows = connection.execute(_newest_tableaux(asked)).all()
    numbers = [
        number
        for number, type_tableau, presentation, edition, asked_for in rows
        if any(_is_for(type_tableau, presentation, edition, to_document(asked_for), echeance) for echeance in echeances)
    ]
    return read_made(state, commune, numbers)[::-1]


def read_scrutins(state: State, commune: str) -> list[CalendarScrutin]:
    """The commune's polls and the national ones, each day once, in order; the commune's own words win.

    Raises:
        StateAwayError: the database did not answer.
    """
    view = _SCRUTINS.c
    query = select(view.jour, view.libelle, view.cloture).where(view.code_commune.in_((_NATIONAL, commune)))
    with state.reading() as connection:
        rows = connection.execute(query.order_by(view.jour, view.code_commune)).all()
    found = [CalendarScrutin(_day(row.jour), row.libelle, to_day(row.cloture)) for row in rows]
    return list({scrutin.jour: scrutin for scrutin in found}.values())


def read_reunions(state: State, commune: str) -> list[CalendarReunion]:
    """The meetings, the last one first.

    Raises:
        StateAwayError: the database did not answer.
    """
    view = _REUNIONS.c
    query = select(view.jour, view.liste).where(view.code_commune == commune)
    with state.reading() as connection:
        rows = connection.execute(query.order_by(view.jour.desc(), view.liste)).all()
    return [CalendarReunion(_day(row.jour), row.liste) for row in rows]


def _day(value: Any) -> date:  # noqa: ANN401 — see to_day
    day = to_day(value)
    if day is None:
        raise AssertionError(value)
    return day


@dataclass(frozen=True)
class DueTableau:
    """A tableau that a poll calls for, and the last one of each list that was made for it, to be posted.

    One that cannot be posted is not that: a provisional one, one that would be wrong.
    """

    echeance: Echeance
    made: Mapping[str, AskedFile]
    unfinished: Mapping[str, AskedFile]
    """The last one of each list that has none which can be posted."""
    missing: Sequence[str]
    """The other lists of the commune; those of a complementary list may not vote at this poll."""

    @property
    def type(self) -> TypeTableau:
        """Which tableau."""
        return TypeTableau(self.echeance.type)

    @property
    def day(self) -> date:
        """When it is due."""
        return self.echeance.due_on

    @property
    def is_made(self) -> bool:
        """Whether the list that votes at every poll has it; any list, where the commune has not that one."""
        return bool(self.made) and Liste.PRINCIPALE not in self.missing

    @property
    def is_published(self) -> bool:
        """Whether somebody noted the publication of all those that were made, the principal list's among them."""
        return self.is_made and all(file.published_on for file in self.made.values())

    def is_late(self, today: date) -> bool:
        """Whether its day has passed without it."""
        return not self.is_made and self.day < today


@dataclass(frozen=True)
class Agenda:
    """One poll: its days. Those that the law of its time does not know are None."""

    scrutin: CalendarScrutin
    last_day_to_register: date | None
    has_usual_cloture: bool
    commission: tuple[date, date] | None
    reunion: date | None
    due: Sequence[DueTableau]


def _due(scrutin: CalendarScrutin, reunions: Iterable[CalendarReunion]) -> Sequence[Echeance]:
    """What a poll calls for: by today's law, from the meeting before it on."""
    return tableaux_of_scrutin(scrutin.jour, _meeting(scrutin, reunions))


def _meeting(scrutin: CalendarScrutin, reunions: Iterable[CalendarReunion]) -> date | None:
    is_today_law = regime_on(scrutin.jour) is Regime.REPERTOIRE_UNIQUE
    return meeting_before(scrutin.jour, [it.jour for it in reunions]) if is_today_law else None


def _in_order(files: Mapping[str, AskedFile]) -> dict[str, AskedFile]:
    """The principal list first, whichever tableau was the last to be made."""
    return {liste.value: files[liste.value] for liste in Liste if liste.value in files}


def build_agenda(
    scrutin: CalendarScrutin, reunions: Iterable[CalendarReunion], tableaux: Sequence[AskedFile], listes: Sequence[str]
) -> Agenda:
    """The days of a poll; `tableaux` are those that were made, the newest first, `listes` what the commune has."""
    is_today_law = regime_on(scrutin.jour) is Regime.REPERTOIRE_UNIQUE
    due = []
    for echeance in _due(scrutin, reunions):
        made: dict[str, AskedFile] = {}
        unfinished: dict[str, AskedFile] = {}
        for file in tableaux:
            if _is_for(file.type_tableau, file.presentation, file.edition, file.parameters, echeance):
                (made if file.is_finished else unfinished).setdefault(file.liste, file)
        others = {liste: file for liste, file in unfinished.items() if liste not in made}
        due.append(
            DueTableau(echeance, _in_order(made), _in_order(others), [liste for liste in listes if liste not in made])
        )
    return Agenda(
        scrutin=scrutin,
        last_day_to_register=scrutin.cloture or last_day_to_register(scrutin.jour),
        has_usual_cloture=scrutin.cloture is None,
        commission=commission_between(scrutin.jour) if is_today_law else None,
        reunion=_meeting(scrutin, reunions),
        due=due,
    )


def _is_for(type_tableau: str, presentation: str, edition: str, asked: Mapping[str, Any], echeance: Echeance) -> bool:
    """Whether a tableau is the one that is due: of that type and poll, and one that may be published."""
    if type_tableau != echeance.type or echeance.scrutin is None:
        return False
    if why_never_published(type_tableau, presentation, edition):
        return False
    if asked.get("scrutin") == echeance.scrutin.isoformat():
        return True
    if echeance.type != TypeTableau.VINGT_JOURS:
        return False
    first, last = commission_between(echeance.scrutin)
    until = asked.get("until") or ""
    return asked.get("publication") == echeance.due_on.isoformat() or first.isoformat() <= until <= last.isoformat()


@dataclass(frozen=True)
class Calendar:
    """The polls to come with what each calls for, the meetings (the last one first), the lists of the commune."""

    agendas: Sequence[Agenda]
    reunions: Sequence[CalendarReunion]
    registres: Mapping[str, Registre]

    @property
    def scrutins(self) -> list[CalendarScrutin]:
        """The polls alone."""
        return [agenda.scrutin for agenda in self.agendas]


def read_calendar(state: State, commune: str, today: date) -> Calendar:
    """What the calendar asks of a commune from today on.

    Raises:
        StateAwayError: the database did not answer.
    """
    reunions, registres = read_reunions(state, commune), read_registres(state, commune)
    listes = [liste.value for liste in Liste if liste in registres]
    coming = [scrutin for scrutin in read_scrutins(state, commune) if scrutin.jour >= today]
    tableaux = _read_made_for(state, commune, [due for scrutin in coming for due in _due(scrutin, reunions)])
    return Calendar([build_agenda(it, reunions, tableaux, listes) for it in coming], reunions, registres)
