"""What was sent to whom, without a secret."""

from datetime import UTC, datetime, timedelta

from sqlalchemy.orm import Session

from schemas.vocabulary import Liste
from tests.web.files_desk import FilesScreen
from worker.notifier.models import Notification

AT = datetime(2026, 11, 25, 9, 30, tzinfo=UTC)


def test_what_was_sent_refused_and_waits_is_told_apart(screen: FilesScreen) -> None:
    screen.make(Liste.COMPLEMENTAIRE_MUNICIPALE)
    _tell(screen, "3 fichiers sont prêts", sent_at=AT, request_id=1)
    _tell(screen, "Une demande a échoué", kind="echec", refusal="550 5.1.1 boîte inconnue", request_id=1)
    _tell(screen, "Rappel", kind="echeance", channel="webhook", address="https://ged.example", attempts=3)
    page = screen.read("envois")
    assert "3 messages, le plus récent d'abord" in page
    assert "3 fichiers sont prêtsFichiers prêts elections@libreville.exampleCourriel 25/11/2026 à 10:30 envoyé" in page
    assert "refusé 550 5.1.1 boîte inconnue" in page
    assert "https://ged.exampleAutre logiciel (webhook)" in page
    assert "en attente 3 essais" in page
    assert f'href="{screen.path("demande", demande=1)}"' in screen.get("envois").text


def test_messages_are_found_by_subject_channel_and_fate(files: FilesScreen) -> None:
    _tell(files, "Premier", sent_at=AT)
    _tell(files, "Deuxième", kind="echec", channel="discussion", refusal="403")
    _tell(files, "Troisième", kind="echeance")
    for query, expected in (
        ("etat=envoye", "Premier"),
        ("etat=refuse", "Deuxième"),
        ("etat=attente", "Troisième"),
        ("canal=discussion", "Deuxième"),
        ("objet=echeance", "Troisième"),
        ("objet=pret&canal=courriel&etat=envoye", "Premier"),
    ):
        page = files.read("envois", query)
        assert "1 message, " in page, query
        assert expected in page
    assert "3 messages" in files.read("envois", "etat=inventee&canal=inventee")
    assert "Aucun message ne répond à ce choix." in files.read("envois", "objet=annule")


def test_before_the_first_message_the_page_says_so(files: FilesScreen) -> None:
    _tell(files, "Ailleurs", code_commune="13055")
    page = files.read("envois")
    assert "Aucun message encore" in page
    assert "Ailleurs" not in page


def test_many_messages_come_by_pages(files: FilesScreen) -> None:
    for number in range(30):
        _tell(files, f"Message {number:02}.", created_at=AT - timedelta(minutes=number))
    pages = [files.read("envois", f"page={page}") for page in (1, 2)]
    assert [page.count("Message ") - page.count("Message À") for page in pages] == [25, 5]
    assert "Message 00." in pages[0]
    assert "Message 29." in pages[1]


def _tell(files: FilesScreen, subject: str, **columns: object) -> None:
    values = {
        "recipient": subject,
        "code_commune": "13900",
        "kind": "pret",
        "channel": "courriel",
        "address": "elections@libreville.example",
        "message_id": subject,
        "created_at": AT,
    }
    with Session(files.desk.engine) as session, session.begin():
        session.add(Notification(subject=subject, **values | columns))
