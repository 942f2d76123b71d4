"""« Derniers exports », all the files, the page of one: every recorded value, and no false « ready »."""

import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy.orm import Session

from schemas.tableaux import TypeTableau
from tests.parts.town import MOUVEMENTS_TEMPLATE
from tests.web.files_desk import FilesScreen, open_screen
from worker.exports.models import Export

MADE_AT = datetime(2026, 11, 25, 9, 30, tzinfo=UTC)
GOOD = "UPDATE export SET bloquantes = 0, a_completer = 0 WHERE id = :id"


def record(screen: FilesScreen, count: int, **columns: Any) -> list[int]:  # noqa: ANN401 — of Export
    """Record this many more finished files of the last request."""
    values = {
        "request_id": screen.requests()[-1],
        "code_commune": "13900",
        "liste": "P",
        "format": "csv",
        "status": "ready",
        "electeurs": 3,
        "started_at": MADE_AT,
        "finished_at": MADE_AT,
        "size": 1,
        "sha256": "a",
    } | columns
    first = len(screen.numbers())
    with Session(screen.desk.engine) as session, session.begin():
        files = [
            Export(part=f"P.{index}", file_name=f"{index}.csv", label=f"Fichier {index}.", **values)
            for index in range(first, first + count)
        ]
        session.add_all(files)
        session.flush()
        return [file.id for file in files]


def labels(said: str) -> list[str]:
    """The recorded files that a page names, in its order."""
    return re.findall(r"Fichier (\d+)\., demandé", said)


@pytest.mark.slow
def test_the_ten_latest_come_newest_first_with_openelecs_label(screen: FilesScreen) -> None:
    screen.ask("P")
    record(screen, 12)
    latest = screen.read_at("/listes").partition("Derniers exports")[2]
    assert labels(latest) == [str(index) for index in range(12, 2, -1)]
    screen.desk.process(screen.numbers()[0])
    screen.ask_and_make("CM", format_="xml")
    latest = screen.read_at("/listes").partition("Derniers exports")[2]
    assert re.search(r"Liste CM du \d\d/\d\d/\d{4} \d\d:\d\d:\d\d \[xml\], demandé par mairie-libreville", latest)


def test_a_file_says_what_it_holds_and_until_when_it_is_kept(screen: FilesScreen) -> None:
    (number,) = screen.ask_and_make("CE")
    row = screen.desk.row(number)
    latest = screen.read_at("/listes").partition("Derniers exports")[2]
    assert f"{row['electeurs']} électeurs" in latest
    assert f"{row['bloquantes']} anomalies bloquantes À corriger avant le dépôt" in latest
    assert row["sha256"] in screen.at(f"/exports/{number}").text
    assert re.search(r"jusqu'au \d\d/\d\d/\d{4}", latest)
    assert "Télécharger" in latest


@pytest.mark.slow
@pytest.mark.parametrize("days", [0, 12])
@pytest.mark.database(MOUVEMENTS_TEMPLATE)
def test_the_delay_is_that_of_the_configuration(database_url: str, tmp_path: Path, days: int) -> None:
    with open_screen(database_url, tmp_path, retention_days=days) as screen:
        screen.ask("P")
        record(screen, 1)
        kept = "jusqu'au 07/12/2026" if days else "sans limite"
        assert kept in screen.read_at("/listes").partition("Derniers exports")[2]


@pytest.mark.slow
def test_a_file_to_correct_is_never_called_ready(screen: FilesScreen) -> None:
    (number,) = screen.ask_and_make("P")
    for path in ("/listes", "/exports", f"/exports/{number}", "/suivi"):
        page = screen.at(path).text
        assert "à corriger" in page
        assert "badge-ready" not in page
        assert "badge-ok" not in page
        assert "peut être déposé" not in page
    screen.desk.run(GOOD, id=number)
    assert "badge-ready" in screen.at("/exports").text
    assert "peut être déposé" in screen.at(f"/exports/{number}").text


@pytest.mark.slow
def test_a_purged_file_is_said_to_be_and_is_not_offered(screen: FilesScreen) -> None:
    (number,) = screen.ask_and_make("P")
    screen.desk.run("UPDATE export SET purged_at = finished_at")
    for path in ("/listes", "/exports", f"/exports/{number}"):
        page = screen.at(path).text
        assert "effacé" in page
        assert f"/exports/{number}/fichier" not in page
        assert f"/exports/{number}/anomalies" not in page


@pytest.mark.slow
def test_what_was_done_with_a_file_is_marked(screen: FilesScreen) -> None:
    first, second, third = screen.ask_and_make("P", "CE", "CM")
    screen.desk.download(first)
    screen.desk.deposit(second)
    screen.desk.deposit(third)
    screen.desk.answer(third, verdict="rejete")
    latest = screen.read_at("/listes").partition("Derniers exports")[2]
    assert re.search(r"Liste P .*? téléchargé le \d\d/\d\d/\d{4} à \d\d:\d\d", latest)
    assert re.search(r"Liste CE [^L]*? déposé le \d\d/\d\d/\d{4}", latest)
    assert re.search(r"Liste CM [^L]*? rejeté déposé le", latest)


@pytest.mark.slow
def test_the_page_of_a_file_tells_all(screen: FilesScreen) -> None:
    (number,) = screen.ask_and_make("P")
    screen.desk.download(number)
    row = screen.desk.row(number)
    said = screen.read_at(f"/exports/{number}")
    for fact in ("Liste principale (générale)", row["file_name"], row["sha256"], "lignes écrites", "pas encore 18 ans"):
        assert fact in said
    assert re.search(r"Sexe absent Sexe bloquante 1 ", said)
    assert re.search(r"Téléchargement, mairie-libreville", said)
    page = screen.at(f"/exports/{number}").text
    for link in ("anomalies", "differences", "pieces/rapport", "fichier"):
        assert f'href="/communes/13900/exports/{number}/{link}"' in page
    assert "Marquer comme déposé" not in said
    screen.desk.run(GOOD, id=number)
    assert f'href="/communes/13900/depot?export={number}"' in screen.at(f"/exports/{number}").text


@pytest.mark.slow
def test_the_page_of_a_tableau_tells_its_dates(screen: FilesScreen) -> None:
    form = {"type": TypeTableau.CINQ_JOURS_REU.value, "listes": ["P"], "scrutin": "2027-04-18"}
    screen.send("/tableaux", form | {"presentations": ["commune"], "edition": "commission"})
    screen.work()
    (number,) = screen.numbers()
    screen.desk.process(number)
    said = screen.read_at(f"/exports/{number}")
    assert "dimanche 18 avril 2027" in said
    assert "ne pas publier" in said
    assert re.search(r"Mouvements \d+ – 1 page", said)
    assert "Marquer comme déposé" not in said


@pytest.mark.parametrize("number", ["999", "0", "-1", "x", "٣", "9" * 19, "1.csv"])
def test_a_file_that_is_none_is_not_found(screen: FilesScreen, number: str) -> None:
    assert screen.at(f"/exports/{number}").status_code == 404


@pytest.mark.slow
def test_all_files_are_there_page_by_page_both_ways(screen: FilesScreen) -> None:
    screen.ask("P")
    record(screen, 59)
    screen.desk.run("DELETE FROM export WHERE part = 'P.csv'")
    seen: list[str] = []
    path = "/exports"
    pages = []
    while path:
        page = screen.at(path)
        pages.append(path)
        seen += labels(screen.read_at(path))
        path = _link(page.text, "next")
    assert seen == [str(index) for index in range(59, 0, -1)]
    assert len(pages) == 3
    back = _link(screen.at(pages[2]).text, "prev")
    assert labels(screen.read_at(back)) == seen[25:50]
    assert labels(screen.read_at(_link(screen.at(back).text, "prev"))) == seen[:25]


def _link(page: str, rel: str) -> str:
    found = re.search(rf'<a rel="{rel}" href="/communes/13900([^"]+)"', page)
    return found[1].replace("&amp;", "&") if found else ""


@pytest.mark.slow
@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("", ["6", "5", "4", "3", "2", "1"]),
        ("genre=tableau", ["6"]),
        ("genre=liste&liste=CE", ["4"]),
        ("etat=pret", ["6", "4"]),
        ("etat=a-corriger", ["3"]),
        ("etat=en-echec", ["5"]),
        ("etat=efface", ["2"]),
        ("etat=en-preparation", ["1"]),
        ("etat=annule", []),
        ("etat=depose", []),
        ("etat=pret&genre=liste", ["4"]),
        ("etat=x&genre=y&liste=z&avant=w&apres=", ["6", "5", "4", "3", "2", "1"]),
        ("avant=99999999999999999999", ["6", "5", "4", "3", "2", "1"]),
    ],
)
def test_files_are_found_by_what_one_remembers(screen: FilesScreen, query: str, found: list[str]) -> None:
    screen.ask("P")
    record(screen, 1, status="running")
    record(screen, 1, purged_at=MADE_AT)
    record(screen, 1, bloquantes=2)
    record(screen, 1, liste="CE")
    record(screen, 1, status="failed", error_message="Non.")
    record(screen, 1, kind="tableau", type_tableau="vingt_jours", presentation="commune", edition="affichage")
    screen.desk.run("DELETE FROM export WHERE part = 'P.csv'")
    assert labels(screen.read_at(f"/exports?{query}")) == found
