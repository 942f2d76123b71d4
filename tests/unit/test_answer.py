"""Electors named in the platform's answer are found in the file where this is certain, and never guessed."""

import io
from datetime import date

import pytest

from producers.web.anomalies.report import find_about
from producers.web.depot.answer import ListedElecteur, match, read_electeurs
from worker.registre.models import Electeur
from worker.writers.columns import COLUMNS

SAID_ON = date(2026, 11, 26)
ZELIE = ListedElecteur("", "D'INVENTÉE", "Zélie Capucine", "14/03/1962", "0001")
HOMONYM = ListedElecteur("", "D'INVENTÉE", "Zélie", "02/05/1990", "0002")
FIFTH = ListedElecteur("5", "LIMONADE", "Adélaïde", "00/00/1961", "0001")
EVERYBODY = (ZELIE, HOMONYM, FIFTH)


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("Mme d'inventee Zelie, née le 14/03/1962 : adresse absente", [ZELIE]),
        ("D'INVENTÉE (02/05/1990) : sexe absent", [HOMONYM]),
        ("D'INVENTÉE Zélie : sexe absent", [ZELIE, HOMONYM]),
        ("Rejet du 26/11/2026. D'INVENTÉE Zélie : adresse absente", [ZELIE, HOMONYM]),
        ("D'INVENTÉE Zélie, née le 03/03/1933", []),
        ("Électeur n° 5 : nationalité absente", [FIFTH]),
        ("numéro 5 : nationalité absente", [FIFTH]),
        ("5 lignes en erreur", []),
        ("LIMONADE Adélaïde", [FIFTH]),
        ("LIMONADE", []),
        ("Colonne NOM FAMILLE inconnue", []),
    ],
)
def test_a_line_means_whom_it_names(line: str, expected: list[ListedElecteur]) -> None:
    found, others = match(f"{line}\n", SAID_ON, EVERYBODY)
    assert [it.electeur for it in found] == expected
    assert others == ([] if expected else [line])


def test_an_empty_answer_names_nobody() -> None:
    assert match("", SAID_ON, EVERYBODY) == ([], [])


def test_the_electors_of_a_file_and_what_its_report_says_of_them() -> None:
    known = {
        Electeur.nom_naissance: ZELIE.nom,
        Electeur.prenoms: ZELIE.prenoms,
        Electeur.date_naissance: ZELIE.naissance,
        Electeur.code_bureau: ZELIE.bureau,
    }
    row = [known.get(column.source, "") if column.source else "" for column in COLUMNS]
    file = io.BytesIO(f"{';'.join(column.name for column in COLUMNS)}\n{';'.join(row)}\n".encode())
    assert list(read_electeurs(file)) == [ZELIE]
    assert not file.closed
    report = io.BytesIO(
        "\ufeffGravité;Bureau;Numéro;Nom de naissance;Prénoms;Date de naissance;Colonne;Anomalie;Code\n"
        "bloquante;0001;12;D'INVENTÉE;Zélie Capucine;14/03/1962;Ville;Ville absente.;ville_absente\n"
        "bloquante;0001;13;AUTRE;Zélie Capucine;14/03/1962;Sexe;Sexe absent.;sexe_absent\n".encode()
    )
    about = find_about(report, {ZELIE[1:4]})
    assert [line.code for line in about[ZELIE[1:4]]] == ["ville_absente"]
