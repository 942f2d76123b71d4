"""The pages of a file: its anomalies, blocking ones first, and its changes since the last deposit."""

import csv
import io
import json
import re
import tracemalloc
from hashlib import sha256

import pytest
from sqlalchemy import RowMapping

from producers.web.anomalies.report import PAGE
from schemas.tableaux import TypeTableau
from schemas.vocabulary import Liste
from tests.integration.depots_desk import today
from tests.web.files_desk import FilesScreen, words
from worker.registre.models import Bureau
from worker.writers.columns import header_of

CANTON = header_of(Bureau.code_canton)
LINES = 100_000


@pytest.mark.slow
def test_every_line_of_the_report_is_on_the_pages_blocking_first(screen: FilesScreen) -> None:
    made = screen.make()
    page, lines = screen.read("anomalies", export=made["export_id"]), _report(screen, made)
    last = int(re.findall(r"page 1 sur (\d+)", page)[0])
    page += "".join(
        screen.read("anomalies", f"page={it}", export=made["export_id"])
        for it in range(2, last + 1)
    )
    for line in lines:
        assert line["Anomalie"].split(" : ")[0] in page
    assert (
        f"{made['bloquantes']} anomalies bloquantes : la plateforme rejetterait le fichier entier"
        in page
    )
    listed = (part.partition("où le corriger")[2] for part in page.split("Une par une")[1:])
    severities = re.findall(
        r"(bloquante|remarque) ", " ".join(it.partition("Ce qui a été trouvé")[0] for it in listed)
    )
    assert severities.count("bloquante") == made["bloquantes"]
    assert severities.count("remarque") == made["remarques"]


@pytest.mark.slow
def test_filters_of_the_address_narrow_the_lines(files: FilesScreen) -> None:
    made = files.make()
    lines = _report(files, made)
    blocking = [line for line in lines if line["Gravité"] == "bloquante"]
    code = blocking[0]["Code"]
    bureau = blocking[0]["Bureau"]
    for query, wanted in (
        ("gravite=bloquante", blocking),
        (f"code={code}", [line for line in lines if line["Code"] == code]),
        (f"bureau={bureau}", [line for line in lines if line["Bureau"] == bureau]),
        ("bureau=-", [line for line in lines if not line["Bureau"]]),
        (f"colonne={CANTON}", [line for line in lines if line["Colonne"] == CANTON]),
        ("gravite=inventee&code=", lines),
    ):
        found = files.read("anomalies", query, export=made["export_id"])
        assert f" {len(wanted)} anomalie" in found.partition("Une par une")[2], query
    assert "Aucune anomalie ne répond à ce choix." in files.read(
        "anomalies", "bureau=9999", export=made["export_id"]
    )


def test_a_name_is_looked_for_by_a_form_and_never_stands_in_an_address(
    files: FilesScreen, capfd: pytest.CaptureFixture[str]
) -> None:
    made = files.make()
    line = next(
        line
        for line in _report(files, made)
        if line["Gravité"] == "bloquante" and line["Nom de naissance"]
    )
    name = line["Nom de naissance"]
    found = files.post("anomalies", {"nom": name.lower()}, export=made["export_id"])
    assert name in words(found)
    assert found.request.url.query == b""
    addresses = re.findall(r'(?:href|action)="([^"]*)"', found.text)
    assert not any(name.lower() in address.lower() for address in addresses)
    assert found.headers["Cache-Control"] == "no-store"
    captured = capfd.readouterr()
    assert name.lower() not in (captured.out + captured.err).lower()
    assert "nom" not in [
        part.partition("=")[0]
        for address in addresses
        for part in address.partition("?")[2].split("&")
    ]


@pytest.mark.slow
def test_a_hundred_thousand_lines_are_read_by_pages_in_flat_memory(files: FilesScreen) -> None:
    made = files.make()
    _replace_report(files, made, LINES)
    files.read("anomalies", export=made["export_id"])
    last = files.read("anomalies", f"page={LINES // PAGE}", export=made["export_id"])
    assert f"NOM{LINES - 2}" in last  # the last remark
    assert "Page 4 000 sur 4 000" in last
    tracemalloc.start()
    try:
        files.read("anomalies", "gravite=remarque&page=900", export=made["export_id"])
        assert tracemalloc.get_traced_memory()[1] < 5_000_000
    finally:
        tracemalloc.stop()


def test_an_elector_whose_line_the_export_holds_twice_is_told_so_once(files: FilesScreen) -> None:
    for _ in range(2):
        files.desk.add_person(nom="ZZDOUBLE")
    made = files.make()
    page = files.read("anomalies", "code=electeur_en_double", export=made["export_id"])
    listed = page.partition("Une par une")[2]
    assert "2 anomalies" in listed
    assert (listed.count("ZZDOUBLE"), listed.count("REU : état civil")) == (1, 1)


def test_values_are_shown_as_they_are_and_never_as_markup(files: FilesScreen) -> None:
    made = files.make()
    _replace_report(files, made, 1, nom="'-<script>alert(1)</script>")
    page = files.get("anomalies", export=made["export_id"]).text
    assert "-&lt;script&gt;alert(1)&lt;/script&gt;" in page
    assert "<script>alert" not in page


@pytest.mark.slow
@pytest.mark.parametrize("damage", ["altered", "gone", "no_report"])
def test_a_report_that_cannot_be_shown_says_so(files: FilesScreen, damage: str) -> None:
    made = files.make()
    report = files.desk.root / made["code_commune"] / made["report_name"]
    if damage == "altered":
        report.write_bytes(report.read_bytes().replace(b"bloquante", b"remarque ", 1))
    elif damage == "gone":
        report.unlink()
    else:
        _replace_report(files, made, 0, content=b"ceci;n'est;pas;un;rapport\r\n")
    response = files.get("anomalies", export=made["export_id"])
    assert response.status_code == (410 if damage == "gone" else 500)
    expected = (
        "n'est plus sur le disque" if damage == "gone" else "n'est plus celui que le module a écrit"
    )
    assert expected in words(response)


def test_a_purged_report_leaves_its_counts(files: FilesScreen) -> None:
    made = files.make()
    files.desk.run("UPDATE export SET purged_at = finished_at WHERE id = :id", id=made["export_id"])
    response = files.get("anomalies", export=made["export_id"])
    assert response.status_code == 410
    assert f"{made['bloquantes']} anomalies bloquantes" in words(response)


def _report(files: FilesScreen, made: RowMapping) -> list[dict[str, str]]:
    text = (files.desk.root / made["code_commune"] / made["report_name"]).read_text("utf-8-sig")
    return list(csv.DictReader(io.StringIO(text), delimiter=";"))


def _replace_report(
    files: FilesScreen, made: RowMapping, lines: int, *, nom: str = "", content: bytes | None = None
) -> None:
    text = io.StringIO(newline="")
    writer = csv.writer(text, delimiter=";", lineterminator="\r\n")
    writer.writerow(["titre"] * 10)
    for number in range(lines):
        severity, column, code = (
            ("remarque", CANTON, "canton_absent")
            if number % 3
            else ("bloquante", "Sexe", "sexe_absent")
        )
        who = (f"{number % 80:04}", number, nom or f"NOM{number}", "Zélie", "14/03/1962")
        writer.writerow([severity, *who, column, f"À corriger {number % 3}.", code, ""])
    data = content if content is not None else b"\xef\xbb\xbf" + text.getvalue().encode()
    (files.desk.root / made["code_commune"] / made["report_name"]).write_bytes(data)
    files.desk.run(
        "UPDATE piece SET size = :size, sha256 = :sha WHERE export_id = :id",
        size=len(data),
        sha=sha256(data).hexdigest(),
        id=made["export_id"],
    )


CM = Liste.COMPLEMENTAIRE_MUNICIPALE


@pytest.mark.slow
def test_before_the_first_deposit_there_is_nothing_to_compare_with(files: FilesScreen) -> None:
    made = files.make()
    assert "Rien à comparer" in files.read("differences", export=made["export_id"])


@pytest.mark.slow
def test_arrivals_that_no_mouvement_explains_are_a_warning_that_says_what_to_check(
    screen: FilesScreen,
) -> None:
    screen.desk.run("DELETE FROM mouvement")
    screen.desk.run(
        "DELETE FROM electeur WHERE date_naissance LIKE '2008-%'"
    )  # electors who come of age these days
    deposited = screen.desk.make(days_ago=2)
    screen.desk.deposit(deposited["export_id"])
    for number in range(3):
        screen.desk.add_person(nom=f"INVENTEE{number}")
    screen.desk.add_mouvement("inscription", today(), nom="INVENTEE0")
    page = screen.read("differences", export=screen.make()["export_id"])
    assert f"Comparé à {deposited['label']}" in page
    assert "3 arrivées 0 départ 0 modification" in page
    assert "Les nombres ne s'accordent pas." in page
    assert "3 électeurs sont arrivés dans le fichier, pour 1 inscription au registre" in page
    assert "des mouvements manquent" in page
    assert "les radiations :" not in page
    assert "INVENTEE" not in page


@pytest.mark.slow
def test_young_people_who_came_of_age_are_told_apart(files: FilesScreen) -> None:
    made = files.make()["export_id"]
    found = {
        "export_id": 1,
        "label": "Liste P",
        "deposited_on": "2026-11-20",
        "departs": 0,
        "modifications": 0,
    }
    found |= {"arrivees": 5, "majeurs": 2, "inscriptions": 3, "radiations": 0, "is_coherent": True}
    files.desk.run(
        "UPDATE export SET differences = :it WHERE id = :id", it=json.dumps(found), id=made
    )
    page = files.read("differences", export=made)
    assert "2 électeurs ont eu 18 ans entre les deux fichiers" in page
    assert "(sans les nouveaux majeurs) et inscriptions33" in page
    assert "Les nombres s'accordent" in page


def test_a_comparison_that_cannot_be_made_says_why(files: FilesScreen) -> None:
    first = files.make()["export_id"]
    files.desk.run("UPDATE export SET purged_at = finished_at WHERE id = :id", id=first)
    files.desk.deposit(first)
    page = files.read("differences", export=files.make()["export_id"])
    assert "pas possible : le fichier déposé a été purgé avant que son empreinte soit prise" in page


def test_tableaux_and_what_was_not_made_have_no_such_page(files: FilesScreen) -> None:
    assert (
        files.get("differences", export=files.make_tableau(TypeTableau.VINGT_JOURS)).status_code
        == 404
    )
    assert files.get("differences", export=files.desk.ask(CM)).status_code == 404
    assert files.get("differences", export=99).status_code == 404


def test_an_unknown_period_is_not_said_to_be_corrected_in_the_reu(files: FilesScreen) -> None:
    """The register lacks an export, or a file of mouvements is wrong: the REU may be right."""
    number = files.make_tableau(TypeTableau.CINQ_JOURS_REU)
    page = files.read("anomalies", export=number)
    assert "Corrigez dans le REU" not in page
    assert "Faites ce que dit chaque anomalie" in page
