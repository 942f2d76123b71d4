"""« Derniers exports », all the files, the page of one; downloads: the recorded bytes or none, each declared."""

import hashlib
import re
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from httpx2 import Response
from sqlalchemy.orm import Session

from schemas.declarations import DeclarationNoted
from schemas.http import EVENT_JSON
from schemas.tableaux import TypeTableau
from schemas.topology import REQUEST_LISTE_EXPORT, REQUEST_RETRY
from schemas.vocabulary import Piece
from tests.parts.notes import note_file
from tests.parts.town import AGENT, MOUVEMENTS_TEMPLATE
from tests.parts.wait import wait_until
from tests.web.files_desk import FilesScreen, open_screen, spaced_words
from worker.access.management import make_token
from worker.exports.models import Export
from worker.handlers.requests.ingest_request import ingest_request

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
    return re.findall(r"Fichier (\d+)\.", said)


@pytest.mark.slow
def test_the_ten_latest_come_newest_first_with_openelecs_label(screen: FilesScreen) -> None:
    screen.ask("P")
    record(screen, 12)
    latest = screen.read_at("/listes").partition("Derniers exports")[2]
    assert labels(latest) == [str(index) for index in range(12, 2, -1)]
    screen.desk.process(screen.numbers()[0])
    screen.ask_and_make("CM", format_="xml")
    latest = screen.read_at("/listes").partition("Derniers exports")[2]
    assert re.search(r"Liste CM du \d\d/\d\d/\d{4} \d\d:\d\d:\d\d \[xml\]", latest)


def test_a_file_says_what_it_holds_and_until_when_it_is_kept(screen: FilesScreen) -> None:
    (number,) = screen.ask_and_make("CE")
    row = screen.desk.row(number)
    latest = screen.read_at("/listes").partition("Derniers exports")[2]
    assert f"{row['electeurs']} électeurs" in latest
    assert f"{row['bloquantes']} anomalies bloquantes À corriger avant le dépôt" in latest
    assert row["sha256"] in screen.get(f"/exports/{number}").text
    assert re.search(r"Conservé jusqu'au \d\d/\d\d/\d{4}", screen.read_at(f"/exports/{number}"))
    assert "Télécharger" in latest


@pytest.mark.slow
@pytest.mark.parametrize("days", [0, 12])
@pytest.mark.database(MOUVEMENTS_TEMPLATE)
def test_the_delay_is_that_of_the_configuration(
    database_url: str, tmp_path: Path, days: int
) -> None:
    with open_screen(database_url, tmp_path, retention_days=days) as screen:
        screen.ask("P")
        record(screen, 1)
        kept = "jusqu'au 07/12/2026" if days else "sans limite"
        assert f"Conservé {kept}" in screen.read_at(f"/exports/{screen.numbers()[-1]}")


@pytest.mark.slow
def test_a_file_to_correct_is_never_called_ready(screen: FilesScreen) -> None:
    (number,) = screen.ask_and_make("P")
    for path in ("/listes", "/exports", f"/exports/{number}", "/suivi"):
        page = screen.get(path).text
        assert "à corriger" in page
        assert "badge-ready" not in page
        assert "badge-ok" not in page
        assert "peut être déposé" not in page
    screen.desk.run(GOOD, id=number)
    assert "badge-ready" in screen.get("/exports").text
    assert "peut être déposé" in screen.get(f"/exports/{number}").text


@pytest.mark.slow
def test_a_purged_file_is_said_to_be_and_is_not_offered(screen: FilesScreen) -> None:
    (number,) = screen.ask_and_make("P")
    screen.desk.run("UPDATE export SET purged_at = finished_at")
    for path in ("/listes", "/exports", f"/exports/{number}"):
        page = screen.get(path).text
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
    for fact in (
        "Liste principale (générale)",
        row["file_name"],
        row["sha256"],
        "lignes écrites",
        "pas encore 18 ans",
    ):
        assert fact in said
    assert re.search(r"Anomalies \d+ anomalies? bloquantes?", said)
    assert re.search(r"Téléchargement, mairie-libreville", said)
    page = screen.get(f"/exports/{number}").text
    for link in ("anomalies", "differences", "pieces/rapport", "fichier"):
        assert f'href="/communes/13900/exports/{number}/{link}"' in page
    assert "Marquer comme déposé" not in said
    screen.desk.run(GOOD, id=number)
    assert f'href="/communes/13900/depot?export={number}"' in screen.get(f"/exports/{number}").text


@pytest.mark.slow
def test_the_page_of_a_tableau_tells_its_dates(screen: FilesScreen) -> None:
    form = {"type": TypeTableau.CINQ_JOURS_REU.value, "listes": ["P"], "scrutin": "2027-04-18"}
    screen.post("/tableaux", form | {"presentations": ["commune"], "edition": "commission"})
    screen.work()
    (number,) = screen.numbers()
    screen.desk.process(number)
    said = screen.read_at(f"/exports/{number}")
    assert "dimanche 18 avril 2027" in said
    assert "ne pas publier" in said
    assert re.search(r"Mouvements \d+ – 1 page", said)
    assert "Marquer comme déposé" not in said


@pytest.mark.slow
def test_all_files_are_there_page_by_page_both_ways(screen: FilesScreen) -> None:
    screen.ask("P")
    record(screen, 59)
    screen.desk.run("DELETE FROM export WHERE part = 'P.csv'")
    seen: list[str] = []
    path = "/exports"
    pages = []
    while path:
        page = screen.get(path)
        pages.append(path)
        seen += labels(screen.read_at(path))
        path = _link(page.text, "next")
    assert seen == [str(index) for index in range(59, 0, -1)]
    assert len(pages) == 3
    back = _link(screen.get(pages[2]).text, "prev")
    assert labels(screen.read_at(back)) == seen[25:50]
    assert labels(screen.read_at(_link(screen.get(back).text, "prev"))) == seen[:25]


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
        ("tri=ancien", ["1", "2", "3", "4", "5", "6"]),
        ("tri=nom&genre=liste", ["1", "2", "3", "4", "5"]),
        ("cherche=inventé", []),
        ("cherche=%25", []),
        ("annee=2019", []),
        ("annee=20a9", ["6", "5", "4", "3", "2", "1"]),
        ("etat=x&genre=y&liste=z&page=w", ["6", "5", "4", "3", "2", "1"]),
        ("page=99999999999999999999", ["6", "5", "4", "3", "2", "1"]),
    ],
)
def test_files_are_found_by_what_one_remembers(
    screen: FilesScreen, query: str, found: list[str]
) -> None:
    screen.ask("P")
    record(screen, 1, status="running")
    record(screen, 1, purged_at=MADE_AT)
    record(screen, 1, bloquantes=2)
    record(screen, 1, liste="CE")
    record(screen, 1, status="failed", error_message="Non.")
    record(
        screen,
        1,
        kind="tableau",
        type_tableau="vingt_jours",
        presentation="commune",
        edition="affichage",
    )
    screen.desk.run("DELETE FROM export WHERE part = 'P.csv'")
    assert labels(screen.read_at(f"/exports?{query}")) == found


def test_a_file_is_found_by_its_name_and_its_year(files: FilesScreen) -> None:
    files.ask("P")
    record(files, 26, liste="CE")
    record(files, 1, liste="P")
    last = files.numbers()[-1]
    files.desk.run("UPDATE export SET file_name = 'INVENTE-2027.csv' WHERE id = :id", id=last)
    page = files.read_at("/exports")
    assert "28 fichiers ; page 1 sur 2." in page.replace("\u202f", "")
    assert "Page 1 sur 2" in page
    found = files.get("/exports", "cherche=invente-2027").text
    assert len(re.findall(r'<tr id="fichier-', found)) == 1
    assert 'value="invente-2027"' in found
    (year,) = re.findall(r'<option value="(20\d\d)">', found)
    assert "28 fichiers" in files.read_at(f"/exports?annee={year}")
    assert "Aucun fichier ne répond à ces choix." in files.read_at(
        f"/exports?annee={int(year) + 1}"
    )
    after = _link(files.get("/exports", "tri=ancien").text, "next")
    assert after == "/exports?tri=ancien&page=2"


def path_of(screen: FilesScreen, number: int, column: str = "file_name") -> Path:
    return screen.desk.root / "13900" / str(screen.desk.row(number)[column])


def declared(screen: FilesScreen) -> list[DeclarationNoted]:
    """The published declarations of downloads, once the spool is empty."""
    wait_until(lambda: not screen.app.state.services.spool.waiting(), message="an empty spool")
    ended = DeclarationNoted.EVENT_TYPE
    return [
        DeclarationNoted.model_validate(event.data)
        for event in screen.broker.events
        if event.type == ended
    ]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("format_", "media_type"), [("csv", "text/csv; charset=utf-8"), ("xml", "application/xml")]
)
def test_the_bytes_and_the_name_are_those_of_the_record(
    screen: FilesScreen, format_: str, media_type: str
) -> None:
    (number,) = screen.ask_and_make("P", format_=format_)
    row = screen.desk.row(number)
    answer = screen.get(f"/exports/{number}/fichier")
    assert answer.status_code == 200
    assert hashlib.sha256(answer.content).hexdigest() == row["sha256"]
    assert answer.headers["content-disposition"] == f'attachment; filename="{row["file_name"]}"'
    assert answer.headers["content-type"] == media_type
    assert answer.headers["content-length"] == str(row["size"])
    assert answer.headers["etag"] == f'"{row["sha256"]}"'
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["cache-control"] == "no-store"


@pytest.mark.slow
def test_the_download_is_told_once_the_bytes_have_left(screen: FilesScreen) -> None:
    (number,) = screen.ask_and_make("P")
    screen.get(f"/exports/{number}/fichier")
    assert declared(screen) == [note_file("downloaded", number)]
    screen.work()
    row = screen.desk.row(number)
    assert row["downloaded_by"] == AGENT
    assert "téléchargé le" in screen.read_at("/listes")


@pytest.mark.slow
def test_the_report_is_a_piece_of_its_own(screen: FilesScreen) -> None:
    (number,) = screen.ask_and_make("P")
    answer = screen.get(f"/exports/{number}/pieces/rapport")
    assert answer.content == path_of(screen, number, "report_name").read_bytes()
    assert "-csv-anomalies.csv" in answer.headers["content-disposition"]
    assert declared(screen) == [note_file("downloaded", number, piece=Piece.RAPPORT)]


def test_asking_for_the_headers_is_no_download(screen: FilesScreen) -> None:
    (number,) = screen.ask_and_make("P")
    answer = screen.client.head(f"/communes/13900/exports/{number}/fichier")
    assert (answer.status_code, answer.content) == (200, b"")
    assert answer.headers["content-length"] == str(screen.desk.row(number)["size"])
    assert declared(screen) == []


def test_a_file_that_waits_is_not_there_yet(screen: FilesScreen) -> None:
    (number,) = screen.ask("P")
    answer = screen.get(f"/exports/{number}/fichier")
    assert answer.status_code == 409
    assert "Il est en attente : revenez dans un instant." in spaced_words(answer).replace(
        "\u202f", " "
    )
    assert screen.get(f"/exports/{number}/pieces/rapport").status_code == 409


@pytest.mark.parametrize(
    ("spoil", "state"),
    [
        (lambda path: path.unlink(), "introuvable"),
        (lambda path: path.rename(path.with_name("liste.csv")), "introuvable"),
        (lambda path: path.write_bytes(b"X\n"), "altéré"),
    ],
    ids=["deleted", "renamed", "altered"],
)
def test_a_clerk_makes_a_lost_file_again(
    files: FilesScreen, spoil: Callable[[Path], object], state: str
) -> None:
    """Another account asked for it: the clerk sees the file all the same."""
    (number,) = files.ask_and_make("P")
    files.desk.run("UPDATE request SET sender = 'compta'")
    spoil(path_of(files, number))
    assert files.get(f"/exports/{number}/fichier").status_code in {410, 500}
    wait_until(lambda: not files.app.state.services.spool.waiting(), message="an empty spool")
    files.work()
    assert state in files.read_at(f"/exports/{number}")
    assert files.desk.row(number)["state"] in {"missing", "altered"}
    (request, *_) = files.requests()
    files.press(f"/demandes/{request}/recommencer", on=f"/exports/{number}/fichier")
    files.work()
    (new,) = set(files.numbers()) - {number}
    assert files.desk.process(new)["status"] == "ready"
    assert files.get(f"/exports/{new}/fichier").status_code == 200


def test_a_program_makes_a_lost_file_again(files: FilesScreen) -> None:
    """From the problem to the bytes of the new file; another program's token is told of no call."""
    with files.desk.engine.begin() as connection:
        acts = [REQUEST_LISTE_EXPORT.split(".")[-2], REQUEST_RETRY.split(".")[-2]]
        token = make_token(connection, "compta", ["13900"], acts, actor="test")
        other = make_token(connection, "agenda", ["13900"], [], actor="test")
    sent = {"Content-Type": EVENT_JSON}

    def ask(path: str, token: str = token) -> Response:
        return files.client.get(path, headers={"Authorization": f"Bearer {token}"})

    def send(type_: str, event_id: str, data: dict[str, Any]) -> dict[str, Any]:
        """Send the event, make its file, and return what became of it."""
        event = {"specversion": "1.0", "id": event_id, "source": "/compta", "type": type_}
        answer = files.client.post(
            "/api/v1/events",
            json=event | {"data": data | {"requested_by": "compta"}},
            headers={"Authorization": f"Bearer {token}"} | sent,
        )
        assert answer.status_code == 202, answer.text
        ingest_request(files.broker.events.pop(), files.desk.services, sender="jeton compta")
        files.desk.process(files.numbers()[-1])
        said: dict[str, Any] = ask(answer.headers["location"]).json()
        return said

    (file,) = send(REQUEST_LISTE_EXPORT, "1", {"commune": "13900", "listes": ["P"]})["exports"]
    path_of(files, file["export_id"]).unlink()
    problem = ask(file["file"]["url"])
    assert (problem.status_code, problem.json()["code"]) == (410, "fichier_absent")
    assert "again" not in ask(file["file"]["url"], other).json()
    wait_until(lambda: not files.app.state.services.spool.waiting(), message="an empty spool")
    files.work()
    again = problem.json()["again"]
    (new,) = send(again["type"], "2", again["data"])["exports"]
    assert ask(new["file"]["url"]).status_code == 200
    whole = {"request": again["data"]["request"]}
    (third,) = send(REQUEST_RETRY, "3", whole)["exports"]
    assert third["label"] != new["label"], "the whole request knows of the lost file"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("spoil", "status", "said"),
    [
        (
            lambda screen, _: screen.desk.run("UPDATE export SET purged_at = finished_at"),
            410,
            "a été effacé",
        ),
        (lambda _, path: path.write_bytes(path.read_bytes()[:-2] + b"X\n"), 500, "a été altéré"),
        (lambda _, path: path.unlink(), 410, "est introuvable"),
    ],
    ids=["purged", "altered", "missing"],
)
def test_what_is_not_the_file_of_the_record_is_not_handed_out(
    screen: FilesScreen, spoil: Callable[[FilesScreen, Path], object], status: int, said: str
) -> None:
    (number,) = screen.ask_and_make("P")
    spoil(screen, path_of(screen, number))
    answer = screen.get(f"/exports/{number}/fichier")
    assert answer.status_code == status
    assert f"Ce fichier {said}" in spaced_words(answer)
    assert str(screen.desk.root) not in answer.text
    assert "attachment" not in answer.headers.get("content-disposition", "")
    assert declared(screen) == []


def test_a_page_after_the_last_one_says_so_and_leads_to_the_last(files: FilesScreen) -> None:
    assert "Rien n'a encore été demandé" in files.read_at("/exports?page=100")
    files.ask("P")
    record(files, 26, liste="CE")
    page = files.get("/exports", "page=100&genre=liste").text
    assert "Cette page n'existe pas." in page
    assert "Rien n'a encore été demandé" not in page
    (last,) = re.findall(r'<a href="([^"]+)">Voir la dernière page', page)
    assert last.endswith("genre=liste&amp;page=2")
    assert len(labels(files.read_at("/exports?genre=liste&page=2"))) > 0
    nothing = files.read_at("/exports?page=100&genre=tableau")
    assert "Aucun fichier ne répond à ces choix." in nothing
