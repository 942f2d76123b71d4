"""The mail as a clerk reads it."""

from pathlib import Path

import pytest

from schemas.vocabulary import Channel
from tests.unit.mail_samples import FULL_DISK, body, export, mail_about, refused, report, report_beside, subject
from worker.notifier.channels.delivery import Addressee, DeliveryRefusedError, Message
from worker.notifier.channels.mail import FolderMailer, MailSender
from worker.notifier.messages.request import RequestReport, describe_request

INJECTION = "évasion\r\nBcc: pirate@example.org\r\n\r\nCoucou"
SIX = [f"{liste}.{format_}" for liste in ("P", "CE", "CM") for format_ in ("csv", "xml")]


@pytest.mark.parametrize(
    ("about", "expected"),
    [
        (report(export()), "Fichier prêt — Liste P du 25/11/2026 09:30:00 [csv] — LIBREVILLE (13900)"),
        (report(export(), nom_commune=""), "Fichier prêt — Liste P du 25/11/2026 09:30:00 [csv] — 13900"),
        (
            report(export(bloquantes=1)),
            "Fichier à corriger, 1 anomalie bloquante — Liste P du 25/11/2026 09:30:00 [csv] — LIBREVILLE (13900)",
        ),
        (
            report(export(status="failed")),
            "Fichier en échec — Liste P du 25/11/2026 09:30:00 [csv] — LIBREVILLE (13900)",
        ),
        (report(*map(export, SIX)), "6 fichiers prêts — LIBREVILLE (13900)"),
        (
            report(*map(export, SIX[:5]), export("CM.xml", "failed")),
            "5 fichiers prêts, 1 en échec — LIBREVILLE (13900)",
        ),
        (
            report(export("P.csv", bloquantes=2), export("P.xml", bloquantes=2), export("CE.csv", bloquantes=1)),
            "3 fichiers à corriger, 3 anomalies bloquantes — LIBREVILLE (13900)",
        ),
        (
            report(*(export(part, "failed") for part in SIX)),
            "6 fichiers en échec — LIBREVILLE (13900)",
        ),
        (
            report(export("P.csv", "failed"), export("P.xml", "cancelled"), export("CE.xml", "cancelled")),
            "1 fichier en échec, 2 annulés — LIBREVILLE (13900)",
        ),
        (refused(), "Demande refusée — LIBREVILLE (13900)"),
    ],
)
def test_subject_says_the_outcome(about: RequestReport, expected: str) -> None:
    assert subject(about) == expected
    assert mail_about(about)["Subject"] == expected


def test_body_says_all_a_clerk_needs_of_a_file() -> None:
    text = body(
        report(export(pieces=report_beside("liste-P-13900-20261125-093000-anomalies.csv"))),
        "https://exports.example.org/",
    )

    for words in (
        "Demandé par : mairie-libreville",
        "25/11/2026 à 09:30:00 (heure de Paris)",
        "LIBREVILLE (13900)",
        "Liste P du 25/11/2026 09:30:00 [csv] — prêt à déposer",
        "Liste principale (générale)",
        "liste-P-13900-20261125-093000.csv",
        "Électeurs : 1 327",
        "Mineurs non exportés : 2",
        "Anomalies bloquantes : 0",
        "Remarques : 12",
        "51,2 ko",
        "9f" * 32,
        "liste-P-13900-20261125-093000-anomalies.csv",
        "sans l'ouvrir ni le renommer",
        "liste par liste",
        "l'accusé de réception",
        "https://exports.example.org/demandes/42\n",
        "clic-42",
    ):
        assert words in text


def test_a_file_with_blocking_anomalies_is_never_called_ready_for_the_deposit() -> None:
    text = body(report(export(bloquantes=3)), "")

    assert "prêt à déposer" not in text
    assert "Liste P du 25/11/2026 09:30:00 [csv] — à corriger avant le dépôt" in text
    assert "3 anomalies bloquantes" in text
    assert "Ne déposez pas" in text


def test_a_failed_file_says_why_and_what_to_do() -> None:
    text = body(report(export(status="failed", **FULL_DISK)), "")

    assert "Raison : Espace disque insuffisant." in text
    assert "Que faire : demandez à votre administrateur de libérer de la place" in text
    assert "SHA-256" not in text
    assert "trois étapes" not in text


def test_a_refusal_says_why() -> None:
    text = body(refused(), "")

    assert "Résultat de la demande de listes électorales pour LIBREVILLE (13900) : demande refusée." in text
    assert "Aucun registre importé pour 13900." in text


def test_a_refusal_of_an_unknown_request_does_not_say_what_was_asked_for() -> None:
    text = body(refused(event_type="fr.openelec.prefecture.request.autre.v1"), "")

    assert "Résultat de la demande pour LIBREVILLE (13900) : demande refusée." in text


def test_nothing_of_an_elector_travels() -> None:
    anomalies = [{"code": "sexe", "severity": "bloquante", "column": "Sexe", "count": 1, "exemple": "D'AUBIGNE"}]
    message = mail_about(report(export(bloquantes=1, anomalies=anomalies)))

    assert "AUBIGNE" not in message.as_string()
    assert [part.get_content_type() for part in message.walk()] == ["multipart/alternative", "text/plain", "text/html"]


@pytest.mark.parametrize(
    "about",
    [
        report(export(label=INJECTION, file_name=INJECTION, pieces=report_beside(INJECTION))),
        report(export(status="failed", error_message=INJECTION)),
        report(requested_by=INJECTION, correlation_id=INJECTION, nom_commune=INJECTION),
        refused(INJECTION, code_commune=INJECTION),
    ],
)
def test_a_value_cannot_add_a_header_or_a_line(about: RequestReport) -> None:
    message = mail_about(about)

    assert message["Bcc"] is None
    assert message["To"] == "mairie@libreville.example"
    for part in message.iter_parts():
        assert not any(line.startswith(("Bcc", "Coucou")) for line in part.get_content().splitlines())


@pytest.mark.parametrize(
    "recipient",
    [
        "",
        "mairie",
        "a@example.org, b@example.org",
        "a@example.org\r\nBcc: b@example.org",
        "Maire <a@example.org>",
        "a b",
    ],
)
def test_what_is_not_one_address_is_refused(recipient: str) -> None:
    with pytest.raises(DeliveryRefusedError):
        mail_about(report(export()), recipient)


def test_headers_tell_programs_who_wrote_and_that_nobody_waits_for_an_answer() -> None:
    message = mail_about(report(export()))

    assert message["From"] == "Module Préfecture <prefecture@example.org>"
    assert message["Auto-Submitted"] == "auto-generated"
    assert [part["Content-Type"].params["charset"] for part in message.iter_parts()] == ["utf-8", "utf-8"]


def message_id(about: str, email: str, mail_from: str = "prefecture@example.org") -> str:
    sender = MailSender(FolderMailer(Path("unused")), mail_from)
    message = Message(about, describe_request(report(), ""), tuple)
    return sender.identify(message, Addressee("", Channel.MAIL, email, email, frozenset()))


def test_message_id_is_stable_and_hides_the_address() -> None:
    first = message_id("demande", "mairie@libreville.example", "Préfecture <prefecture@example.org>")

    assert first == message_id("demande", "mairie@libreville.example")
    assert first != message_id("demande", "adjoint@libreville.example")
    assert first != message_id("autre", "mairie@libreville.example")
    assert first.endswith("@example.org>")
    assert "mairie" not in first
