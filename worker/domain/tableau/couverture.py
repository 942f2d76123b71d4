"""What the register knows about a period: a tableau is ready only if the whole period is known.

Each imported export of the REU is a link of a chain. The mouvements between two links are known if the links were
compared, but not their days. A producer of mouvements (a CSV file) vouches for a day instead. Unknown parts are
reported: « Néant » is printed for a known period only.

Electors are counted from the export that ends the period, as long as its version of the list is kept: later imports
change nothing. The number of its electors must be the one that was recorded when it was imported.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from itertools import pairwise
from typing import NamedTuple

from common.calendrier import is_mineur, last_birth, majorite_on
from common.french import count_of, format_number, short_date
from schemas.tableaux import Repere
from schemas.vocabulary import Nature, Severity
from worker.domain.anomaly import Anomaly
from worker.domain.identite import Mouvement
from worker.domain.tableau.demande import Demande, is_in, is_in_period
from worker.domain.tableau.model import Bilan


@dataclass(frozen=True)
class Link:
    """One imported export, of one list."""

    taken_on: date
    """The day it was taken from the REU."""
    is_dated: bool
    """Whether that day was given; else it is the day of the import."""
    is_compared: bool
    """Whether it was compared with the link before it: the changes since then are known."""
    undated: int = 0
    """Number of its inscriptions and radiations without a known day: they happened since the link before."""
    import_id: int = 0
    """The id of its import."""
    electeurs: int = 0
    """Electors of the export, including minors."""
    growth: int = 0
    """Number of electors that its mouvements add to the list."""
    is_kept: bool = True
    """Whether the register still holds the whole version of the list that this import wrote."""
    changed: int = 0
    """Electors of the version that it wrote whom another service has changed since."""
    unexplained: int = 0
    """If it was not compared: electors who came or left since the link before, without a mouvement of a file."""
    has_new_part: bool = False
    """Whether an arrondissement came into the list since the link before: its arrival is not compared."""


class CompleteUntil(NamedTuple):
    """The declaration of a producer of mouvements: with this import, the register holds all of them until that day."""

    complete_until: date
    import_id: int = 0


@dataclass(frozen=True)
class Chain:
    """The exports and declarations of one list, in the order of the links."""

    links: Sequence[Link] = ()
    words: Sequence[CompleteUntil] = ()
    """In the order of the imports; those of the commune, for any list."""
    daily: Mapping[date, Counter[str]] = field(default_factory=dict)
    """By day, then by nature, the number of mouvements that are applied to the list and come from no export."""
    late: Mapping[tuple[int, date], int] = field(default_factory=dict)
    """By import and day, the number of mouvements of a file."""
    births: Sequence[str] = ()
    """Dates of birth of the electors on the list who were minors on the day of the first export."""
    waiting: Mapping[date, int] = field(default_factory=dict)
    """By day, the number of mouvements of a file that are not applied to the list."""
    listed: int = 0
    """Number of electors that the list shows now, including minors."""
    partial: Sequence[Link] = ()
    """The exports of some arrondissements since the last link: on their days the list is not known as a whole."""

    def word(self, day: date) -> CompleteUntil | None:
        """Return the last import declared complete until a day, or until later."""
        return next((word for word in reversed(self.words) if word.complete_until >= day), None)

    def expect(self, before: Link, link: Link) -> int | None:
        """Return the number of electors that the mouvements give for the second of two exports, if it contradicts them.

        None: the number is possible, or nothing states that all mouvements are there: neither a comparison of the two,
        nor the producer of a file of mouvements. A comparison alone gives the exact number. With a file it is a range:
        a mouvement of the day of an export may be in the export or not, and electors registered in advance are in the
        exports, perhaps in no file of mouvements.
        """
        if link.is_compared and not self.has_other_mouvements(before, link):
            expected = before.electeurs + link.growth
            return None if expected == link.electeurs else expected
        if not link.is_compared and not self.word(link.taken_on):
            return None
        edges = [self.daily.get(day, Counter()) for day in {before.taken_on, link.taken_on}]
        inside = [it for day, it in self.daily.items() if before.taken_on < day < link.taken_on]
        expected = (
            before.electeurs
            + link.growth
            + sum(it[Nature.INSCRIPTION] - it[Nature.RADIATION] for it in inside)
        )
        minors = sum(born > last_birth(before.taken_on) for born in self.births)
        least = expected - minors - sum(it[Nature.RADIATION] for it in edges)
        most = expected + minors + sum(it[Nature.INSCRIPTION] for it in edges)
        return None if least <= link.electeurs <= most else expected

    def has_other_mouvements(self, before: Link, link: Link) -> bool:
        """Return whether mouvements of another file lie between two exports, their own days included."""
        return any(before.taken_on <= day <= link.taken_on for day in self.daily)


def check_couverture(
    demande: Demande, chain: Chain, *, is_neant: bool = False
) -> Iterator[Anomaly]:
    """Yield what the register does not know about the period of the tableau; nothing if it knows all of it.

    Before 2019 a mouvement has its date de tableau, and no period shows whether all of them are there: only a producer
    can state until when they are complete. `is_neant`: the tableau shows no mouvement, which it must not state unless
    the register was told so; while it is provisional, that is a remark.
    """
    word = chain.word(last_known_day(demande))
    yield from _check_rows(demande, chain)
    if not word and (demande.type.is_repealed or not chain.links):
        yield _unsaid(demande, chain, is_neant=is_neant)
    if demande.type.is_repealed:
        return
    if word:
        yield from _check_word(demande, chain, word)
    elif chain.links:
        yield from _check_links(demande, chain)
    for said in contradictions(chain, _counted(demande, chain)):
        yield _anomalie("couverture_contredite", said)
    yield from _check_waiting(demande, chain)


def check_doubts(
    demande: Demande, pairs: Iterable[tuple[Mouvement, Mouvement]]
) -> Iterator[Anomaly]:
    """Yield an anomaly for open doubts about mouvements that the tableau shows, or counts between its totals."""
    is_of_it = is_in if demande.type.is_repealed else is_in_period

    def shows(mouvement: Mouvement) -> bool:
        born = mouvement.personne.date_naissance
        if not is_of_it(mouvement, demande) or is_mineur(born, demande.age_apres, demande.jour):
            return False
        of_age = majorite_on(born) if is_mineur(born, demande.age_avant, demande.jour) else None
        if of_age is None:
            return True
        since = min(
            of_age, demande.last_day
        )  # earlier mouvements are a minor's, inscribed then in any case
        day = mouvement.date_mouvement
        return day >= since if mouvement.nature is Nature.INSCRIPTION else day > since

    number = sum(any(map(shows, pair)) for pair in pairs)
    if number:
        said = count_of(number, "doute est ouvert", "doutes sont ouverts")
        yield Anomaly(
            "doutes_ouverts",
            Severity.BLOCKING,
            "mouvements",
            f"{said} : une radiation et une inscription sont peut-être celles d'une même personne, dont l'état civil a "
            "été corrigé ou qui a un homonyme. Le dire, puis redemander le tableau.",
            is_of_file=True,
        )


def exports_used(demande: Demande, chain: Chain) -> Sequence[Link]:
    """Return the exports that a tableau rests on, in order; of several of one day, the last one.

    From the last one before its period to the one at its end, the one that electors are counted from, and exports of
    one arrondissement whose mouvements are shown. If a producer vouches for the mouvements, or under the yearly
    revision, only the one that electors are counted from.
    """
    if not chain.links:
        return ()
    base = base_of(demande, chain) or chain.links[-1]
    if demande.type.is_repealed or chain.word(last_known_day(demande)):
        return [base]
    start, end = demande.required(Repere.REUNION), last_known_day(demande)
    partial = [link for link in chain.partial if start < link.taken_on <= end]
    return [
        *{link.taken_on: link for link in (*window_of(demande, chain), base, *partial)}.values()
    ]


def imports_used(demande: Demande, chain: Chain) -> set[int]:
    """Return the imports that a period rests on: if one is undone or redated, the tableau must be made again."""
    used = {word.import_id for word in chain.words}
    if base := base_of(demande, chain):
        used |= {base.import_id, *(link.import_id for link in window_of(demande, chain))}
    return used


def base_of(demande: Demande, chain: Chain) -> Link | None:
    """Return the export that the electors are counted from: the first one kept from the end of the period on.

    None: they are counted from the current list. Under the yearly revision the list states what was applied to it; else
    no export gives the electors of the list, or the list was changed without an import.
    """
    last = _bounds(demande, chain.links)[1] if _has_period(demande, chain) else len(chain.links)
    return next((link for link in chain.links[last:] if link.is_kept), None)


def last_known_day(demande: Demande) -> date:
    """Return the last day that can be known: for a provisional tableau, the day of its request."""
    last = demande.effective_on if demande.type.is_repealed else demande.last_day
    return min(last, demande.jour)


def _counted(demande: Demande, chain: Chain) -> Iterator[tuple[Link, Link]]:
    """Return the pairs of exports that electors are counted back across: from the period to the base."""
    if not _has_period(demande, chain):
        return pairwise(())
    base, links = base_of(demande, chain), chain.links[_bounds(demande, chain.links)[0] :]
    return pairwise(links[: links.index(base) + 1] if base else links)


def window_of(demande: Demande, chain: Chain) -> Sequence[Link]:
    """Return the links from the last one at the start of the period or before to the first one at its end or after."""
    if not _has_period(demande, chain):
        return ()
    first, last = _bounds(demande, chain.links)
    return chain.links[first : last + 1]


def _has_period(demande: Demande, chain: Chain) -> bool:
    return not demande.type.is_repealed and bool(chain.links)


def _bounds(demande: Demande, links: Sequence[Link]) -> tuple[int, int]:
    """Return the ranks of the first and the last link of a period; of several on its last day, the last one."""
    start, end = demande.required(Repere.REUNION), last_known_day(demande)
    first = max((rank for rank, link in enumerate(links) if link.taken_on <= start), default=0)
    last = next((rank for rank, link in enumerate(links) if link.taken_on >= end), len(links) - 1)
    last = max((rank for rank, link in enumerate(links) if link.taken_on == end), default=last)
    return first, max(first, last)


def check_altered(days: Iterable[date]) -> Iterator[Anomaly]:
    """Yield the exports of these days, whose mouvements another service has changed or deleted."""
    for day in days:
        yield _anomalie(
            "couverture_contredite",
            f"Le registre a été modifié hors import : les mouvements de l'export du {short_date(day)} ne sont plus "
            "ceux que son import avait trouvés. Annuler cet import (imports --undo), puis le reprendre (import-reu).",
        )


def _check_rows(demande: Demande, chain: Chain) -> Iterator[Anomaly]:
    base = base_of(demande, chain)
    used = {it.import_id: it for it in (*window_of(demande, chain), *filter(None, [base]))}
    for link in used.values():
        if link.changed:
            changed = count_of(link.changed, "électeur n'est plus", "électeurs ne sont plus")
            yield _anomalie(
                "couverture_contredite",
                f"Le registre a été modifié hors import : {changed} ce que donnait l'export du "
                f"{short_date(link.taken_on)}. Annuler les imports depuis celui-ci, le dernier d'abord (imports "
                "--undo), puis les reprendre (import-reu).",
            )
    if base or not chain.links or chain.listed == chain.links[-1].electeurs:
        return
    link = chain.links[-1]
    yield _anomalie(
        "couverture_contredite",
        f"Le registre a été modifié hors import : l'export du {short_date(link.taken_on)} donnait "
        f"{count_of(link.electeurs, 'électeur')}, le registre en a {format_number(chain.listed)}. Annuler "
        "cet import (imports --undo), le reprendre (import-reu), puis redemander le tableau.",
    )


def _check_links(demande: Demande, chain: Chain) -> Iterator[Anomaly]:
    start, end = demande.required(Repere.REUNION), last_known_day(demande)
    window = window_of(demande, chain)
    if window[0].taken_on > start:
        yield _anomalie(
            "couverture_debut",
            f"Aucun export du REU pris le {short_date(start)} ou avant : ce qui a changé entre la réunion et le "
            f"{short_date(window[0].taken_on)} n'est pas connu. Indiquer ce jour comme celui de la réunion "
            "précédente, d'où les mouvements sont comptés, ou importer ceux qui manquent (import-mouvements).",
        )
    yield from (
        _gap(link, before) for before, link in _counted(demande, chain) if not link.is_compared
    )
    is_split = False
    for before, link in pairwise(window):
        if link.is_compared and link.undated and before.taken_on < end < link.taken_on:
            is_split = True
            yield _straddling(link, before, end)
        elif link.is_compared and link.undated and before.taken_on < start < link.taken_on:
            yield _straddling(link, before, start, Severity.REMARK)
    severity, last = Severity.REMARK if demande.is_provisoire else Severity.BLOCKING, window[-1]
    if last.taken_on < end:
        yield _anomalie(
            "couverture_fin", _on_end(last, end, is_in_parts=bool(chain.partial)), severity
        )
    elif not last.is_dated and not is_split:
        yield _anomalie(
            "couverture_export",
            f"L'export repris le {short_date(last.taken_on)} n'a pas de jour indiqué : s'il a été pris avant le "
            f"{short_date(end)}, ce qui a changé depuis n'est pas connu. Indiquer son jour (imports --taken-on).",
            severity,
        )


def _on_end(link: Link, end: date, *, is_in_parts: bool) -> str:
    if is_in_parts:
        return (
            "Les derniers exports des arrondissements sont de jours différents : la liste entière n'est connue que "
            f"jusqu'au {short_date(link.taken_on)}. Reprendre un export de chaque arrondissement, tous pris le même "
            f"jour, le {short_date(end)} ou après."
        )
    return (
        f"Le dernier export du REU repris est du {short_date(link.taken_on)} : ce qui a changé jusqu'au "
        f"{short_date(end)} n'est pas connu. Reprendre un export pris le {short_date(end)} ou après ; si la liste "
        "n'y est plus, dire qu'elle est vide (import-reu --empty)."
    )


def _check_word(demande: Demande, chain: Chain, word: CompleteUntil) -> Iterator[Anomaly]:
    start, end = demande.required(Repere.REUNION), last_known_day(demande)
    late = [
        (*key, number)
        for key, number in chain.late.items()
        if key[0] > word.import_id and start < key[1] <= end
    ]
    if late:
        imports, days, numbers = zip(*late, strict=True)
        came = count_of(sum(numbers), "mouvement est venu", "mouvements sont venus")
        named = ", ".join(map(str, sorted({*imports})))
        yield _anomalie(
            "couverture_contredite",
            f"{came} ensuite ({span(min(days), max(days))}, import {named}), alors que l'import "
            f"{word.import_id} était dit complet jusqu'au {short_date(word.complete_until)} : il en manquait. Vérifier "
            "qu'il n'en manque plus, et le dire du dernier fichier (import-mouvements --complete-until).",
        )
    for before, link in _counted(demande, chain):
        if link.is_compared or link.unexplained or chain.expect(before, link) is not None:
            continue
        if chain.word(link.taken_on):
            totals = f"Les totaux concordent ({format_number(before.electeurs)} puis {format_number(link.electeurs)})."
            said = f"{_on_gap(link, before)} : que les mouvements sont tous là n'est dit que par leur import. {totals}"
            yield _anomalie("couverture_lacune", said, Severity.REMARK)
        else:
            yield _gap(link, before)


def _check_waiting(demande: Demande, chain: Chain) -> Iterator[Anomaly]:
    """Report mouvements to apply: since 2019 a mouvement takes effect at once, and the list does not show these.

    In the period, the tableau ends with other electors than the next one begins with. Before it, if no export since
    then gives the electors of the list, it begins with other electors than the one before ended with.
    """
    start, end = demande.required(Repere.REUNION), last_known_day(demande)
    shown = [day for day in chain.waiting if start < day <= end]
    taken = max((link.taken_on for link in chain.links), default=date.min)
    before = [day for day in chain.waiting if taken < day <= start]
    if waiting := [*before, *shown]:
        said = count_of(
            sum(chain.waiting[day] for day in waiting), "mouvement attend", "mouvements attendent"
        )
        yield _anomalie(
            "couverture_attente",
            f"{said} encore ({span(min(waiting), max(waiting))}, état « actif » dans leur fichier) : la liste ne "
            "dit pas s'ils ont pris effet, et les totaux de ce tableau et du suivant ne se suivraient pas. S'ils ont "
            "pris effet, reprendre un export du REU qui les montre (import-reu) et annuler l'import de ce fichier "
            "(imports --undo).",
            Severity.REMARK if demande.is_provisoire and not before else Severity.BLOCKING,
        )


def first_export(demande: Demande, chain: Chain) -> Link | None:
    """Return the export at the start of the period, if its electors must be those that the tableau counts before.

    None: its version is not kept, or other mouvements than those of the comparisons lead from it to the list.
    """
    counted = list(_counted(demande, chain))
    if not counted or not base_of(demande, chain) or not (link := counted[0][0]).is_kept:
        return None
    is_alone = not any(chain.has_other_mouvements(*pair) for pair in counted)
    is_whole = all(
        after.is_compared and chain.expect(before, after) is None for before, after in counted
    )
    return (
        link
        if is_alone and is_whole and link.taken_on <= demande.required(Repere.REUNION)
        else None
    )


def check_first(
    link: Link, electeurs: Mapping[str, int], bilans: Iterable[tuple[str, str, Bilan]]
) -> Iterator[Anomaly]:
    """Check that the electors before the tableau are those of the first export, by bureau.

    `electeurs`: those of age in the export, by bureau, after the mouvements between the export and the period.
    `bilans`: those of the tableau.
    """
    found = {**electeurs, "": sum(electeurs.values())}
    for key, titre, bilan in bilans:
        if bilan.avant != found.get(key, 0):
            yield _anomalie(
                "couverture_contredite",
                "Le registre a été modifié hors import : d'après les mouvements, il y avait "
                f"{count_of(bilan.avant, 'électeur')} avant ce tableau ({titre}), et "
                f"{format_number(found.get(key, 0))} d'après l'export du {short_date(link.taken_on)}. Annuler les "
                "imports qui suivent cet export, le dernier d'abord (imports --undo), puis les reprendre (import-reu).",
            )
            return


def contradictions(chain: Chain, pairs: Iterable[tuple[Link, Link]]) -> Iterator[str]:
    """Yield the contradictions between pairs of exports and other mouvements, in French, with dates."""
    for before, link in pairs:
        expected = chain.expect(before, link)
        if expected is not None:
            yield _on_totals(chain, before, link, expected)
        elif link.unexplained:
            yield _on_unexplained(before, link)


def span(first: date, last: date) -> str:
    """Return « du 03/10/2026 », or « du 03/10/2026 au 05/10/2026 »."""
    return (
        f"du {short_date(first)}"
        if first == last
        else f"du {short_date(first)} au {short_date(last)}"
    )


def _on_totals(chain: Chain, before: Link, link: Link, expected: int) -> str:
    totals = (
        f"De l'export du {short_date(before.taken_on)} ({count_of(before.electeurs, 'électeur')}) à celui du "
        f"{short_date(link.taken_on)} ({count_of(link.electeurs, 'électeur')}), les mouvements"
    )
    if word := chain.word(link.taken_on):
        return (
            f"{totals}, dits complets jusqu'au {short_date(word.complete_until)}, en feraient "
            f"{format_number(expected)} : il en manque, il y en a de trop, ou ils sont comptés deux fois. Comparer ces "
            "deux exports (imports --undo, puis import-reu) sans importer ces mouvements, ou corriger leur fichier."
        )
    if not chain.has_other_mouvements(before, link):
        return (
            f"{totals} en feraient {format_number(expected)} : le registre a été modifié hors import. Annuler ces deux "
            "imports, le dernier d'abord (imports --undo), puis les reprendre (import-reu)."
        )
    return (
        f"{totals} en feraient {format_number(expected)} : à ceux que donne la comparaison de ces deux exports s'en "
        "ajoutent d'un autre fichier, sans doute les mêmes. Annuler l'import de ce fichier (imports --undo), ou le "
        "corriger ; les motifs se disent à part (motifs)."
    )


def _on_unexplained(before: Link, link: Link) -> str:
    moved = count_of(
        link.unexplained, "électeur est venu ou parti", "électeurs sont venus ou partis"
    )
    return (
        f"{moved} entre l'export du {short_date(before.taken_on)} et celui du {short_date(link.taken_on)} sans que "
        "leur mouvement soit importé, alors que les mouvements sont dits complets. Annuler l'import du second "
        "(imports --undo) et le reprendre en le comparant, sans importer ces mouvements, ou corriger leur fichier."
    )


def _on_gap(link: Link, before: Link) -> str:
    return (
        f"L'export du {short_date(link.taken_on)} a été repris sans être comparé à celui du "
        f"{short_date(before.taken_on)}"
    )


def _gap(link: Link, before: Link) -> Anomaly:
    if link.has_new_part:
        return _anomalie(
            "couverture_lacune",
            f"Un arrondissement est entré dans la liste après l'export du {short_date(before.taken_on)}, et celui du "
            f"{short_date(link.taken_on)} est le premier de la liste entière : ce qui a changé entre les deux n'est "
            "pas connu. Importer les mouvements qui manquent (import-mouvements --complete-until).",
        )
    return _anomalie(
        "couverture_lacune",
        f"{_on_gap(link, before)} : ce qui a changé entre les deux n'est pas connu. Annuler cet import "
        "et le reprendre, ou importer les mouvements qui manquent (import-mouvements --complete-until).",
    )


def _straddling(
    link: Link, before: Link, day: date, severity: Severity = Severity.BLOCKING
) -> Anomaly:
    """Report undated mouvements of both sides of a day: first the day of their export is to be known."""
    said = (
        f"{format_number(link.undated)} mouvements sont" if link.undated > 1 else "Un mouvement est"
    )
    said += f" d'un jour inconnu, entre le {short_date(before.taken_on)} et le {short_date(link.taken_on)}"
    untold = f"rien ne dit ce qui est d'avant le {short_date(day)}."
    if link.is_dated:
        return _anomalie(
            "couverture_date",
            f"{said} : {untold} Indiquer leurs dates, ou comparer un export pris ce jour-là.",
            severity,
        )
    return _anomalie(
        "couverture_export",
        f"{said}, jour de l'import : {untold} L'export a-t-il été pris plus tôt ? Indiquer son jour (imports "
        "--taken-on).",
        severity,
    )


def _unsaid(demande: Demande, chain: Chain, *, is_neant: bool) -> Anomaly:
    if chain.words:
        until = max(word.complete_until for word in chain.words)
        said = f"Les mouvements ne sont dits complets que jusqu'au {short_date(until)}"
    else:
        said = "Personne n'a dit jusqu'à quel jour les mouvements sont complets"
    return _anomalie(
        "couverture_inconnue",
        f"{said} : vérifier qu'il n'en manque pas jusqu'au {short_date(last_known_day(demande))}, et l'indiquer "
        f"(import-mouvements --complete-until).{' Sans cela, « Néant » serait inventé.' if is_neant else ''}",
        Severity.BLOCKING if is_neant and not demande.is_provisoire else Severity.REMARK,
    )


def _anomalie(code: str, message: str, severity: Severity = Severity.BLOCKING) -> Anomaly:
    return Anomaly(code, severity, "période", message, is_of_file=True)
