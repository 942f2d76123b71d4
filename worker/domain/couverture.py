"""What the register was told about a period: a tableau is finished only when all of it is known.

Each export of the REU that is taken up is a link of a chain. What happened between two links is known when they were
compared, but for the day it happened. A producer of mouvements (a CSV file) vouches for a day instead.
What is not known is said: « Néant » is printed of a known period only.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from itertools import pairwise

from common.calendrier import is_mineur
from common.french import count_of, format_number, short_date
from common.law import Regime
from schemas.tableaux import Repere
from schemas.vocabulary import Severity
from worker.domain.demande import Demande
from worker.domain.mouvement import Mouvement
from worker.domain.selection import is_in


@dataclass(frozen=True)
class Link:
    """One export that was taken up, of one list."""

    taken_on: date
    """The day it was taken from the REU."""
    is_dated: bool
    """Whether somebody said that day; else it is the day it was imported."""
    is_compared: bool
    """Whether it was compared with the link before it: what changed since then is known."""
    mouvements: int = 0
    """How many it brought: each is dated by the export, and happened at some time since the one before it."""
    import_id: int = 0
    """The import that took it up."""


@dataclass(frozen=True)
class Chain:
    """What the register was told of one list, in the order of the links."""

    links: Sequence[Link] = ()
    complete_until: date | None = None
    """The day until which a producer of mouvements says that they are complete."""
    vouched_by: int | None = None
    """The import that brought these."""


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
_CHAMP = "période"


def check_couverture(demande: Demande, chain: Chain) -> Iterator[AnomalieCouverture]:
    """What the register was not told about the period of the tableau: nothing when it knows all of it.

    Before 2019 a mouvement has its date de tableau, and no period tells whether all of them are there: only a producer
    can say until when they are complete.
    """
    if chain.complete_until and chain.complete_until >= _end(demande):
        yield from _check_word(demande, chain)
    elif demande.law.regime is Regime.REVISION_ANNUELLE:
        yield _unsaid(demande, chain)
    elif chain.links:
        yield from _check_links(demande, chain.links)
    else:
        yield _unsaid(demande, chain)


def check_doubts(
    demande: Demande, code_commune: str, pairs: Iterable[tuple[Mouvement, Mouvement]]
) -> Iterator[AnomalieCouverture]:
    """The open doubts whose radiation or inscription the tableau shows: perhaps nobody left, and nobody came."""

    def shows(mouvement: Mouvement) -> bool:
        born = mouvement.personne.date_naissance
        return is_in(mouvement, demande) and not is_mineur(born, demande.age_apres, demande.jour)

    number = sum(any(map(shows, pair)) for pair in pairs)
    if number:
        said = count_of(number, "doute est ouvert", "doutes sont ouverts")
        yield AnomalieCouverture(
            _DOUBTS,
            Severity.BLOCKING,
            "mouvements",
            f"{said} : une radiation et une inscription sont peut-être celles d'une même personne, dont l'état civil a "
            f"été corrigé. Le dire (doutes --commune {code_commune}), puis redemander le tableau.",
        )


def exports_used(demande: Demande, chain: Chain) -> list[date]:
    """The days of the exports that a covered tableau rests on, from the last one before its period to its end."""
    if demande.law.regime is Regime.REVISION_ANNUELLE or not chain.links:
        return []
    if any(it.severity is Severity.BLOCKING for it in check_couverture(demande, chain)):
        return []
    if chain.complete_until and chain.complete_until >= _end(demande):
        return []
    return sorted({link.taken_on for link in _window(demande, chain.links)})


def imports_used(demande: Demande, chain: Chain) -> set[int]:
    """The imports that say what is known of the period: a tableau is to be made again when one is undone or redated."""
    used = {chain.vouched_by} if chain.vouched_by else set()
    if demande.law.regime is Regime.REPERTOIRE_UNIQUE and chain.links:
        used |= {link.import_id for link in _window(demande, chain.links)}
    return used


def _end(demande: Demande) -> date:
    """The last day that can be known: of a provisional tableau, the day it was asked for."""
    last = demande.effective_on if demande.law.regime is Regime.REVISION_ANNUELLE else demande.last_day
    return min(last, demande.jour)


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
            f"{short_date(window[0].taken_on)} n'est pas connu. Compter les mouvements d'après le "
            f"{short_date(window[0].taken_on)}, ou importer ceux qui manquent (import-mouvements --complete-until).",
        )
    # Electors are counted back from what the register shows now: a later gap leaves no balance to be trusted either.
    yield from (_gap(link, before) for before, link in _not_compared(links[first:]))
    for before, link in pairwise(window):
        if link.is_compared and link.mouvements and before.taken_on < end < link.taken_on:
            yield _anomalie(_DAY, _on_straddling(link, before, end))
        elif link.is_compared and link.mouvements and before.taken_on < start < link.taken_on:
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


def _check_word(demande: Demande, chain: Chain) -> Iterator[AnomalieCouverture]:
    """Somebody vouches for the mouvements of a period in which exports were not compared: nothing proves it."""
    if demande.law.regime is Regime.REVISION_ANNUELLE or not chain.links:
        return
    for before, link in _not_compared(_window(demande, chain.links)):
        yield _anomalie(
            _GAP,
            f"L'export du {short_date(link.taken_on)} a été repris sans être comparé à celui du "
            f"{short_date(before.taken_on)} : que les mouvements sont tous là n'est dit que par leur import. Vérifier "
            "que les totaux avant et après sont ceux de ces deux exports.",
            Severity.REMARK,
        )


def _not_compared(links: Sequence[Link]) -> Iterator[tuple[Link, Link]]:
    """Each link that was not compared with the one before it, after that one."""
    return ((before, link) for before, link in pairwise(links) if not link.is_compared)


def _gap(link: Link, before: Link) -> AnomalieCouverture:
    return _anomalie(
        _GAP,
        f"L'export du {short_date(link.taken_on)} a été repris sans être comparé à celui du "
        f"{short_date(before.taken_on)} : ce qui a changé entre les deux n'est pas connu. Annuler cet import "
        "et le reprendre, ou importer les mouvements qui manquent (import-mouvements --complete-until).",
    )


def _on_straddling(link: Link, before: Link, day: date) -> str:
    """Mouvements that happened before `day` or after it: nobody knows which."""
    if link.mouvements > 1:
        said = f"{format_number(link.mouvements)} mouvements sont datés du {short_date(link.taken_on)}"
    else:
        said = f"Un mouvement est daté du {short_date(link.taken_on)}"
    if not link.is_dated:
        return (
            f"{said}, jour de l'import, après le {short_date(day)}. L'export a-t-il été pris plus tôt ? Indiquer son "
            "jour (imports --taken-on)."
        )
    return (
        f"{said}, après le {short_date(day)}, et l'export précédent est du {short_date(before.taken_on)} : rien ne dit "
        "ce qui est d'avant. Comparer un export pris ce jour-là, ou importer les mouvements à leur date "
        "(import-mouvements --complete-until)."
    )


def _is_perhaps_before(window: Sequence[Link], end: date) -> bool:
    """Whether the last export covers the period only if it was taken on the day of its import, which nobody said.

    Where its mouvements lie on both sides of the end, that is said of them already.
    """
    last = window[-1]
    if last.is_dated or last.taken_on < end:
        return False
    return not (last.mouvements and len(window) > 1 and window[-2].taken_on < end < last.taken_on)


def _on_no_day(link: Link, end: date) -> str:
    """Nothing changed until it was taken, and nobody said when that was."""
    return (
        f"L'export repris le {short_date(link.taken_on)} n'a pas de jour indiqué : s'il a été pris avant le "
        f"{short_date(end)}, ce qui a changé depuis n'est pas connu. Indiquer son jour (imports --taken-on)."
    )


def _unsaid(demande: Demande, chain: Chain) -> AnomalieCouverture:
    if chain.complete_until:
        said = f"Les mouvements ne sont dits complets que jusqu'au {short_date(chain.complete_until)}"
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
