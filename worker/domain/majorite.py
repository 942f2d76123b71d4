"""Electors who come of age: registered in advance, then electors from their birthday on or for a poll.

Code électoral, art. L. 11, II, 1°: a person is inscribed who has reached the age on the day of the poll « ou, lorsque
le mode de scrutin permet un second tour, à la date à laquelle ce second tour a vocation à être organisé ». Until then
the person is in no count and on no page. The day on which age counts: `Demande.age_avant` and `Demande.age_apres`.

An elector who is of age before the tableau has the mouvements of the register. One who is a minor even after it has
none. An elector who comes of age in between does not count before: earlier mouvements are not shown. If they are on the
list on their birthday, they arrive once, whether the register holds their entry or not. The line has the day and the
category of the entry, as far as they are known. It never has the birthday in place of that day, and « d'office » only
if a clerk has confirmed it. It has the number and the address of the birthday: those of the last export taken until
then whose version of the list is kept.
"""

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, timedelta
from typing import NamedTuple, Protocol

from common.calendrier import LONGEST_BETWEEN_ROUNDS, YOUNGEST, is_mineur, last_birth, majorite_on
from common.french import agree, count_of, format_number, short_date
from schemas.tableaux import Repere
from schemas.vocabulary import Categorie, Nature, Severity
from worker.domain.anomaly import Anomaly
from worker.domain.identite import Etat, Identite, Mouvement, identite_of
from worker.domain.tableau.composition import TableauSource
from worker.domain.tableau.couverture import Link, span
from worker.domain.tableau.demande import Demande

_ONE_DAY = timedelta(days=1)


class Register(TableauSource, Protocol):
    """The register of one list; ids of mouvements are greater than zero."""

    def young(
        self, born_after: str, born_until: str, version: int | None = None
    ) -> Iterator[Mouvement]:
        """Yield the electors of the list who were born in between, each as an inscription; their ids are negative.

        `version`: the import that wrote the list; None: the list that the tableau counts from.
        """

    def narrow(self, after: date, born_after: str, *, waiting: bool = False) -> "Register":
        """Return a register with at least the mouvements after a day, of younger electors and, if asked, waiting."""


class Period(NamedTuple):
    """The period between two counts of electors: its days, the first excluded, and the days on which age counts."""

    after: date
    until: date
    age_avant: date
    age_apres: date
    seen_on: date
    """A date of birth after this day makes no minor."""

    @classmethod
    def of(cls, demande: Demande) -> "Period | None":
        """Return the period of a tableau; None under the yearly revision, which counts every inscribed person."""
        if demande.type.is_repealed:
            return None
        return cls(
            demande.required(Repere.REUNION),
            demande.last_day,
            demande.age_avant,
            demande.age_apres,
            demande.jour,
        )

    def has(self, mouvement: Mouvement) -> bool:
        """Return whether the mouvement happened in the period."""
        return self.after < mouvement.date_mouvement <= self.until


class Replaced(NamedTuple):
    """The day of an export whose version of the list is not kept any more, and the day whose values are printed."""

    wanted: date
    used: date


@dataclass
class OfAge:
    """The mouvements of one list as a tableau counts them: a source for `compose_tableau`, over the register.

    Without a period they are those of the register. Arrivals of age have ids below zero, the same in each reading.
    `exports`: those of the period, which give the number and the address of each day, and the one to count from.
    `corrected`: the dates of birth, before and after, of the doubts that were decided as one person.
    """

    period: Period | None
    register: Register
    exports: Sequence[Link] = ()
    corrected: Collection[tuple[str, str]] = ()
    replaced: Counter[Replaced] = field(default_factory=Counter, init=False)
    """Arrivals that `stream` yielded with the number and address of another day than their own."""
    _arrivals: list[Mouvement] = field(default_factory=list, init=False)

    def stream(self) -> Iterator[Mouvement]:
        """Yield the mouvements of electors of age, then those of electors who come of age."""
        self._arrivals = []
        self.replaced.clear()
        if self.period is None:
            yield from self.register.stream()
            return
        _, _, avant, apres, seen_on = self.period
        seen: dict[Identite, list[Mouvement]] = {}
        rows, listed = (
            defaultdict[Identite, list[Mouvement]](list),
            defaultdict[Identite, list[Mouvement]](list),
        )
        for mouvement in self.register.stream():
            born = mouvement.personne.date_naissance
            if not is_mineur(born, avant, seen_on):
                yield mouvement
            elif not is_mineur(born, apres, seen_on):
                rows[identite_of(mouvement.personne)].append(mouvement)
        if avant < apres:
            after, until = last_birth(avant), min(last_birth(apres), last_birth(seen_on, YOUNGEST))
            for electeur in self.register.young(after, until):
                listed[identite_of(electeur.personne)].append(electeur)
            seen = self._see(after, until, self.period.until)
            # a former civil status in an export is the current one, if only one elector matches
            known = rows | listed
            former = _by_birth({key: them for key, them in seen.items() if key not in known})
            now = _by_birth({key: them for key, them in known.items() if key not in seen})
            for before, later in set(self.corrected):
                if len(former[before]) == len(now[later]) == 1:
                    seen[now[later].pop()] = seen.pop(former[before].pop())
        for key in sorted(rows.keys() | listed.keys()):
            yield from self._come_of_age(rows[key], listed[key], seen.get(key, []), self.period)

    def fetch(self, ids: Sequence[int]) -> Iterator[Mouvement]:
        """Return the mouvements with these ids, in the order asked."""
        known = self.register.fetch([id_ for id_ in ids if id_ > 0])
        return (self._arrivals[-id_ - 1] if id_ < 0 else next(known) for id_ in ids)

    def _see(
        self, born_after: str, born_until: str, until: date
    ) -> dict[Identite, list[Mouvement]]:
        """Return the electors born in between, as the last kept export had them on their day, else the next one.

        Each date of birth is read from one export only. The mouvements have the day of that export.
        """
        seen = defaultdict[Identite, list[Mouvement]](list)
        kept = [link for link in self.exports if link.is_kept]
        for rank, link in enumerate(kept):
            following = kept[rank + 1].taken_on if rank + 1 < len(kept) else date.max
            first = last_birth(link.taken_on - _ONE_DAY) if rank else born_after
            last = last_birth(following - _ONE_DAY) if following <= until else born_until
            between = max(first, born_after), min(last, born_until)
            for electeur in (
                self.register.young(*between, link.import_id) if between[0] < between[1] else ()
            ):
                seen[identite_of(electeur.personne)].append(
                    replace(electeur, date_mouvement=link.taken_on)
                )
        return seen

    def _come_of_age(
        self,
        rows: Sequence[Mouvement],
        electeurs: Sequence[Mouvement],
        seen: Sequence[Mouvement],
        period: Period,
    ) -> Iterator[Mouvement]:
        """Yield the mouvements of one identity: arrivals in the bureaux of the list, then later ones, unchanged."""
        day = majorite_on((*rows, *electeurs)[0].personne.date_naissance)
        if day is None:  # a minor has a date of birth that can be read
            return
        until = min(day, period.until)
        early: list[Mouvement] = []
        late: list[Mouvement] = []
        for row in sorted(rows, key=lambda it: (it.date_mouvement, it.id)):
            (early if row.date_mouvement <= until else late).append(row)
        listed = [*electeurs]
        for row in reversed(late):
            if row.is_applied:
                _move(listed, row, row.arrives_in, row.leaves)  # as before it
        for row in early:
            if not row.is_applied and (row.etat is Etat.APPLIQUE or period.has(row)):
                _move(listed, row, row.leaves, row.arrives_in)
        entries = [row for row in early if row.nature is Nature.INSCRIPTION]
        versions, entered = [*seen], {row.nouveau_bureau for row in entries}
        for electeur in sorted(listed, key=lambda it: it.nouveau_bureau not in entered):
            entry = _take(entries, electeur.nouveau_bureau)
            known = self._as_of(until, electeur, entry, _take(versions, electeur.nouveau_bureau))
            if identite_of(known.personne) != identite_of(electeur.personne):
                # the former address with the current civil status; masked if either is
                former, now = known.personne, electeur.personne
                personne = replace(
                    now,
                    nom_usage=former.nom_usage,
                    adresse=former.adresse,
                    nationalite=former.nationalite,
                    is_protegee=former.is_protegee or now.is_protegee,
                )
                known = replace(known, personne=personne)
            yield self._arrive(min(until, period.seen_on), electeur.nouveau_bureau, known, entry)
        yield from late

    def _as_of(
        self, day: date, electeur: Mouvement, entry: Mouvement | None, seen: Mouvement | None
    ) -> Mouvement:
        """Return the values of a day: the later of entry and export until then, else the export after.

        The entry is no later than the day. Count the arrivals with older values than the last export of that day, or
        with later ones.
        """
        is_newer = (
            seen
            and seen.date_mouvement <= day
            and not (entry and entry.date_mouvement > seen.date_mouvement)
        )
        known = seen if seen and (is_newer or not entry) else entry
        if self.exports:
            used = known.date_mouvement if known else self.exports[-1].taken_on
            wanted = max(
                (link.taken_on for link in self.exports if link.taken_on <= day), default=used
            )
            if not wanted <= used <= max(day, wanted):
                self.replaced[Replaced(wanted, used)] += 1
        return known or electeur

    def _arrive(
        self, until: date, bureau: str, known: Mouvement, entry: Mouvement | None
    ) -> Mouvement:
        """Return the inscription of an elector who comes of age, with these values.

        `entry`: that of the register, which gives the day and the motif. Without one, the elector was on the list on
        day `until`, and nothing else is known.
        """
        arrival = replace(
            known,
            id=-len(self._arrivals) - 1,
            nature=Nature.INSCRIPTION,
            etat=entry.etat if entry else Etat.APPLIQUE,
            categorie=entry.categorie if entry else Categorie.NON_PRECISEE,
            motif=entry.motif if entry else "",
            date_mouvement=entry.date_mouvement if entry else until,
            after=entry.after if entry else date.min,
            ancien_bureau="",
            nouveau_bureau=bureau,
            is_majorite=True,
        )
        self._arrivals.append(arrival)
        return arrival


def _by_birth(people: Mapping[Identite, Sequence[Mouvement]]) -> dict[str, list[Identite]]:
    keys = defaultdict[str, list[Identite]](list)
    for key, them in people.items():
        keys[them[0].personne.date_naissance].append(key)
    return keys


def _move(listed: list[Mouvement], row: Mouvement, left: str | None, joined: str | None) -> None:
    if left is not None:
        _take(listed, left)
    if joined is not None:
        listed.append(replace(row, nouveau_bureau=joined))


def _take(listed: list[Mouvement], bureau: str) -> Mouvement | None:
    if not listed:
        return None
    taken = next((it for it in listed if it.nouveau_bureau == bureau), listed[-1])
    listed.remove(taken)
    return taken


def _remark(code: str, champ: str, message: str) -> Anomaly:
    return Anomaly(code, Severity.REMARK, champ, message, is_of_file=True)


def check_replaced(replaced: Mapping[Replaced, int]) -> Iterator[Anomaly]:
    """Yield one remark if arrivals have the number and address of another day, because an export is not kept."""
    if not replaced:
        return
    number = sum(replaced.values())
    wanted, used = (sorted({*days}) for days in zip(*replaced, strict=True))
    lost = (
        "L'export {} n'est plus gardé" if len(wanted) == 1 else "Des exports {} ne sont plus gardés"
    )
    yield _remark(
        "export_efface",
        "numéro et adresse",
        f"{lost.format(span(wanted[0], wanted[-1]))} : {count_of(number, 'électeur a', 'électeurs ont')} ici le "
        f"numéro, le nom d'usage et l'adresse {span(used[0], used[-1])}. Les vérifier dans le REU.",
    )


def check_corrections(demande: Demande, births: Iterable[tuple[str, str]]) -> Iterator[Anomaly]:
    """Yield a remark if a corrected date of birth made an elector of a minor, or the contrary, before the tableau.

    `births`: dates of birth before and after, of doubts decided as one person since the tableau before. The last number
    of electors of that tableau then differs from the first one of this tableau, without a mouvement.
    """
    day, jour = demande.age_avant, demande.jour
    were = Counter(
        (is_mineur(before, day, jour), is_mineur(after, day, jour)) for before, after in births
    )
    for change, said in (
        ((True, False), "de plus, {} d'après la date de naissance d'avant"),
        ((False, True), "de moins, {} d'après la date de naissance corrigée"),
    ):
        if number := were[change]:
            yield _remark(
                "majorite_corrigee",
                "date de naissance",
                "Un état civil a été corrigé (doutes : même personne) : un tableau fait avant finit sur un autre total "
                f"que celui d'où part celui-ci, {count_of(number, 'électeur')} {said.format(agree(number, 'mineur'))}. "
                "Ce n'est ni une inscription ni une radiation.",
            )


def check_before(
    demande: Demande, register: Register, counted_on: date | None
) -> Iterator[Anomaly]:
    """Yield a remark about electors in neither tableau, or in both: the one before counted age on another day.

    `counted_on`: that day; None: no tableau ends where this one begins. A poll, or its second round, was declared or
    withdrawn since: no other check covers the electors who come of age between the two days.
    """
    if demande.type.is_repealed or counted_on is None or counted_on == demande.age_avant:
        return
    first, last = sorted((counted_on, demande.age_avant))
    if count := sum(1 for _ in register.young(last_birth(first), last_birth(last))):
        reach, are, were = ("a", "n'est", "était") if count == 1 else ("ont", "ne sont", "étaient")
        is_in_both = counted_on == last
        there = (
            f"{were} déjà dans celui d'avant"
            if is_in_both
            else f"{are} ni dans ce tableau ni dans celui d'avant"
        )
        yield _remark(
            "majorite_entre_tableaux",
            "date de naissance",
            f"{format_number(count)} {agree(count, 'électeur')} {reach} dix-huit ans du "
            f"{short_date(first + timedelta(1))} au {short_date(last)} et {there}, qui compte l'âge au "
            f"{short_date(counted_on)} d'après les scrutins connus alors. Redemander celui d'avant, puis celui-ci.",
        )


def check_second_tour(demande: Demande, register: Register) -> Iterator[Anomaly]:
    """Yield a remark about electors who count only if the poll may have a second round, if that is unknown."""
    poll = demande.scrutin
    if demande.type.is_repealed or poll is None or poll in demande.last_rounds:
        return
    last = poll + LONGEST_BETWEEN_ROUNDS
    if count := sum(1 for _ in register.young(last_birth(poll), last_birth(last))):
        will, they = ("aura", "il est") if count == 1 else ("auront", "ils sont")
        yield _remark(
            "second_tour_inconnu",
            "scrutin",
            f"{format_number(count)} {agree(count, 'électeur')} {will} dix-huit ans du "
            f"{short_date(poll + timedelta(1))} au {short_date(last)}. Si le scrutin du {short_date(poll)} peut avoir "
            f"un second tour, {they} à inscrire : noter le jour du second tour, ou quel scrutin c'est, puis "
            "redemander le tableau.",
        )
