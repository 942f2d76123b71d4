"""The report of anomalies read by pages; the electors whom the platform names are found where this is certain."""

import io
from collections.abc import Iterable
from dataclasses import replace
from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from producers.web.anomalies.report import (
    PAGE,
    AnomalyLine,
    Criteria,
    UnreadableReportError,
    find_about,
    read_page,
    summarize,
)
from producers.web.depot import ListedElecteur, match, read_electeurs
from schemas.cures import facts_of_file
from schemas.profiles.platform import read_shipped
from schemas.vocabulary import Severity
from worker.domain.anomaly import Anomaly
from worker.registre.models import Electeur
from worker.writers.columns import COLUMNS
from worker.writers.precheck import HEADER, ReportSubject, write_report

_SEVERITIES = st.sampled_from(Severity)


def _report(anomalies: Iterable[Anomaly]) -> io.BytesIO:
    """As the worker writes it."""
    report = io.BytesIO()
    write_report(anomalies, report, ReportSubject(facts_of_file(1, "13900", "P", "", {})))
    return report


def _anomaly(
    severity: Severity = Severity.BLOCKING, nom: str = "INVENTEE", **columns: str
) -> Anomaly:
    values = {
        "code": "sexe_absent",
        "column": "Sexe",
        "message": "Sexe absent.",
        "prenoms": "Zélie",
    } | columns
    return replace(Anomaly("", severity, "", "", nom=nom), **values)  # type: ignore[arg-type]  # texts only


def _read_all(report: io.BytesIO, criteria: Criteria) -> list[AnomalyLine]:
    summary = summarize(report, criteria)
    pages = (
        read_page(report, summary, criteria.text, page) for page in range(1, summary.pages + 1)
    )
    return [line for page in pages for group in page for line in group]


def test_a_line_has_the_columns_of_the_report() -> None:
    assert len(AnomalyLine._fields) == len(HEADER)
    (line,) = _read_all(
        _report([_anomaly(bureau="0001", numero="12", naissance="1962-03-14")]), Criteria()
    )
    assert line == (
        "bloquante",
        "0001",
        "12",
        "INVENTEE",
        "Zélie",
        "14/03/1962",
        "Sexe",
        "Sexe absent.",
        "sexe_absent",
        "Corriger dans ELIRE, puis déposer le nouvel export (page Le registre)",
    )


@given(st.lists(_SEVERITIES, max_size=4 * PAGE))
def test_every_line_is_on_one_page_blocking_first_in_the_order_of_the_report(
    severities: list[Severity],
) -> None:
    report = _report(
        _anomaly(severity, numero=str(number)) for number, severity in enumerate(severities)
    )
    lines = _read_all(report, Criteria())
    expected = sorted(enumerate(severities), key=lambda it: it[1] is not Severity.BLOCKING)
    assert [(int(line.numero), line.severity) for line in lines] == [
        (number, it.label) for number, it in expected
    ]
    assert summarize(report, Criteria()).pages == max(1, -(-len(severities) // PAGE))


def test_what_is_wrong_with_one_elector_stands_together_blocking_first() -> None:
    report = _report(
        [
            _anomaly(Severity.REMARK, nom="PREMIERE", numero="1"),
            _anomaly(Severity.REMARK, numero="2", code="nom"),
            _anomaly(numero="2", code="sexe_absent"),
            _anomaly(Severity.REMARK, nom="", prenoms="", bureau="0001"),
        ]
    )
    summary = summarize(report, Criteria())
    assert (summary.lines.total(), summary.groups) == (4, {True: 1, False: 2})
    groups = read_page(report, summary, "", 1)
    assert [[line.code for line in group] for group in groups] == [
        ["sexe_absent", "nom"],
        ["sexe_absent"],
        ["sexe_absent"],
    ]
    assert [group[0].numero for group in groups] == ["2", "1", ""]


@pytest.mark.parametrize("start", ["=", "+", "-", "@"])
def test_the_apostrophe_against_formulas_is_taken_off(start: str) -> None:
    lines = _read_all(
        _report([_anomaly(nom=f"{start}INVENTEE"), _anomaly(nom="'INVENTEE")]), Criteria()
    )
    assert [line.nom for line in lines] == [f"{start}INVENTEE", "'INVENTEE"]


@pytest.mark.parametrize(
    ("nom", "prenoms", "text", "found"),
    [
        ("D'AUBIGNÉ", "Éléonore", "d'aubigne eleonore", True),
        ("Šťastný", "Łukasz", "lukasz stastny", True),
        ("ŒUVRARD", "Zoé", "oeuvrard", True),
        ("LE-BROC", "Zoé", "le broc", True),
        ("LEBROC", "Zoé", "le broc", True),
        ("LEBROC", "Zoé", "broche", False),
        ("LEBROC", "Zoé", "zoé", True),
        ("LEBROC", "Zoé", "' - ;", True),  # nothing to look for
        ("STRASSER", "Zoé", "straßer", True),
    ],
)
def test_a_name_is_found_whatever_its_accents(
    nom: str, prenoms: str, text: str, *, found: bool
) -> None:
    lines = _read_all(_report([_anomaly(nom=nom, prenoms=prenoms)]), Criteria(text=text))
    assert bool(lines) is found


def test_criteria_are_all_true_of_a_line() -> None:
    report = _report(
        [
            _anomaly(bureau="0001"),
            _anomaly(Severity.REMARK, bureau="0001"),
            _anomaly(bureau=""),
            _anomaly(bureau="0001", column="Prenoms", code="prenoms_absents"),
        ]
    )
    for criteria, number in (
        (Criteria(), 4),
        (Criteria(bureau=""), 1),
        (Criteria(severity="bloquante", bureau="0001"), 2),
        (Criteria(column="Sexe", code="sexe_absent", bureau="0001"), 2),
        (Criteria(column="Sexe", text="inventee", severity="remarque"), 1),
        (Criteria(code="inconnu"), 0),
    ):
        assert len(_read_all(report, criteria)) == number, criteria


@pytest.mark.parametrize(
    "content", [b"", b"a;b\r\n", b"\xff\xfe\x00", b";".join([b"titre"] * 9) + b"\r\ntrop;court\r\n"]
)
def test_what_is_no_report_is_refused(content: bytes) -> None:
    report = io.BytesIO(content)
    with pytest.raises(UnreadableReportError):
        _read_all(report, Criteria())
    assert not report.closed


SAID_ON = date(2026, 11, 26)
ZELIE = ListedElecteur("", "D'INVENTÉE", "Zélie Capucine", "14/03/1962", "0001")
HOMONYM = ListedElecteur("", "D'INVENTÉE", "Zélie", "02/05/1990", "0002")
FIFTH = ListedElecteur("5", "LIMONADE", "Adélaïde", "00/00/1961", "0001")
EVERYBODY = (ZELIE, HOMONYM, FIFTH)


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("Mme d'inventee Zelie, née le 14/03/1962 : adresse absente", [ZELIE]),
        ("D'INVENTÉE (02/05/1990) : sexe absent", [HOMONYM]),
        ("D'INVENTÉE Zélie : sexe absent", [ZELIE, HOMONYM]),
        ("Rejet du 26/11/2026. D'INVENTÉE Zélie : adresse absente", [ZELIE, HOMONYM]),
        ("D'INVENTÉE Zélie, née le 03/03/1933", []),
        ("Électeur n° 5 : nationalité absente", [FIFTH]),
        ("numéro 5 : nationalité absente", [FIFTH]),
        ("5 lignes en erreur", []),
        ("LIMONADE Adélaïde", [FIFTH]),
        ("LIMONADE", []),
        ("Colonne NOM FAMILLE inconnue", []),
    ],
)
def test_a_line_means_whom_it_names(line: str, expected: list[ListedElecteur]) -> None:
    found, others = match(f"{line}\n", SAID_ON, EVERYBODY)
    assert [it.electeur for it in found] == expected
    assert others == ([] if expected else [line])


def test_an_empty_answer_names_nobody() -> None:
    assert match("", SAID_ON, EVERYBODY) == ([], [])


def test_the_electors_of_a_file_and_what_its_report_says_of_them() -> None:
    known = {
        Electeur.nom_naissance: ZELIE.nom,
        Electeur.prenoms: ZELIE.prenoms,
        Electeur.date_naissance: ZELIE.naissance,
        Electeur.code_bureau: ZELIE.bureau,
    }
    row = [known.get(column.source, "") if column.source else "" for column in COLUMNS]
    form = read_shipped().form
    file = io.BytesIO(form.header + f"{';'.join(row)}\n".encode())
    assert list(read_electeurs(file, form)) == [ZELIE]
    assert not file.closed
    report = io.BytesIO(
        "\ufeffGravité;Bureau;Numéro;Nom de naissance;Prénoms;Date de naissance;Colonne;Anomalie;Code;Que faire\n"
        "bloquante;0001;12;D'INVENTÉE;Zélie Capucine;14/03/1962;Ville;Ville absente.;ville_absente;Corriger\n"
        "bloquante;0001;13;AUTRE;Zélie Capucine;14/03/1962;Sexe;Sexe absent.;sexe_absent;Corriger\n".encode()
    )
    about = find_about(report, {ZELIE[1:4]})
    assert [line.code for line in about[ZELIE[1:4]]] == ["ville_absente"]
