"""LIBREVILLE's mouvements as a CSV file: each of the six tableaux has something to show, before any second export."""

import csv
from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path
from typing import NamedTuple

from schemas.vocabulary import Categorie, Nature
from worker.demo.libreville import (
    BUREAUX,
    EVERY,
    LIBREVILLE,
    NEWCOMERS,
    POOL,
    demo_calendrier,
    first_rows,
    newcomers,
)
from worker.demo.reu_format import EUROPEENNE, MUNICIPALE, ReuRow
from worker.domain.mouvement import Effet, Etat
from worker.registre.mouvements.importer import TITLES


class _Cause(NamedTuple):
    """Why somebody comes, leaves or votes elsewhere: the category that is posted, the whole motif."""

    nature: Nature
    categorie: Categorie
    motif: str


_VOLONTAIRE = _Cause(Nature.INSCRIPTION, Categorie.INSCRIPTION_VOLONTAIRE, "Emménagement dans la commune")
_OFFICE = _Cause(Nature.INSCRIPTION, Categorie.INSCRIPTION_OFFICE, "Dix-huit ans révolus")
_JUGE = _Cause(Nature.INSCRIPTION, Categorie.INSCRIPTION_JUDICIAIRE, "Décision du tribunal judiciaire")
_DECES = _Cause(Nature.RADIATION, Categorie.RADIATION_DECES, "Décès à Libreville")
_PARTI = _Cause(Nature.RADIATION, Categorie.RADIATION_AUTRE_COMMUNE, "Inscription dans une autre commune")
_RADIE = _Cause(Nature.RADIATION, Categorie.RADIATION_DECISION, "Perte de l'attache avec la commune")
_DEMENAGE = _Cause(Nature.MODIFICATION, Categorie.CHANGEMENT_BUREAU, "Déménagement dans la commune")
_MARIE = _Cause(Nature.MODIFICATION, Categorie.MODIFICATION_ETAT_CIVIL, "Mariage")


class _Tableau(NamedTuple):
    """Mouvements of one tableau: their dates, and why each was made."""

    effet: Effet
    etat: Etat
    jour: date
    date_tableau: date | None
    scrutin: date | None
    causes: tuple[_Cause, ...]


def write_mouvements(path: Path, today: date) -> None:
    """Write the file, with the dates of `demo_calendrier(today)`; the second export changes nobody whom it names."""
    rows = [*_principale(today), *_complementary(today)]
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, list(TITLES), delimiter=";", lineterminator="\n")
        writer.writerow(TITLES)
        writer.writerows(rows)


def _tableaux(today: date) -> tuple[_Tableau, ...]:
    days = demo_calendrier(today)
    long_ago, before = days.reunion_precedente - timedelta(40), days.reunion - timedelta(10)
    return (
        _Tableau(Effet.PREMIER_MARS, Etat.ACTIF, long_ago, days.janvier, None, (
            *(_VOLONTAIRE, _VOLONTAIRE, _VOLONTAIRE, _OFFICE, _DECES, _PARTI, _PARTI, _RADIE, _DEMENAGE, _DEMENAGE),
            _MARIE,
        )),
        _Tableau(Effet.PREMIER_MARS, Etat.ACTIF, long_ago, days.fevrier, None, (_JUGE, _OFFICE, _DECES, _DEMENAGE)),
        _Tableau(Effet.ELECTION, Etat.ACTIF, long_ago, days.janvier, days.scrutin_additions, (_OFFICE,) * 3),
        _Tableau(Effet.IMMEDIAT, Etat.ACTIF, long_ago, days.janvier, days.scrutin, (_JUGE, _VOLONTAIRE, _DECES)),
        _Tableau(Effet.IMMEDIAT, Etat.APPLIQUE, before, None, None, (
            *(_VOLONTAIRE, _VOLONTAIRE, _DECES, _PARTI, _DEMENAGE),
        )),
        _Tableau(Effet.IMMEDIAT, Etat.APPLIQUE, today, None, None, (_JUGE, _PARTI)),
    )  # fmt: skip


def _principale(today: date) -> Iterator[dict[str, object]]:
    electeurs, _ = first_rows(today)
    on_list = iter(electeurs[6::EVERY] + electeurs[9::EVERY] + electeurs[12::EVERY])
    unlisted = iter(newcomers(NEWCOMERS, POOL))
    for tableau in _tableaux(today):
        for rank, cause in enumerate(tableau.causes):
            electeur = next(on_list if _is_on_list(cause, tableau) else unlisted)
            yield _row("P", electeur, cause, tableau, is_protegee=rank == 1)


def _complementary(today: date) -> Iterator[dict[str, object]]:
    """On each complementary list, who came and left before the commission's meeting, and for the yearly tableau."""
    _, electeurs = first_rows(today)
    yearly, *_, recent, _ = _tableaux(today)
    for liste, label in (("CE", EUROPEENNE), ("CM", MUNICIPALE)):
        on_list = [electeur for electeur in electeurs if electeur.liste == label][4:7]
        yield _row(liste, on_list[0], _VOLONTAIRE, recent)
        yield _row(liste, on_list[1]._replace(nom="MISTIGRIS", prenoms="Zéphirin"), _PARTI, recent)
        yield _row(liste, on_list[2], _DECES, yearly)
        yield _row(liste, on_list[2]._replace(nom="CAPUCHON", prenoms="Ombeline"), _VOLONTAIRE, yearly)


def _is_on_list(cause: _Cause, tableau: _Tableau) -> bool:
    """Whether the list of today shows the elector of a mouvement."""
    return cause.nature is Nature.MODIFICATION or (
        (cause.nature is Nature.INSCRIPTION) == (tableau.etat is Etat.APPLIQUE)
    )


def _row(
    liste: str, electeur: ReuRow, cause: _Cause, tableau: _Tableau, *, is_protegee: bool = False
) -> dict[str, object]:
    ancien, nouveau = _bureaux(electeur.bureau, cause, tableau)
    return {
        "code_commune": LIBREVILLE.code,
        "liste": liste,
        "nature": cause.nature.value,
        "effet": tableau.effet.value,
        "etat": tableau.etat.value,
        "date_mouvement": _format(tableau.jour),
        "nom_naissance": electeur.nom,
        "prenoms": electeur.prenoms,
        "date_naissance": _eighteen_years_before(tableau) if cause is _OFFICE else electeur.date_naissance,
        "categorie": cause.categorie.value,
        "motif": cause.motif,
        "date_tableau": _format(tableau.date_tableau),
        "scrutin": _format(tableau.scrutin),
        "ancien_bureau": ancien,
        "nouveau_bureau": nouveau,
        "numero": electeur.numero_ordre if tableau.etat is Etat.APPLIQUE else "",
        "nom_usage": "POIRIER-DES-BROUETTES" if cause is _MARIE else electeur.nom_usage,
        "commune_naissance": electeur.commune_naissance,
        "departement_naissance": electeur.departement_naissance,
        "pays_naissance": electeur.pays_naissance,
        "adresse": f"{electeur.numero_voie} {electeur.voie}, {electeur.code_postal} {electeur.ville}",
        "nationalite": electeur.nationalite,
        "is_protegee": "oui" if is_protegee else "",
    }


def _bureaux(now: str, cause: _Cause, tableau: _Tableau) -> tuple[str, str]:
    """The bureaux before and after; of a change that is not applied yet, the elector is still in the former one."""
    if cause.nature is Nature.INSCRIPTION:
        return "", now
    if cause.nature is Nature.RADIATION:
        return now, ""
    if cause is _MARIE:
        return now, now
    other = next(bureau.bureau for bureau in BUREAUX if bureau.bureau != now)
    return (now, other) if tableau.etat is Etat.ACTIF else (other, now)


def _eighteen_years_before(tableau: _Tableau) -> str:
    return f"12/09/{(tableau.date_tableau or tableau.jour).year - 19}"


def _format(day: date | None) -> str:
    return f"{day:%d/%m/%Y}" if day else ""
