"""Who comes of age: entered in advance, an elector from her eighteenth birthday or for a poll, and inscribed d'office.

Code électoral, art. L. 11, II, 1°: a person is inscribed who has reached the age on the day of the poll « ou, lorsque
le mode de scrutin permet un second tour, à la date à laquelle ce second tour a vocation à être organisé ». Until then
she is in no count and on no page. Which day her age is counted on: `Demande.age_avant` and `Demande.age_apres`.

An elector who is of age before the tableau has the mouvements that the register tells. One who is a minor even after it
has none. Whoever comes of age in between was nobody before: what happened to her until then does not show, and if she
is on the list then, she comes, once, on her birthday, whether the register told her entry or not.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from datetime import date, timedelta
from typing import NamedTuple, Protocol

from common.calendrier import LONGEST_BETWEEN_ROUNDS, is_mineur, last_birth, majorite_on
from common.french import agree, count_of, format_number, short_date
from common.law import Regime
from schemas.tableaux import Repere
from schemas.vocabulary import Categorie, Nature, Severity
from worker.domain.identite import Identite, identite_of
from worker.domain.mouvement import Etat, Mouvement
from worker.domain.tableau.couverture import AnomalieCouverture
from worker.domain.tableau.demande import Demande


class Register(Protocol):
    """What the register holds of one list: it stays the same while it is read, more than once."""

    def stream(self) -> Iterator[Mouvement]:
        """Every mouvement, in the order of ids, which are greater than zero."""

    def young(self, born_after: str, born_until: str) -> Iterator[Mouvement]:
        """The electors on the list now who were born in between, each as her inscription; their ids are negative."""

    def fetch(self, ids: Sequence[int]) -> Iterator[Mouvement]:
        """Mouvements and electors of the list, in the order asked."""

    def narrow(self, after: date, born_after: str, *, waiting: bool = False) -> "Register":
        """The same with fewer mouvements: later than a day, of the younger, and those that wait, at least."""


class Period(NamedTuple):
    """What lies between two counts of electors: the days, the first excluded; on which days they are to be of age."""

    after: date
    until: date
    age_avant: date
    age_apres: date
    seen_on: date
    """A date of birth that is yet to come on that day makes no minor."""

    @classmethod
    def of(cls, demande: Demande) -> "Period | None":
        """That of a tableau; None under the yearly revision, which counts whoever was inscribed."""
        if demande.law.regime is Regime.REVISION_ANNUELLE:
            return None
        return cls(
            demande.required(Repere.REUNION), demande.last_day, demande.age_avant, demande.age_apres, demande.jour
        )

    def has(self, mouvement: Mouvement) -> bool:
        """Whether it happened in between."""
        return self.after < mouvement.date_mouvement <= self.until


class _Arrival(NamedTuple):
    """An inscription that a birthday makes: of what the register holds under `source`."""

    source: int
    day: date
    bureau: str
    is_entry: bool
    """`source` is her entry, of which somebody may have said the motif."""

    def of(self, known: Mouvement, id_: int) -> Mouvement:
        """As the tableau shows it."""
        is_said = self.is_entry and known.categorie is not Categorie.NON_PRECISEE
        return replace(
            known,
            id=id_,
            nature=Nature.INSCRIPTION,
            etat=Etat.APPLIQUE if not self.is_entry else known.etat,
            categorie=known.categorie if is_said else Categorie.INSCRIPTION_OFFICE,
            motif=known.motif if is_said else f"Dix-huit ans le {short_date(self.day)} (art. L. 11, II, 1°)",
            date_mouvement=self.day,
            after=None,
            is_presumed=self.is_entry and not is_said,
            ancien_bureau="",
            nouveau_bureau=self.bureau,
            is_majorite=True,
        )


class OfAge:
    """The mouvements of one list as a tableau counts them: a source for `compose_tableau`, over that of the register.

    Without a period they are as the register tells them. Arrivals on a birthday have ids below zero, the same each time
    they are read.
    """

    def __init__(self, period: Period | None, register: Register) -> None:
        self.period = period
        self._register = register
        self._arrivals: list[_Arrival] = []

    def stream(self) -> Iterator[Mouvement]:
        """Those of electors of age, then those of the ones who come of age."""
        self._arrivals = []
        if self.period is None:
            yield from self._register.stream()
            return
        _, _, avant, apres, seen_on = self.period
        rows, listed = defaultdict[Identite, list[Mouvement]](list), defaultdict[Identite, list[Mouvement]](list)
        for mouvement in self._register.stream():
            born = mouvement.personne.date_naissance
            if not is_mineur(born, avant, seen_on):
                yield self._dated(mouvement, self.period)
            elif not is_mineur(born, apres, seen_on):
                rows[identite_of(mouvement.personne)].append(mouvement)
        if avant < apres:
            for electeur in self._register.young(last_birth(avant), min(last_birth(apres), seen_on.isoformat())):
                listed[identite_of(electeur.personne)].append(electeur)
        for key in rows.keys() | listed.keys():
            yield from self._come_of_age(rows[key], listed[key], self.period)

    def fetch(self, ids: Sequence[int]) -> Iterator[Mouvement]:
        """Those asked for, in the order asked."""
        arrivals = [self._arrivals[-id_ - 1] if id_ < 0 else None for id_ in ids]
        sources = [arrival.source if arrival else id_ for arrival, id_ in zip(arrivals, ids, strict=True)]
        for known, arrival, id_ in zip(self._register.fetch(sources), arrivals, ids, strict=True):
            yield arrival.of(known, id_) if arrival else known

    def _dated(self, mouvement: Mouvement, period: Period) -> Mouvement:
        """Entered in the period of a poll before her birthday: inscribed on it."""
        day = majorite_on(mouvement.personne.date_naissance)
        is_early = mouvement.nature is Nature.INSCRIPTION and day and day > mouvement.date_mouvement
        if is_early and day and period.has(mouvement):
            return self._arrive(_Arrival(mouvement.id, day, mouvement.nouveau_bureau, is_entry=True), mouvement)
        return mouvement

    def _come_of_age(
        self, rows: Sequence[Mouvement], electeurs: Sequence[Mouvement], period: Period
    ) -> Iterator[Mouvement]:
        """Electors of one identity: they arrive where they were on the list; what happens later shows as it is."""
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
            if row.etat is Etat.APPLIQUE:
                _undo(row, listed)
        for row in early:
            if row.etat is Etat.ACTIF and period.has(row):
                _redo(row, listed)
        entries = [row for row in early if row.nature is Nature.INSCRIPTION]
        for electeur in listed:
            entry = entries.pop() if entries else None
            known = entry or electeur
            arrival = _Arrival(known.id, day, electeur.nouveau_bureau, is_entry=entry is not None)
            yield self._arrive(arrival, known)
        yield from late

    def _arrive(self, arrival: _Arrival, known: Mouvement) -> Mouvement:
        self._arrivals.append(arrival)
        return arrival.of(known, -len(self._arrivals))


def _undo(row: Mouvement, listed: list[Mouvement]) -> None:
    """Put back who left since, take away who came since."""
    if row.arrives_in is not None:
        _take(listed, row.arrives_in)
    if row.leaves is not None:
        listed.append(replace(row, nouveau_bureau=row.leaves))


def _redo(row: Mouvement, listed: list[Mouvement]) -> None:
    if row.leaves is not None:
        _take(listed, row.leaves)
    if row.arrives_in is not None:
        listed.append(row)


def _take(listed: list[Mouvement], bureau: str) -> None:
    """One of them leaves the list: of that bureau, if one is there."""
    if listed:
        listed.remove(next((it for it in listed if it.nouveau_bureau == bureau), listed[-1]))


def check_corrections(demande: Demande, births: Iterable[tuple[str, str]]) -> Iterator[AnomalieCouverture]:
    """Whom a corrected date of birth made an elector before the tableau, or a minor: nobody came, and nobody left.

    `births`: dates of birth before and after, of those who were said to be one person since the tableau before. Its
    last number of electors is not the first one of this tableau then.
    """
    if demande.law.regime is Regime.REVISION_ANNUELLE:
        return
    day, jour = demande.age_avant, demande.jour
    were = Counter((is_mineur(before, day, jour), is_mineur(after, day, jour)) for before, after in births)
    for change, said in (
        ((True, False), "de plus, {} d'après la date de naissance d'avant"),
        ((False, True), "de moins, {} d'après la date de naissance corrigée"),
    ):
        if number := were[change]:
            yield AnomalieCouverture(
                "majorite_corrigee",
                Severity.REMARK,
                "date de naissance",
                "Un état civil a été corrigé (doutes : même personne) : un tableau fait avant finit sur un autre total "
                f"que celui d'où part celui-ci, {count_of(number, 'électeur')} {said.format(agree(number, 'mineur'))}. "
                "Ce n'est ni une inscription ni une radiation.",
            )


def check_before(demande: Demande, register: Register, counted_on: date | None) -> Iterator[AnomalieCouverture]:
    """Those who are in neither tableau, or in both: the one before counted age on another day than this one starts at.

    `counted_on`: that day; None: no tableau ends where this one begins. A poll was made known or withdrawn since, or
    its second round: whoever comes of age between the two days is nobody's business otherwise.
    """
    if demande.law.regime is Regime.REVISION_ANNUELLE or counted_on is None or counted_on == demande.age_avant:
        return
    first, last = sorted((counted_on, demande.age_avant))
    if count := sum(1 for _ in register.young(last_birth(first), last_birth(last))):
        reach, are, were = ("a", "n'est", "était") if count == 1 else ("ont", "ne sont", "étaient")
        is_in_both = counted_on == last
        there = f"{were} déjà dans celui d'avant" if is_in_both else f"{are} ni dans ce tableau ni dans celui d'avant"
        yield AnomalieCouverture(
            "majorite_entre_tableaux",
            Severity.REMARK,
            "date de naissance",
            f"{format_number(count)} {agree(count, 'électeur')} {reach} dix-huit ans du "
            f"{short_date(first + timedelta(1))} au {short_date(last)} et {there}, qui compte l'âge au "
            f"{short_date(counted_on)} d'après les scrutins connus alors. Redemander celui d'avant, puis celui-ci.",
        )


def check_second_tour(demande: Demande, register: Register) -> Iterator[AnomalieCouverture]:
    """Those who are electors if the poll may have a second round: whether it may is not known."""
    poll = demande.scrutin
    if demande.law.regime is Regime.REVISION_ANNUELLE or poll is None or poll in demande.last_rounds:
        return
    last = poll + LONGEST_BETWEEN_ROUNDS
    if count := sum(1 for _ in register.young(last_birth(poll), last_birth(last))):
        will, they = ("aura", "il est") if count == 1 else ("auront", "ils sont")
        yield AnomalieCouverture(
            "second_tour_inconnu",
            Severity.REMARK,
            "scrutin",
            f"{format_number(count)} {agree(count, 'électeur')} {will} dix-huit ans du "
            f"{short_date(poll + timedelta(1))} au {short_date(last)}. Si le scrutin du {short_date(poll)} peut avoir "
            f"un second tour, {they} à inscrire : indiquer quel scrutin c'est (scrutins --libelle), puis redemander "
            "le tableau.",
        )
