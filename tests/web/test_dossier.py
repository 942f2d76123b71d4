"""The dossier de dépôt: the content of the ZIP, the same at each download, and no altered file."""

import io
import json
import re
import subprocess
import zipfile
from datetime import date
from pathlib import Path

import pytest

from schemas.declarations import DeclarationNoted
from schemas.tableaux import Edition, TypeTableau
from schemas.vocabulary import Format, Liste, Piece
from tests.parts.wait import wait_until
from tests.web.files_desk import FilesScreen, words

CE, CM = Liste.COMPLEMENTAIRE_EUROPEENNE, Liste.COMPLEMENTAIRE_MUNICIPALE


@pytest.mark.slow
def test_the_dossier_holds_the_files_and_what_explains_and_proves_them(screen: FilesScreen, tmp_path: Path) -> None:
    principale, municipale = screen.make(), screen.make(CM, Format.XML)
    tableau, commission = _tableaux(screen)
    query = f"P={principale['export_id']}&CM={municipale['export_id']}&export={tableau}&export={commission}"
    response = screen.get("dossier_zip", query)
    assert response.headers["Content-Type"] == "application/zip"
    assert int(response.headers["Content-Length"]) == len(response.content)
    archive = zipfile.ZipFile(io.BytesIO(response.content))
    assert archive.testzip() is None
    names = [screen.desk.row(export)["file_name"] for export in (tableau, commission)]
    assert archive.namelist() == [
        "LISEZ-MOI.txt",
        "RAPPROCHEMENT.txt",
        f"a-deposer/{principale['file_name']}",
        f"a-deposer/{municipale['file_name']}",
        f"a-deposer/{names[0]}",
        f"ne-pas-deposer/{names[1]}",
        "SHA256SUMS",
        "manifest.json",
        "reconciliation.json",
    ]
    assert archive.read(f"a-deposer/{principale['file_name']}") == screen.desk.read(principale)
    archive.extractall(tmp_path / "extracted")
    checked = _check_sums(tmp_path / "extracted")
    assert checked.returncode == 0, checked.stderr
    assert checked.stdout.count(": OK") == 8


def test_a_repealed_tableau_is_an_archive_and_is_not_deposited(files: FilesScreen) -> None:
    """The dossier and the screen agree with the mail: keep it as an archive or a duplicate."""
    day = date(2018, 1, 10)
    old = files.make_tableau(TypeTableau.PREMIER_RECTIFICATIF, scrutin=None, date_tableau=day)
    archive = zipfile.ZipFile(io.BytesIO(files.get("dossier_zip", f"export={old}").content))
    assert f"ne-pas-deposer/{files.desk.row(old)['file_name']}" in archive.namelist()
    readme = " ".join(archive.read("LISEZ-MOI.txt").decode().replace("\u202f", " ").split())
    assert "NE PAS DÉPOSER NI AFFICHER : tableau abrogé depuis 2019, archive ou duplicata." in readme
    assert "Déposez ensuite les tableaux" not in readme
    assert "Abrogé depuis 2019 : à part dans le ZIP, dans « ne-pas-deposer »" in files.read("dossier")
    assert "Marquer comme déposé" not in files.read("export", export=old)


def test_the_same_files_make_the_same_bytes_and_every_unzip_reads_them(files: FilesScreen, tmp_path: Path) -> None:
    ids = [files.make(liste)["export_id"] for liste in (CM, CE)]
    first = files.get("dossier_zip", f"CM={ids[0]}&CE={ids[1]}")
    files.desk.deposit(ids[0])
    files.desk.download(ids[1])
    second = files.get("dossier_zip", f"export={ids[1]}&export={ids[0]}")
    assert first.content == second.content
    assert first.headers["Content-Disposition"] == second.headers["Content-Disposition"]
    path = tmp_path / "dossier.zip"
    path.write_bytes(first.content)
    assert subprocess.run(["unzip", "-tq", path], capture_output=True, check=False).returncode == 0


def test_the_manifest_and_the_readme_name_no_elector_and_say_what_is_blocking(files: FilesScreen) -> None:
    files.desk.add_person(nom="INVENTEE-DU-DOSSIER")
    made = files.make()
    assert made["bloquantes"]
    archive = _take(files, f"P={made['export_id']}")
    manifest = json.loads(archive.read("manifest.json"))
    assert manifest["commune"] == {"code": "13900", "nom": "LIBREVILLE"}
    (described,) = manifest["files"]
    assert described["path"] == f"a-deposer/{made['file_name']}"
    assert described["sha256"] == made["sha256"]
    assert (described["electeurs"], described["bloquantes"]) == (made["electeurs"], made["bloquantes"])
    readme = archive.read("LISEZ-MOI.txt").decode("utf-8-sig")
    assert f"ATTENTION : {made['bloquantes']} anomalies bloquantes" in " ".join(readme.split())
    assert "e-listelec" in readme
    assert "\r\n" in readme
    assert max(map(len, readme.splitlines())) < 100
    assert b"INVENTEE-DU-DOSSIER" in archive.read(described["path"])
    texts = b"".join(archive.read(name) for name in ("LISEZ-MOI.txt", "manifest.json", "SHA256SUMS"))
    assert b"INVENTEE-DU-DOSSIER" not in texts


@pytest.mark.slow
def test_each_file_that_was_taken_is_declared_even_when_the_broker_is_away(files: FilesScreen) -> None:
    ids = sorted(files.make(liste)["export_id"] for liste in (CM, CE))
    files.broker.is_away = True
    assert files.get("dossier_zip", f"CM={ids[0]}&CE={ids[1]}").status_code == 200
    files.broker.is_away = False
    wait_until(lambda: len(files.broker.events) == 4, message="the downloads, once the broker is back")
    ended = [event.data for event in files.broker.events if event.type == DeclarationNoted.EVENT_TYPE]
    assert sorted(number for data in ended for number in data["exports"]) == ids
    assert {data["note"]["piece"] for data in ended} == {Piece.DOSSIER}
    files.work()
    assert all(files.desk.row(export)["downloaded_by"] == "mairie-libreville" for export in ids)


@pytest.mark.slow
@pytest.mark.parametrize("damage", ["altered", "longer", "gone", "link"])
def test_nothing_leaves_when_a_file_is_not_what_it_was(files: FilesScreen, damage: str) -> None:
    good, bad = files.make(CE), files.make(CM)
    path = files.desk.root / bad["code_commune"] / bad["file_name"]
    content = path.read_bytes()
    path.unlink()
    if damage == "altered":
        path.write_bytes(content[:-2] + b"X\n")
    elif damage == "longer":
        path.write_bytes(content + b"\n")
    elif damage == "link":
        kept = path.with_name("ailleurs.csv")
        kept.write_bytes(content)
        path.symlink_to(kept)
    response = files.get("dossier_zip", f"CE={good['export_id']}&CM={bad['export_id']}")
    assert response.status_code == (410 if damage == "gone" else 500)
    assert response.headers["Content-Type"].startswith("text/html")
    assert bad["file_name"] in words(response)
    assert "Le dossier n'a pas été préparé" in words(response)
    assert files.broker.events == []


@pytest.mark.slow
def test_a_choice_that_makes_no_dossier_comes_back_with_the_reason(files: FilesScreen) -> None:
    csv, xml = (files.make(CM, format_)["export_id"] for format_ in Format)
    for query, status, reason in (
        ("", 422, "Choisissez au moins un fichier."),
        ("export=abc&P=99", 422, "Choisissez au moins un fichier."),
        (f"CM={csv}&export={xml}", 422, "Une liste se dépose dans un seul format"),
    ):
        response = files.get("dossier_zip", query)
        assert response.status_code == status
        assert reason in words(response)
    files.desk.run("UPDATE export SET purged_at = finished_at WHERE id = :id", id=csv)
    assert files.get("dossier_zip", f"CM={csv}").status_code == 410


def test_another_communes_file_is_in_no_dossier(files: FilesScreen) -> None:
    made = files.make(CM)["export_id"]
    files.desk.run("UPDATE export SET code_commune = '13055' WHERE id = :id", id=made)
    assert files.get("dossier_zip", f"CM={made}").status_code == 422


@pytest.mark.slow
def test_a_dossier_names_what_it_lacks_on_the_page_and_in_the_zip(screen: FilesScreen) -> None:
    principale = screen.make()
    lack = f"Il manque la liste principale : {principale['bloquantes']} anomalies bloquantes."
    assert lack in screen.read("dossier")
    europeenne = screen.make(CE)["export_id"]
    with _take(screen, f"CE={europeenne}") as archive:
        readme = archive.read("LISEZ-MOI.txt").decode("utf-8-sig").replace("\u202f", " ").replace("\u00a0", " ")
    assert "CE QUI MANQUE À CE DOSSIER" in readme
    assert lack in readme
    assert "Il manque la liste complémentaire municipale : aucun fichier n'est fait." in readme
    assert "Il manque la liste complémentaire européenne" not in readme


@pytest.mark.slow
def test_a_list_that_the_platform_refused_is_not_in_the_dossier_any_more(screen: FilesScreen) -> None:
    made = screen.make(CM)["export_id"]
    screen.desk.run("UPDATE export SET bloquantes = 0, a_completer = 0")
    assert f'value="{made}" checked' in screen.get("dossier").text
    screen.desk.deposit(made)
    assert f'value="{made}" checked' not in screen.get("dossier").text
    assert "Il manque la liste complémentaire municipale" not in screen.read("dossier")
    screen.desk.answer(made, verdict="rejete")
    assert f'value="{made}" checked' not in screen.get("dossier").text
    assert re.search(
        r"Il manque la liste complémentaire municipale : la plateforme l'a rejetée le \d\d/\d\d/\d{4}\.",
        screen.read("dossier"),
    )
    with _take(screen, f"CM={made}") as archive:
        assert "a-deposer" not in " ".join(archive.namelist())


def _take(files: FilesScreen, query: str) -> zipfile.ZipFile:
    response = files.get("dossier_zip", query)
    assert response.status_code == 200, words(response)
    return zipfile.ZipFile(io.BytesIO(response.content))


def _check_sums(folder: Path) -> subprocess.CompletedProcess[str]:
    command = ["sha256sum", "--check", "SHA256SUMS"]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False, env={"LC_ALL": "C"})


def _tableaux(screen: FilesScreen) -> tuple[int, int]:
    """A tableau to be posted, and the commission's copy of it."""
    editions = (Edition.AFFICHAGE, Edition.COMMISSION)
    affichage, commission = (screen.make_tableau(TypeTableau.VINGT_JOURS, edition=edition) for edition in editions)
    return affichage, commission
