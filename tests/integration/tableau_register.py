"""A register of mouvements, written by SQL as a service does, with mouvements for each of the six tableaux."""

from collections.abc import Iterable, Mapping
from datetime import UTC, date, datetime
from typing import Any

from sqlalchemy import Engine, insert, select

from schemas.tableaux import TypeTableau
from worker.db.types import Base
from worker.registre.models import (
    Bureau,
    Commission,
    Commune,
    Electeur,
    Import,
    ListeCommunale,
    MouvementRegistre,
    Scrutin,
)

COMMUNE, NOM = "13900", "LIBREVILLE"
JANVIER, FEVRIER = date(2014, 1, 10), date(2014, 2, 28)
MUNICIPALES, EUROPEENNES = date(2014, 3, 23), date(2014, 5, 25)
SCRUTIN, REUNION, REUNION_PRECEDENTE = date(2027, 4, 11), date(2027, 3, 19), date(2026, 9, 18)

VINGT_JOURS: dict[str, Any] = {
    "types": [TypeTableau.VINGT_JOURS],
    "scrutin": SCRUTIN,
    "reunion": REUNION_PRECEDENTE,
    "until": REUNION,
}
"""The default request, where nothing else matters."""

Row = dict[str, Any]

INSCRIPTION: Row = {
    "code_commune": COMMUNE,
    "liste": "P",
    "nature": "inscription",
    "effet": "Immediat",
    "etat": "applique",
    "categorie": "inscription_volontaire",
    "motif": "Emménagement dans la commune",
    "date_tableau": date(2027, 1, 20),
    "date_mouvement": date(2027, 1, 20),
    "scrutin": None,
    "ancien_bureau": "",
    "nouveau_bureau": "1",
    "numero": 12,
    "nom_naissance": "TAMBOURIN",
    "nom_usage": "",
    "prenoms": "Zoé",
    "date_naissance": "1962-03-14",
    "commune_naissance": "ARLES",
    "departement_naissance": "13",
    "pays_naissance": "FRANCE",
    "adresse": "3 Rue des Abeilles, 13900 LIBREVILLE",
    "nationalite": "Française",
    "is_protegee": False,
}
"""By default in the tableau des vingt jours before SCRUTIN."""
RADIATION: Row = INSCRIPTION | {
    "nature": "radiation",
    "categorie": "radiation_deces",
    "motif": "Décès à Libreville",
    "ancien_bureau": "1",
    "nouveau_bureau": "",
}
TARDIVE: Row = INSCRIPTION | {"categorie": "inscription_l30", "motif": "Mutation du 15 mars"}
"""After the last day for registration. Code électoral, art. L. 30."""
CHANGEMENT: Row = INSCRIPTION | {
    "nature": "modification",
    "categorie": "changement_bureau",
    "motif": "Déménagement dans la commune",
    "ancien_bureau": "1",
    "nouveau_bureau": "2",
}


def named(nom: str, prenoms: str = "Zoé", **changes: Any) -> Row:  # noqa: ANN401 — columns
    """Columns of a mouvement of an elector of this name."""
    return {"nom_naissance": nom, "prenoms": prenoms} | changes


_BORN_ABROAD = {
    "departement_naissance": "99",
    "commune_naissance": "PRAGUE",
    "pays_naissance": "TCHÉQUIE",
}
_BORN_SOMEWHERE = {
    "departement_naissance": "99",
    "commune_naissance": "",
    "pays_naissance": "ALGÉRIE",
}
_JUGEMENT = {"categorie": "inscription_judiciaire", "motif": "Jugement du 20 janvier"}
_CONDAMNATION = {"categorie": "radiation_judiciaire", "motif": "Condamnation du 3 mai"}

_OF_TABLEAU: Mapping[TypeTableau, tuple[Row, list[tuple[Row, Row]]]] = {
    TypeTableau.PREMIER_RECTIFICATIF: (
        {"effet": "1erMars", "date_tableau": JANVIER, "date_mouvement": date(2013, 10, 2)},
        [
            *(
                (INSCRIPTION, named(nom))
                for nom in ("LE BROC", "LEBROC", "LE-BROC", "D'AUBIGNÉ", "DAUBIGNY", "Nagyő")
            ),
            (INSCRIPTION, named("LE BROCANTEUR")),
            (INSCRIPTION, named("CÔTELETTE")),
            (INSCRIPTION, named("COTELETTE", "Zébulon")),
            (INSCRIPTION, named("COTELÉTTE", "Aglaé", nouveau_bureau="10")),
            (INSCRIPTION, named("Šťastný", "Łukasz", **_BORN_ABROAD)),
            (INSCRIPTION, named("ŁUCARNE", "Ștefan", categorie="inscription_office")),
            (
                INSCRIPTION,
                named("LUCARNE", "Ștefan", nom_usage="D’AUBIGNÉ-ŒUVRARD", **_BORN_SOMEWHERE),
            ),
            (RADIATION, named("ÉPUISETTE", "Ange", **_CONDAMNATION)),
            (
                RADIATION,
                named("EPUISETTE", "Zéphirin", is_protegee=True, adresse="8 Impasse du Cachot"),
            ),
            (CHANGEMENT, named("GIROUETTE", "Ève", ancien_bureau="10")),
            (CHANGEMENT, named("MARIAGE", nouveau_bureau="1", categorie="modification_etat_civil")),
        ],
    ),
    TypeTableau.SECOND_RECTIFICATIF: (
        {"effet": "1erMars", "date_tableau": FEVRIER, "date_mouvement": date(2014, 2, 3)},
        [
            (INSCRIPTION, named("QUENOUILLE", **_JUGEMENT)),
            (RADIATION, named("CAPELINE", ancien_bureau="2", categorie="radiation_autre_commune")),
        ],
    ),
    TypeTableau.ADDITIONS: (
        {
            "effet": "Election",
            "date_tableau": JANVIER,
            "date_mouvement": date(2014, 1, 9),
            "scrutin": EUROPEENNES,
        },
        [
            (
                INSCRIPTION,
                named(
                    "BROUETTE",
                    date_naissance="1996-04-01",
                    nouveau_bureau="2",
                    nom_usage="BROUETTE",
                ),
            ),
            (
                INSCRIPTION,
                named("BROUETTE", date_naissance="1996-02-29", categorie="inscription_office"),
            ),
        ],
    ),
    TypeTableau.CINQ_JOURS: (
        {"date_tableau": JANVIER, "date_mouvement": date(2014, 3, 10), "scrutin": MUNICIPALES},
        [
            (INSCRIPTION, named("ARROSOIR", "Noémie")),
            (RADIATION, named("ARROSOIR", "Noël")),
            (CHANGEMENT, named("PARAPLUIE", "Octavie", ancien_bureau="2", nouveau_bureau="10")),
        ],
    ),
    TypeTableau.VINGT_JOURS: (
        {},
        [
            (
                INSCRIPTION,
                named("CALEBASSE", "Marie Capucine", is_protegee=True, adresse="9 Allée Secrète"),
            ),
            (INSCRIPTION, named("CORMIER", date_mouvement=date(2026, 9, 19), nouveau_bureau="10")),
            (INSCRIPTION, named("LANTERNE", date_mouvement=REUNION)),
            (
                RADIATION,
                named("SALSIFIS", "Pierre-Yves", ancien_bureau="2", categorie="", motif=""),
            ),
            (CHANGEMENT, named("CERF-VOLANT", "Xavière", categorie="")),
        ],
    ),
    TypeTableau.CINQ_JOURS_REU: (
        {"date_tableau": date(2027, 3, 25), "date_mouvement": date(2027, 3, 25)},
        [
            (TARDIVE, named("DOMINO", etat="actif", numero=0, date_mouvement=date(2027, 4, 5))),
            (TARDIVE, named("BOBINE", date_mouvement=date(2027, 3, 20), nouveau_bureau="2")),
            (RADIATION, named("RUCHER", "Clotilde", etat="actif")),
            (RADIATION, named("SAUGE", ancien_bureau="10")),
        ],
    ),
}
_ELSEWHERE: list[Row] = [
    {"effet": "1erMars", "date_tableau": date(2015, 1, 10), "date_mouvement": date(2014, 10, 2)},
    {"date_tableau": REUNION_PRECEDENTE, "date_mouvement": REUNION_PRECEDENTE},
    {"date_tableau": date(2027, 4, 7), "date_mouvement": date(2027, 4, 7)},
    {"liste": "CE", "effet": "1erMars", "date_tableau": JANVIER},
    {"code_commune": "13055"},
]
"""In none of the six: another date, another list, another commune. Arrivals and departures are equal in number."""

MOUVEMENTS = [
    *(kind | dates | changes for dates, rows in _OF_TABLEAU.values() for kind, changes in rows),
    *(
        kind | changes | named("AILLEURS")
        for changes in _ELSEWHERE
        for kind in (INSCRIPTION, RADIATION)
    ),
]
BUREAUX = {"10": "GYMNASE DU LAC", "1": "HÔTEL DE VILLE", "2": "ÉCOLE D’ŒUVRARD"}
ELECTEURS = {"1": 40, "2": 25, "10": 6, "": 2}
"""The number of electors on the principal list now, by bureau."""


_IDENTITE = ("nom_naissance", "prenoms", "date_naissance", "commune_naissance", "pays_naissance")


_COMPLETE = {
    "id": 1,
    "kind": "mouvements",
    "file_name": "",
    "sha256": "",
    "imported_by": "service",
    "finished_at": datetime(2026, 1, 1, tzinfo=UTC),
    "complete_until": date(2099, 12, 31),
}


def write_register(
    engine: Engine,
    mouvements: Iterable[Row],
    *,
    commune: tuple[str, str] = (COMMUNE, NOM),
    bureaux: Mapping[str, str] = BUREAUX,
    electeurs: Mapping[str, int] = ELECTEURS,
    inscrits: Iterable[Row] = (),
    liste: str = "P",
) -> None:
    """Write a commune, its bureaux, a list and the mouvements, whose ids are their positions from 1.

    The list contains this many other electors in each bureau, and the electors of the mouvements `inscrits`.
    """
    of_commune = {"code_commune": commune[0]}
    on_liste = of_commune | {"liste": liste, "version": 1}
    others = [
        {
            "code_bureau": code,
            "nom_naissance": "FIGURANT",
            "prenoms": f"Zoé {number}",
            "date_naissance": "1950-01-01",
        }
        for code, count in electeurs.items()
        for number in range(count)
    ]
    known = [
        {"code_bureau": row["ancien_bureau"]} | {name: row[name] for name in _IDENTITE}
        for row in inscrits
    ]
    rows: list[tuple[type[Base], list[dict[str, Any]]]] = [
        (Commune, [{"code": commune[0], "nom": commune[1], "code_departement": commune[0][:2]}]),
        (ListeCommunale, [on_liste]),
        (
            Bureau,
            [of_commune | {"code": code, "libelle": libelle} for code, libelle in bureaux.items()],
        ),
        (Electeur, [on_liste | electeur for electeur in others]),
        (Electeur, [on_liste | electeur for electeur in known]),
    ]
    with engine.begin() as connection:
        for table, values in rows:
            if values:
                connection.execute(insert(table), values)
    write_mouvements(engine, mouvements)


def write_mouvements(engine: Engine, mouvements: Iterable[Row]) -> None:
    """Write mouvements, whose ids are their positions from 1, with the service's statement that they are complete."""
    with engine.begin() as connection:
        if values := [
            {"id": number, "import_id": 1, **row} for number, row in enumerate(mouvements, 1)
        ]:
            if connection.scalar(select(Import.id).where(Import.id == 1)) is None:
                connection.execute(insert(Import), _COMPLETE)
            connection.execute(insert(MouvementRegistre), values)


def add_scrutin(
    engine: Engine, scrutin: date, *reunions: date, code_commune: str = COMMUNE
) -> None:
    """Add a poll and meetings of the commission to the register."""
    with engine.begin() as connection:
        connection.execute(insert(Scrutin).values(code_commune=code_commune, date=scrutin))
        for reunion in reunions:
            connection.execute(insert(Commission).values(code_commune=code_commune, date=reunion))
