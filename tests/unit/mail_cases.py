"""The mails whose exact texts are in `mails/`: `NAME.txt` and `NAME.html`.

`python -m tests.unit.mail_cases` writes them again. Read the difference, and look at the pages in a browser, in
light and in dark mode.
"""

from datetime import date
from pathlib import Path

from schemas.tableaux import Edition, TypeTableau
from tests.unit.mail_samples import (
    ASKED_AT,
    FULL_DISK,
    RECALL,
    export,
    refused,
    report,
    report_beside,
    tableau,
    tableaux_report,
)
from worker.notifier.messages.content import Content
from worker.notifier.messages.deadlines import COMMISSION, Deadline, describe_deadlines
from worker.notifier.messages.render import render_html, render_text
from worker.notifier.messages.request import describe_recall, describe_request

MAILS = Path(__file__).parent / "mails"
PAGE = "https://exports.example.org/"
_SCRUTIN = date(2027, 4, 11)

CASES: dict[str, Content] = {
    "tableau_pret": describe_request(
        tableaux_report(
            tableau(
                "vingt_jours.P.par_bureau",
                pieces=report_beside("tableau-vingt_jours-P-13900-par_bureau-20261125-093000-pdf-anomalies.csv"),
            )
        ),
        PAGE,
    ),
    "tableaux_prets_a_corriger_et_en_echec": describe_request(
        tableaux_report(
            tableau("vingt_jours.P.commune", bloquantes=2),
            tableau("second_rectificatif.P.commune", pages=2, electeurs=5, remarques=0),
            tableau("vingt_jours.CM.recapitulatif", pages=1, electeurs=0, remarques=0),
            tableau("cinq_jours_reu.P.commune", "failed", **FULL_DISK),
        ),
        "",
    ),
    "tableau_provisoire": describe_request(
        tableaux_report(tableau("vingt_jours.P.commune", provisoire_until=date(2027, 3, 22))), PAGE
    ),
    "fichiers_a_refaire": describe_recall(
        RECALL,
        [
            export("P.csv", downloaded_at=ASKED_AT, label="Liste P du 25/11/2026 09:30:00 [csv], à refaire"),
            tableau("vingt_jours.P.commune"),
        ],
        lieu="LIBREVILLE (13900)",
        public_url=PAGE,
    ),
    "exemplaire_de_la_commission": describe_request(
        tableaux_report(tableau("vingt_jours.P.commune", edition=Edition.COMMISSION)), ""
    ),
    "tableau_en_echec": describe_request(tableaux_report(tableau(status="failed", **FULL_DISK)), ""),
    "listes_pretes_et_en_echec": describe_request(
        report(
            export("P.csv"),
            export("CE.csv", bloquantes=3, pieces=report_beside("liste-CE-13900-20261125-093000-csv-anomalies.csv")),
            export("CM.csv", "failed", **FULL_DISK),
        ),
        PAGE,
    ),
    "demande_refusee": describe_request(refused(), PAGE),
    "rappel_d_echeances": describe_deadlines(
        [
            Deadline(COMMISSION, date(2027, 3, 18), date(2027, 3, 21), _SCRUTIN, "Élection présidentielle, 1er tour"),
            Deadline(TypeTableau.VINGT_JOURS, date(2027, 3, 22), date(2027, 3, 22), _SCRUTIN, ""),
        ],
        lieu="LIBREVILLE (13900)",
        today=date(2027, 3, 15),
        public_url=PAGE,
    ),
}


def main() -> None:
    """Write both parts of each mail."""
    for name, content in CASES.items():
        for ending, rendered in (("html", render_html(content)), ("txt", render_text(content))):
            (MAILS / f"{name}.{ending}").write_text(rendered, encoding="utf-8", newline="\n")


if __name__ == "__main__":
    main()
