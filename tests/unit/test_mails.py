"""The mails as clerks read them: every word and tag of each kind, the subjects, and values that cannot inject."""

import re
from datetime import date
from pathlib import Path

import pytest

from schemas.tableaux import Edition
from schemas.topology import REQUEST_TABLEAUX_RENDER
from schemas.vocabulary import Channel
from tests.unit.mail_cases import CASES, MAILS
from tests.unit.mail_samples import (
    FULL_DISK,
    export,
    mail_about,
    refused,
    report,
    report_beside,
    tableau,
    tableaux_report,
)
from worker.notifier.channels.delivery import Addressee, DeliveryRefusedError, Message
from worker.notifier.channels.mail import FolderMailer, MailSender
from worker.notifier.messages.content import Tone
from worker.notifier.messages.render import render_html, render_text, typeset
from worker.notifier.messages.request import RequestReport, describe_request

COMMISSION = Edition.COMMISSION
COMING = date(2027, 4, 6)
FOR_COMMISSION = "Tableau des vingt jours (commune, pour la commission), liste P, du 25/11/2026 09:30:00"
INJECTION = "<script>alert(1)</script>\" style='x\r\nBcc: pirate@example.org\r\n\r\nCoucou"
SIX = [f"{liste}.{format_}" for liste in ("P", "CE", "CM") for format_ in ("csv", "xml")]


@pytest.mark.parametrize("name", CASES)
def test_a_mail_is_this_one(name: str) -> None:
    for ending, rendered in (("html", render_html(CASES[name])), ("txt", render_text(CASES[name]))):
        assert rendered.splitlines() == (MAILS / f"{name}.{ending}").read_text("utf-8").splitlines()


@pytest.mark.parametrize("name", CASES)
def test_nothing_is_fetched_and_nothing_runs(name: str) -> None:
    content, html = CASES[name], render_html(CASES[name])
    assert (
        re.findall(r"<(?:img|script|link|iframe|form|object|video|svg|base)\b|\s(?:src|on\w+)=|url\(|@import", html)
        == []
    )
    assert set(re.findall(r'href="([^"]*)"', html)) == ({content.link.url} if content.link else set())


@pytest.mark.parametrize(
    "about",
    [
        report(export(label=INJECTION, file_name=INJECTION, pieces=report_beside(INJECTION))),
        report(export(status="failed", error_message=INJECTION)),
        report(requested_by=INJECTION, correlation_id=INJECTION, lieu=INJECTION),
        refused(INJECTION, code_commune=INJECTION),
    ],
)
def test_a_value_adds_no_tag_no_header_and_no_line(about: RequestReport) -> None:
    message = mail_about(about)
    assert message["Bcc"] is None
    assert message["To"] == "mairie@libreville.example"
    text, html = (part.get_content() for part in message.iter_parts())
    assert not any(line.startswith(("Bcc", "Coucou")) for line in (text + html).splitlines())
    assert "<script" not in html
    assert "&lt;script&gt;" in html


@pytest.mark.parametrize(
    ("about", "expected"),
    [
        (report(export()), "Fichier prêt — Liste P du 25/11/2026 09:30:00 [csv] — LIBREVILLE (13900)"),
        (report(export(), lieu="13900"), "Fichier prêt — Liste P du 25/11/2026 09:30:00 [csv] — 13900"),
        (
            report(export(bloquantes=1)),
            "Fichier à corriger, 1 anomalie bloquante — Liste P du 25/11/2026 09:30:00 [csv] — LIBREVILLE (13900)",
        ),
        (report(*map(export, SIX)), "6 fichiers prêts — LIBREVILLE (13900)"),
        (
            report(*map(export, SIX[:5]), export("CM.xml", "failed")),
            "5 fichiers prêts, 1 en échec — LIBREVILLE (13900)",
        ),
        (
            report(export("P.csv", "failed"), export("P.xml", "cancelled"), export("CE.xml", "cancelled")),
            "1 fichier en échec, 2 annulés — LIBREVILLE (13900)",
        ),
        (refused(), "Demande refusée — LIBREVILLE (13900)"),
        (
            tableaux_report(tableau()),
            "Tableau prêt — Tableau des vingt jours (commune), liste P, du 25/11/2026 09:30:00 — LIBREVILLE (13900)",
        ),
        (
            tableaux_report(tableau(edition=COMMISSION, bloquantes=1)),
            f"Tableau à corriger, 1 anomalie bloquante — {FOR_COMMISSION} — LIBREVILLE (13900)",
        ),
        (
            tableaux_report(
                tableau(bloquantes=1, provisoire_until=COMING),
                tableau("cinq_jours_reu.P.commune", bloquantes=2, provisoire_until=COMING),
                tableau("additions.P.commune"),
            ),
            "1 tableau prêt, 2 provisoires, à corriger, 3 anomalies bloquantes — LIBREVILLE (13900)",
        ),
        (
            tableaux_report(tableau(recall_id=7), tableau("additions.P.commune")),
            "1 tableau prêt, 1 à refaire — LIBREVILLE (13900)",
        ),
        (
            tableaux_report(
                tableau("vingt_jours.P.commune", bloquantes=1200),
                tableau("vingt_jours.P.par_bureau", bloquantes=1200),
                tableau("vingt_jours.CM.commune", bloquantes=30),
                tableau("cinq_jours_reu.P.commune", bloquantes=4),
            ),
            "4 tableaux à corriger, 1 234 anomalies bloquantes — LIBREVILLE (13900)",
        ),
    ],
)
def test_a_subject_says_the_outcome(about: RequestReport, expected: str) -> None:
    assert mail_about(about)["Subject"] == expected


def _lacking(code: str, count: int) -> dict[str, object]:
    return {"code": code, "severity": "a_completer", "column": "", "count": count}


NOT_KNOWN = "Le dernier export du REU repris est du 18/11/2026 : reprendre un export pris le 20/11/2026 ou après."
UNFIT = ("En mairie", "se signe", "s'affiche", "déposez")
LACKS = [_lacking("date_et_motif_absents", 4), _lacking("date_du_mouvement_absente", 8)]
GAP = {"code": "couverture_fin", "severity": "bloquante", "column": "période", "count": 1, "messages": [NOT_KNOWN]}


@pytest.mark.parametrize(
    ("about", "said"),
    [
        (tableau(bloquantes=1, provisoire_until=COMING), "— provisoire, à corriger, à refaire à partir du 06/04/2027"),
        (tableau(a_completer=12, anomalies=LACKS), "— à compléter avant la publication"),
        (tableau(a_completer=12, anomalies=LACKS), "À compléter : 12 dates, 4 motifs"),
        (
            tableau(a_completer=1, anomalies=[_lacking("motif_absent", 1)], provisoire_until=COMING),
            "Ne publiez pas un tableau provisoire : sa période n'est pas terminée.",
        ),
        (tableau(recall_id=7), "— à refaire, ce dont il vient ne vaut plus"),
        (tableau(bloquantes=1, anomalies=[GAP]), f"Anomalies bloquantes : 1 À corriger : {NOT_KNOWN}"),
        (tableau(edition=COMMISSION, bloquantes=1), "L'exemplaire de la commission ne se publie pas"),
        (tableau("vingt_jours.P.recapitulatif"), "Un récapitulatif ne se publie pas : il ne nomme aucun électeur."),
        (tableau("additions.P.commune"), "Un tableau d'avant 2019 ne se publie plus"),
        (tableau("second_rectificatif.P.par_bureau"), "Un tableau d'avant 2019 ne se publie plus"),
    ],
)
def test_what_is_not_to_be_published_is_not_said_to_be(about: object, said: str) -> None:
    text = " ".join(render_text(describe_request(tableaux_report(about), "")).split())  # type: ignore[arg-type]
    assert said in text
    assert [words for words in UNFIT if words in text] == []


def test_a_tableau_to_complete_is_a_warning_and_is_not_called_ready() -> None:
    content = describe_request(tableaux_report(tableau(a_completer=12, anomalies=LACKS)), "")
    assert content.tone is Tone.WARNING
    assert content.subject.startswith("Tableau à compléter — ")
    assert "prêt" not in render_text(content)


@pytest.mark.parametrize(
    ("type_", "in_town_hall"),
    [
        ("vingt_jours", "à tenir sept jours à la disposition des électeurs, puis à retirer"),
        ("cinq_jours_reu", "à publier cinq jours avant le scrutin, puis à retirer"),
    ],
)
def test_what_is_to_be_done_depends_on_the_type(type_: str, in_town_hall: str) -> None:
    about = tableaux_report(tableau(f"{type_}.P.commune"), tableau(f"{type_}.CM.par_bureau"))
    text = render_text(describe_request(about, ""))
    assert f"  Signature : non exigée ; le maire peut signer\n  En mairie : {in_town_hall}\n" in text
    assert text.count("Signature :") == 1


@pytest.mark.parametrize(
    ("event_type", "asked"),
    [(REQUEST_TABLEAUX_RENDER, "la demande de tableaux"), ("fr.openelec.prefecture.request.autre.v1", "la demande")],
)
def test_a_refusal_says_what_was_asked_for_where_it_is_known(event_type: str, asked: str) -> None:
    text = render_text(describe_request(refused(event_type=event_type), ""))
    assert f"Résultat de {asked} pour LIBREVILLE (13900) : demande refusée." in text


def test_nothing_of_an_elector_travels() -> None:
    anomalies = [{"code": "sexe", "severity": "bloquante", "column": "Sexe", "count": 1, "exemple": "D'AUBIGNE"}]
    listed = export(bloquantes=1, anomalies=anomalies, parameters={"nom": "D'AUBIGNE"})
    message = mail_about(report(listed, export("CE.csv", "failed", **FULL_DISK)))
    assert "AUBIGNE" not in message.as_string()
    assert [part.get_content_type() for part in message.walk()] == ["multipart/alternative", "text/plain", "text/html"]


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


def test_headers_tell_programs_who_wrote_and_that_no_answer_is_expected() -> None:
    message = mail_about(report(export()))
    assert message["From"] == "Module Préfecture <prefecture@example.org>"
    assert message["Auto-Submitted"] == "auto-generated"
    assert [part["Content-Type"].params["charset"] for part in message.iter_parts()] == ["utf-8", "utf-8"]


def test_message_id_is_stable_and_hides_the_address() -> None:
    def message_id(about: str, email: str, mail_from: str = "prefecture@example.org") -> str:
        sender = MailSender(FolderMailer(Path("unused")), mail_from)
        message = Message(about, lambda: describe_request(report(), ""), tuple)
        return sender.identify(message, Addressee("", Channel.MAIL, email, email, frozenset()))

    first = message_id("demande", "mairie@libreville.example", "Préfecture <prefecture@example.org>")
    assert first == message_id("demande", "mairie@libreville.example")
    assert first != message_id("demande", "adjoint@libreville.example")
    assert first != message_id("autre", "mairie@libreville.example")
    assert first.endswith("@example.org>")
    assert "mairie" not in first


def test_french_typography_does_not_break() -> None:
    assert typeset("L'export : « prêt » ; e-listelec ?") == (
        "L\u2019export\u00a0: «\u00a0prêt\u00a0»\u202f; e\u2011listelec\u202f?"
    )
