"""« Vérifier un fichier »: which export it is, whether it was altered, and what a spreadsheet did to it."""

import io
import re
import zipfile
from pathlib import Path

import pytest
from httpx2 import Response
from sqlalchemy import RowMapping

from schemas.tableaux import Edition, TypeTableau
from schemas.vocabulary import Format, Liste
from tests.web.files_desk import FilesScreen, words
from worker.registre.models import Electeur
from worker.writers.columns import header_of

CM = Liste.COMPLEMENTAIRE_MUNICIPALE
_ZERO = re.compile(r"(?<=;)0(\d{4})(?=;)")


def _names(sentence: str, file: RowMapping, page: str) -> bool:
    """Whether a sentence names a file as people call it, with openElec's label after it."""
    return re.search(rf"{re.escape(sentence)} Liste \w+[^.]* — [^.]*? {re.escape(file['label'])}", page) is not None


@pytest.mark.slow
def test_a_file_is_recognised_by_its_bytes_whatever_its_name(files_on_both: FilesScreen) -> None:
    screen = files_on_both
    made = screen.make(CM)
    whole = words(_drop(screen, screen.desk.read(made), made["file_name"]))
    assert _names("Ce fichier est intact : c'est exactement", made, whole)
    assert made["sha256"] in whole
    assert "renommé" not in whole
    renamed = words(_drop(screen, screen.desk.read(made), "C:\\Mes documents\\liste finale.csv"))
    assert "Ce fichier est intact" in renamed
    assert f"Redonnez-lui son nom avant de le déposer : {made['file_name']}" in renamed


def test_what_was_deposited_and_purged_is_still_recognised(files: FilesScreen) -> None:
    made = files.make(CM)
    content = files.desk.read(made)
    files.desk.deposit(made["export_id"])
    files.desk.run("UPDATE export SET purged_at = finished_at WHERE id = :id", id=made["export_id"])
    page = words(_drop(files, content, made["file_name"]))
    assert "Ce fichier est intact" in page
    assert "par mairie-libreville pas encore de réponse" in page
    assert "Effacé du module" in page


@pytest.mark.slow
def test_a_report_is_not_to_be_deposited(files: FilesScreen) -> None:
    made = files.make()
    report = files.desk.root / made["code_commune"] / made["report_name"]
    page = words(_drop(files, report.read_bytes(), report.name))
    assert _names("Rapport d'anomalies de", made, page)
    assert "Ce fichier ne se dépose pas" in page


def test_a_report_that_was_worked_on_is_still_a_report(files: FilesScreen) -> None:
    made = files.make()
    report = files.desk.root / made["code_commune"] / made["report_name"]
    page = words(_drop(files, report.read_bytes() + b"fait\r\n", report.name.replace(".csv", " (2).csv")))
    assert _names("Rapport d'anomalies de", made, page)
    assert ", modifié depuis" in page
    assert "n'est plus celui" not in page


def test_of_two_files_with_the_same_bytes_the_name_tells_which(files: FilesScreen) -> None:
    first, second = files.make(CM), files.make(CM)
    assert first["sha256"] == second["sha256"]
    for made in (first, second):
        page = words(_drop(files, files.desk.read(made), made["file_name"]))
        assert _names("c'est exactement", made, page)
        assert "renommé" not in page
    assert _names("c'est exactement", second, words(_drop(files, files.desk.read(first), "liste.csv")))


def test_the_commissions_copy_is_not_to_be_deposited(files: FilesScreen) -> None:
    row = files.desk.row(files.make_tableau(TypeTableau.VINGT_JOURS, edition=Edition.COMMISSION))
    page = words(_drop(files, files.desk.read(row), row["file_name"]))
    assert "Ce fichier est intact" in page
    assert "il ne se dépose pas et ne s'affiche pas" in page


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
        page = words(_drop(files, content, made["file_name"]))
        assert "Ce fichier n'est plus celui que le module a préparé" in page
        for words_expected in expected:
            assert words_expected in page


def test_a_value_that_was_changed_is_counted_and_never_shown(
    files: FilesScreen, capfd: pytest.CaptureFixture[str]
) -> None:
    files.desk.add_person(nom="INVENTEE-AVANT")
    made = files.make()
    content = files.desk.read(made).replace(b"INVENTEE-AVANT", b"INVENTEE-APRES")
    page = words(_drop(files, content, made["file_name"].replace(".csv", " (1).csv")))
    assert "1 ligne a une valeur changée." in page
    assert "INVENTEE" not in page
    captured = capfd.readouterr()
    assert "INVENTEE" not in captured.out + captured.err


def test_a_workbook_is_recognised_under_the_name_of_the_list(files: FilesScreen) -> None:
    made = files.make(CM)
    workbook = _zip({"[Content_Types].xml": b"<Types/>", "xl/workbook.xml": b"<workbook/>"})
    page = words(_drop(files, workbook, made["file_name"].replace(".csv", ".xlsx")))
    assert "classeur de tableur" in page
    assert _names("il devrait être", made, page)


def test_an_unknown_file_is_said_to_be_unknown(files: FilesScreen) -> None:
    page = words(_drop(files, b"Nom;Pr\xe9nom\r\nINVENTEE;Z\xe9lie\r\n", "electeurs.csv"))
    assert "Ce fichier n'est pas un fichier de LIBREVILLE" in page
    assert "son nom ne dit pas ce qu'il est" in page
    assert "Windows-1252" in page


def test_another_communes_file_is_unknown(files: FilesScreen) -> None:
    made = files.make(CM)
    content = files.desk.read(made)
    files.desk.run("UPDATE export SET code_commune = '13055' WHERE id = :id", id=made["export_id"])
    assert "n'est pas un fichier de LIBREVILLE" in words(_drop(files, content, made["file_name"]))


@pytest.mark.slow
def test_a_dossier_is_looked_at_file_by_file(files: FilesScreen) -> None:
    csv, tableau = files.make(CM), files.desk.row(files.make_tableau(TypeTableau.VINGT_JOURS))
    dossier = files.get("dossier_zip", f"CM={csv['export_id']}&export={tableau['export_id']}").content
    whole = words(_drop(files, dossier, "dossier.zip"))
    assert "Tous les fichiers de ce ZIP sont intacts." in whole
    assert whole.count("texte du dossier") == 5
    inside = zipfile.ZipFile(io.BytesIO(dossier))
    altered = {name: inside.read(name) for name in inside.namelist()} | {"photo.jpg": b"inventee"}
    altered[f"a-deposer/{csv['file_name']}"] += b"\n"
    page = words(_drop(files, _zip(altered), "dossier.zip"))
    assert "2 fichiers de ce ZIP ne sont pas ce que le module a préparé" in page
    assert "modifié" in page
    assert "inconnu" in page


@pytest.mark.slow
def test_a_zip_that_cannot_be_read_says_so(files: FilesScreen) -> None:
    whole = _zip({"a.txt": b"a" * 1000, "b.txt": b"b"})
    for content, reason in (
        (whole[:-30], "Ce ZIP est abîmé"),
        (_zip({f"{number}.txt": b"" for number in range(201)}), "trop de fichiers"),
        (_protected(whole), "protégé par un mot de passe"),
    ):
        response = _drop(files, content, "dossier.zip")
        assert response.status_code == 200
        assert reason in words(response)


def test_a_large_file_is_read_in_pieces(files: FilesScreen) -> None:
    made = files.make(CM)
    content = files.desk.read(made)
    large = content + content.partition(b"\n")[2] * 2000
    page = words(_drop(files, large, made["file_name"]))
    assert "Ce fichier n'est plus celui que le module a préparé" in page
    assert f"au lieu de {made['electeurs'] + 1}" in page


def test_nothing_of_what_was_dropped_is_kept(files: FilesScreen, tmp_path: Path) -> None:
    made = files.make(CM)
    before = files.desk.files()
    _drop(files, b"INVENTEE;Z\n" * 200_000, made["file_name"])
    assert files.desk.files() == before
    assert files.broker.events == []
    assert not [path for path in tmp_path.rglob("*") if path.is_file() and b"INVENTEE" in path.read_bytes()]


def test_a_form_without_a_file_is_refused(files: FilesScreen) -> None:
    response = files.post("verifier", {})
    assert response.status_code == 422
    assert "Choisissez un fichier." in words(response)
    assert "<title>Erreur – Vérifier un fichier" in response.text
    assert '<a href="#fichier">' in response.text
    assert 'aria-invalid="true"' in response.text


def test_an_xml_file_that_was_cut_says_its_size(files: FilesScreen) -> None:
    made = files.make(CM, Format.XML)
    content = files.desk.read(made)[:-100]
    page = words(_drop(files, content, made["file_name"]))
    assert "Taille :" in page
    assert "interrompu" in page


def _drop(files: FilesScreen, content: bytes, name: str) -> Response:
    return files.post("verifier", {}, files={"fichier": (name, content)})


def _zip(files: dict[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return buffer.getvalue()


def _protected(archive: bytes) -> bytes:
    """As if its files had a password: the bit of each entry says so."""
    content = bytearray(archive)
    for mark, offset in ((b"PK\3\4", 6), (b"PK\1\2", 8)):
        start = content.find(mark)
        while start >= 0:
            content[start + offset] |= 1
            start = content.find(mark, start + 4)
    return bytes(content)


def _quoted(text: str) -> str:
    return "\n".join(";".join(f'"{value}"' for value in line.split(";")) for line in text.splitlines()) + "\n"


def _unaccented(text: str) -> str:
    """Only letters that Windows-1252 has, and some that ASCII has not."""
    return text.encode("cp1252", "replace").decode("cp1252")
