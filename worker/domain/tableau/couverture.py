"""What the register was told about a period: a tableau is finished only when all of it is known.

Each export of the REU that is taken up is a link of a chain. What happened between two links is known when they were
compared, but for the day it happened. A producer of mouvements (a CSV file) vouches for a day instead.
What is not known is said: « Néant » is printed of a known period only.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from itertools import pairwise
from typing import NamedTuple

from common.calendrier import is_mineur, last_birth, majorite_on
from common.french import count_of, format_number, short_date
from common.law import Regime
from schemas.tableaux import Repere
from schemas.vocabulary import Nature, Severity
from worker.domain.mouvement import Mouvement
from worker.domain.tableau.demande import Demande, is_in


@dataclass(frozen=True)
class Link:
    """One export that was taken up, of one list."""

    taken_on: date
    """The day it was taken from the REU."""
    is_dated: bool
    """Whether somebody said that day; else it is the day it was imported."""
    is_compared: bool
    """Whether it was compared with the link before it: what changed since then is known."""
    undated: int = 0
    """How many mouvements that it brought have no known day: each happened at some time since the link before."""
    import_id: int = 0
    """The import that took it up."""
    electeurs: int | None = None
    """Those of the export, minors included; None where nobody counted them."""
    growth: int = 0
    """How many more the mouvements that it brought make."""


class DayCount(NamedTuple):
    """Mouvements of one day that are applied to the list and that no export brought."""

    inscriptions: int = 0
    radiations: int = 0


class LateMouvements(NamedTuple):
    """Mouvements of one day, brought by a file after another one was said to complete the register until then."""

    import_id: int
    day: date
    number: int


class WaitingMouvements(NamedTuple):
    """Mouvements of one day that a file brought, and that are not applied to the list."""

    day: date
    number: int


class CompleteUntil(NamedTuple):
    """What a producer of mouvements says: with this import, the register holds all of them until that day."""

    complete_until: date
    import_id: int = 0


@dataclass(frozen=True)
class Chain:
    """What the register was told of one list, in the order of the links."""

    links: Sequence[Link] = ()
    words: Sequence[CompleteUntil] = ()
    """In the order of the imports; the commune's, whatever the list."""
    daily: Mapping[date, DayCount] = field(default_factory=dict)
    """By day."""
    late: Sequence[LateMouvements] = ()
    """What came by files later than the first word."""
    births: Sequence[str] = ()
    """Dates of birth of who is on the list and was a minor on the day of the first export."""
    waiting: Sequence[WaitingMouvements] = ()
    """In the order of their days."""

    def word(self, day: date) -> CompleteUntil | None:
        """The last import of which it was said that with it all mouvements until a day are there, or until later."""
        return next((word for word in reversed(self.words) if word.complete_until >= day), None)

    def expect(self, before: Link, link: Link) -> int | None:
        """How many electors the second of two exports would have by the mouvements, where it has another number.

        None: it may be what the mouvements make of the first one, or nobody says that they are all there: neither
        whoever brought them, nor the comparison of the two, beside which others came. A mouvement of the day of an
        export may be in it or not. Who was entered in advance is in the exports, perhaps in no file of mouvements.
        """
        if before.electeurs is None or link.electeurs is None:
            return None
        is_told_twice = link.is_compared and any(before.taken_on <= day <= link.taken_on for day in self.daily)
        if not is_told_twice and not self.word(link.taken_on):
            return None
        edges = [self.daily.get(day, DayCount()) for day in {before.taken_on, link.taken_on}]
        inside = [it for day, it in self.daily.items() if before.taken_on < day < link.taken_on]
        expected = before.electeurs + link.growth + sum(it.inscriptions - it.radiations for it in inside)
        minors = sum(born > last_birth(before.taken_on) for born in self.births)
        least = expected - minors - sum(it.radiations for it in edges)
        most = expected + minors + sum(it.inscriptions for it in edges)
        return None if least <= link.electeurs <= most else expected


@dataclass(frozen=True)
class AnomalieCouverture:
    """What is not known of the period of a tableau, and what to do about it, in French."""

    code: str
    severity: Severity
    champ: str
    message: str


_START, _END, _GAP, _DAY, _UNSAID = (
    *("couverture_debut", "couverture_fin", "couverture_lacune", "couverture_date"),
    "couverture_inconnue",
)
_DOUBTS = "doutes_ouverts"
_CONTRADICTION = "couverture_contredite"
_WAITING = "couverture_attente"
_CHAMP = "période"


def check_couverture(demande: Demande, chain: Chain) -> Iterator[AnomalieCouverture]:
    """What the register was not told about the period of the tableau: nothing when it knows all of it.

    Before 2019 a mouvement has its date de tableau, and no period tells whether all of them are there: only a producer
    can say until when they are complete.
    """
    word = chain.word(_end(demande))
    if demande.law.regime is Regime.REVISION_ANNUELLE:
        yield from () if word else [_unsaid(demande, chain)]
        return
    if word:
        yield from _check_word(demande, chain, word)
    elif chain.links:
        yield from _check_links(demande, chain.links)
    else:
        yield _unsaid(demande, chain)
    for before, link in _counted(demande, chain):
        expected = chain.expect(before, link)
        if expected is not None:
            yield _anomalie(_CONTRADICTION, _on_totals(chain, before, link, expected))
    yield from _check_waiting(demande, chain)


def check_doubts(demande: Demande, pairs: Iterable[tuple[Mouvement, Mouvement]]) -> Iterator[AnomalieCouverture]:
    """The open doubts whose radiation or inscription the tableau shows: perhaps nobody left, and nobody came."""

    def shows(mouvement: Mouvement) -> bool:
        born = mouvement.personne.date_naissance
        if not is_in(mouvement, demande) or is_mineur(born, demande.age_apres, demande.jour):
            return False
        of_age = majorite_on(born) if is_mineur(born, demande.age_avant, demande.jour) else None
        if of_age is None:
            return True
        since = min(of_age, demande.last_day)  # what happened before is no elector's: she is inscribed then, either way
        day = mouvement.date_mouvement
        return day >= since if mouvement.nature is Nature.INSCRIPTION else day > since

    number = sum(any(map(shows, pair)) for pair in pairs)
    if number:
        said = count_of(number, "doute est ouvert", "doutes sont ouverts")
        yield AnomalieCouverture(
            _DOUBTS,
            Severity.BLOCKING,
            "mouvements",
            f"{said} : une radiation et une inscription sont peut-être celles d'une même personne, dont l'état civil a "
            "été corrigé ou qui a un homonyme. Le dire (page « Doutes »), puis redemander le tableau.",
        )


def exports_used(demande: Demande, chain: Chain) -> list[date]:
    """The days of the exports that a covered tableau rests on, from the last one before its period to its end."""
    if demande.law.regime is Regime.REVISION_ANNUELLE or not chain.links:
        return []
    if chain.word(_end(demande)) or any(it.severity is Severity.BLOCKING for it in check_couverture(demande, chain)):
        return []
    return sorted({link.taken_on for link in _window(demande, chain.links)})


def imports_used(demande: Demande, chain: Chain) -> set[int]:
    """The imports that say what is known of the period: a tableau is to be made again when one is undone or redated."""
    used = {word.import_id for word in chain.words}
    if demande.law.regime is Regime.REPERTOIRE_UNIQUE and chain.links:
        used |= {link.import_id for link in _window(demande, chain.links)}
    return used


def _end(demande: Demande) -> date:
    """The last day that can be known: of a provisional tableau, the day it was asked for."""
    last = demande.effective_on if demande.law.regime is Regime.REVISION_ANNUELLE else demande.last_day
    return min(last, demande.jour)


def _counted(demande: Demande, chain: Chain) -> Iterator[tuple[Link, Link]]:
    """Each export from the period on, after the one before it.

    Electors are counted back from what the register shows now: what is wrong after the period leaves no balance either.
    """
    return pairwise(chain.links[_bounds(demande, chain.links)[0] :] if chain.links else ())


def _window(demande: Demande, links: Sequence[Link]) -> Sequence[Link]:
    """From the last link on or before the period to the first one at its end or after it."""
    first, last = _bounds(demande, links)
    return links[first : last + 1]


def _bounds(demande: Demande, links: Sequence[Link]) -> tuple[int, int]:
    """The ranks of the links that a period rests on, the first and the last one."""
    start, end = demande.required(Repere.REUNION), _end(demande)
    first = max((rank for rank, link in enumerate(links) if link.taken_on <= start), default=0)
    last = next((rank for rank, link in enumerate(links) if link.taken_on >= end), len(links) - 1)
    return first, max(first, last)


def _check_links(demande: Demande, links: Sequence[Link]) -> Iterator[AnomalieCouverture]:
    start, end = demande.required(Repere.REUNION), _end(demande)
    first, last = _bounds(demande, links)
    window = links[first : last + 1]
    if window[0].taken_on > start:
        yield _anomalie(
            _START,
            f"Aucun export du REU pris le {short_date(start)} ou avant : ce qui a changé entre la réunion et le "
            f"{short_date(window[0].taken_on)} n'est pas connu. Indiquer ce jour comme celui de la réunion "
            "précédente, d'où les mouvements sont comptés, ou importer ceux qui manquent (import-mouvements).",
        )
    yield from (_gap(link, before) for before, link in pairwise(links[first:]) if not link.is_compared)
    for before, link in pairwise(window):
        if link.is_compared and link.undated and before.taken_on < end < link.taken_on:
            yield _anomalie(_DAY, _on_straddling(link, before, end))
        elif link.is_compared and link.undated and before.taken_on < start < link.taken_on:
            yield _anomalie(_DAY, _on_straddling(link, before, start), Severity.REMARK)
    severity = Severity.REMARK if demande.is_provisoire else Severity.BLOCKING
    if _is_perhaps_before(window, end):
        yield _anomalie(_DAY, _on_no_day(window[-1], end), severity)
    if window[-1].taken_on < end:
        yield _anomalie(
            _END,
            f"Le dernier export du REU repris est du {short_date(window[-1].taken_on)} : ce qui a changé jusqu'au "
            f"{short_date(end)} n'est pas connu. Reprendre un export pris le {short_date(end)} ou après ; si la liste "
            "n'y est plus, dire qu'elle est vide (import-reu --empty).",
            severity,
        )


def _check_word(demande: Demande, chain: Chain, word: CompleteUntil) -> Iterator[AnomalieCouverture]:
    """Somebody vouches for the mouvements of a period: what came afterwards, and where nothing proves it."""
    start, end = demande.required(Repere.REUNION), _end(demande)
    if late := [it for it in chain.late if it.import_id > word.import_id and start < it.day <= end]:
        yield _anomalie(_CONTRADICTION, _on_late(late, word))
    for before, link in _counted(demande, chain):
        if link.is_compared or chain.expect(before, link) is not None:
            continue
        if chain.word(link.taken_on):
            yield _anomalie(_GAP, _on_word_only(before, link), Severity.REMARK)
        else:
            yield _gap(link, before)


def _check_waiting(demande: Demande, chain: Chain) -> Iterator[AnomalieCouverture]:
    """What waits to be applied: since 2019 a mouvement takes effect at once, and the list does not show these.

    In the period, the tableau ends with electors with whom the next one does not begin. Before it, where no export has
    told since then who is on the list, it does not begin with what the one before it ended with.
    """
    start, end = demande.required(Repere.REUNION), _end(demande)
    shown = [it for it in chain.waiting if start < it.day <= end]
    taken = max((link.taken_on for link in chain.links), default=date.min)
    before = [it for it in chain.waiting if taken < it.day <= start]
    if before or shown:
        severity = Severity.REMARK if demande.is_provisoire and not before else Severity.BLOCKING
        yield _anomalie(_WAITING, _on_waiting([*before, *shown]), severity)


def contradictions(chain: Chain) -> Iterator[str]:
    """Where the exports of a list contradict the mouvements that came otherwise, in French, with dates."""
    for before, link in pairwise(chain.links):
        expected = chain.expect(before, link)
        if expected is not None:
            yield _on_totals(chain, before, link, expected)


def _on_totals(chain: Chain, before: Link, link: Link, expected: int) -> str:
    totals = (
        f"De l'export du {short_date(before.taken_on)} ({count_of(before.electeurs or 0, 'électeur')}) à celui du "
        f"{short_date(link.taken_on)} ({count_of(link.electeurs or 0, 'électeur')}), les mouvements"
    )
    if word := chain.word(link.taken_on):
        return (
            f"{totals}, dits complets jusqu'au {short_date(word.complete_until)}, en feraient "
            f"{format_number(expected)} : il en manque, il y en a de trop, ou ils sont comptés deux fois. Comparer ces "
            "deux exports (import-undo, puis import-reu) sans importer ces mouvements, ou corriger leur fichier."
        )
    return (
        f"{totals} en feraient {format_number(expected)} : à ceux que donne la comparaison de ces deux exports s'en "
        "ajoutent d'un autre fichier, sans doute les mêmes. Annuler l'import de ce fichier (import-undo), ou le "
        "corriger ; les motifs se disent à part (motifs)."
    )


def _on_late(late: Sequence[LateMouvements], word: CompleteUntil) -> str:
    first, last = min(it.day for it in late), max(it.day for it in late)
    when = f"du {short_date(first)}" if first == last else f"du {short_date(first)} au {short_date(last)}"
    imports = sorted({it.import_id for it in late})
    came = count_of(sum(it.number for it in late), "mouvement est venu", "mouvements sont venus")
    return (
        f"{came} ensuite ({when}, import {', '.join(map(str, imports))}), alors que l'import {word.import_id} était "
        f"dit complet jusqu'au {short_date(word.complete_until)} : il en manquait. Vérifier qu'il n'en manque "
        "plus, et le dire du dernier fichier (import-mouvements --complete-until)."
    )


def _on_waiting(waiting: Sequence[WaitingMouvements]) -> str:
    first, last = waiting[0].day, waiting[-1].day
    when = f"du {short_date(first)}" if first == last else f"du {short_date(first)} au {short_date(last)}"
    said = count_of(sum(it.number for it in waiting), "mouvement attend", "mouvements attendent")
    return (
        f"{said} encore ({when}, état « actif » dans leur fichier) : la liste ne dit pas s'ils ont pris effet, et les "
        "totaux de ce tableau et du suivant ne se suivraient pas. S'ils ont pris effet, reprendre un export du REU qui "
        "les montre (import-reu) et annuler l'import de ce fichier (import-undo)."
    )


def _on_gap(link: Link, before: Link) -> str:
    return (
        f"L'export du {short_date(link.taken_on)} a été repris sans être comparé à celui du "
        f"{short_date(before.taken_on)}"
    )


def _on_word_only(before: Link, link: Link) -> str:
    totals = (
        f"Les totaux concordent ({format_number(before.electeurs)} puis {format_number(link.electeurs)})."
        if before.electeurs is not None and link.electeurs is not None
        else "Vérifier que les totaux avant et après sont ceux de ces deux exports."
    )
    return f"{_on_gap(link, before)} : que les mouvements sont tous là n'est dit que par leur import. {totals}"


def _gap(link: Link, before: Link) -> AnomalieCouverture:
    return _anomalie(
        _GAP,
        f"{_on_gap(link, before)} : ce qui a changé entre les deux n'est pas connu. Annuler cet import "
        "et le reprendre, ou importer les mouvements qui manquent (import-mouvements --complete-until).",
    )


def _on_straddling(link: Link, before: Link, day: date) -> str:
    """Mouvements that happened before `day` or after it: the register does not know which."""
    said = f"{format_number(link.undated)} mouvements sont" if link.undated > 1 else "Un mouvement est"
    said += f" d'un jour inconnu, entre le {short_date(before.taken_on)} et le {short_date(link.taken_on)}"
    if not link.is_dated:
        return (
            f"{said}, jour de l'import : rien ne dit ce qui est d'avant le {short_date(day)}. L'export a-t-il été pris "
            "plus tôt ? Indiquer son jour (imports --taken-on)."
        )
    return (
        f"{said} : rien ne dit ce qui est d'avant le {short_date(day)}. Indiquer leurs dates (page « Dates et motifs »)"
        ", ou comparer un export pris ce jour-là."
    )


def _is_perhaps_before(window: Sequence[Link], end: date) -> bool:
    """Whether the last export covers the period only if it was taken on the day of its import, which nobody said.

    Where its mouvements lie on both sides of the end, that is said of them already.
    """
    last = window[-1]
    if last.is_dated or last.taken_on < end:
        return False
    return not (last.undated and len(window) > 1 and window[-2].taken_on < end < last.taken_on)


def _on_no_day(link: Link, end: date) -> str:
    """Nothing changed until it was taken, and nobody said when that was."""
    return (
        f"L'export repris le {short_date(link.taken_on)} n'a pas de jour indiqué : s'il a été pris avant le "
        f"{short_date(end)}, ce qui a changé depuis n'est pas connu. Indiquer son jour (imports --taken-on)."
    )


def _unsaid(demande: Demande, chain: Chain) -> AnomalieCouverture:
    if chain.words:
        until = max(word.complete_until for word in chain.words)
        said = f"Les mouvements ne sont dits complets que jusqu'au {short_date(until)}"
    else:
        said = "Personne n'a dit jusqu'à quel jour les mouvements sont complets"
    return _anomalie(
        _UNSAID,
        f"{said} : vérifier qu'il n'en manque pas jusqu'au {short_date(_end(demande))}, et l'indiquer "
        "(import-mouvements --complete-until).",
        Severity.REMARK,
    )


def _anomalie(code: str, message: str, severity: Severity = Severity.BLOCKING) -> AnomalieCouverture:
    return AnomalieCouverture(code, severity, _CHAMP, message)
