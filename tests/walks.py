"""Two years of eight communes as text, to be read against the law's texts alone: `python -m tests.walks 2025`.

The real polls, from the pages of `tests/unit/real_polls.toml`. The argument is the first of the two years.
"""

import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import date, timedelta

from common.calendrier import (
    CalendarReunion,
    CalendarScrutin,
    commission_to_renew,
    find_cycles,
    is_yearly,
    last_round,
    polls_of,
    polls_to_note,
)
from common.french import short_date
from common.law import appeals_of
from common.regimes import read_regimes
from producers.web.echeances import Agenda, build_agenda
from schemas.tableaux import TypeTableau

NATIONAL = (
    CalendarScrutin(date(2022, 4, 10), "Élection présidentielle, 1er tour"),
    CalendarScrutin(date(2022, 4, 24), "Élection présidentielle, 2nd tour"),
    CalendarScrutin(date(2022, 6, 12), "Élections législatives, 1er tour"),
    CalendarScrutin(date(2022, 6, 19), "Élections législatives, 2nd tour"),
    CalendarScrutin(date(2024, 6, 9), "Élections européennes"),
    CalendarScrutin(date(2026, 3, 15), "Élections municipales, 1er tour"),
    CalendarScrutin(date(2026, 3, 22), "Élections municipales, 2nd tour"),
)


@dataclass(frozen=True)
class Place:
    """A commune, with what its town hall noted."""

    nom: str
    code: str
    scrutins: tuple[CalendarScrutin, ...] = ()
    reunions: tuple[CalendarReunion, ...] = ()
    secteur: int = 0


def _with(place: Place, *polls: tuple[date, str]) -> Place:
    own = (CalendarScrutin(day, libelle, code_commune=place.code) for day, libelle in polls)
    return replace(place, scrutins=tuple(own))


PLACES = (
    Place("un village", "07117", reunions=(CalendarReunion(date(2022, 3, 18)),)),
    _with(
        Place("une ville de 12 000 habitants", "77390"),
        (date(2023, 9, 17), "Élection municipale partielle, 1er tour"),
        (date(2023, 9, 24), "Élection municipale partielle, 2nd tour"),
    ),
    _with(
        Place("Papeete", "98735"),
        (date(2022, 6, 4), "Élections législatives, 1er tour"),
        (date(2022, 6, 18), "Élections législatives, 2nd tour"),
        (date(2023, 4, 16), "Élections territoriales, 1er tour"),
        (date(2023, 4, 30), "Élections territoriales, 2nd tour"),
    ),
    Place("Nouméa", "98818"),
    Place("Cayenne", "97302"),
    Place("le 10e de Paris", "75056", secteur=10),
    Place("le 7e secteur de Marseille", "13055", secteur=7),
    Place("une commune nouvelle, née le 1er janvier 2023", "61324"),
)


def walk(place: Place, year: int) -> Iterator[str]:
    """Yield the lines of a place in two years, by day."""
    first, last = date(year, 1, 1), date(year + 1, 12, 31)
    here = read_regimes().territory_of(place.code)
    yield f"# {place.nom} ({place.code})"
    yield f"{here.nom} : révision {here.revision}, commission par {here.unite}"
    yield f"Lu dans : {here.source.texte or 'à vérifier'}"
    if place.secteur:
        yield f"Secteur {place.secteur} : {', '.join(here.secteurs[place.secteur])}"
    weeks = [first + timedelta(days=days) for days in range(0, (last - first).days, 7)]
    said = {it for day in weeks for it in _of_day(place, day)}
    for day, line in sorted(it for it in said if first <= it[0] <= last):
        yield f"{short_date(day)} {line}"
    if not is_yearly(place.code):
        for type_ in (TypeTableau.VINGT_JOURS, TypeTableau.CINQ_JOURS_REU):
            yield f"{type_.label} – {' '.join(appeals_of(type_, place.code))}"
    if "nouvelle" in place.nom:
        for motif in (it for it in read_regimes().motifs if "transfert" in it.code):
            yield f"{motif.code} : {motif.autorite}, sans jour pour chaque électeur. {motif.source.texte}"


def _of_day(place: Place, today: date) -> Iterator[tuple[date, str]]:
    known = [*NATIONAL, *place.scrutins]
    polls = polls_of(place.code, known)
    for it in polls_to_note(place.code, known):
        yield it.jour, f"aucun texte lu pour « {it.libelle} » : rien n'est calculé"
    for cycle in find_cycles(today, polls, place.reunions, code_commune=place.code):
        yield from _of_agenda(build_agenda(cycle, [], ["P", "CE", "CM"]), polls)
    if poll := commission_to_renew(today, polls, place.reunions):
        yield poll.jour, f"renouveler la commission, après « {poll.libelle} » (R. 7)"


def _of_agenda(agenda: Agenda, polls: Iterable[CalendarScrutin]) -> Iterator[tuple[date, str]]:
    poll, title = agenda.scrutin, agenda.title
    if poll:
        last, votes = last_round(poll, polls), read_regimes().lists_of(poll.libelle)
        until = (
            "le décret dit le second tour"
            if last is None
            else f"dix-huit ans le {short_date(last)}"
        )
        which = "second tour : rien n'est dû" if agenda.cycle.is_second_round else until
        yield poll.jour, f"SCRUTIN {title} ; votent {', '.join(sorted(votes or ()))} ; {which}"
    for day, name in (
        (agenda.last_day_online, "clôture en ligne (R. 5)"),
        (agenda.last_day_to_register, "clôture en mairie (L. 17)"),
        (agenda.last_day_l30, "dernier jour de L. 30"),
    ):
        if day:
            yield day, f"{name} : {title}"
    if window := agenda.cycle.window:
        yield (
            window[0],
            f"réunion, jusqu'au {short_date(window[1])} ({agenda.cycle.reference_legale}) : {title}",
        )
    for due in agenda.due:
        yield due.day, f"{due.titre} ({due.echeance.reference_legale}) : {title}"


if __name__ == "__main__":
    for each in PLACES:
        sys.stdout.write("\n".join(walk(each, int(sys.argv[1]))) + "\n\n")
