"""What is wrong with mouvements, before a tableau is made of them: each anomaly with what a clerk is to do."""

from collections import Counter
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass

from schemas.vocabulary import Severity
from worker.domain.bilan import arrives_in, leaves
from worker.domain.calendrier import cloture, dix_janvier, regime_on
from worker.domain.collation import base_letters
from worker.domain.mouvement import Categorie, Effet, Etat, Mouvement, Nature, Personne
from worker.domain.types_tableau import Regime

Identite = tuple[str, str, str, str]
"""Birth name, first names, date of birth, commune or country of birth: homonyms share it, they are real."""


@dataclass(frozen=True)
class AnomalieMouvement:
    """One thing to look at: a stable code, how much it matters, what to do, in French, and where."""

    code: str
    severity: Severity
    message: str
    mouvement_id: int


_BLOCKING, _REMARK = Severity.BLOCKING, Severity.REMARK
_MESSAGES = {
    "radiation_hors_liste": (_BLOCKING, "Radiation d'un électeur qui n'est pas sur la liste : vérifier son identité."),
    "modification_hors_liste": (
        _BLOCKING,
        "Modification d'un électeur qui n'est pas sur la liste : vérifier son identité.",
    ),
    "deja_inscrit": (
        _BLOCKING,
        "Inscription d'un électeur déjà sur la liste : vérifier qu'il s'agit d'un homonyme, sinon la retirer.",
    ),
    "electeur_en_double": (_REMARK, "Plusieurs mouvements pour le même électeur : vérifier qu'ils sont homonymes."),
    "motif_absent": (_REMARK, "Mouvement sans motif ou sans catégorie : l'indiquer."),
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
    "categorie_incoherente": (_REMARK, "La catégorie du motif ne s'accorde pas avec le mouvement : la vérifier."),
}

CATEGORIES = {
    Nature.INSCRIPTION: {
        Categorie.INSCRIPTION_VOLONTAIRE,
        Categorie.INSCRIPTION_OFFICE,
        Categorie.INSCRIPTION_JUDICIAIRE,
    },
    Nature.RADIATION: {
        Categorie.RADIATION_DECES,
        Categorie.RADIATION_AUTRE_COMMUNE,
        Categorie.RADIATION_DECISION,
    },
    Nature.MODIFICATION: {Categorie.CHANGEMENT_BUREAU, Categorie.MODIFICATION_ETAT_CIVIL},
}
"""The categories that a mouvement of each nature may have; one that is not known goes with all of them."""


def identite(nom_naissance: str, prenoms: str, date_naissance: str, commune: str, pays: str) -> Identite:
    """The key an elector is known by; accents, case and hyphens do not count."""
    return base_letters(nom_naissance), base_letters(prenoms), date_naissance, base_letters(commune or pays)


def identite_of(personne: Personne) -> Identite:
    """The key of the elector of a mouvement."""
    return identite(
        personne.nom_naissance,
        personne.prenoms,
        personne.date_naissance,
        personne.commune_naissance,
        personne.pays_naissance,
    )


def check_mouvements(
    mouvements: Iterable[Mouvement], inscrits: Collection[Identite], bureaux: Collection[str]
) -> list[AnomalieMouvement]:
    """The anomalies of the mouvements of one list, in their order.

    `inscrits`: the electors on the list now (those of the mouvements are enough). Only mouvements that are not applied
    yet are compared with it: it shows the others already. `bureaux`: the codes of the commune.
    """
    mouvements = list(mouvements)
    times = Counter(identite_of(mouvement.personne) for mouvement in mouvements)
    anomalies = []
    for mouvement in mouvements:
        key = identite_of(mouvement.personne)
        codes = [*_identity_codes(mouvement, is_on_list=key in inscrits, times=times[key])]
        codes += [*_bureau_codes(mouvement, bureaux), *_own_codes(mouvement)]
        anomalies += [AnomalieMouvement(code, *_MESSAGES[code], mouvement.id) for code in codes]
    return anomalies


def _identity_codes(mouvement: Mouvement, *, is_on_list: bool, times: int) -> Iterator[str]:
    if mouvement.etat is Etat.ACTIF:
        if mouvement.nature is Nature.INSCRIPTION and is_on_list:
            yield "deja_inscrit"
        if mouvement.nature is not Nature.INSCRIPTION and not is_on_list:
            yield f"{mouvement.nature}_hors_liste"
    if times > 1:
        yield "electeur_en_double"


def _bureau_codes(mouvement: Mouvement, bureaux: Collection[str]) -> Iterator[str]:
    concerned = {code for code in (arrives_in(mouvement), leaves(mouvement)) if code is not None}
    if concerned - {*bureaux, ""}:
        yield "bureau_inconnu"
    if "" in concerned:
        yield "bureau_absent"


def _own_codes(mouvement: Mouvement) -> Iterator[str]:
    if not mouvement.motif.strip() or _prints_no_category(mouvement):
        yield "motif_absent"
    if mouvement.categorie not in {Categorie.NON_PRECISEE, *CATEGORIES[mouvement.nature]}:
        yield "categorie_incoherente"
    day = mouvement.date_tableau
    if mouvement.effet is Effet.ELECTION:
        if mouvement.nature is not Nature.INSCRIPTION:
            yield "addition_sans_inscription"
        elif mouvement.scrutin is None:
            yield "addition_sans_scrutin"
    elif regime_on(day) is Regime.REVISION_ANNUELLE and day not in {dix_janvier(day.year), cloture(day.year)}:
        yield "date_tableau_inhabituelle"


def _prints_no_category(mouvement: Mouvement) -> bool:
    return mouvement.categorie is Categorie.NON_PRECISEE and not mouvement.is_changement_bureau
