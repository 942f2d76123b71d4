"""What is wrong with mouvements is told beside the tableau, in a clerk's words; the tableau is made all the same."""

import csv
import hashlib
import io
from collections import Counter
from typing import Any

import pytest
from sqlalchemy.orm import Session

from schemas.tableaux import Presentation, TypeTableau
from tests.integration.tableau_desk import TableauDesk, open_desk
from tests.integration.tableau_register import (
    CHANGEMENT,
    INSCRIPTION,
    RADIATION,
    REUNION,
    REUNION_PRECEDENTE,
    SCRUTIN,
    named,
    write_register,
)
from tests.parts.town import MIGRATED_TEMPLATE
from worker.exports.models import Export

pytestmark = [pytest.mark.integration, pytest.mark.database(MIGRATED_TEMPLATE), pytest.mark.desk(opened_by=open_desk)]

VINGT_JOURS: dict[str, Any] = {
    "types": [TypeTableau.VINGT_JOURS],
    "scrutin": SCRUTIN,
    "reunion": REUNION_PRECEDENTE,
    "until": REUNION,
}
WAITING = {"etat": "actif"}
KNOWN = [RADIATION | WAITING | named("SUR-LA-LISTE"), INSCRIPTION | WAITING | named("DÉJÀ", "Inscrite")]
FAULTS = [
    *KNOWN,
    RADIATION | WAITING | named("HORS LISTE"),
    CHANGEMENT | WAITING | named("AILLEURS"),
    INSCRIPTION | named("EN DOUBLE", "Zoé"),
    RADIATION | named("En-Double", "Zoe"),
    INSCRIPTION | named("SANS MOTIF", motif="", categorie=""),
    INSCRIPTION | named("SANS CATÉGORIE", categorie="", motif="Recours"),
    INSCRIPTION | WAITING | named("BUREAU INCONNU", nouveau_bureau="99"),
    INSCRIPTION | WAITING | named("SANS BUREAU", nouveau_bureau=""),
    INSCRIPTION | named("CATÉGORIE FAUSSE", categorie="radiation_deces"),
]
FORMULAS = ("=cmd|' /C calc'!A0", "+33 6 39 98 00 00", "@SOMME(A1)", "-2+3")
DOUBLE = "Plusieurs mouvements pour le même électeur : vérifier qu'ils sont homonymes."
SANS_MOTIF = "Motif inconnu : l'indiquer (page « Dates et motifs »)."


def _line(severity: str, bureau: str, numero: str, *rest: str) -> list[str]:
    nom, prenoms, column, message, code = rest
    return [severity, bureau, numero, nom, prenoms, "14/03/1962", column, message, code]


EXPECTED = [
    _line("bloquante", "1", "0", "DÉJÀ", "Inscrite", "nom de naissance",
          "Inscription d'un électeur déjà sur la liste : vérifier qu'il s'agit d'un homonyme, sinon la retirer.",
          "deja_inscrit"),
    _line("bloquante", "1", "0", "HORS LISTE", "Zoé", "nom de naissance",
          "Radiation d'un électeur qui n'est pas sur la liste : vérifier son identité.", "radiation_hors_liste"),
    _line("bloquante", "1 → 2", "0", "AILLEURS", "Zoé", "nom de naissance",
          "Modification d'un électeur qui n'est pas sur la liste : vérifier son identité.", "modification_hors_liste"),
    _line("à compléter", "1", "12", "SANS MOTIF", "Zoé", "motif", SANS_MOTIF, "motif_absent"),
    _line("à compléter", "1", "12", "SANS CATÉGORIE", "Zoé", "motif", SANS_MOTIF, "motif_absent"),
    _line("bloquante", "99", "0", "BUREAU INCONNU", "Zoé", "nouveau bureau",
          "Bureau de vote inconnu dans la commune : corriger son code.", "bureau_inconnu"),
    _line("remarque", "–", "0", "SANS BUREAU", "Zoé", "nouveau bureau",
          "Mouvement sans bureau de vote : affecter l'électeur à un bureau.", "bureau_absent"),
    _line("remarque", "1", "12", "CATÉGORIE FAUSSE", "Zoé", "catégorie",
          "La catégorie du motif ne s'accorde pas avec le mouvement : la vérifier.", "categorie_incoherente"),
    _line("remarque", "1", "12", "EN DOUBLE", "Zoé", "nom de naissance", DOUBLE, "electeur_en_double"),
    _line("remarque", "1", "12", "En-Double", "Zoe", "nom de naissance", DOUBLE, "electeur_en_double"),
]  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("presentation", Presentation)
def test_each_anomaly_is_told_with_what_to_do(desk: TableauDesk, presentation: Presentation) -> None:
    write_register(desk.engine, FAULTS, inscrits=KNOWN)
    made = desk.make(**VINGT_JOURS, presentations=[presentation])
    lacks = presentation is not Presentation.RECAPITULATIF
    expected = [line for line in EXPECTED if lacks or line[0] != "à compléter"]
    assert made.anomalies == expected
    severities = Counter(line[0] for line in expected)
    assert (made.row["bloquantes"], made.row["remarques"]) == (severities["bloquante"], severities["remarque"])
    assert made.row["a_completer"] == severities["à compléter"]
    assert made.row["electeurs"] == len(FAULTS)
    if presentation is Presentation.COMMUNE:
        assert all(row["nom_naissance"] in made.text for row in FAULTS), "made all the same"


def test_the_row_knows_the_report_as_it_is_on_the_disk(desk: TableauDesk) -> None:
    write_register(desk.engine, [it | {"motif": "", "categorie": ""} for it in (INSCRIPTION, RADIATION)])
    made = desk.make(**VINGT_JOURS)
    report = made.path.with_name(made.row["report_name"])
    assert made.row["report_name"] == "tableau-vingt_jours-P-13900-commune-20270320-093000-pdf-anomalies.csv"
    assert made.row["report_size"] == report.stat().st_size
    assert made.row["report_sha256"] == hashlib.sha256(report.read_bytes()).hexdigest()
    assert desk.files() == sorted([made.path.name, report.name])
    with Session(desk.engine) as session:
        recorded = session.get_one(Export, made.row["export_id"]).anomalies
    assert recorded == [
        {"code": "motif_absent", "severity": "a_completer", "column": "motif", "count": 2},
        {"code": "electeur_en_double", "severity": "remarque", "column": "nom de naissance", "count": 2},
    ]


def test_no_cell_can_become_a_formula(desk: TableauDesk) -> None:
    rows = [
        INSCRIPTION | {"motif": "", "nom_naissance": formula, "prenoms": formula, "nouveau_bureau": formula}
        for formula in FORMULAS
    ]
    write_register(desk.engine, [*rows, INSCRIPTION | {"motif": "", "date_naissance": "=1+1"}])
    made = desk.make(**VINGT_JOURS)
    report = made.path.with_name(made.row["report_name"]).read_text("utf-8-sig")
    cells = [cell for line in csv.reader(io.StringIO(report), delimiter=";") for cell in line]
    assert not [cell for cell in cells if cell.startswith(("=", "+", "-", "@", "\t", "\r"))]
    assert all(cells.count(f"'{formula}") >= 3 for formula in FORMULAS), "and none is lost"
