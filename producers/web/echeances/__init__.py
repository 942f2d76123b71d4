"""What a poll or a year calls for, in the order of the days: the closing of the list, the meeting, the tableaux."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any
from urllib.parse import urlencode

from sqlalchemy import Date, Select, column, select, table
from starlette.responses import Response

from common.calendrier import (
    CalendarReunion,
    CalendarScrutin,
    Cycle,
    Echeance,
    civil_day,
    commission_between,
    days_before,
    find_cycles,
    last_day_to_register,
    one_a_day,
)
from common.french import short_date
from producers.state import State, to_document, to_instant, to_record, view_of
from producers.web.exports.query import DERNIERS_EXPORTS, AskedFile, read_all, read_made, select_made
from producers.web.page_context import PageContext
from producers.web.registre.query import Registre, read_registres
from schemas.tableaux import Edition, TypeTableau, name_tableau, why_never_published
from schemas.vocabulary import ExportKind, Liste

_SCRUTINS = view_of("scrutins", CalendarScrutin, "code_commune")
_REUNIONS = view_of("reunions", CalendarReunion, "code_commune")
_IMPORTS = table("imports", *map(column, ("code_commune", "imported_at", "undone_at")), column("taken_on", Date))
_NATIONAL = ""
_MOST_TABLEAUX = 250


def read_tableaux(state: State, commune: str) -> list[AskedFile]:
    """The last tableaux that were made, the newest first; purged ones too."""
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
    numbers = [
        number
        for number, type_tableau, presentation, edition, asked_for in state.read(_newest_tableaux(asked))
        if any(_is_for(type_tableau, presentation, edition, to_document(asked_for), echeance) for echeance in echeances)
    ]
    return read_made(state, commune, numbers)[::-1]


def read_scrutins(state: State, commune: str) -> list[CalendarScrutin]:
    """The commune's polls and the national ones, each day once, in order; the commune's own words win."""
    view = _SCRUTINS.c
    query = select(_SCRUTINS).where(view.code_commune.in_((_NATIONAL, commune)))
    rows = state.read(query.order_by(view.jour, view.code_commune))
    return one_a_day(to_record(CalendarScrutin, row) for row in rows)


def read_own_scrutins(state: State, commune: str) -> list[CalendarScrutin]:
    """The polls that the commune noted, the last one first."""
    view = _SCRUTINS.c
    query = select(_SCRUTINS).where(view.code_commune == commune).order_by(view.jour.desc())
    return [to_record(CalendarScrutin, row) for row in state.read(query)]


def read_reunions(state: State, commune: str) -> list[CalendarReunion]:
    """The meetings, the last one first."""
    view = _REUNIONS.c
    query = select(_REUNIONS).where(view.code_commune == commune).order_by(view.jour.desc(), view.liste)
    return [to_record(CalendarReunion, row) for row in state.read(query)]


def read_register_since(state: State, commune: str) -> date | None:
    """The day of the first export that the register holds; None when another software keeps the register."""
    view = _IMPORTS.c
    query = select(view.taken_on, view.imported_at).where(view.code_commune == commune, view.undone_at.is_(None))
    rows = state.read(query)
    days = (row.taken_on or (at and civil_day(at, commune)) for row in rows for at in [to_instant(row.imported_at)])
    return min((day for day in days if day), default=None)


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
        return TypeTableau(self.echeance.type)

    @property
    def titre(self) -> str:
        """Its short name; one on another day than the twentieth, by decree, is not « des vingt jours »."""
        scrutin = self.echeance.scrutin
        return name_tableau(self.type, scrutin, scrutin and self.day > days_before(scrutin, 20))

    @property
    def day(self) -> date:
        return self.echeance.due_on

    @property
    def asked(self) -> dict[str, str]:
        """What the form of tableaux is filled with for it, beside the lists."""
        scrutin = self.echeance.scrutin
        last_day = self.day - timedelta(days=1)  # that of the meeting
        if scrutin is None:
            return {"type": self.echeance.type, "until": last_day.isoformat()}
        return {"type": self.echeance.type, "scrutin": scrutin.isoformat(), "publication": self.day.isoformat()}

    @property
    def is_made(self) -> bool:
        """Whether the list that votes at every poll has it; any list, where the commune has not that one."""
        return bool(self.made) and Liste.PRINCIPALE not in self.missing

    @property
    def is_published(self) -> bool:
        """Whether somebody noted the publication of all those that were made, the principal list's among them."""
        return self.is_made and all(file.published_on for file in self.made.values())

    def is_late(self, today: date) -> bool:
        return not self.is_made and self.day < today


@dataclass(frozen=True)
class Agenda:
    """One meeting of the commission with its tableaux: those of a poll, or those of a year without a poll."""

    cycle: Cycle
    due: Sequence[DueTableau]
    last_day_to_register: date | None = None

    @property
    def scrutin(self) -> CalendarScrutin | None:
        return self.cycle.scrutin

    @property
    def commission(self) -> tuple[date, date] | None:
        """The first and the last day of the meeting, when one is asked for."""
        return self.cycle.window

    @property
    def reunion(self) -> CalendarReunion | None:
        return self.cycle.reunion

    @property
    def title(self) -> str:
        """« Élections municipales du 15/03/2026 », « Réunion annuelle de 2027 », « Réunion du 20/05/2027 »."""
        if self.scrutin:
            return f"{self.scrutin.libelle or 'Scrutin'} du {short_date(self.scrutin.jour)}"
        if self.commission:
            return f"Réunion annuelle de {self.commission[0].year}"
        return f"Réunion du {short_date(self.reunion.jour)}" if self.reunion else ""


def _in_order(files: Mapping[str, AskedFile]) -> dict[str, AskedFile]:
    """The principal list first, whichever tableau was the last to be made."""
    return {liste.value: files[liste.value] for liste in Liste if liste.value in files}


def build_agenda(cycle: Cycle, tableaux: Sequence[AskedFile], listes: Sequence[str]) -> Agenda:
    """What a meeting calls for; `tableaux` are those that were made, the newest first, `listes` the commune's."""
    due = []
    for echeance in cycle.due:
        made: dict[str, AskedFile] = {}
        unfinished: dict[str, AskedFile] = {}
        for file in tableaux:
            if _is_for(file.type_tableau, file.presentation, file.edition, file.parameters, echeance):
                (made if file.is_finished else unfinished).setdefault(file.liste, file)
        others = {liste: file for liste, file in unfinished.items() if liste not in made}
        due.append(
            DueTableau(echeance, _in_order(made), _in_order(others), [liste for liste in listes if liste not in made])
        )
    scrutin = cycle.scrutin
    if scrutin is None or cycle.is_second_round:
        return Agenda(cycle, due)
    return Agenda(cycle, due, scrutin.cloture or last_day_to_register(scrutin.jour))


def _is_for(type_tableau: str, presentation: str, edition: str, asked: Mapping[str, Any], echeance: Echeance) -> bool:
    """Whether a tableau is the one that is due: of that type and poll or meeting, and one that may be published."""
    if type_tableau != echeance.type or why_never_published(type_tableau, presentation, edition):
        return False
    scrutin, until = asked.get("scrutin"), asked.get("until") or ""
    if echeance.scrutin is None:
        is_of_meeting = until == (echeance.due_on - timedelta(days=1)).isoformat()
        return not scrutin and (is_of_meeting or asked.get("publication") == echeance.due_on.isoformat())
    if scrutin == echeance.scrutin.isoformat():
        return True
    if echeance.type != TypeTableau.VINGT_JOURS:
        return False
    first, last = commission_between(echeance.scrutin)
    return asked.get("publication") == echeance.due_on.isoformat() or first.isoformat() <= until <= last.isoformat()


@dataclass(frozen=True)
class Calendar:
    """What the polls to come and the year call for, the meetings (the last one first), the lists of the commune."""

    agendas: Sequence[Agenda]
    """The nearest poll first; what no poll calls for comes before them."""
    reunions: Sequence[CalendarReunion]
    registres: Mapping[str, Registre]
    register_since: date | None = None
    """See `read_register_since`."""

    @property
    def scrutins(self) -> list[CalendarScrutin]:
        return [agenda.scrutin for agenda in self.agendas if agenda.scrutin]


def read_calendar(state: State, commune: str, today: date) -> Calendar:
    """What the calendar asks of a commune from today on."""
    reunions, registres = read_reunions(state, commune), read_registres(state, commune)
    scrutins, since = read_scrutins(state, commune), read_register_since(state, commune)
    cycles = find_cycles(today, scrutins, reunions, since)
    listes = [liste.value for liste in Liste if liste in registres]
    tableaux = _read_made_for(state, commune, [due for cycle in cycles for due in cycle.due])
    return Calendar([build_agenda(it, tableaux, listes) for it in cycles], reunions, registres, since)


_SHOWN_REUNIONS = 6


def show(context: PageContext) -> Response:
    calendar = read_calendar(context.services.state, context.commune.code, context.today)
    return context.render(
        "echeances/echeances.html",
        today=context.today,
        agendas=calendar.agendas,
        has_scrutin=bool(calendar.scrutins),
        reunions=calendar.reunions[:_SHOWN_REUNIONS],
        ask_for=lambda due: _ask_for(context, due),
    )


def _ask_for(context: PageContext, due: DueTableau) -> str:
    """The address of the form that asks for this tableau, filled in."""
    return f"{context.url('tableaux')}?{urlencode(due.asked)}"
