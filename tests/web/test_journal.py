"""The audit trail of a commune's files, and the sent notifications."""

import re
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy.orm import Session

from schemas.vocabulary import Action, Liste
from tests.web.files_desk import FilesScreen
from worker.audit import record_audit
from worker.notifier.models import Notification

CM = Liste.COMPLEMENTAIRE_MUNICIPALE


@pytest.mark.slow
def test_downloads_deposits_and_verdicts_are_told_in_french_the_newest_first(
    screen: FilesScreen,
) -> None:
    made = screen.make(CM)
    screen.desk.download(made["export_id"])
    screen.desk.deposit(made["export_id"])
    screen.desk.answer(made["export_id"], verdict="rejete", answer="INVENTEE Zélie : ligne 12")
    page = screen.read("journal")
    assert "3 lignes, la plus récente d'abord" in page
    lines = page.partition("Précision")[2]
    assert (
        lines.index("Réponse de la plateforme")
        < lines.index("Dépôt déclaré")
        < lines.index("Téléchargement")
    )
    assert f"mairie-libreville Dépôt déclaré {made['label']}" in lines
    assert "rejeté le" in lines
    assert "INVENTEE" not in page


@pytest.mark.slow
def test_lines_are_found_by_agent_action_and_day(files: FilesScreen) -> None:
    made = files.make(CM)
    files.desk.download(made["export_id"])
    files.desk.deposit(made["export_id"])
    page = files.read("journal", "cherche=depot+declare")
    assert "1 ligne," in page
    assert "fichier, " not in page.partition("Précision")[2]
    assert "2 lignes," in files.read("journal", "cherche=MAIRIE-libre")
    assert "Aucune ligne ne correspond." in files.read("journal", "cherche=effacement")
    assert "Aucune ligne ne correspond." in files.read("journal", "cherche=%25")
    day = re.search(r"(\d\d/\d\d/\d{4}) à", page)
    assert day
    assert "2 lignes," in files.read("journal", f"jour={day[1]}")
    before = datetime.strptime(day[1], "%d/%m/%Y").date() - timedelta(days=1)  # noqa: DTZ007 — a day
    assert "Aucune ligne ne correspond." in files.read("journal", f"jour={before}")
    page = files.read("journal", "jour=hier")
    assert "Le jour n'a pas été compris" in page
    assert "2 lignes," in page


@pytest.mark.slow
def test_a_download_that_began_is_found_by_its_whole_name(files: FilesScreen) -> None:
    made = files.make(CM)
    with files.desk.engine.begin() as connection:
        where = {"code_commune": "13900", "export_id": made["export_id"]}
        record_audit(connection, Action.DOWNLOAD_BEGUN, actor="mairie", **where)
    assert "Rien encore" in files.read("journal")
    assert "1 ligne," in files.read("journal", f"cherche={Action.DOWNLOAD_BEGUN.label}")
    assert "Aucune ligne ne correspond." in files.read("journal", "cherche=mairie")


def test_other_communes_lines_and_an_operators_own_are_left_out(files: FilesScreen) -> None:
    with files.desk.engine.begin() as connection:
        record_audit(connection, Action.SENDER_ALLOWED, actor="root", code_commune="13900")
        record_audit(
            connection, Action.FILE_PURGED, actor="root", code_commune="13055", export_id=None
        )
    assert "Rien encore" in files.read("journal")


@pytest.mark.slow
def test_a_long_journal_comes_by_pages(screen: FilesScreen) -> None:
    made = screen.make(CM)
    with screen.desk.engine.begin() as connection:
        for number in range(60):
            where = {"code_commune": "13900", "export_id": made["export_id"]}
            record_audit(
                connection, Action.FILE_PURGED, actor="root", detail=f"n{number:03}.", **where
            )
    pages = [screen.read("journal", f"page={page}&cherche=effacement") for page in (1, 2, 3)]
    assert "Page 1 sur 3" in pages[0]
    assert sum(page.count("root Effacement") for page in pages) == 60
    shown = [number for page in pages for number in re.findall(r"\bn(\d{3})\.", page)]
    assert shown == [
        f"{number:03}" for number in reversed(range(60))
    ]  # all in one transaction, so of the same instant
    assert (
        f"{screen.path('journal')}?cherche=effacement&amp;page=2"
        in screen.get("journal", "cherche=effacement").text
    )
    assert screen.get("journal", "page=-1").status_code == 200
    assert screen.get("journal", "page=999999999999999999999").status_code == 200


AT = datetime(2026, 11, 25, 9, 30, tzinfo=UTC)


def test_what_was_sent_refused_and_waits_is_told_apart(screen: FilesScreen) -> None:
    screen.make(Liste.COMPLEMENTAIRE_MUNICIPALE)
    _notify(screen, "3 fichiers sont prêts", sent_at=AT, request_id=1)
    _notify(
        screen,
        "Une demande a échoué",
        kind="echec",
        refusal="550 5.1.1 boîte inconnue",
        request_id=1,
    )
    _notify(
        screen,
        "Rappel",
        kind="echeance",
        channel="webhook",
        address="https://ged.example",
        attempts=3,
    )
    page = screen.read("envois")
    assert "3 messages, le plus récent d'abord" in page
    assert (
        "3 fichiers sont prêtsFichiers prêts elections@libreville.exampleCourriel 25/11/2026 à 10:30 envoyé"
        in page
    )
    assert "refusé 550 5.1.1 boîte inconnue" in page
    assert "https://ged.exampleAutre logiciel (webhook)" in page
    assert "en attente 3 essais" in page
    assert f'href="{screen.path("demande", demande=1)}"' in screen.get("envois").text


def test_messages_are_found_by_subject_channel_and_fate(files: FilesScreen) -> None:
    _notify(files, "Premier", sent_at=AT)
    _notify(files, "Deuxième", kind="echec", channel="webhook", refusal="403")
    _notify(files, "Troisième", kind="echeance")
    for query, expected in (
        ("etat=envoye", "Premier"),
        ("etat=refuse", "Deuxième"),
        ("etat=attente", "Troisième"),
        ("canal=webhook", "Deuxième"),
        ("objet=echeance", "Troisième"),
        ("objet=pret&canal=courriel&etat=envoye", "Premier"),
    ):
        page = files.read("envois", query)
        assert "1 message, " in page, query
        assert expected in page
    assert "3 messages" in files.read("envois", "etat=inventee&canal=inventee")
    assert "Aucun message ne répond à ce choix." in files.read("envois", "objet=annule")


def test_before_the_first_message_the_page_says_so(files: FilesScreen) -> None:
    _notify(files, "Ailleurs", code_commune="13055")
    page = files.read("envois")
    assert "Aucun message encore" in page
    assert "Ailleurs" not in page


def test_many_messages_come_by_pages(files: FilesScreen) -> None:
    for number in range(30):
        _notify(files, f"Message {number:02}.", created_at=AT - timedelta(minutes=number))
    pages = [files.read("envois", f"page={page}") for page in (1, 2)]
    assert [page.count("Message ") - page.count("Message À") for page in pages] == [25, 5]
    assert "Message 00." in pages[0]
    assert "Message 29." in pages[1]


def _notify(files: FilesScreen, subject: str, **columns: object) -> None:
    values = {
        "recipient": subject,
        "code_commune": "13900",
        "kind": "pret",
        "channel": "courriel",
        "address": "elections@libreville.example",
        "created_at": AT,
    }
    with Session(files.desk.engine) as session, session.begin():
        session.add(Notification(subject=subject, **values | columns))
