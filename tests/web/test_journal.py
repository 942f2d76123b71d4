"""Who did what with the files of a commune."""

import re

import pytest

from schemas.vocabulary import Liste
from tests.web.files_desk import FilesScreen
from worker.audit import Action, record_audit

CM = Liste.COMPLEMENTAIRE_MUNICIPALE


@pytest.mark.slow
def test_downloads_deposits_and_verdicts_are_told_in_french_the_newest_first(screen: FilesScreen) -> None:
    made = screen.make(CM)
    screen.desk.download(made["export_id"])
    screen.desk.deposit(made["export_id"])
    screen.desk.answer(made["export_id"], verdict="rejete", answer="INVENTEE Zélie : ligne 12")
    page = screen.read("journal")
    assert "3 lignes, la plus récente d'abord" in page
    lines = page.partition("Précision")[2]
    assert lines.index("Réponse de la plateforme") < lines.index("Dépôt déclaré") < lines.index("Téléchargement")
    assert f"mairie-libreville Dépôt déclaré {made['label']}" in lines
    assert "rejeté le" in lines
    assert "INVENTEE" not in page


@pytest.mark.slow
def test_one_kind_of_line_can_be_looked_for(files: FilesScreen) -> None:
    made = files.make(CM)
    files.desk.download(made["export_id"])
    files.desk.deposit(made["export_id"])
    page = files.read("journal", "action=depot_declared")
    assert "1 ligne," in page
    assert "fichier, " not in page.partition("Précision")[2]
    assert "2 lignes," in files.read("journal", "action=inventee")
    assert "Aucune ligne de cette nature." in files.read("journal", "action=file_purged")


def test_other_communes_lines_and_an_operators_own_are_left_out(files: FilesScreen) -> None:
    with files.desk.engine.begin() as connection:
        record_audit(connection, Action.SENDER_ALLOWED, actor="root", code_commune="13900")
        record_audit(connection, Action.FILE_PURGED, actor="root", code_commune="13055", export_id=None)
    assert "Rien encore" in files.read("journal")


@pytest.mark.slow
def test_a_long_journal_comes_by_pages(screen: FilesScreen) -> None:
    made = screen.make(CM)
    with screen.desk.engine.begin() as connection:
        for number in range(60):
            where = {"code_commune": "13900", "export_id": made["export_id"]}
            record_audit(connection, Action.FILE_PURGED, actor="root", detail=f"n{number:03}.", **where)
    pages = [screen.read("journal", f"page={page}&action=file_purged") for page in (1, 2, 3)]
    assert "Page 1 sur 3" in pages[0]
    assert sum(page.count("root Effacement") for page in pages) == 60
    shown = [number for page in pages for number in re.findall(r"\bn(\d{3})\.", page)]
    assert shown == [f"{number:03}" for number in reversed(range(60))]  # of one transaction, so of one instant
    assert f"{screen.path('journal')}?action=file_purged&amp;page=2" in screen.get("journal", "action=file_purged").text
    assert screen.get("journal", "page=-1").status_code == 200
    assert screen.get("journal", "page=999999999999999999999").status_code == 200
