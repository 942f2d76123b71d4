"""The checks of a tableau before it is made; each anomaly states what the agent must do.

They concern the mouvements, and the figures if the register's list and its mouvements contradict each other.

The list of the day of the request is compared with a tableau, elector by elector. A tableau ends on its last day, and
counts age on a poll: the mouvements and dates of birth between the two days give the reason for each elector who
differs. Differences without a reason are a contradiction.
"""

from collections import Counter, defaultdict
from collections.abc import Collection, Iterator, Sequence
from dataclasses import asdict, dataclass
from datetime import date, timedelta
from typing import Any

from common.calendrier import (
    cloture,
    dix_janvier,
    is_mineur,
    last_birth,
    last_day_to_register,
    majorite_on,
)
from common.french import (
    LACKS_BOTH,
    LACKS_CATEGORIE,
    LACKS_DATE,
    LACKS_ENTRY,
    LACKS_MOTIF,
    short_date,
)
from schemas.tableaux import Presentation
from schemas.vocabulary import CATEGORIES, TRANSFERTS, Categorie, Labelled, Nature, Severity
from worker.domain.anomaly import Anomaly
from worker.domain.identite import Effet, Etat, Identite, Mouvement, identite_of
from worker.domain.majorite import OfAge, Period, Register
from worker.domain.tableau.composition import TableauSource
from worker.domain.tableau.demande import Demande, is_in, is_in_period, is_misplaced, is_perhaps_l30
from worker.domain.tableau.model import (
    MODELES,
    Tableau,
    fetch_in_batches,
    format_bureau,
    format_date,
    format_numero,
    printed_motif,
)

_NOM = "nom de naissance"
_BLOCKING, _TO_COMPLETE, _REMARK = Severity
_MESSAGES = {
    "radiation_hors_liste": (
        _BLOCKING,
        "Radiation d'un électeur qui n'est pas sur la liste : vérifier son identité.",
    ),
    "modification_hors_liste": (
        _BLOCKING,
        "Modification d'un électeur qui n'est pas sur la liste : vérifier son identité.",
    ),
    "deja_inscrit": (
        _BLOCKING,
        "Inscription d'un électeur déjà sur la liste : vérifier qu'il s'agit d'un homonyme, sinon la retirer.",
    ),
    "electeur_en_double": (
        _REMARK,
        "Plusieurs mouvements pour le même électeur : vérifier qu'ils sont homonymes.",
    ),
    LACKS_MOTIF: (_TO_COMPLETE, "Motif inconnu : l'indiquer."),
    LACKS_DATE: (_TO_COMPLETE, "Date inconnue : l'indiquer."),
    LACKS_BOTH: (_TO_COMPLETE, "Date et motif inconnus : les indiquer."),
    LACKS_ENTRY: (
        _TO_COMPLETE,
        "Inscrit avant ses 18 ans et avant le premier export : date et motif inconnus. Publier en disant pourquoi.",
    ),
    LACKS_CATEGORIE: (
        _TO_COMPLETE,
        "Inscription sans catégorie, peut-être de l'article L. 30 : l'indiquer.",
    ),
    "bureau_inconnu": (_BLOCKING, "Bureau de vote inconnu dans la commune : corriger son code."),
    "bureau_absent": (_REMARK, "Mouvement sans bureau de vote : affecter l'électeur à un bureau."),
    "addition_sans_scrutin": (
        _BLOCKING,
        "Addition sans date de scrutin : elle n'est dans aucun tableau, l'indiquer.",
    ),
    "addition_sans_inscription": (
        _BLOCKING,
        "Addition qui n'est pas une inscription : elle n'est dans aucun tableau, corriger son effet.",
    ),
    "date_tableau_inhabituelle": (
        _REMARK,
        "Date de tableau autre que le 10 janvier ou la fin de février : vérifier.",
    ),
    "categorie_incoherente": (
        _REMARK,
        "La catégorie du motif ne s'accorde pas avec le mouvement : la vérifier.",
    ),
    "l30_hors_delai": (
        _REMARK,
        "Inscription de l'article L. 30 datée avant la clôture, ou après le dixième jour avant le scrutin : vérifier.",
    ),
    "volontaire_tardive": (
        _REMARK,
        "Inscription volontaire datée après la clôture : vérifier la date, ou si elle est de l'article L. 30.",
    ),
}

_TO_DECIDE = timedelta(days=5)
"""What the mayor has to decide about a request of the last day. Source: Code électoral, art. L. 18."""


def check_tableau(
    demande: Demande,
    source: TableauSource,
    inscrits: Collection[Identite],
    bureaux: Collection[str],
) -> Iterator[Anomaly]:
    """Yield the anomalies of the mouvements of a tableau, and of those that should be in one and that none can hold.

    They are in the order of ids; those of electors with several mouvements are at the end, side by side. `inscrits`:
    the electors on the list now (those of the mouvements are enough). Only mouvements that are not applied yet are
    compared with it: it already shows the others. `bureaux`: the codes of the commune.
    """
    ids = defaultdict[Identite, list[int]](list)
    for mouvement in source.stream():
        if is_in(mouvement, demande) or is_misplaced(mouvement, demande):
            key = identite_of(mouvement.personne)
            ids[key].append(mouvement.id)
            yield from _on_liste(mouvement, bureaux, is_on_list=key in inscrits)
            yield from _on_what_is_missing(mouvement, demande)
            known = {Categorie.NON_PRECISEE, *CATEGORIES[mouvement.nature]}
            if mouvement.categorie not in known and not _is_from_other_secteur(mouvement):
                yield _anomalie("categorie_incoherente", "catégorie", mouvement)
            if demande.type.is_repealed:
                yield from _on_dates(mouvement)
        if is_perhaps_l30(mouvement, demande):
            yield _anomalie(LACKS_CATEGORIE, "catégorie", mouvement)
        yield from _on_delay(mouvement, demande)
    homonyms = [id_ for same in ids.values() if len(same) > 1 for id_ in same]
    for mouvement in fetch_in_batches(source.fetch, homonyms):
        yield _anomalie("electeur_en_double", _NOM, mouvement)


def _anomalie(code: str, champ: str, mouvement: Mouvement) -> Anomaly:
    severity, message = _MESSAGES[code]
    personne = mouvement.personne
    return Anomaly(
        code,
        severity,
        champ,
        message,
        bureau=format_bureau(mouvement),
        numero=format_numero(mouvement),
        nom=personne.nom_naissance,
        prenoms=personne.prenoms,
        naissance=personne.date_naissance,
    )


def _is_from_other_secteur(mouvement: Mouvement) -> bool:
    """Whether an elector of Paris, Lyon or Marseille moved from, or to, another secteur."""
    is_change = mouvement.categorie is Categorie.CHANGEMENT_BUREAU
    return is_change and mouvement.nature is not Nature.MODIFICATION


def _on_liste(
    mouvement: Mouvement, bureaux: Collection[str], *, is_on_list: bool
) -> Iterator[Anomaly]:
    is_entry = mouvement.nature is Nature.INSCRIPTION
    if (
        mouvement.etat is Etat.ACTIF
        and is_entry == is_on_list
        and not _is_from_other_secteur(mouvement)
    ):
        yield _anomalie(
            "deja_inscrit" if is_entry else f"{mouvement.nature}_hors_liste", _NOM, mouvement
        )
    for champ, code in (
        ("ancien bureau", mouvement.leaves),
        ("nouveau bureau", mouvement.arrives_in),
    ):
        if code == "":
            yield _anomalie("bureau_absent", champ, mouvement)
        elif code is not None and code not in bureaux:
            yield _anomalie("bureau_inconnu", champ, mouvement)


def _on_what_is_missing(mouvement: Mouvement, demande: Demande) -> Iterator[Anomaly]:
    """Report a date or a motif that the line of an inscription or a radiation should print and lacks.

    A récapitulatif prints no line. A change of bureau, also between two secteurs, needs neither.
    """
    is_change = mouvement.is_changement_bureau or _is_from_other_secteur(mouvement)
    if demande.presentation is Presentation.RECAPITULATIF or is_change:
        return
    has_no_motif = not any(map(str.isalpha, printed_motif(mouvement, demande.edition)))
    is_dated = mouvement.after is None or mouvement.categorie in TRANSFERTS
    has_no_date = MODELES[demande.type].has_dates and not is_dated
    if has_no_date and has_no_motif:
        is_unseen = mouvement.is_majorite and mouvement.after == date.min
        yield _anomalie(LACKS_ENTRY if is_unseen else LACKS_BOTH, "date, motif", mouvement)
    elif has_no_date:
        yield _anomalie(LACKS_DATE, "date", mouvement)
    elif has_no_motif:
        yield _anomalie(LACKS_MOTIF, "motif", mouvement)


def _on_delay(mouvement: Mouvement, demande: Demande) -> Iterator[Anomaly]:
    """Report an inscription on a day that its category does not have before the poll. Source: art. L. 17, L. 30."""
    poll, day = demande.scrutin, mouvement.date_mouvement
    if demande.type.is_repealed or not poll or mouvement.after is not None:
        return
    closed = demande.cloture or last_day_to_register(poll)
    last = last_day_to_register(poll, "l30")
    if not closed or not last or not is_in_period(mouvement, demande):
        return
    if mouvement.categorie is Categorie.INSCRIPTION_L30 and not closed < day <= last:
        yield _anomalie("l30_hors_delai", "date", mouvement)
    elif mouvement.categorie is Categorie.INSCRIPTION_VOLONTAIRE and closed + _TO_DECIDE < day:
        yield _anomalie("volontaire_tardive", "date", mouvement)


def _on_dates(mouvement: Mouvement) -> Iterator[Anomaly]:
    day = mouvement.date_tableau
    if mouvement.effet is Effet.ELECTION:
        if mouvement.nature is not Nature.INSCRIPTION:
            yield _anomalie("addition_sans_inscription", "effet", mouvement)
        elif mouvement.scrutin is None:
            yield _anomalie("addition_sans_scrutin", "scrutin", mouvement)
    elif day not in {dix_janvier(day.year), cloture(day.year)}:
        yield _anomalie("date_tableau_inhabituelle", "date de tableau", mouvement)


def check_bilan(tableau: Tableau) -> Iterator[Anomaly]:
    """Yield the bureaux with an impossible number of electors before or after the tableau."""
    for bureau, _, bilan in tableau.bilans:
        if bureau and min(bilan.avant, bilan.apres) < 0:
            yield Anomaly(
                "bilan_impossible",
                Severity.BLOCKING,
                "bureau",
                "Moins de zéro électeur avant ou après le tableau : la liste et ses mouvements se contredisent, "
                "vérifier les mouvements appliqués de ce bureau, puis importer la liste de nouveau.",
                bureau=bureau,
            )


class Reason(Labelled):
    """Why an elector is on the list of the day and not counted by the tableau, or the contrary."""

    CAME_SINCE = "came_since", "inscription {}, après le tableau"
    LEFT_SINCE = "left_since", "radiation {}, après le tableau"
    OF_AGE_SINCE = "of_age_since", "dix-huit ans {}, après le tableau"
    OF_AGE_LATER = (
        "of_age_later",
        "dix-huit ans {} : compte pour le tableau, pas encore sur la liste",
    )
    STILL_TO_COME = "still_to_come", "inscription {}, qui n'est pas encore appliquée à la liste"
    STILL_TO_LEAVE = "still_to_leave", "radiation {}, qui n'est pas encore appliquée à la liste"

    @property
    def is_on_liste(self) -> bool:
        """Whether the elector is on the list of the day and not counted by the tableau; else the contrary."""
        return self in {Reason.CAME_SINCE, Reason.OF_AGE_SINCE, Reason.STILL_TO_LEAVE}


_OF_AGE = {Reason.OF_AGE_SINCE, Reason.OF_AGE_LATER}
_SINCE = {Nature.INSCRIPTION: Reason.CAME_SINCE, Nature.RADIATION: Reason.LEFT_SINCE}
_WAITING = {Nature.INSCRIPTION: Reason.STILL_TO_COME, Nature.RADIATION: Reason.STILL_TO_LEAVE}


@dataclass(frozen=True)
class Difference:
    """One elector who is in one of the two only. Personal data: for the agent's own file, never for a log."""

    reason: Reason
    day: str
    """`du 25/10/2026`; for an undated mouvement, the days between which it happened."""
    nom_naissance: str
    prenoms: str
    date_naissance: str
    bureau: str

    @classmethod
    def of(cls, reason: Reason, mouvement: Mouvement) -> "Difference":
        """Build the difference of the elector of a mouvement."""
        who, bureau = mouvement.personne, mouvement.nouveau_bureau or mouvement.ancien_bureau
        of_age = majorite_on(who.date_naissance) if reason in _OF_AGE else None
        if of_age:
            day = f"le {short_date(of_age)}"
        else:
            day = format_date(mouvement) if mouvement.after else f"du {format_date(mouvement)}"
        return cls(reason, day, who.nom_naissance, who.prenoms, who.date_naissance, bureau)

    def to_record(self) -> dict[str, str]:
        """Return the JSON for the agent's file."""
        return asdict(self) | {
            "reason": self.reason.value,
            "is_on": "liste" if self.reason.is_on_liste else "tableau",
            "message": self.reason.label.format(self.day),
        }


@dataclass(frozen=True)
class Reconciliation:
    """A tableau since 2019 compared with the list of the day of its request, in one snapshot of the register."""

    liste_on: date
    version: int
    """The version of the register, which selects the electors of the list."""
    electeurs: int
    tableau_on: date
    age_on: date
    apres: int
    differences: Sequence[Difference]

    @property
    def unexplained(self) -> int:
        """Number of electors on the list without a reason; below zero, of electors that it lacks."""
        counted = sum(1 if it.reason.is_on_liste else -1 for it in self.differences)
        return self.electeurs - self.apres - counted

    def to_record(self) -> dict[str, Any]:
        """Return the JSON for the row of the file: counts and reasons, without names."""
        reasons = Counter(it.reason.value for it in self.differences)
        return {
            "liste_on": self.liste_on.isoformat(),
            "version": self.version,
            "electeurs": self.electeurs,
            "tableau_on": self.tableau_on.isoformat(),
            "age_on": self.age_on.isoformat(),
            "apres": self.apres,
            "differences": dict(sorted(reasons.items())),
            "unexplained": self.unexplained,
        }


def find_differences(demande: Demande, register: Register) -> Iterator[Difference]:
    """Yield the electors on the list of the day of the request that the tableau does not count, and the contrary.

    It yields nothing under the yearly revision, whose tableaux are counted from the current list.
    """
    period = Period.of(demande)
    if period is None:
        return
    until, age, jour = period.until, period.age_apres, demande.jour
    since = Period(until, jour, min(age, jour), jour, jour)
    for mouvement in OfAge(since, register.narrow(until, last_birth(since.age_avant))).stream():
        if mouvement.is_applied and mouvement.is_majorite:
            yield Difference.of(Reason.OF_AGE_SINCE, mouvement)
        elif mouvement.is_applied and since.has(mouvement) and mouvement.nature in _SINCE:
            yield Difference.of(_SINCE[mouvement.nature], mouvement)
    if age > jour:
        young = register.narrow(date.max, last_birth(jour))
        for mouvement in OfAge(period._replace(age_avant=jour), young).stream():
            is_young = is_mineur(mouvement.personne.date_naissance, jour)
            if mouvement.is_majorite and mouvement.is_applied and is_young:
                yield Difference.of(Reason.OF_AGE_LATER, mouvement)
    waiting = register.narrow(date.max, last_birth(period.age_avant), waiting=True)
    for mouvement in OfAge(period, waiting).stream():
        is_counted = mouvement.nature is Nature.INSCRIPTION or not is_mineur(
            mouvement.personne.date_naissance, jour
        )
        if (
            not mouvement.is_applied
            and is_in_period(mouvement, demande)
            and mouvement.nature in _WAITING
            and is_counted
        ):
            yield Difference.of(_WAITING[mouvement.nature], mouvement)
