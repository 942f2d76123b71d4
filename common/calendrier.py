"""The calendar: which day it is in a town hall, and which tableau is due when, by the articles of `common.law`.

Records hold instants in UTC. A day, an hour or an age that a person reads is in the civil time of the commune. Paris
is for what concerns no commune, or several. Days are calendar days, counted back from the day of the poll itself: for
a poll held on a Saturday overseas, J-5 is a Monday where it is a Tuesday elsewhere.
Sources: INSEE, Code officiel géographique; Code électoral, the articles beside each date; for the Saturday, loi
n° 62-1292 du 6 novembre 1962, art. 3, II (élection présidentielle), and Code électoral, art. L. 55 (Sunday elsewhere).
"""

import re
import unicodedata
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

from common.law import (
    ADDITIONS,
    CINQ_JOURS,
    CINQ_JOURS_REU,
    LAWS,
    PREMIER_RECTIFICATIF,
    REPERTOIRE_UNIQUE_DEPUIS,
    SECOND_RECTIFICATIF,
    VINGT_JOURS,
    Regime,
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

_LAST_ROUND = re.compile(r"\b(second|2n?d|2e|deuxieme) tour\b|\btour unique\b|\bun seul tour\b")

_DATE_NAISSANCE = re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII)


@dataclass(frozen=True)
class Echeance:
    """A tableau that is due: which, on which day, by which articles, under which regime."""

    type: str
    due_on: date
    reference_legale: str
    regime: Regime
    scrutin: date | None = None


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


def meeting_before(scrutin: date, reunions: Iterable[date]) -> date | None:
    """The meeting of the commission that a poll's tableau des vingt jours follows, if it is among those given."""
    first, last = commission_between(scrutin)
    return max((day for day in reunions if first <= day <= last), default=None)


def last_day_to_register(scrutin: date) -> date | None:
    """The sixth Friday before a poll. Code électoral, art. L. 17, in force since 2020; None for a poll before."""
    if scrutin < _SIX_FRIDAYS_SINCE:
        return None
    since_friday = (scrutin.weekday() - _VENDREDI) % 7 or 7
    return scrutin - timedelta(days=since_friday + 5 * 7)


def last_day_to_consult(publication: date) -> date:
    """Seven days for electors to consult the tableau des vingt jours. Code électoral, art. L. 20 and R. 13."""
    return publication + timedelta(days=7)


def is_poll_day(day: date, code_commune: str) -> bool:
    """Whether people vote on that day of the week in that commune: a Sunday, or a Saturday where the law allows it."""
    return day.weekday() == _DIMANCHE or (day.weekday() == _SAMEDI and code_commune[:3] in VOTE_SAMEDI)


def tableaux_of_year(year: int) -> tuple[Echeance, ...]:
    """The two tableaux rectificatifs of a year; none since 2019."""
    dates = {PREMIER_RECTIFICATIF: dix_janvier(year), SECOND_RECTIFICATIF: cloture(year)}
    return tuple(_echeance(type_, day) for type_, day in dates.items() if regime_on(day) is Regime.REVISION_ANNUELLE)


def tableaux_of_scrutin(
    scrutin: date, reunion: date | None = None, *, is_generale: bool = True
) -> tuple[Echeance, ...]:
    """The tableaux that a poll calls for.

    Since 2019 the first is due on the day after the commission's meeting, on the twentieth day at the latest. The
    tableau des additions exists for elections générales held at their normal term (before 2019, art. L. 11-2).
    """
    if regime_on(scrutin) is Regime.REPERTOIRE_UNIQUE:
        publication = reunion + timedelta(days=1) if reunion else days_before(scrutin, 20)
        dates = {VINGT_JOURS: publication, CINQ_JOURS_REU: days_before(scrutin, 5)}
    else:
        posted = additions_on(scrutin) if is_generale else None
        dates = {ADDITIONS: posted} if posted else {}
        dates[CINQ_JOURS] = days_before(scrutin, 5)
    return tuple(_echeance(type_, day, scrutin) for type_, day in dates.items())


def tableaux_due(day: date, scrutins: Iterable[date] = ()) -> tuple[Echeance, ...]:
    """What is due from a day on: the yearly tableaux within a year, those of the polls given; the nearest first."""
    known = [echeance for scrutin in scrutins for echeance in tableaux_of_scrutin(scrutin)]
    yearly = [echeance for year in (day.year, day.year + 1) for echeance in tableaux_of_year(year)]
    yearly = [one for one in yearly if one.due_on <= day + timedelta(days=366)]
    coming = [echeance for echeance in (*known, *yearly) if echeance.due_on >= day]
    return tuple(sorted(coming, key=lambda echeance: (echeance.due_on, echeance.type)))


def _echeance(type_: str, day: date, scrutin: date | None = None) -> Echeance:
    law = LAWS[type_]
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
    words = "".join(it for it in unicodedata.normalize("NFKD", libelle.lower()) if not unicodedata.combining(it))
    if _LAST_ROUND.search(words):
        return scrutin
    for word, days in DAYS_TO_SECOND_ROUND.items():
        if word in words:
            return scrutin + timedelta(days=days or 0)
    return min((day for day in others if scrutin < day <= scrutin + LONGEST_BETWEEN_ROUNDS), default=None)
