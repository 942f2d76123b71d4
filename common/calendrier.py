"""The electoral calendar: the civil day in each commune, and the date on which each tableau is due (see `common.law`).

Records hold instants in UTC. A person reads days, hours and ages in the civil time of the commune; Paris time applies
to data of several communes or of none. Days are calendar days before the poll: J-5 of a Saturday poll is a Monday.

Sources: INSEE, Code officiel géographique; Code électoral, the articles beside each date; for the Saturday, loi
n° 62-1292 du 6 novembre 1962, art. 3, II (élection présidentielle), and Code électoral, art. L. 55 (Sunday elsewhere).
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

from common.law import (
    CINQ_JOURS_REU,
    LAW_OF_ANNUAL_MEETING,
    LAW_OF_MEETING,
    REPERTOIRE_UNIQUE_DEPUIS,
    VINGT_JOURS,
    law_of,
)
from common.regimes import PollRow, Revision, Vote, read_regimes
from common.texte import fold

PARIS = ZoneInfo("Europe/Paris")

OVERSEAS = {
    "971": ZoneInfo("America/Guadeloupe"),
    "972": ZoneInfo("America/Martinique"),
    "973": ZoneInfo("America/Cayenne"),
    "974": ZoneInfo("Indian/Reunion"),
    "975": ZoneInfo("America/Miquelon"),
    "976": ZoneInfo("Indian/Mayotte"),
    "977": ZoneInfo("America/St_Barthelemy"),
    "978": ZoneInfo("America/Marigot"),
    "986": ZoneInfo("Pacific/Wallis"),
    "987": ZoneInfo("Pacific/Tahiti"),
    "98719": ZoneInfo("Pacific/Gambier"),
    # Fatu-Hiva, Hiva-Oa, Nuku-Hiva, Tahuata, Ua-Huka, Ua-Pou: UTC-9:30, half an hour ahead of Tahiti.
    **dict.fromkeys(
        ("98718", "98723", "98731", "98746", "98756", "98757"), ZoneInfo("Pacific/Marquesas")
    ),
    "988": ZoneInfo("Pacific/Noumea"),
}
"""Keys: code of a commune, or its first three characters. Source: INSEE, Code officiel géographique."""


def now() -> datetime:
    """Return the current instant in UTC; code that must run at another instant receives a callable instead."""
    return datetime.now(UTC)


def jour_a_paris(instant: datetime) -> date:
    """Return the civil day in Paris at an instant, for data of several communes or of none."""
    return instant.astimezone(PARIS).date()


def zone_of(code_commune: str) -> ZoneInfo:
    """Return the time zone of a commune; Paris unless the code names a territory overseas."""
    return OVERSEAS.get(code_commune) or OVERSEAS.get(code_commune[:3], PARIS)


def civil_time(instant: datetime, code_commune: str) -> datetime:
    """Convert an instant to the civil time of a commune, as its clerks and citizens read it."""
    return instant.astimezone(zone_of(code_commune))


def civil_day(instant: datetime, code_commune: str) -> date:
    """Return the civil day of a commune at an instant: "today" for its register, files and clerks."""
    return civil_time(instant, code_commune).date()


def shared_day(instant: datetime, communes: Iterable[str]) -> date:
    """Return the civil day of communes of one time zone at an instant; the day in Paris for several zones or none."""
    zones = {zone_of(code) for code in communes}
    return instant.astimezone(zones.pop() if len(zones) == 1 else PARIS).date()


_SAMEDI, _DIMANCHE = 5, 6
_ONE_DAY = timedelta(days=1)
_MARS = 3
_MONTHS = 12

MAJORITE = 18
"""Age from which a citizen votes, in years. Source: Code électoral, art. L. 2."""

YOUNGEST = 16
"""Minimum age in a register of electors (our choice): the date of birth of a younger person is a mistake."""

LONGEST_BETWEEN_ROUNDS = timedelta(days=14)
"""A poll at most this long after another one may be its second round: see `noted_second_round`."""

_FIRST_ROUND = re.compile(r"\b(premier|1er) tour\b")
_SECOND_ROUND = re.compile(r"\b(second|2n?d|2e|deuxieme) tour\b")
_LAST_ROUND = re.compile(rf"{_SECOND_ROUND.pattern}|\btour unique\b|\bun seul tour\b")

_DATE_NAISSANCE = re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII)


@dataclass(frozen=True)
class Echeance:
    """A tableau that is due."""

    type: str
    due_on: date
    scrutin: date | None = None
    """None: the tableau follows a meeting that no poll requires."""
    code_commune: str = ""

    @property
    def reference_legale(self) -> str:
        """The articles that the tableau cites."""
        return law_of(self.type, self.scrutin, self.code_commune)


@dataclass(frozen=True)
class CalendarScrutin:
    """A poll, with the dates that a decree or law (`texte`) fixes instead of the usual ones."""

    jour: date
    libelle: str = ""
    cloture: date | None = None
    """The last day to register, if it is not the usual one."""
    publication_due: date | None = None
    """The last day to publish the first tableau, if it is not the twentieth day before the poll."""
    has_commission: bool = True
    """False: the commission does not meet before this poll."""
    texte: str = ""
    """« décret n° 2024-527 du 9 juin 2024 »; empty: the usual dates apply."""
    reunion_first: date | None = None
    """The first possible day of the meeting, if it is not the twenty-fourth day before the poll."""
    reunion_last: date | None = None
    """The last possible day of the meeting, if it is not the twenty-first day before the poll."""
    cinq_jours_due: date | None = None
    """The day of the second tableau, if it is not the fifth day before the poll."""
    code_commune: str = ""
    """Empty: the poll is held in the whole country."""

    @property
    def window(self) -> tuple[date, date]:
        """The first and the last possible day of the meeting, if the commission meets."""
        first, last = commission_between(self.jour)
        return self.reunion_first or first, self.reunion_last or last

    @property
    def window_fault(self) -> str:
        """Why these days of the meeting cannot be, in French; empty if they can."""
        first, last = self.window
        if last < first:
            return "le dernier jour de la réunion vient avant le premier"
        is_late = self.reunion_last and last >= (
            self.publication_due or counted_back("vingt_jours", self.jour)
        )
        return (
            "le tableau se publie après la réunion : indiquez aussi son dernier jour"
            if is_late
            else ""
        )


@dataclass(frozen=True)
class CalendarReunion:
    """A recorded meeting of the commission de contrôle; an empty `liste` means all lists."""

    jour: date
    liste: str = ""
    has_deliberated: bool = True
    """False: no quorum, or a tied vote. Source: Code électoral, art. R. 10."""


@dataclass(frozen=True)
class Cycle:
    """One meeting of the commission de contrôle and the tableaux that follow it."""

    scrutin: CalendarScrutin | None
    """None: the yearly meeting, which no poll requires."""
    window: tuple[date, date] | None
    """The first and the last day of the meeting; None: no article requires a meeting."""
    reunion: CalendarReunion | None
    """The last recorded meeting within the window; for the yearly meeting, within that year."""
    due: tuple[Echeance, ...]
    reference_legale: str
    """The articles that fix the days of the meeting."""
    is_second_round: bool = False
    """Whether the poll is the second round of another poll, so that nothing is due for it."""

    @property
    def end(self) -> date | None:
        """Return the day before which the previous meeting lies, from which the first tableau counts mouvements."""
        if self.reunion and (self.reunion.has_deliberated or not self.scrutin):
            return self.reunion.jour
        return self.window[0] if self.window else min((it.due_on for it in self.due), default=None)

    def last_day(self, echeance: Echeance) -> date:
        """Return the last day of the mouvements of a tableau: the register begins before it, or cannot make it.

        The first one ends with the meeting, or with the first day of the meeting while none is recorded: a later day
        is not taken for that of the meeting before.
        """
        day_before = echeance.due_on - timedelta(days=1)
        return (self.end or day_before) if echeance.type == VINGT_JOURS else day_before


def days_before(scrutin: date, days: int) -> date:
    """Return the day `days` calendar days before a poll: J-5, J-20."""
    return scrutin - timedelta(days=days)


def counted_back(delay: str, scrutin: date) -> date:
    """Return the day of a delay of the table of regimes, for a poll: `vingt_jours`, `cloture_en_ligne`."""
    return read_regimes().delay(delay).before(scrutin)


def dix_janvier(year: int) -> date:
    """Return the day of the first tableau rectificatif. Source: Code électoral before 2019, art. R. 10."""
    return date(year, 1, 10)


def cloture(year: int) -> date:
    """Return the last day of February: closing of the list, second tableau. Source: before 2019, art. R. 16."""
    return date(year, 3, 1) - timedelta(days=1)


def cloture_before(day: date) -> date:
    """Return the last closing of the list before a day, that day excluded."""
    this_year = cloture(day.year)
    return this_year if this_year < day else cloture(day.year - 1)


def additions_on(scrutin: date) -> date | None:
    """Return the day the tableau des additions is posted: 6 February for an election in April.

    The commission ends its work on the first day of the second month before the poll; the tableau follows five days
    later (before 2019, art. L. 17, al. 4, and R. 10, al. 3). None until March: the yearly revision covers electors who
    come of age before a poll in March (art. L. 11-2, al. 1).
    """
    return date(scrutin.year, scrutin.month - 2, 6) if scrutin.month > _MARS else None


def commission_between(scrutin: date) -> tuple[date, date]:
    """Return the first and last possible day of the meeting before a poll. Source: Code électoral, art. L. 19, III."""
    return counted_back("reunion_premier", scrutin), counted_back("reunion_dernier", scrutin)


def annual_window(year: int) -> tuple[date, date]:
    """Return the first and last possible day of the yearly meeting, for a year without a poll since 1 January.

    « Entre le sixième vendredi précédant le 31 décembre et l'avant-dernier jour ouvré de l'année » (Code électoral,
    art. R. 10, al. 3). A jour ouvré is Monday to Friday (our reading; préfectures also gave 29 and 30 December for
    2023; this function returns the 28th, which suits both). The last two are never before 28 December, so no public
    holiday is among them, even in Alsace and Moselle.
    """
    end = date(year, 12, 31)
    return counted_back("annuelle_premier", end), counted_back("annuelle_dernier", end)


def meeting_before(
    scrutin: date, reunions: Iterable[date], window: tuple[date, date] | None = None
) -> date | None:
    """Return the last of `reunions` within the days before a poll, those of the law or `window`; None if none is."""
    first, last = window or commission_between(scrutin)
    return max((day for day in reunions if first <= day <= last), default=None)


def last_day_to_register(scrutin: date, delay: str = "cloture", libelle: str = "") -> date | None:
    """Return the last day of a delay to register for a poll; None for a poll that the text does not count for.

    `delay`: `cloture` on paper (art. L. 17), `cloture_en_ligne` (art. R. 5) or `l30` (art. L. 30). `libelle`: the name
    of the poll.
    """
    row = read_regimes().delay(delay)
    return row.before(scrutin) if row.counts_for(scrutin, libelle) else None


def last_day_to_consult(publication: date) -> date:
    """Return the last of the seven days to consult a tableau. Source: Code électoral, art. L. 20 and R. 13.

    The day of publication is not counted: electors can consult the tableau until the end of the period to contest it,
    which L. 20, I counts from the publication (Conseil d'État, 27/03/2023, n° 465736).
    """
    return publication + timedelta(days=read_regimes().delay("consultation").jours or 0)


def why_too_short(type_tableau: str, first: date, last: date, scrutin: str = "") -> str:
    """Return the reason, in French, why a publication may not end on day `last`; empty if it may.

    `scrutin`: the day of the poll of the tableau, AAAA-MM-JJ, if it has one. Source: Code électoral, art. R. 13 and
    R. 14.
    """
    if type_tableau == VINGT_JOURS:
        least = last_day_to_consult(first)
        how_long = "le tableau des vingt jours reste sept jours à la disposition des électeurs (art. R. 13)"
    elif type_tableau == CINQ_JOURS_REU and scrutin:
        least = date.fromisoformat(scrutin)
        how_long = "le tableau des cinq jours reste à la disposition des électeurs jusqu'au scrutin (art. R. 14)"
    else:
        return ""
    return "" if last >= least else f"{how_long}, jusqu'au {least:%d/%m/%Y} au moins"


def is_poll_day(day: date, code_commune: str) -> bool:
    """Whether a poll can be held on that day in that commune: a Sunday, or a Saturday where one may be on Saturday."""
    if day.weekday() == _DIMANCHE:
        return True
    here = read_regimes().territory_of(code_commune).cle
    on_saturday = {Vote.SAMEDI, Vote.DECRET}
    rows = [it for it in read_regimes().polls if here in it.territoires]
    return day.weekday() == _SAMEDI and any(it.vote in on_saturday for it in rows)


def is_yearly(code_commune: str) -> bool:
    """Whether the lists of a commune are revised once a year: no commission de contrôle, no répertoire unique."""
    return read_regimes().territory_of(code_commune).revision is Revision.ANNUELLE


def polls_of(code_commune: str, scrutins: Iterable[CalendarScrutin]) -> list[CalendarScrutin]:
    """Return the polls of a commune, one per day, in order: its own ones, and the national ones on their local day.

    Where the table of regimes puts a kind of poll on the Saturday, the national poll of the Sunday is held on the
    Saturday. The day that the commune noted for it wins. A poll of `polls_to_note`, and one that is not held there, is
    left out.
    """
    known = list(scrutins)
    unread = polls_to_note(code_commune, known)
    own = [it for it in known if it.code_commune]
    local = [
        replace(it, jour=_local_day(it, code_commune, own), code_commune=code_commune)
        for it in known
        if not it.code_commune and it not in unread and _is_held(it, code_commune)
    ]
    return one_a_day([*local, *own])


def polls_to_note(code_commune: str, scrutins: Iterable[CalendarScrutin]) -> list[CalendarScrutin]:
    """Return the national polls of which no row of the table gives the day in the commune, and which it did not note.

    They are held elsewhere only, or a decree fixes their day there: nothing is computed for them.
    """
    known = list(scrutins)
    own = [it for it in known if it.code_commune]
    return [
        it
        for it in known
        if not it.code_commune
        and _is_unread(it, code_commune)
        and not _noted_nearby(it, own, LONGEST_BETWEEN_ROUNDS)
    ]


def commission_to_renew(
    today: date, scrutins: Iterable[CalendarScrutin], reunions: Iterable[CalendarReunion]
) -> CalendarScrutin | None:
    """Return the last general municipal poll, if no meeting of the commission was noted after it; None elsewhere.

    Its members are appointed « après chaque renouvellement intégral du conseil municipal » (Code électoral, art. R. 7).
    A meeting after the poll is held by the new members. `scrutins` are those of `polls_of`.
    """
    past = [
        it
        for it in scrutins
        if it.jour < today
        and "municipales" in _kinds_of(it)
        and "partiel" not in fold(it.libelle)
        and not is_yearly(it.code_commune)
    ]
    last = max(past, key=lambda it: it.jour, default=None)
    is_met = last and any(it.jour > last.jour for it in reunions)
    return None if is_met else last


def _is_held(scrutin: CalendarScrutin, code_commune: str) -> bool:
    """Whether the table does not say that a national poll is not held in a commune."""
    rows = read_regimes().rows_of(scrutin.libelle, code_commune)
    return not rows or any(it.vote is not Vote.AUCUN for it in rows)


def _is_unread(scrutin: CalendarScrutin, code_commune: str) -> bool:
    rows = read_regimes().rows_of(scrutin.libelle, code_commune)
    if not rows:
        return bool(read_regimes().named(scrutin.libelle))
    return any(it.vote is Vote.DECRET for it in rows)


def _local_day(scrutin: CalendarScrutin, code_commune: str, own: Iterable[CalendarScrutin]) -> date:
    """Return the day of a national poll in a commune: the noted one, else that of the table."""
    votes = {it.vote for it in read_regimes().rows_of(scrutin.libelle, code_commune)} - {Vote.AUCUN}
    if _is_unread(scrutin, code_commune):
        return _noted_nearby(scrutin, own, LONGEST_BETWEEN_ROUNDS) or scrutin.jour
    if votes != {Vote.SAMEDI}:
        return scrutin.jour
    return _noted_nearby(scrutin, own, _ONE_DAY) or scrutin.jour - _ONE_DAY


def _noted_nearby(
    scrutin: CalendarScrutin, own: Iterable[CalendarScrutin], reach: timedelta
) -> date | None:
    """Return the last day, at most `reach` before a national poll, on which the commune noted the same poll."""
    kinds = _kinds_of(scrutin)
    days = [
        it.jour
        for it in own
        if scrutin.jour - reach <= it.jour <= scrutin.jour
        and (not _kinds_of(it) or not kinds or kinds & _kinds_of(it))
    ]
    return max(days, default=None)


def one_a_day(scrutins: Iterable[CalendarScrutin]) -> list[CalendarScrutin]:
    """Return the polls in order, one per day; a later record overrides only the fields that it gives."""
    found: dict[date, CalendarScrutin] = {}
    for it in scrutins:
        former = found.get(it.jour, it)
        days = it if it.texte else former
        found[it.jour] = replace(
            days, libelle=it.libelle or former.libelle, cloture=it.cloture or former.cloture
        )
    return [found[day] for day in sorted(found)]


def is_second_round(scrutin: CalendarScrutin, scrutins: Iterable[CalendarScrutin]) -> bool:
    """Whether a poll is the second round of a known poll, for which nothing is due.

    Our choice: no text that we read asks for a meeting or a tableau between two rounds. A poll more than two weeks
    later has its own dates (2020).
    """
    known = list(scrutins)
    before = [it for it in known if it.jour < scrutin.jour <= it.jour + LONGEST_BETWEEN_ROUNDS]
    if before and _SECOND_ROUND.search(fold(scrutin.libelle)):
        return True
    noted = filter(None, (noted_second_round(it, known) for it in before))
    return any(it.jour == scrutin.jour for it in noted)


def cycle_of(
    scrutin: CalendarScrutin,
    reunions: Iterable[CalendarReunion] = (),
    scrutins: Iterable[CalendarScrutin] = (),
) -> Cycle:
    """Return the meeting and the tableaux that a poll requires, by the law of today (since 2019).

    The first tableau is due on the day after the meeting. If the commission did not meet or is deemed not to have
    deliberated, it is due on the twentieth day before the poll at the latest. `scrutins` are the known polls.
    """
    if is_second_round(scrutin, scrutins):
        return Cycle(scrutin, None, None, (), "", is_second_round=True)
    if read_regimes().lists_of(scrutin.libelle) == set():
        return Cycle(scrutin, None, None, (), "")
    if is_yearly(scrutin.code_commune):
        day = counted_back("cinq_jours", scrutin.jour)
        five = Echeance("cinq_jours", day, scrutin.jour, scrutin.code_commune)
        return Cycle(scrutin, None, None, (five,), "")
    window = scrutin.window if scrutin.has_commission else None
    held = [it for it in reunions if window and window[0] <= it.jour <= window[1]]
    deliberated = max((it.jour for it in held if it.has_deliberated), default=None)
    first = (
        deliberated + timedelta(days=1)
        if deliberated
        else scrutin.publication_due or counted_back("vingt_jours", scrutin.jour)
    )
    second = scrutin.cinq_jours_due or counted_back("cinq_jours_reu", scrutin.jour)
    due = Echeance(VINGT_JOURS, first, scrutin.jour), Echeance(CINQ_JOURS_REU, second, scrutin.jour)
    last = max(held, key=lambda it: (it.has_deliberated, it.jour), default=None)
    return Cycle(scrutin, window, last, due, LAW_OF_MEETING)


def annual_cycle(
    today: date,
    year: int,
    reunions: Iterable[CalendarReunion] = (),
    scrutins: Iterable[CalendarScrutin] = (),
    register_since: date | None = None,
) -> Cycle | None:
    """Return the yearly meeting and the tableau that follows it; None if there is neither.

    The meeting is due unless the commission has met since 1 January (art. L. 19, III, and R. 10, al. 3): a poll's
    meeting replaces it once it is held, and is waited for until its last day. A meeting held outside the period from
    the 24th day before a poll to that poll also has a tableau, due the day after (art. L. 19-1). The register has no
    data before its first day, `register_since`: no tableau is due for a meeting up to that day, and no yearly meeting
    for an earlier year.
    """
    if year < max(REPERTOIRE_UNIQUE_DEPUIS, register_since or REPERTOIRE_UNIQUE_DEPUIS).year:
        return None
    polls = list(scrutins)
    prepared = [(*window, it.jour) for it in polls if (window := cycle_of(it, (), polls).window)]
    held = [it for it in reunions if it.jour.year == year]
    own = [it for it in held if not any(a <= it.jour <= poll for a, _, poll in prepared)]
    is_awaited = any(first.year == year and today <= last for first, last, _ in prepared)
    is_replaced = is_awaited or len(own) < len(held)
    reunion = max(own, key=lambda it: it.jour, default=None)
    due: tuple[Echeance, ...] = ()
    if reunion and not (register_since and reunion.jour <= register_since):
        due = (Echeance(VINGT_JOURS, reunion.jour + timedelta(days=1)),)
    if is_replaced and not due:
        return None
    return Cycle(
        None, None if is_replaced else annual_window(year), reunion, due, LAW_OF_ANNUAL_MEETING
    )


def find_cycles(
    today: date,
    scrutins: Sequence[CalendarScrutin],
    reunions: Sequence[CalendarReunion],
    register_since: date | None = None,
    code_commune: str = "",
) -> list[Cycle]:
    """Return the cycles that a commune has to do: yearly meetings, then the polls to come.

    A yearly meeting stays in the list for a month after 31 December (our choice). If no cycle has a meeting, the yearly
    meeting of the next year is added. `scrutins` has one poll per day.
    """
    polls = [cycle_of(it, reunions, scrutins) for it in scrutins if it.jour >= today]
    if is_yearly(code_commune):
        return [_yearly_cycle(today, code_commune), *polls]
    if not read_regimes().territory_of(code_commune).reunion_annuelle:
        return polls
    years = sorted({(today - timedelta(days=31)).year, today.year})
    own = [
        cycle
        for year in years
        if (cycle := annual_cycle(today, year, reunions, scrutins, register_since))
    ]
    if not any(cycle.window for cycle in (*own, *polls)):
        own += filter(None, [annual_cycle(today, today.year + 1, (), scrutins)])
    return [*own, *polls]


def _yearly_cycle(today: date, code_commune: str) -> Cycle:
    """Return the tableaux of the yearly revision that is closed next: 10 January, last day of February."""
    year = today.year if today <= cloture(today.year) else today.year + 1
    first = Echeance("premier_rectificatif", dix_janvier(year), None, code_commune)
    second = Echeance("second_rectificatif", cloture(year), None, code_commune)
    return Cycle(None, None, None, (first, second), "")


PROOF_DAYS = 366
"""Days that a file is kept after its publication or deposit: a year. Our choice: no text that we read says how long."""


def last_birth(jour: date, age: int = MAJORITE) -> str:
    """Return the latest date of birth (AAAA-MM-JJ, zeros for unknown parts) of a person of that age on that day.

    Compared as text: a partial date counts as its earliest day; born on 29 February, of age on 1 March in common years.
    """
    return f"{jour.year - age:04}-{jour.month:02}-{jour.day:02}"


def last_birth_today(code_commune: str, age: int) -> str:
    """Return `last_birth` on the civil day of a commune now; the views call it on SQLite, which has no time zones."""
    return last_birth(civil_day(now(), code_commune), age)


def is_mineur(date_naissance: str, jour: date, seen_on: date | None = None) -> bool:
    """Whether a person with this date of birth is not yet an elector on that day, and is left out of its file.

    False if the date is unreadable, or if the person is under 16 on `seen_on` (by default `jour`).
    """
    is_young = last_birth(jour) < date_naissance <= last_birth(seen_on or jour, YOUNGEST)
    return is_young and bool(_DATE_NAISSANCE.fullmatch(date_naissance))


def majorite_on(date_naissance: str) -> date | None:
    """Return the first day on which a person is 18; None if the date of birth is unreadable.

    A partial date counts as its earliest day. Born on 29 February: 1 March (our choice: no text that we read says it).
    """
    if not _DATE_NAISSANCE.fullmatch(date_naissance):
        return None
    year, month, day = (int(part) for part in date_naissance.split("-"))
    try:
        return date(year + MAJORITE, max(month, 1), max(day, 1) if month else 1)
    except (
        ValueError
    ):  # 29 February, or a day that does not exist: dates of birth are stored as written
        is_in_year = 0 < month < _MONTHS
        return date(year + MAJORITE + (not is_in_year), month + 1 if is_in_year else 1, 1)


def noted_second_round(
    scrutin: CalendarScrutin, scrutins: Iterable[CalendarScrutin]
) -> CalendarScrutin | None:
    """Return the poll that was noted as the second round of a poll; None if none of `scrutins` can be.

    It is held within two weeks and is no first round. Its name and that of the first poll share a kind of poll, or one
    of them names no kind. A poll named « second tour » is preferred.
    """
    kinds, rows = _kinds_of(scrutin), _rows_of(scrutin)
    if _LAST_ROUND.search(fold(scrutin.libelle)):
        return None
    if rows and not any(it.entre_les_tours != 0 for it in rows):
        return None
    last = scrutin.jour + LONGEST_BETWEEN_ROUNDS
    after = [
        it
        for it in scrutins
        if scrutin.jour < it.jour <= last and not _FIRST_ROUND.search(fold(it.libelle))
    ]
    alike = [it for it in after if not kinds or not _kinds_of(it) or kinds & _kinds_of(it)]
    named = [it for it in alike if _SECOND_ROUND.search(fold(it.libelle))]
    return min(named or alike, key=lambda it: it.jour, default=None)


def last_round(scrutin: CalendarScrutin, scrutins: Iterable[CalendarScrutin] = ()) -> date | None:
    """Return the day of the last possible round of a poll; None if no data states whether a second round is possible.

    A second round that was noted wins. Without one, the table of regimes decides, where it has the interval: in
    Polynésie française the decree of the poll fixes it (two weeks in 2022, one week in 2024).
    Source: Code électoral, art. L. 11, II, 1°: « lorsque le mode de scrutin permet un second tour ».
    """
    if noted := noted_second_round(scrutin, scrutins):
        return noted.jour
    if _LAST_ROUND.search(fold(scrutin.libelle)):
        return scrutin.jour
    intervals = [it.entre_les_tours for it in _rows_of(scrutin) if it.vote is not Vote.AUCUN]
    known = [days for days in intervals if days is not None]
    if not known or len(known) < len(intervals):
        return None
    return scrutin.jour + timedelta(days=max(known))


def _rows_of(scrutin: CalendarScrutin) -> list[PollRow]:
    return read_regimes().rows_of(scrutin.libelle, scrutin.code_commune)


def _kinds_of(scrutin: CalendarScrutin) -> set[str]:
    """Return the kinds of poll that the name of a poll contains."""
    return {it.genre for it in read_regimes().named(scrutin.libelle)}
