"""« Vérifier un fichier »: the matching export, whether it was altered, and the changes of a spreadsheet."""

import io
import re
import zipfile
from pathlib import Path

import pytest
from httpx2 import Response
from sqlalchemy import RowMapping

from schemas.tableaux import TypeTableau
from schemas.vocabulary import Liste
from tests.web.files_desk import FilesScreen, words
from worker.registre.models import Electeur
from worker.writers.columns import header_of

CM = Liste.COMPLEMENTAIRE_MUNICIPALE
_ZERO = re.compile(r"(?<=;)0(\d{4})(?=;)")


def _names(sentence: str, file: RowMapping, page: str) -> bool:
    """Whether a sentence names a file by its French name, followed by openElec's label."""
    return re.search(rf"{re.escape(sentence)} Liste \w+[^.]* — [^.]*? {re.escape(file['label'])}", page) is not None


@pytest.mark.slow
def test_a_file_is_recognised_by_its_bytes_whatever_its_name(screen: FilesScreen) -> None:
    made = screen.make(CM)
    whole = words(_upload(screen, screen.desk.read(made), made["file_name"]))
    assert _names("Ce fichier est intact : c'est exactement", made, whole)
    assert made["sha256"] in whole
    assert "renommé" not in whole
    renamed = words(_upload(screen, screen.desk.read(made), "C:\\Mes documents\\liste finale.csv"))
    assert "Ce fichier est intact" in renamed
    assert f"Redonnez-lui son nom avant de le déposer : {made['file_name']}" in renamed


def test_what_was_deposited_and_purged_is_still_recognised(files: FilesScreen) -> None:
    made = files.make(CM)
    content = files.desk.read(made)
    files.desk.deposit(made["export_id"])
    files.desk.run("UPDATE export SET purged_at = finished_at WHERE id = :id", id=made["export_id"])
    page = words(_upload(files, content, made["file_name"]))
    assert "Ce fichier est intact" in page
    assert "par mairie-libreville pas encore de réponse" in page
    assert "Effacé du module" in page


@pytest.mark.slow
def test_a_report_is_not_to_be_deposited(files: FilesScreen) -> None:
    made = files.make()
    report = files.desk.root / made["code_commune"] / made["report_name"]
    page = words(_upload(files, report.read_bytes(), report.name))
    assert _names("Rapport d'anomalies de", made, page)
    assert "Ce fichier ne se dépose pas" in page


@pytest.mark.slow
def test_what_a_spreadsheet_did_is_told(files: FilesScreen) -> None:
    files.desk.run("UPDATE electeur SET code_postal = '05110' WHERE liste = 'CM'")
    made = files.make(CM)
    text = files.desk.read(made).decode()
    lines = made["electeurs"]
    for content, expected in (
        (b"\xef\xbb\xbf" + text.encode(), ["(BOM) a été ajoutée", "seule la façon de les écrire a changé", "tableur"]),
        (text.replace("\n", "\r\n").encode(), ["fins de ligne sont celles de Windows", "tableur"]),
        (_unaccented(text).encode("cp1252"), ["Windows-1252", "tableur"]),
        (text.replace(";", ",").encode(), ["Le séparateur est la virgule"]),
        (text.replace(";", "\t").encode(), ["Le séparateur est la tabulation"]),
        (_quoted(text).encode(), ["entre guillemets", "seule la façon de les écrire a changé"]),
        (_ZERO.sub(r"\1", text).encode(), [f"{lines} lignes ont perdu ou gagné des zéros", "ligne 2", "tableur"]),
        (text.partition("\n")[2].encode(), [f"Il compte {lines} lignes, titres compris, au lieu de {lines + 1}"]),
        (
            text.replace(header_of(Electeur.nom_naissance), "NOM FAMILLE").encode(),
            ["La ligne des titres n'est plus la même"],
        ),
        (text.encode()[: len(text) // 2], ["Il est plus court", "interrompu"]),
        (b"", ["Le fichier est vide"]),
    ):
        page = words(_upload(files, content, made["file_name"]))
        assert "Ce fichier n'est plus celui que le module a préparé" in page
        for words_expected in expected:
            assert words_expected in page


def test_a_value_that_was_changed_is_counted_and_never_shown(
    files: FilesScreen, capfd: pytest.CaptureFixture[str]
) -> None:
    files.desk.add_person(nom="INVENTEE-AVANT")
    made = files.make()
    content = files.desk.read(made).replace(b"INVENTEE-AVANT", b"INVENTEE-APRES")
    page = words(_upload(files, content, made["file_name"].replace(".csv", " (1).csv")))
    assert "1 ligne a une valeur changée." in page
    assert "INVENTEE" not in page
    captured = capfd.readouterr()
    assert "INVENTEE" not in captured.out + captured.err


def test_a_workbook_is_recognised_under_the_name_of_the_list(files: FilesScreen) -> None:
    made = files.make(CM)
    workbook = _zip({"[Content_Types].xml": b"<Types/>", "xl/workbook.xml": b"<workbook/>"})
    page = words(_upload(files, workbook, made["file_name"].replace(".csv", ".xlsx")))
    assert "classeur de tableur" in page
    assert _names("il devrait être", made, page)


@pytest.mark.slow
def test_a_dossier_is_looked_at_file_by_file(files: FilesScreen) -> None:
    csv, tableau = files.make(CM), files.desk.row(files.make_tableau(TypeTableau.VINGT_JOURS))
    dossier = files.get("dossier_zip", f"CM={csv['export_id']}&export={tableau['export_id']}").content
    whole = words(_upload(files, dossier, "dossier.zip"))
    assert "Tous les fichiers de ce ZIP sont intacts." in whole
    assert whole.count("texte du dossier") == 5
    inside = zipfile.ZipFile(io.BytesIO(dossier))
    altered = {name: inside.read(name) for name in inside.namelist()} | {"photo.jpg": b"inventee"}
    altered[f"a-deposer/{csv['file_name']}"] += b"\n"
    page = words(_upload(files, _zip(altered), "dossier.zip"))
    assert "2 fichiers de ce ZIP ne sont pas ce que le module a préparé" in page
    assert "modifié" in page
    assert "inconnu" in page


def test_nothing_of_what_was_dropped_is_kept(files: FilesScreen, tmp_path: Path) -> None:
    made = files.make(CM)
    before = files.desk.files()
    _upload(files, b"INVENTEE;Z\n" * 200_000, made["file_name"])
    assert files.desk.files() == before
    assert files.broker.events == []
    assert not [path for path in tmp_path.rglob("*") if path.is_file() and b"INVENTEE" in path.read_bytes()]


def _upload(files: FilesScreen, content: bytes, name: str) -> Response:
    return files.post("verifier", {}, files={"fichier": (name, content)})


def _zip(files: dict[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return buffer.getvalue()


def _quoted(text: str) -> str:
    return "\n".join(";".join(f'"{value}"' for value in line.split(";")) for line in text.splitlines()) + "\n"


def _unaccented(text: str) -> str:
    """The text with `?` in place of each letter that Windows-1252 lacks."""
    return text.encode("cp1252", "replace").decode("cp1252")
