"""LIBREVILLE's mouvements as a CSV file: each of the six tableaux has something to show.

They have their exact dates and motifs. Those of the yearly revision are of 2017 and 2018.
"""

import csv
from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path
from typing import NamedTuple

from schemas.vocabulary import Categorie, Nature
from worker.demo.libreville import (
    BUREAUX,
    EVERY,
    FEVRIER,
    JANVIER,
    LIBREVILLE,
    NEWCOMERS,
    POOL,
    SCRUTIN_2018,
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
_EIGHTEEN_FOR_THE_POLL = {("PRIMEVÈRE", "Maëlys"), ("CERISAIE", "Suzon")}
"""Those of `age_cases` who turn eighteen today and tomorrow."""
_DECES = _Cause(Nature.RADIATION, Categorie.RADIATION_DECES, "Décès à Libreville")
_PARTI = _Cause(Nature.RADIATION, Categorie.RADIATION_AUTRE_COMMUNE, "Inscription dans une autre commune")
_RADIE = _Cause(Nature.RADIATION, Categorie.RADIATION_DECISION, "Perte de l'attache avec la commune")
_DEMENAGE = _Cause(Nature.MODIFICATION, Categorie.CHANGEMENT_BUREAU, "Déménagement dans la commune")
_MARIE = _Cause(Nature.MODIFICATION, Categorie.MODIFICATION_ETAT_CIVIL, "Mariage")


class _Tableau(NamedTuple):
    """Mouvements of one tableau, applied to the list: their dates, and why each was made."""

    effet: Effet
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
    before = demo_calendrier(today).reunion - timedelta(10)
    return (
        _Tableau(Effet.PREMIER_MARS, date(2017, 10, 2), JANVIER, None, (
            *(_VOLONTAIRE, _VOLONTAIRE, _VOLONTAIRE, _OFFICE, _DECES, _PARTI, _PARTI, _RADIE, _DEMENAGE, _DEMENAGE),
            _MARIE,
        )),
        _Tableau(Effet.PREMIER_MARS, date(2018, 1, 22), FEVRIER, None, (_JUGE, _OFFICE, _DECES, _DEMENAGE)),
        _Tableau(Effet.ELECTION, date(2018, 1, 29), JANVIER, SCRUTIN_2018, (_OFFICE,) * 3),
        _Tableau(Effet.IMMEDIAT, date(2018, 3, 19), JANVIER, SCRUTIN_2018, (_JUGE, _VOLONTAIRE, _DECES)),
        _Tableau(Effet.IMMEDIAT, before, None, None, (
            *(_VOLONTAIRE, _VOLONTAIRE, _DECES, _PARTI, _DEMENAGE),
        )),
        _Tableau(Effet.IMMEDIAT, today, None, None, (_JUGE, _PARTI)),
    )  # fmt: skip


def _principale(today: date) -> Iterator[dict[str, object]]:
    electeurs, _ = first_rows(today)
    on_list = iter(electeurs[6::EVERY] + electeurs[9::EVERY] + electeurs[12::EVERY])
    unlisted = iter(newcomers(NEWCOMERS, POOL))
    for tableau in _tableaux(today):
        for rank, cause in enumerate(tableau.causes):
            is_on_list = cause.nature is not Nature.RADIATION and cause is not _OFFICE
            electeur = next(on_list if is_on_list else unlisted)
            yield _row("P", electeur, cause, tableau, is_protegee=rank == 1)
    *_, recent, _ = _tableaux(today)
    for electeur in electeurs:
        if (electeur.nom, electeur.prenoms) in _EIGHTEEN_FOR_THE_POLL:
            yield _row("P", electeur, _OFFICE, recent)


def _complementary(today: date) -> Iterator[dict[str, object]]:
    """An inscription and a radiation of each complementary list before the meeting, and for the yearly tableau."""
    _, electeurs = first_rows(today)
    yearly, *_, recent, _ = _tableaux(today)
    for liste, label in (("CE", EUROPEENNE), ("CM", MUNICIPALE)):
        on_list = [electeur for electeur in electeurs if electeur.liste == label][4:7]
        yield _row(liste, on_list[0], _VOLONTAIRE, recent)
        yield _row(liste, on_list[1]._replace(nom="MISTIGRIS", prenoms="Zéphirin"), _PARTI, recent)
        yield _row(liste, on_list[2], _VOLONTAIRE, yearly)
        yield _row(liste, on_list[2]._replace(nom="CAPUCHON", prenoms="Ombeline"), _DECES, yearly)


def _row(
    liste: str, electeur: ReuRow, cause: _Cause, tableau: _Tableau, *, is_protegee: bool = False
) -> dict[str, object]:
    ancien, nouveau = _bureaux(electeur.bureau, cause)
    return {
        "code_commune": LIBREVILLE.code,
        "liste": liste,
        "nature": cause.nature.value,
        "effet": tableau.effet.value,
        "etat": Etat.APPLIQUE.value,
        "date_mouvement": _format(tableau.jour),
        "nom_naissance": electeur.nom,
        "prenoms": electeur.prenoms,
        "date_naissance": (_eighteen_in_2018(tableau) if cause is _OFFICE else "") or electeur.date_naissance,
        "categorie": cause.categorie.value,
        "motif": cause.motif,
        "date_tableau": _format(tableau.date_tableau),
        "scrutin": _format(tableau.scrutin),
        "ancien_bureau": ancien,
        "nouveau_bureau": nouveau,
        "numero": electeur.numero_ordre,
        "nom_usage": "POIRIER-DES-BROUETTES" if cause is _MARIE else electeur.nom_usage,
        "commune_naissance": electeur.commune_naissance,
        "departement_naissance": electeur.departement_naissance,
        "pays_naissance": electeur.pays_naissance,
        "adresse": f"{electeur.numero_voie} {electeur.voie}, {electeur.code_postal} {electeur.ville}",
        "nationalite": electeur.nationalite,
        "is_protegee": "oui" if is_protegee else "",
    }


def _bureaux(now: str, cause: _Cause) -> tuple[str, str]:
    """The bureaux before and after."""
    if cause.nature is Nature.INSCRIPTION:
        return "", now
    if cause.nature is Nature.RADIATION:
        return now, ""
    if cause is _MARIE:
        return now, now
    return next(bureau.bureau for bureau in BUREAUX if bureau.bureau != now), now


def _eighteen_in_2018(tableau: _Tableau) -> str:
    """Of age before the first of March; for the tableau des additions, between that day and the poll; else empty."""
    return {Effet.ELECTION: "12/03/2000", Effet.PREMIER_MARS: "12/02/2000"}.get(tableau.effet, "")


def _format(day: date | None) -> str:
    return f"{day:%d/%m/%Y}" if day else ""
