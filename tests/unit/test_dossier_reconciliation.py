"""The dossier compares its tableaux with its list: the same electors, the differing ones, or why this is unknown."""

import json
from typing import Any

import pytest

from producers.web.dossier.assembly import DossierFile, Reconciled, judge, write_reconciliation
from schemas.tableaux import TypeTableau
from schemas.vocabulary import ExportKind
from tests.unit.asked_files import ready_list

OF_LISTE = {"liste_on": "2026-11-25", "version": 7, "electeurs": 102}
OF_TABLEAU = OF_LISTE | {
    "tableau_on": "2026-11-20",
    "age_on": "2026-12-13",
    "apres": 103,
    "differences": {"of_age_later": 2, "came_since": 1},
    "unexplained": 0,
}
GROWS = {
    "is_on": "tableau",
    "nom_naissance": "GERBOISE",
    "prenoms": "Zoé",
    "date_naissance": "2008-12-01",
    "bureau": "0001",
    "message": "dix-huit ans le 01/12/2026 : compte pour le tableau, pas encore sur la liste",
}
COMES = GROWS | {"is_on": "liste", "nom_naissance": "GIRAFON", "message": "inscription du 24/11/2026, après le tableau"}


def _liste(**changes: Any) -> Any:  # noqa: ANN401 — an AskedFile
    return ready_list(1, electeurs=102, reconciliation=OF_LISTE | changes)


def _tableau(**changes: Any) -> Any:  # noqa: ANN401 — an AskedFile
    return ready_list(
        2, kind=ExportKind.TABLEAU, type_tableau=TypeTableau.VINGT_JOURS, reconciliation=OF_TABLEAU | changes
    )


@pytest.mark.parametrize(
    ("tableau", "liste", "expected"),
    [
        ({}, {}, Reconciled.EXPLAINED),
        ({"differences": {}, "apres": 102}, {}, Reconciled.AGREES),
        ({"unexplained": -1}, {}, Reconciled.CONTRADICTS),
        ({}, {"electeurs": 101}, Reconciled.CONTRADICTS),
        ({}, {"version": 6}, Reconciled.OTHER_REGISTER),
        ({}, {"liste_on": "2026-11-24"}, Reconciled.OTHER_DAY),
    ],
)
def test_the_verdict(tableau: dict[str, Any], liste: dict[str, Any], expected: Reconciled) -> None:
    assert judge(_tableau(**tableau), _liste(**liste)) is expected
    assert expected.is_proved == (expected in {Reconciled.AGREES, Reconciled.EXPLAINED})


def test_what_cannot_be_held_together() -> None:
    assert judge(_tableau(), None) is Reconciled.NO_LISTE
    assert judge(_tableau(unexplained=2), None) is Reconciled.CONTRADICTS
    former = ready_list(3, reconciliation=None)
    assert judge(_tableau(), former) is Reconciled.NOT_RECONCILED
    assert judge(former, _liste()) is Reconciled.NOT_RECONCILED


def test_the_page_and_the_document_name_who_differs_and_why() -> None:
    files = [DossierFile(_liste()), DossierFile(_tableau(), [GROWS, COMES])]
    document, page = write_reconciliation("13900", "LIBREVILLE", files)
    read = json.loads(document)
    assert read["is_proved"] is True
    assert read["listes"] == [{"path": files[0].path, "liste": "P", **OF_LISTE}]
    (tableau,) = read["tableaux"]
    assert (tableau["verdict"], tableau["apres"], tableau["electeurs"]) == ("explained", 103, 102)
    assert tableau["differences"] == [GROWS, COMES]
    text = " ".join(page.decode("utf-8-sig").split())
    assert "La liste et le tableau s'accordent à l'électeur près : ceux qui diffèrent sont nommés ici." in text
    assert "103 électeurs après ce tableau, arrêté au 20/11/2026 (âge compté au 13/12/2026)" in text
    assert "102 électeurs sur la liste du 25/11/2026." in text
    assert "− GERBOISE Zoé, 01/12/2008, bureau 0001 : dix-huit ans le 01/12/2026" in text.replace("\u00a0", " ")
    assert "+ GIRAFON Zoé" in text
    assert max(map(len, page.decode("utf-8-sig").splitlines())) < 100


def test_a_contradiction_is_said_aloud() -> None:
    document, page = write_reconciliation("13900", "LIBREVILLE", [DossierFile(_tableau(unexplained=-2))])
    assert json.loads(document)["is_proved"] is False
    text = " ".join(page.decode("utf-8-sig").replace("\u00a0", " ").split())
    assert "ATTENTION : la liste et le tableau se contredisent." in text
    assert "Écart que rien n'explique : -2." in text
