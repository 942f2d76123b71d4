"""The calendar: which day it is in a town hall, and which tableau is due when, by the articles of `common.law`.

Records hold instants in UTC. A day, an hour or an age that a person reads is in the civil time of the commune. Paris
is for what concerns no commune, or several. Days are calendar days, counted back from the day of the poll itself: for
a poll held on a Saturday overseas, J-5 is a Monday where it is a Tuesday elsewhere.
Sources: INSEE, Code officiel géographique; Code électoral, the articles beside each date; for the Saturday, loi
n° 62-1292 du 6 novembre 1962, art. 3, II (élection présidentielle), and Code électoral, art. L. 55 (Sunday elsewhere).
"""

import re
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

from common.law import (
    ADDITIONS,
    CINQ_JOURS,
    CINQ_JOURS_REU,
    LAW_OF_ANNUAL_MEETING,
    LAW_OF_MEETING,
    REPERTOIRE_UNIQUE_DEPUIS,
    VINGT_JOURS,
    Regime,
    law_of,
)

PARIS = ZoneInfo("Europe/Paris")

_MARQUISES = ("98718", "98723", "98731", "98746", "98756", "98757")
"""Fatu-Hiva, Hiva-Oa, Nuku-Hiva, Tahuata, Ua-Huka, Ua-Pou: half an hour before Tahiti."""

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
    **dict.fromkeys(_MARQUISES, ZoneInfo("Pacific/Marquesas")),
    "988": ZoneInfo("Pacific/Noumea"),
}
"""By a commune's code, or by its first three characters. Source: INSEE, Code officiel géographique."""


def now() -> datetime:
    """The present instant, in UTC; who must be able to live at another one is given this as a callable."""
    return datetime.now(UTC)


def jour_a_paris(instant: datetime) -> date:
    """The civil day in Paris at an instant: for what concerns no commune, or several."""
    return instant.astimezone(PARIS).date()


def zone_of(code_commune: str) -> ZoneInfo:
    """The time zone of a commune; Paris for every code that names no territory overseas."""
    return OVERSEAS.get(code_commune) or OVERSEAS.get(code_commune[:3], PARIS)


def civil_time(instant: datetime, code_commune: str) -> datetime:
    """An instant in the civil time of a commune: what a clerk or a citizen reads there."""
    return instant.astimezone(zone_of(code_commune))


def civil_day(instant: datetime, code_commune: str) -> date:
    """The civil day of a commune at an instant: "today" for its register, its files and its clerks."""
    return civil_time(instant, code_commune).date()


def shared_day(instant: datetime, communes: Iterable[str]) -> date:
    """The civil day of communes of one time zone at an instant; that of Paris where they are in several, or none."""
    zones = {zone_of(code) for code in communes}
    return instant.astimezone(zones.pop() if len(zones) == 1 else PARIS).date()


VOTE_SAMEDI = frozenset({"971", "972", "973", "975", "977", "978", "987"})
"""Guadeloupe, Martinique, Guyane, Saint-Pierre-et-Miquelon, Saint-Barthélemy, Saint-Martin, Polynésie française."""

_VENDREDI, _SAMEDI, _DIMANCHE = 4, 5, 6
_SIX_FRIDAYS_SINCE = date(2020, 1, 1)
_MARS = 3
_MONTHS = 12

MAJORITE = 18
"""Age from which a citizen votes, in years. Code électoral, art. L. 2."""

YOUNGEST = 16
"""No register of electors has a younger person (our choice): such a date of birth is a mistake, not a minor's."""

DAYS_TO_SECOND_ROUND: Mapping[str, int | None] = {
    "presidentiel": 14,
    "legislati": 7,
    "municipal": 7,
    "communautaire": 7,
    "metropolitain": 7,
    "departemental": 7,
    "cantonal": 7,
    "regional": 7,
    "territorial": 7,
    "europeen": None,
    "referendum": None,
    "consultation": None,
}
"""Which polls may have a second round, by a word of their names without accents: how many days later; None: one round.

Constitution, art. 7 (« le quatorzième jour suivant »); Code électoral, art. L. 56 (« le dimanche suivant »); loi
n° 77-729, art. 3 (one round). That L. 56 holds for the assemblies of regions, territories and metropoles was not
verified in their own articles.
"""

LONGEST_BETWEEN_ROUNDS = timedelta(days=14)
"""A poll that is held no later than that after another one is its second round, when nobody says otherwise."""

_SECOND_ROUND = re.compile(r"\b(second|2n?d|2e|deuxieme) tour\b")
_LAST_ROUND = re.compile(rf"{_SECOND_ROUND.pattern}|\btour unique\b|\bun seul tour\b")

_DATE_NAISSANCE = re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII)


@dataclass(frozen=True)
class Echeance:
    """A tableau that is due: which, on which day, by which articles, under which regime."""

    type: str
    due_on: date
    reference_legale: str
    regime: Regime
    scrutin: date | None = None
    """None: the tableau follows a meeting that no poll calls for."""


@dataclass(frozen=True)
class CalendarScrutin:
    """A poll, and what a text fixes for it instead of the usual days; `texte` names that text."""

    jour: date
    libelle: str = ""
    cloture: date | None = None
    """The last day to register, when it is not the usual one."""
    publication_due: date | None = None
    """The last day to publish the first tableau, when it is not the twentieth day before the poll."""
    has_commission: bool = True
    """False: the commission does not meet before this poll."""
    texte: str = ""
    """« décret n° 2024-527 du 9 juin 2024 »; empty: the poll has its usual days."""


@dataclass(frozen=True)
class CalendarReunion:
    """A meeting of the commission de contrôle that was noted; an empty `liste` means that it was about all lists."""

    jour: date
    liste: str = ""
    has_deliberated: bool = True
    """False: no quorum, or as many votes on each side. Code électoral, art. R. 10."""


@dataclass(frozen=True)
class Cycle:
    """One meeting of the commission de contrôle with the tableaux that follow it."""

    scrutin: CalendarScrutin | None
    """None: the meeting of a year, which no poll calls for."""
    window: tuple[date, date] | None
    """The first and the last day to meet; None: no text asks for a meeting."""
    reunion: CalendarReunion | None
    """The last meeting that was noted within these days; for the meeting of a year, within that year."""
    due: tuple[Echeance, ...]
    reference_legale: str
    """The articles about the days of the meeting."""

    @property
    def end(self) -> date | None:
        """The first day that cannot be that of the meeting before the first tableau."""
        if self.reunion and (self.reunion.has_deliberated or not self.scrutin):
            return self.reunion.jour
        return self.window[0] if self.window else min((it.due_on for it in self.due), default=None)

    @property
    def is_second_round(self) -> bool:
        """Whether the poll goes on with another one: nothing is due for it."""
        return self.scrutin is not None and not self.due


def regime_on(day: date) -> Regime:
    """The regime in force on a day."""
    return Regime.REVISION_ANNUELLE if day < REPERTOIRE_UNIQUE_DEPUIS else Regime.REPERTOIRE_UNIQUE


def days_before(scrutin: date, days: int) -> date:
    """The day called J-5, J-20 and so on."""
    return scrutin - timedelta(days=days)


def dix_janvier(year: int) -> date:
    """The day the first tableau rectificatif is lodged and posted. Code électoral before 2019, art. R. 10."""
    return date(year, 1, 10)


def cloture(year: int) -> date:
    """The last day of February, when the list is closed and the second tableau drawn up (before 2019, art. R. 16)."""
    return date(year, 3, 1) - timedelta(days=1)


def cloture_before(day: date) -> date:
    """The last closing of the list before a day, that day excluded."""
    this_year = cloture(day.year)
    return this_year if this_year < day else cloture(day.year - 1)


def additions_on(scrutin: date) -> date | None:
    """The day the tableau des additions is posted: « 6 février » for an election in April.

    The commission ends its work on the first day of the second month before that of the poll, the tableau follows five
    days later (before 2019, art. L. 17, al. 4, and R. 10, al. 3). None until March: electors who come of age before a
    poll in March are in the yearly revision (art. L. 11-2, al. 1).
    """
    return date(scrutin.year, scrutin.month - 2, 6) if scrutin.month > _MARS else None


def commission_between(scrutin: date) -> tuple[date, date]:
    """The first and the last day the commission de contrôle may meet before a poll. Code électoral, art. L. 19, III."""
    return days_before(scrutin, 24), days_before(scrutin, 21)


def annual_window(year: int) -> tuple[date, date]:
    """The first and the last day of the meeting of a year without a poll, when none was held since 1 January.

    « Entre le sixième vendredi précédant le 31 décembre et l'avant-dernier jour ouvré de l'année » (Code électoral,
    art. R. 10, al. 3). A jour ouvré is a day of work, Monday to Friday: a Saturday is none (our reading: préfectures
    also wrote 29 and 30 December for 2023, where this gives the 28th, which suits both). The last two are never before
    28 December, so that no public holiday is among them, in Alsace and Moselle neither.
    """
    last_day = date(year, 12, 31)
    days = [last_day - timedelta(days=number) for number in range(5)]
    _, last_but_one, *_ = [day for day in days if day.weekday() < _SAMEDI]
    return sixth_friday_before(last_day), last_but_one


def meeting_before(scrutin: date, reunions: Iterable[date]) -> date | None:
    """The meeting of the commission that a poll's tableau des vingt jours follows, if it is among those given."""
    first, last = commission_between(scrutin)
    return max((day for day in reunions if first <= day <= last), default=None)


def sixth_friday_before(day: date) -> date:
    """The sixth Friday before a day, that day excluded."""
    since_friday = (day.weekday() - _VENDREDI) % 7 or 7
    return day - timedelta(days=since_friday + 5 * 7)


def last_day_to_register(scrutin: date) -> date | None:
    """The sixth Friday before a poll. Code électoral, art. L. 17, in force since 2020; None for a poll before."""
    if scrutin < _SIX_FRIDAYS_SINCE:
        return None
    return sixth_friday_before(scrutin)


def last_day_to_consult(publication: date) -> date:
    """The last of the seven days for electors to consult a tableau. Code électoral, art. L. 20 and R. 13.

    The day of the publication is not counted: the tableau is there until the end of the delay to contest it, which
    L. 20, I counts from the publication (Conseil d'État, 27/03/2023, n° 465736).
    """
    return publication + timedelta(days=7)


def why_too_short(type_tableau: str, first: date, last: date) -> str:
    """Why a publication may not end on its day `last`, in French; empty when it may.

    Code électoral, art. R. 13. Nothing that we read says how long the tableau of art. R. 14 is published.
    """
    least = last_day_to_consult(first)
    if type_tableau != VINGT_JOURS or last >= least:
        return ""
    return (
        "le tableau des vingt jours reste sept jours à la disposition des électeurs (art. R. 13), jusqu'au "
        f"{least:%d/%m/%Y} au moins"
    )


def is_poll_day(day: date, code_commune: str) -> bool:
    """Whether people vote on that day of the week in that commune: a Sunday, or a Saturday where the law allows it."""
    return day.weekday() == _DIMANCHE or (day.weekday() == _SAMEDI and code_commune[:3] in VOTE_SAMEDI)


def one_a_day(scrutins: Iterable[CalendarScrutin]) -> list[CalendarScrutin]:
    """The polls in order, each day once: a later one wins; what it leaves out stays as an earlier one has it."""
    found: dict[date, CalendarScrutin] = {}
    for it in scrutins:
        former = found.get(it.jour, it)
        days = it if it.texte else former
        found[it.jour] = replace(days, libelle=it.libelle or former.libelle, cloture=it.cloture or former.cloture)
    return [found[day] for day in sorted(found)]


def is_second_round(scrutin: CalendarScrutin, scrutins: Iterable[CalendarScrutin]) -> bool:
    """Whether a poll goes on with one that is known: its list is that of the first round, so nothing is due for it.

    Code électoral, art. L. 57: « seuls peuvent prendre part au deuxième tour de scrutin les électeurs inscrits sur la
    liste électorale qui a servi au premier tour ». One held more than two weeks later has its own days (2020).
    """
    known = list(scrutins)
    days = [it.jour for it in known]
    before = [it for it in known if it.jour < scrutin.jour <= it.jour + LONGEST_BETWEEN_ROUNDS]
    if before and _SECOND_ROUND.search(_unaccented(scrutin.libelle)):
        return True
    return any(last_round(it.jour, it.libelle, days) == scrutin.jour for it in before)


def cycle_of(
    scrutin: CalendarScrutin, reunions: Iterable[CalendarReunion] = (), scrutins: Iterable[CalendarScrutin] = ()
) -> Cycle:
    """What a poll calls for, by the law of its time.

    Since 2019 the first tableau is due on the day after the meeting; when the commission did not meet or is deemed not
    to have deliberated, on the twentieth day before the poll at the latest. `scrutins` are the polls that are known.
    """
    is_today_law = regime_on(scrutin.jour) is Regime.REPERTOIRE_UNIQUE
    if is_today_law and is_second_round(scrutin, scrutins):
        return Cycle(scrutin, None, None, (), "")
    if not is_today_law:
        return Cycle(scrutin, None, None, tableaux_of_scrutin(scrutin.jour), "")
    window = commission_between(scrutin.jour) if scrutin.has_commission else None
    held = [it for it in reunions if window and window[0] <= it.jour <= window[1]]
    deliberated = max((it.jour for it in held if it.has_deliberated), default=None)
    due = tableaux_of_scrutin(scrutin.jour, deliberated, publication_due=scrutin.publication_due)
    last = max(held, key=lambda it: (it.has_deliberated, it.jour), default=None)
    return Cycle(scrutin, window, last, due, LAW_OF_MEETING)


def annual_cycle(
    year: int,
    reunions: Iterable[CalendarReunion] = (),
    scrutins: Iterable[CalendarScrutin] = (),
    register_since: date | None = None,
) -> Cycle | None:
    """The meeting of a year that no poll calls for, and the tableau that follows it; None when there is none.

    It is due when no poll of the year calls for a meeting (art. L. 19, III, and R. 10, al. 3). A meeting that is not
    held between the 24th day before a poll and that poll has its tableau too, the day after (art. L. 19-1). The
    register knows nothing of what was before its first day, `register_since`: no tableau is due of a meeting until
    then, and no meeting of a year before.
    """
    if year < max(REPERTOIRE_UNIQUE_DEPUIS, register_since or REPERTOIRE_UNIQUE_DEPUIS).year:
        return None
    polls = list(scrutins)
    prepared = [(window[0], it.jour) for it in polls if (window := cycle_of(it, (), polls).window)]
    own = [it for it in reunions if it.jour.year == year and not any(a <= it.jour <= b for a, b in prepared)]
    is_called = any(first.year == year for first, _ in prepared)
    reunion = max(own, key=lambda it: it.jour, default=None)
    due: tuple[Echeance, ...] = ()
    if reunion and not (register_since and reunion.jour <= register_since):
        due = (_echeance(VINGT_JOURS, reunion.jour + timedelta(days=1)),)
    if is_called and not due:
        return None
    return Cycle(None, None if is_called else annual_window(year), reunion, due, LAW_OF_ANNUAL_MEETING)


_ASKED_FOR = timedelta(days=31)
"""How long the meeting of a year is still asked for after 31 December (our choice)."""


def find_cycles(
    today: date,
    scrutins: Sequence[CalendarScrutin],
    reunions: Sequence[CalendarReunion],
    register_since: date | None = None,
) -> list[Cycle]:
    """What is asked of a commune: meetings that no poll calls for, then those of the polls to come.

    When none of them asks for a meeting, the meeting of the next year is added. `scrutins` are one a day.
    """
    years = sorted({(today - _ASKED_FOR).year, today.year})
    own = [cycle for year in years if (cycle := annual_cycle(year, reunions, scrutins, register_since))]
    polls = [cycle_of(it, reunions, scrutins) for it in scrutins if it.jour >= today]
    if not any(cycle.window for cycle in (*own, *polls)):
        own += filter(None, [annual_cycle(today.year + 1, (), scrutins)])
    return [*own, *polls]


def tableaux_of_scrutin(
    scrutin: date, reunion: date | None = None, *, is_generale: bool = True, publication_due: date | None = None
) -> tuple[Echeance, ...]:
    """The tableaux that a poll calls for.

    Since 2019 the first is due on the day after the commission's meeting, on the twentieth day at the latest, or on
    the day that a text fixes instead, `publication_due`. The tableau des additions exists for elections générales held
    at their normal term (before 2019, art. L. 11-2).
    """
    if regime_on(scrutin) is Regime.REPERTOIRE_UNIQUE:
        publication = reunion + timedelta(days=1) if reunion else publication_due or days_before(scrutin, 20)
        dates = {VINGT_JOURS: publication, CINQ_JOURS_REU: days_before(scrutin, 5)}
    else:
        posted = additions_on(scrutin) if is_generale else None
        dates = {ADDITIONS: posted} if posted else {}
        dates[CINQ_JOURS] = days_before(scrutin, 5)
    return tuple(_echeance(type_, day, scrutin) for type_, day in dates.items())


def _echeance(type_: str, day: date, scrutin: date | None = None) -> Echeance:
    law = law_of(type_, scrutin)
    return Echeance(type_, day, law.reference_legale, law.regime, scrutin)


@lru_cache(maxsize=64)
def last_birth(jour: date, age: int = MAJORITE) -> str:
    """The latest date of birth, AAAA-MM-JJ with zeros where a part is unknown, of a person of that age on that day.

    Compared as text: a partial date is then the oldest possible day, and somebody born on 29 February is of age
    on 1 March of a common year.
    """
    return f"{jour.year - age:04}-{jour.month:02}-{jour.day:02}"


def is_mineur(date_naissance: str, jour: date, seen_on: date | None = None) -> bool:
    """Whether this date of birth makes a person who is no elector yet on that day, and is left out of its file.

    A date that cannot be read makes no minor, nor that of a person under 16 on the day `seen_on`, else on that day.
    """
    is_young = last_birth(jour) < date_naissance <= last_birth(seen_on or jour, YOUNGEST)
    return is_young and bool(_DATE_NAISSANCE.fullmatch(date_naissance))


def majorite_on(date_naissance: str) -> date | None:
    """The first day on which somebody is no minor any more; None when her date of birth cannot be read.

    Of a partial date, of the oldest possible day. Of 29 February, 1 March, since no year of eighteen years later is a
    leap year: the first day after eighteen whole years (our choice; no text that we read says which day it is).
    """
    if not _DATE_NAISSANCE.fullmatch(date_naissance):
        return None
    year, month, day = (int(part) for part in date_naissance.split("-"))
    try:
        return date(year + MAJORITE, max(month, 1), max(day, 1) if month else 1)
    except ValueError:  # 29 February, and days that no month has: they are kept as they are written
        is_in_year = 0 < month < _MONTHS
        return date(year + MAJORITE + (not is_in_year), month + 1 if is_in_year else 1, 1)


def last_round(scrutin: date, libelle: str, others: Iterable[date] = ()) -> date | None:
    """The day of the last round of a poll that may be held; None when nobody said whether there may be a second one.

    What the poll is called says it; else another poll that is held within two weeks is the second round.
    Code électoral, art. L. 11, II, 1°: « lorsque le mode de scrutin permet un second tour ».
    """
    words = _unaccented(libelle)
    if _LAST_ROUND.search(words):
        return scrutin
    for word, days in DAYS_TO_SECOND_ROUND.items():
        if word in words:
            return scrutin + timedelta(days=days or 0)
    return min((day for day in others if scrutin < day <= scrutin + LONGEST_BETWEEN_ROUNDS), default=None)


def _unaccented(words: str) -> str:
    return "".join(it for it in unicodedata.normalize("NFKD", words.lower()) if not unicodedata.combining(it))
