"""The mails as clerks read them: every word of each kind, the subjects, and values that cannot inject.

The exact texts are in `mails/`: see tests/golden/expected.py.
"""

import re
from dataclasses import replace
from datetime import date
from email.message import EmailMessage
from pathlib import Path

import pytest

from schemas.profiles.platform import read_shipped
from schemas.tableaux import Edition, TypeTableau
from schemas.topology import REQUEST_TABLEAUX_RENDER
from schemas.vocabulary import Channel, PreviewAct, PreviewStatus
from tests.golden.expected import check_files
from tests.unit.mail_samples import (
    ASKED_AT,
    FOUND,
    FULL_DISK,
    RECALL,
    deadline,
    export,
    mail_about,
    preview,
    refused,
    report,
    tableau,
    tableaux_report,
)
from worker.notifier.channels.delivery import Addressee, DeliveryRefusedError, Message
from worker.notifier.channels.mail import MailSender
from worker.notifier.messages.deadlines import COMMISSION as MEETING
from worker.notifier.messages.deadlines import describe_deadlines
from worker.notifier.messages.request import RequestReport, describe_recall, describe_request
from worker.notifier.messages.text import Text

COMMISSION = Edition.COMMISSION
MAILS = Path(__file__).parent / "mails"
PAGE = "https://exports.example.org/"
_SCRUTIN = date(2027, 4, 11)
COMING = date(2027, 4, 6)
FOR_COMMISSION = (
    "Tableau des vingt jours (commune, pour la commission), liste P, du 25/11/2026 09:30:00"
)
INJECTION = "<script>alert(1)</script>\" style='x\r\nBcc: pirate@example.org\r\n\r\nCoucou"
SIX = [f"{liste}.{format_}" for liste in ("P", "CE", "CM") for format_ in ("csv", "xml")]


CASES: dict[str, Text] = {
    "tableau_pret": describe_request(tableaux_report(tableau("vingt_jours.P.par_bureau")), PAGE),
    "tableaux_prets_a_corriger_et_en_echec": describe_request(
        tableaux_report(
            tableau("vingt_jours.P.commune", bloquantes=2),
            tableau("second_rectificatif.P.commune"),
            tableau("vingt_jours.CM.recapitulatif"),
            tableau("cinq_jours_reu.P.commune", "failed", **FULL_DISK),
        ),
        "",
    ),
    "tableau_a_completer": describe_request(
        tableaux_report(
            tableau(
                a_completer=3,
                bloquantes=1,
                anomalies=[
                    {"code": "motif_absent", "severity": "a_completer", "count": 3},
                    {
                        "code": "doutes_ouverts",
                        "severity": "bloquante",
                        "count": 1,
                        "messages": [
                            "2 doutes sont ouverts : le dire, puis redemander le tableau."
                        ],
                    },
                ],
            )
        ),
        PAGE,
    ),
    "tableau_provisoire": describe_request(
        tableaux_report(tableau("vingt_jours.P.commune", provisoire_until=date(2027, 3, 22))), PAGE
    ),
    "fichiers_a_refaire": describe_recall(
        RECALL,
        [
            export(
                "P.csv",
                downloaded_at=ASKED_AT,
                label="Liste P du 25/11/2026 09:30:00 [csv], à refaire",
            ),
            tableau("vingt_jours.P.commune"),
        ],
        lieu="LIBREVILLE (13900)",
        public_url=PAGE,
    ),
    "exemplaire_de_la_commission": describe_request(
        tableaux_report(tableau("vingt_jours.P.commune", edition=COMMISSION)), ""
    ),
    "tableau_en_echec": describe_request(
        tableaux_report(tableau(status="failed", **FULL_DISK)), ""
    ),
    "listes_pretes_et_en_echec": describe_request(
        report(
            export("P.csv"), export("CE.csv", bloquantes=3), export("CM.csv", "failed", **FULL_DISK)
        ),
        PAGE,
    ),
    "demande_refusee": describe_request(refused(), PAGE),
    "registre_repris": describe_request(replace(report(), preview=preview(found=FOUND)), PAGE),
    "reprise_non_annulee": describe_request(
        replace(report(), preview=preview(act=PreviewAct.UNDO, status=PreviewStatus.DROPPED)), ""
    ),
    "rappel_d_echeances": describe_deadlines(
        [
            deadline(
                MEETING,
                date(2027, 3, 18),
                date(2027, 3, 21),
                _SCRUTIN,
                "Élection présidentielle, 1er tour",
            ),
            deadline(TypeTableau.VINGT_JOURS, date(2027, 3, 22), date(2027, 3, 22), _SCRUTIN, ""),
        ],
        commune="13900",
        lieu="LIBREVILLE (13900)",
        today=date(2027, 3, 15),
        public_url=PAGE,
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_a_mail_is_this_one(name: str) -> None:
    file = f"{name}.txt"
    check_files({file: CASES[name].mail.encode()}, {file: MAILS / file}, MAILS)


@pytest.mark.parametrize(
    "about",
    [
        report(export(label=INJECTION)),
        report(export(status="failed", error_message=INJECTION)),
        report(requested_by=INJECTION, correlation_id=INJECTION, lieu=INJECTION),
        refused(INJECTION, code_commune=INJECTION),
    ],
)
def test_a_value_adds_no_header_and_no_line(about: RequestReport) -> None:
    message = mail_about(about)
    assert message["Bcc"] is None
    assert message["To"] == "mairie@libreville.example"
    assert not any(
        line.strip().startswith(("Bcc", "Coucou")) for line in message.get_content().splitlines()
    )


@pytest.mark.parametrize(
    ("about", "expected"),
    [
        (
            report(export()),
            "Fichier prêt — Liste P du 25/11/2026 09:30:00 [csv] — LIBREVILLE (13900)",
        ),
        (
            report(export(), lieu="13900"),
            "Fichier prêt — Liste P du 25/11/2026 09:30:00 [csv] — 13900",
        ),
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
            report(
                export("P.csv", "failed"),
                export("P.xml", "cancelled"),
                export("CE.xml", "cancelled"),
            ),
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
            "1 tableau prêt, 2 à corriger, 3 anomalies bloquantes — LIBREVILLE (13900)",
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
GAP = {
    "code": "couverture_fin",
    "severity": "bloquante",
    "column": "période",
    "count": 1,
    "messages": [NOT_KNOWN],
}


@pytest.mark.parametrize(
    ("about", "said"),
    [
        (
            tableau(bloquantes=1, provisoire_until=COMING),
            "— à corriger, à refaire à partir du 06/04/2027",
        ),
        (tableau(a_completer=12, anomalies=LACKS), "— à compléter avant la publication"),
        (tableau(a_completer=12, anomalies=LACKS), "À compléter : 12 dates, 4 motifs"),
        (
            tableau(
                a_completer=1, anomalies=[_lacking("motif_absent", 1)], provisoire_until=COMING
            ),
            "Ne publiez pas un tableau provisoire : sa période n'est pas terminée.",
        ),
        (tableau(recall_id=7), "— à refaire, ce dont il vient ne vaut plus"),
        (
            tableau(bloquantes=1, anomalies=[GAP]),
            f"Anomalies bloquantes : 1 À corriger : {NOT_KNOWN}",
        ),
        (
            tableau(edition=COMMISSION, bloquantes=1),
            "L'exemplaire de la commission ne se publie pas",
        ),
        (
            tableau("vingt_jours.P.recapitulatif"),
            "Un récapitulatif ne se publie pas : il ne nomme aucun électeur.",
        ),
        (tableau("additions.P.commune"), "Un tableau d'avant 2019 ne se publie plus"),
        (tableau("second_rectificatif.P.par_bureau"), "Un tableau d'avant 2019 ne se publie plus"),
    ],
)
def test_what_is_not_to_be_published_is_not_said_to_be(about: object, said: str) -> None:
    text = " ".join(describe_request(tableaux_report(about), "").mail.split())  # type: ignore[arg-type]
    assert said in text
    assert [words for words in UNFIT if words in text] == []


def test_a_tableau_to_complete_is_not_called_ready() -> None:
    text = describe_request(tableaux_report(tableau(a_completer=12, anomalies=LACKS)), "")
    assert text.subject.startswith("Tableau à compléter — ")
    assert "prêt" not in text.mail


def test_what_is_to_be_done_is_said_once_for_each_type() -> None:
    about = tableaux_report(
        tableau("cinq_jours_reu.P.commune"), tableau("cinq_jours_reu.CM.par_bureau")
    )
    text = describe_request(about, "").mail
    in_town_hall = (
        "à publier cinq jours avant le scrutin, ou le jour que fixe un décret, puis à retirer"
    )
    assert (
        text.count(
            f"  Signature : non exigée ; le maire peut signer\n  En mairie : {in_town_hall}\n"
        )
        == 1
    )


@pytest.mark.parametrize(
    ("event_type", "asked"),
    [
        (REQUEST_TABLEAUX_RENDER, "la demande de tableaux"),
        ("fr.openelec.prefecture.request.autre.v1", "la demande"),
    ],
)
def test_a_refusal_says_what_was_asked_for_where_it_is_known(event_type: str, asked: str) -> None:
    text = describe_request(refused(event_type=event_type), "").mail
    assert f"Résultat de {asked} pour LIBREVILLE (13900) : demande refusée." in text


def test_nothing_of_an_elector_travels() -> None:
    anomalies = [
        {
            "code": "sexe",
            "severity": "bloquante",
            "column": "Sexe",
            "count": 1,
            "exemple": "D'AUBIGNE",
        }
    ]
    listed = export(bloquantes=1, anomalies=anomalies, parameters={"nom": "D'AUBIGNE"})
    message = mail_about(report(listed, export("CE.csv", "failed", **FULL_DISK)))
    assert "AUBIGNE" not in message.as_string()
    assert [part.get_content_type() for part in message.walk()] == ["text/plain"]


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
    assert message["Content-Type"].params["charset"] == "utf-8"
    assert message["X-Correlation-ID"] == "clic-42"
    assert "clic-42" not in message.get_content()


def test_message_id_is_stable_and_hides_the_address() -> None:
    def message_id(about: str, email: str, mail_from: str = "prefecture@example.org") -> str:
        sent = list[EmailMessage]()
        message = Message(about, lambda: describe_request(report(), ""), list)
        MailSender(sent.append, mail_from).send(
            message, Addressee("", Channel.MAIL, email, frozenset())
        )
        return str(sent[0]["Message-ID"])

    first = message_id(
        "demande", "mairie@libreville.example", "Préfecture <prefecture@example.org>"
    )
    assert first == message_id("demande", "mairie@libreville.example")
    assert first != message_id("demande", "adjoint@libreville.example")
    assert first != message_id("autre", "mairie@libreville.example")
    assert first.endswith("@example.org>")
    assert "mairie" not in first


def test_a_mail_about_files_that_no_platform_wants_speaks_of_no_deposit() -> None:
    profile = read_shipped().model_copy(update={"deposits_wanted": False}).record(of_liste=True)
    about = report(
        export("P.csv", profile=profile), export("CE.csv", bloquantes=3, profile=profile)
    )
    text = describe_request(about, "").mail
    assert not re.search("dép[oô]", text, re.IGNORECASE), text
    assert "à corriger" in text
