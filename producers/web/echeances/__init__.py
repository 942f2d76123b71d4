"""The calendar of a poll or a year, in chronological order: closing of the list, meeting, tableaux."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from types import MappingProxyType
from urllib.parse import urlencode

from sqlalchemy import select
from starlette.responses import Response

from common.calendrier import (
    CalendarReunion,
    CalendarScrutin,
    Cycle,
    Echeance,
    commission_between,
    commission_to_renew,
    counted_back,
    find_cycles,
    is_yearly,
    last_day_to_register,
    polls_of,
    polls_to_note,
)
from common.french import short_date
from common.regimes import Unit, read_regimes
from producers.state import State, to_record, view_of
from producers.web.echeances.ribbon import place
from producers.web.exports.query import DERNIERS_EXPORTS, AskedFile, read_all, select_made
from producers.web.page_context import PageContext
from producers.web.registre.query import Registre, read_first_days, read_registres
from schemas.tableaux import TypeTableau, name_tableau
from schemas.vocabulary import ExportKind, Liste

_SCRUTINS = view_of("scrutins", CalendarScrutin)
_REUNIONS = view_of("reunions", CalendarReunion, "code_commune")


def read_tableaux(state: State, commune: str) -> list[AskedFile]:
    """Return the last finished tableaux, newest first, including purged ones."""
    view = DERNIERS_EXPORTS.c
    query = select_made(commune).where(view.kind == ExportKind.TABLEAU)
    return read_all(state, query.order_by(view.export_id.desc()).limit(250))


def may_print(file: AskedFile, liste: str, last: date | None) -> bool:
    """Whether a change of a mouvement of this list, on `last` at the latest, may put the tableau « à refaire »."""
    start = file.parameters.get("reunion") or ""
    return (
        file.liste == liste
        and not (file.recalled_at or file.purged_at)
        and (not last or start <= str(last))
    )


def read_scrutins(state: State, commune: str) -> list[CalendarScrutin]:
    """Return the commune's polls and the national ones as they were noted: see `polls_of`."""
    view = _SCRUTINS.c
    query = select(_SCRUTINS).where(
        view.code_commune.in_(("", commune))
    )  # empty: of the whole country
    rows = state.read(query.order_by(view.jour, view.code_commune))
    return [to_record(CalendarScrutin, row) for row in rows]


def read_own_scrutins(state: State, commune: str) -> list[CalendarScrutin]:
    view = _SCRUTINS.c
    query = select(_SCRUTINS).where(view.code_commune == commune).order_by(view.jour.desc())
    return [to_record(CalendarScrutin, row) for row in state.read(query)]


def read_reunions(state: State, commune: str) -> list[CalendarReunion]:
    view = _REUNIONS.c
    query = (
        select(_REUNIONS).where(view.code_commune == commune).order_by(view.jour.desc(), view.liste)
    )
    return [to_record(CalendarReunion, row) for row in state.read(query)]


@dataclass(frozen=True)
class DueTableau:
    """A tableau that a poll requires, and the last publishable file of each list for it.

    A provisional, incomplete or wrong file is in `unfinished`.
    """

    echeance: Echeance
    made: Mapping[str, AskedFile]
    unfinished: Mapping[str, AskedFile]
    """The last file of each list that has no publishable one."""
    missing: Sequence[str]
    """The other lists of the commune that vote; all others, if the name of the poll does not say which lists vote."""
    beyond_register: Sequence[str] = ()
    """The lists whose first export is not before the tableau's last day: nobody can make it from the register."""
    of_secteurs: Mapping[int, AskedFile | None] = field(default_factory=dict)
    """Of Paris, Lyon and Marseille, where each secteur has its tableau: that of the principal list, if it is made."""

    @property
    def type(self) -> TypeTableau:
        return TypeTableau(self.echeance.type)

    @property
    def titre(self) -> str:
        """Its short name; without « des vingt jours » if a decree fixes another day."""
        scrutin = self.echeance.scrutin
        return name_tableau(
            self.type, scrutin, scrutin and self.day > counted_back("vingt_jours", scrutin)
        )

    @property
    def day(self) -> date:
        return self.echeance.due_on

    @property
    def asked(self) -> dict[str, str]:
        """The values that prefill the form of tableaux, except the lists."""
        asked = {"type": self.echeance.type}
        if self.echeance.scrutin:
            asked["scrutin"] = self.echeance.scrutin.isoformat()
        elif self.type.is_repealed:
            asked["date_tableau"] = self.day.isoformat()
        else:
            asked["until"] = (self.day - timedelta(days=1)).isoformat()
        return asked

    @property
    def query(self) -> str:
        return urlencode(self.asked)

    @property
    def is_made(self) -> bool:
        """Whether the principal list has the tableau; any list, if the commune has no principal list."""
        if self.of_secteurs:
            return all(self.of_secteurs.values())
        return bool(self.made) and Liste.PRINCIPALE not in self.missing

    @property
    def files(self) -> list[AskedFile]:
        """The publishable files: of each list, and of each secteur."""
        return [*self.made.values(), *filter(None, self.of_secteurs.values())]

    @property
    def is_published(self) -> bool:
        """Whether the publication of all made tableaux is noted, including that of the principal list."""
        return self.is_made and all(file.published_on for file in self.files)

    def is_late(self, today: date) -> bool:
        return not self.is_made and self.day < today


@dataclass(frozen=True)
class Agenda:
    """One meeting of the commission and its tableaux: of a poll, or of a year without a poll."""

    cycle: Cycle
    due: Sequence[DueTableau]
    last_day_to_register: date | None = None
    last_day_online: date | None = None
    last_day_l30: date | None = None
    """The last day to register under article L. 30."""

    @property
    def scrutin(self) -> CalendarScrutin | None:
        return self.cycle.scrutin

    @property
    def title(self) -> str:
        """« Élections municipales du 15/03/2026 », « Réunion annuelle de 2027 » or « Réunion du 20/05/2027 »."""
        if self.scrutin:
            return f"{self.scrutin.libelle or 'Scrutin'} du {short_date(self.scrutin.jour)}"
        if self.cycle.window:
            return f"Réunion annuelle de {self.cycle.window[0].year}"
        if self.cycle.reunion:
            return f"Réunion du {short_date(self.cycle.reunion.jour)}"
        return f"Révision annuelle de {self.due[0].day.year}" if self.due else ""

    @property
    def days(self) -> Iterator[tuple[date, str]]:
        """Yield the legal days of a poll with their short names, for its ribbon; none of a year without a poll."""
        if self.scrutin is None or self.cycle.is_second_round:
            return
        window = self.cycle.window
        met = self.cycle.reunion.jour if self.cycle.reunion else window and window[0]
        known = (
            (self.last_day_to_register, "clôture"),
            (met, "réunion" if self.cycle.reunion else "première réunion possible"),
            (self.last_day_l30, "dernier jour de l'article L. 30"),
            *(
                (due.day, f"J-{(self.scrutin.jour - due.day).days} : {due.titre}")
                for due in self.due
            ),
            (self.scrutin.jour, "scrutin"),
        )
        yield from ((day, words) for day, words in known if day)


def _in_order(files: Mapping[str, AskedFile]) -> dict[str, AskedFile]:
    return {liste.value: files[liste.value] for liste in Liste if liste.value in files}


def build_agenda(
    cycle: Cycle,
    tableaux: Sequence[AskedFile],
    listes: Sequence[str],
    first_days: Mapping[str, date] = MappingProxyType({}),
    secteurs: Collection[int] = (),
) -> Agenda:
    """Build the agenda of a meeting from the finished tableaux (newest first) and the commune's lists.

    `first_days`: the day of the first export of each list, which tells what the register is too young for. `secteurs`:
    those of the commune; its own tableaux then count for none.
    """
    due = []
    votes = read_regimes().lists_of(cycle.scrutin.libelle) if cycle.scrutin else None
    voting = listes if votes is None else [liste for liste in listes if liste in votes]
    for echeance in cycle.due:
        last = cycle.last_day(echeance)
        made: dict[str, AskedFile] = {}
        unfinished: dict[str, AskedFile] = {}
        of_secteurs = dict[int, AskedFile | None].fromkeys(secteurs)
        for file in tableaux:
            if not _is_for(file, echeance, cycle.window) or bool(file.secteur) != bool(secteurs):
                continue
            if not file.secteur:
                (made if file.is_finished else unfinished).setdefault(file.liste, file)
            elif file.is_finished and file.liste == Liste.PRINCIPALE:
                of_secteurs[file.secteur] = of_secteurs.get(file.secteur) or file
        # After an undo the register may have a list no more: its tableau cannot be made again.
        others = {
            liste: file
            for liste, file in unfinished.items()
            if liste in listes and liste not in made
        }
        due.append(
            DueTableau(
                echeance,
                _in_order(made),
                _in_order(others),
                [liste for liste in voting if liste not in made]
                if not secteurs or None in of_secteurs.values()
                else [],
                [liste for liste in listes if first_days.get(liste, date.min) >= last],
                of_secteurs,
            )
        )
    scrutin = cycle.scrutin
    if scrutin is None or cycle.is_second_round or is_yearly(scrutin.code_commune):
        return Agenda(cycle, due)
    usual, online, l30 = (
        last_day_to_register(scrutin.jour, delay, scrutin.libelle)
        for delay in ("cloture", "cloture_en_ligne", "l30")
    )
    return Agenda(cycle, due, scrutin.cloture or usual, None if scrutin.cloture else online, l30)


def _is_for(file: AskedFile, echeance: Echeance, window: tuple[date, date] | None) -> bool:
    if file.type_tableau != echeance.type or file.never_published:
        return False
    asked = file.parameters
    scrutin, until = asked.get("scrutin"), asked.get("until") or ""
    if TypeTableau(echeance.type).is_repealed and echeance.scrutin is None:
        return asked.get("date_tableau") == echeance.due_on.isoformat()
    if echeance.scrutin is None:
        is_of_meeting = until == (echeance.due_on - timedelta(days=1)).isoformat()
        return not scrutin and (
            is_of_meeting or asked.get("publication") == echeance.due_on.isoformat()
        )
    if scrutin == echeance.scrutin.isoformat():
        return True
    if echeance.type != TypeTableau.VINGT_JOURS:
        return False
    first, last = window or commission_between(echeance.scrutin)
    return (
        asked.get("publication") == echeance.due_on.isoformat()
        or first.isoformat() <= until <= last.isoformat()
    )


@dataclass(frozen=True)
class Calendar:
    """The agendas of the polls to come and of the year, the meetings (last one first) and the lists of the commune."""

    agendas: Sequence[Agenda]
    """Agendas without a poll first, then the nearest poll."""
    tableaux: Sequence[AskedFile]
    reunions: Sequence[CalendarReunion]
    registres: Mapping[str, Registre]
    register_since: date | None = None
    to_note: Sequence[CalendarScrutin] = ()
    """National polls to come of which no text that was read gives the day in this commune."""
    to_renew: CalendarScrutin | None = None
    """The municipal poll after which the commission has to be renewed, if no meeting was noted since."""
    is_yearly: bool = False
    """Whether the lists are revised once a year: there is no commission de contrôle."""

    @property
    def scrutins(self) -> list[CalendarScrutin]:
        return [agenda.scrutin for agenda in self.agendas if agenda.scrutin]


def read_calendar(state: State, commune: str, today: date) -> Calendar:
    reunions, registres = read_reunions(state, commune), read_registres(state, commune)
    noted, first_days = read_scrutins(state, commune), read_first_days(state, commune)
    since = min(first_days.values(), default=None)
    polls = polls_of(commune, noted)
    cycles = find_cycles(today, polls, reunions, since, commune)
    listes = [liste.value for liste in Liste if liste in registres]
    tableaux = read_tableaux(state, commune)
    to_note = [it for it in polls_to_note(commune, noted) if it.jour >= today]
    secteurs = read_regimes().territory_of(commune).secteurs
    agendas = [build_agenda(it, tableaux, listes, first_days, secteurs) for it in cycles]
    to_renew = commission_to_renew(today, polls, reunions)
    yearly = is_yearly(commune)
    return Calendar(agendas, tableaux, reunions, registres, since, to_note, to_renew, yearly)


def show(context: PageContext) -> Response:
    calendar = read_calendar(context.services.state, context.commune.code, context.today)
    return context.render(
        "echeances/echeances.html",
        agendas=calendar.agendas,
        ribbons=[place(agenda.days, context.today) for agenda in calendar.agendas],
        has_scrutin=bool(calendar.scrutins),
        to_note=calendar.to_note,
        to_renew=calendar.to_renew,
        is_yearly=calendar.is_yearly,
        has_secteurs=read_regimes().territory_of(context.commune.code).unite is Unit.SECTEUR,
        reunions=calendar.reunions[:6],
    )
