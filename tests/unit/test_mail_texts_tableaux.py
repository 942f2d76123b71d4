"""The mail about tableaux, as a clerk reads it."""

from datetime import date
from pathlib import Path

import pytest

from schemas.tableaux import Edition, TypeTableau
from schemas.topology import REQUEST_TABLEAUX_RENDER
from tests.unit.mail_cases import CASES
from tests.unit.mail_samples import (
    FULL_DISK,
    body,
    mail_about,
    refused,
    report_beside,
    subject,
    tableau,
    tableaux_report,
)
from worker.exports.models import Export
from worker.notifier.messages.content import Tone
from worker.notifier.messages.render import render_text
from worker.notifier.messages.request import RequestReport, describe_request

MAILS = Path(__file__).parent / "mails"
COMMISSION = Edition.COMMISSION
COMING = date(2027, 4, 6)


def _mail(name: str) -> str:
    return (MAILS / f"{name}.txt").read_text("utf-8")


def test_a_ready_tableau() -> None:
    report = "tableau-vingt_jours-P-13900-par_bureau-20261125-093000-pdf-anomalies.csv"
    about = tableaux_report(tableau("vingt_jours.P.par_bureau", pieces=report_beside(report)))

    assert body(about, "https://exports.example.org/") == _mail("tableau_pret")


def test_tableaux_ready_wrong_and_failed() -> None:
    about = tableaux_report(
        tableau("vingt_jours.P.commune", bloquantes=2),
        tableau("second_rectificatif.P.commune", pages=2, electeurs=5, remarques=0),
        tableau("vingt_jours.CM.recapitulatif", pages=1, electeurs=0, remarques=0),
        tableau("cinq_jours_reu.P.commune", "failed", **FULL_DISK),
    )

    assert body(about, "") == _mail("tableaux_prets_a_corriger_et_en_echec")
    assert next(mail_about(about).iter_parts()).get_content().splitlines() == body(about, "").splitlines()


def test_a_provisional_tableau() -> None:
    about = tableaux_report(tableau("vingt_jours.P.commune", provisoire_until=date(2027, 3, 22)))

    assert body(about, "") == _mail("tableau_provisoire")


def test_a_provisional_tableau_that_would_be_wrong_is_said_to_be_both() -> None:
    about = tableaux_report(tableau(bloquantes=1, provisoire_until=COMING))

    assert subject(about).startswith("Tableau provisoire, à corriger, 1 anomalie bloquante — ")
    text = body(about, "")
    assert "— provisoire, à corriger, à refaire à partir du 06/04/2027\n" in text
    assert "prêt" not in text


def test_a_tableau_that_lacks_dates_and_motifs_is_not_called_ready() -> None:
    anomalies = [
        {"code": "date_et_motif_absents", "severity": "a_completer", "column": "date, motif", "count": 4},
        {"code": "date_du_mouvement_absente", "severity": "a_completer", "column": "date", "count": 8},
    ]
    about = tableaux_report(tableau(a_completer=12, anomalies=anomalies))

    assert subject(about).startswith("Tableau à compléter — ")
    text = body(about, "")
    assert "— à compléter avant la publication\n" in text
    assert "  À compléter : 12 dates, 4 motifs\n" in text
    assert "Ne publiez pas un tableau à compléter : il y manque des dates ou des motifs." in text
    assert "prêt" not in text
    assert "En mairie" not in text, "nothing is to be posted"
    assert describe_request(about, "").tone is Tone.WARNING


def test_a_provisional_tableau_that_lacks_something_is_provisional_first() -> None:
    anomalies = [{"code": "motif_absent", "severity": "a_completer", "column": "motif", "count": 1}]
    about = tableaux_report(tableau(a_completer=1, anomalies=anomalies, provisoire_until=COMING))

    assert subject(about).startswith("Tableau provisoire — ")
    assert "  À compléter : 1 motif\n" in body(about, "")


def test_what_was_recalled_before_anybody_was_told_is_not_called_ready() -> None:
    about = tableaux_report(tableau(recall_id=7), tableau("additions.P.commune"))

    assert subject(about) == "1 tableau prêt, 1 à refaire — LIBREVILLE (13900)"
    text = body(about, "")
    assert "— à refaire, ce dont il vient ne vaut plus" in text
    assert "En mairie" not in text, "nothing is to be done with it"


def test_files_to_make_again() -> None:
    assert render_text(CASES["fichiers_a_refaire"]) == _mail("fichiers_a_refaire")


def test_what_is_not_known_of_the_period_is_said_with_what_to_do() -> None:
    said = "Le dernier export du REU repris est du 18/11/2026 : reprendre un export pris le 20/11/2026 ou après."
    anomaly = {"code": "couverture_fin", "severity": "bloquante", "column": "période", "count": 1, "messages": [said]}
    about = tableaux_report(tableau(bloquantes=1, anomalies=[anomaly]))
    assert f"  Anomalies bloquantes : 1\n  À corriger : {said}\n" in body(about, "")


def test_a_copy_for_the_commission_is_not_to_be_posted_nor_lodged() -> None:
    about = tableaux_report(tableau("vingt_jours.P.commune", edition=COMMISSION))

    assert body(about, "") == _mail("exemplaire_de_la_commission")


def test_a_failed_tableau() -> None:
    assert body(tableaux_report(tableau(status="failed", **FULL_DISK)), "") == _mail("tableau_en_echec")


@pytest.mark.parametrize(
    ("about", "expected"),
    [
        (
            tableaux_report(tableau()),
            "Tableau prêt — Tableau des vingt jours (commune), liste P, du 25/11/2026 09:30:00 — LIBREVILLE (13900)",
        ),
        (
            tableaux_report(*(tableau(f"vingt_jours.{liste}.commune") for liste in ("P", "CE", "CM"))),
            "3 tableaux prêts — LIBREVILLE (13900)",
        ),
        (
            tableaux_report(
                tableau("vingt_jours.P.commune"),
                tableau("vingt_jours.P.par_bureau", "failed", **FULL_DISK),
                tableau("vingt_jours.P.recapitulatif", "cancelled"),
            ),
            "1 tableau prêt, 1 en échec, 1 annulé — LIBREVILLE (13900)",
        ),
        (
            tableaux_report(tableau(provisoire_until=date(2027, 3, 22), label="Tableau, provisoire")),
            "Tableau provisoire — Tableau, provisoire — LIBREVILLE (13900)",
        ),
        (
            tableaux_report(tableau(), tableau("cinq_jours_reu.P.commune", provisoire_until=date(2027, 4, 6))),
            "1 tableau prêt, 1 provisoire — LIBREVILLE (13900)",
        ),
        (
            tableaux_report(
                tableau(),
                tableau("cinq_jours_reu.P.commune", provisoire_until=COMING),
                tableau("additions.P.commune", bloquantes=1),
            ),
            "1 tableau prêt, 1 provisoire, 1 à corriger, 1 anomalie bloquante — LIBREVILLE (13900)",
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
            tableaux_report(tableau("vingt_jours.P.commune", "cancelled"), tableau("additions.P.commune", "cancelled")),
            "2 tableaux annulés — LIBREVILLE (13900)",
        ),
    ],
)
def test_subject_says_the_outcome(about: RequestReport, expected: str) -> None:
    assert subject(about) == expected
    assert mail_about(about)["Subject"] == expected


def test_subject_says_that_a_copy_is_for_the_commission() -> None:
    about = tableaux_report(tableau(edition=COMMISSION, bloquantes=1))

    assert subject(about).startswith("Tableau à corriger, 1 anomalie bloquante — Tableau des vingt jours (")
    assert "(commune, pour la commission), liste P" in subject(about)


def test_anomalies_count_once_for_a_type_and_a_list_whatever_the_presentations() -> None:
    about = tableaux_report(
        tableau("vingt_jours.P.commune", bloquantes=1200),
        tableau("vingt_jours.P.par_bureau", bloquantes=1200),
        tableau("vingt_jours.CM.commune", bloquantes=30),
        tableau("cinq_jours_reu.P.commune", bloquantes=4),
    )

    assert subject(about) == "4 tableaux à corriger, 1 234 anomalies bloquantes — LIBREVILLE (13900)"


def test_a_tableau_that_would_be_wrong_is_neither_signed_nor_published() -> None:
    text = body(tableaux_report(tableau("vingt_jours.P.commune", bloquantes=1)), "")

    assert "Ne publiez pas un tableau qui a des anomalies bloquantes" in text
    for words in ("prêt à imprimer", "Ce qu'il reste à faire", "Signature"):
        assert words not in text


def test_a_wrong_copy_for_the_commission_is_not_to_be_posted_either() -> None:
    text = body(tableaux_report(tableau(edition=COMMISSION, bloquantes=1)), "")

    assert "il serait faux" in text
    assert "L'exemplaire de la commission ne se publie pas" in text


@pytest.mark.parametrize(
    ("type_", "in_town_hall"),
    [
        ("vingt_jours", "à tenir sept jours à la disposition des électeurs, puis à retirer"),
        ("cinq_jours_reu", "à publier cinq jours avant le scrutin, puis à retirer"),
    ],
)
def test_what_is_to_be_done_depends_on_the_type(type_: str, in_town_hall: str) -> None:
    text = body(tableaux_report(tableau(f"{type_}.P.commune"), tableau(f"{type_}.CM.par_bureau")), "")

    steps = [
        TypeTableau(type_).label,
        "  Signature : non exigée ; le maire peut signer",
        f"  En mairie : {in_town_hall}",
    ]
    assert "\n\n" + "\n".join(steps) + "\n\n" in text
    assert text.count("Signature :") == 1


@pytest.mark.parametrize(
    ("about", "said"),
    [
        (tableau("vingt_jours.P.recapitulatif"), "Un récapitulatif ne se publie pas : il ne nomme aucun électeur."),
        (tableau(edition=COMMISSION), "L'exemplaire de la commission ne se publie pas : ses motifs sont complets."),
        (tableau("additions.P.commune"), "Un tableau d'avant 2019 ne se publie plus"),
        (tableau("second_rectificatif.P.par_bureau"), "Un tableau d'avant 2019 ne se publie plus"),
        (tableau(provisoire_until=COMING), "Ne publiez pas un tableau provisoire : sa période n'est pas terminée."),
    ],
)
def test_what_is_not_published_is_not_said_to_be(about: Export, said: str) -> None:
    text = body(tableaux_report(about), "")

    assert said in " ".join(text.split())
    for words in ("Ce qu'il reste à faire", "se signe", "s'affiche", "En mairie", "déposez"):
        assert words not in text


def test_a_refusal_says_that_tableaux_were_asked_for() -> None:
    text = body(refused("scrutin manque, pour additions", event_type=REQUEST_TABLEAUX_RENDER), "")

    assert "Résultat de la demande de tableaux pour LIBREVILLE (13900) : demande refusée." in text
    assert "Motif du refus : scrutin manque, pour additions" in text


def test_nothing_of_an_elector_travels() -> None:
    anomalies = [{"code": "deja_inscrit", "severity": "bloquante", "column": "", "count": 1, "exemple": "D'AUBIGNE"}]
    message = mail_about(tableaux_report(tableau(bloquantes=1, anomalies=anomalies, parameters={"nom": "D'AUBIGNE"})))

    assert "AUBIGNE" not in message.as_string()
