"""« Vérifier un fichier »: the matching export, whether it was altered; the words of the platform's profile; days."""

import io
import re
import zipfile
from datetime import UTC, datetime
from pathlib import Path

import pytest
from httpx2 import Response
from pydantic import SecretStr

from producers.errors import ProducerConfigurationError
from producers.web.app import create_app
from producers.web.settings import WebSettings
from schemas.profiles.platform import load_profiles
from schemas.tableaux import TypeTableau
from schemas.vocabulary import Liste
from tests.parts.profiles import virgule, write_profile
from tests.ruined.archives import pack
from tests.web.files_desk import FilesScreen, open_screen, words
from tests.web.security_desk import Sent

CM = Liste.COMPLEMENTAIRE_MUNICIPALE
_ZERO = re.compile(r"(?<=;)0(\d{4})(?=;)")


def _names(sentence: str, page: str) -> bool:
    """Whether a sentence names a file by its French name."""
    return re.search(rf"{re.escape(sentence)} Liste \w+[^.]* — ", page) is not None


@pytest.mark.slow
def test_a_file_is_recognised_by_its_bytes_whatever_its_name(screen: FilesScreen) -> None:
    made = screen.make(CM)
    whole = words(_upload(screen, screen.desk.read(made), made["file_name"]))
    assert _names("Ce fichier est intact : c'est exactement", whole)
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
    assert _names("Rapport d'anomalies de", page)
    assert "Ce fichier ne se dépose pas" in page


@pytest.mark.slow
def test_what_a_spreadsheet_did_is_told(files: FilesScreen) -> None:
    files.desk.run("UPDATE electeur SET code_postal = '05110' WHERE liste = 'CM'")
    made = files.make(CM)
    text = files.desk.read(made).decode()
    lines = made["electeurs"]
    for content, expected in (
        (
            b"\xef\xbb\xbf" + text.encode(),
            ["(BOM) a été ajoutée", "seule la façon de les écrire a changé", "tableur"],
        ),
        (
            _ZERO.sub(r"\1", text).encode(),
            [f"{lines} lignes ont une valeur changée", "ligne 2", "tableur"],
        ),
        (
            text.partition("\n")[2].encode(),
            [f"Il compte {lines} lignes, titres compris, au lieu de {lines + 1}"],
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
    workbook = pack({"[Content_Types].xml": b"<Types/>", "xl/workbook.xml": b"<workbook/>"})
    page = words(_upload(files, workbook, made["file_name"].replace(".csv", ".xlsx")))
    assert "classeur de tableur" in page
    assert _names("il devrait être", page)


@pytest.mark.slow
def test_a_dossier_is_looked_at_file_by_file(files: FilesScreen) -> None:
    csv, tableau = files.make(CM), files.desk.row(files.make_tableau(TypeTableau.VINGT_JOURS))
    dossier = files.get(
        "dossier_zip", f"CM={csv['export_id']}&export={tableau['export_id']}"
    ).content
    whole = words(_upload(files, dossier, "dossier.zip"))
    assert "Tous les fichiers de ce ZIP sont intacts." in whole
    assert whole.count("texte du dossier") == 3
    inside = zipfile.ZipFile(io.BytesIO(dossier))
    altered = {name: inside.read(name) for name in inside.namelist()} | {"photo.jpg": b"inventee"}
    altered[f"a-deposer/{csv['file_name']}"] += b"\n"
    page = words(_upload(files, pack(altered), "dossier.zip"))
    assert "2 fichiers de ce ZIP ne sont pas ce que le module a préparé" in page
    assert "modifié" in page
    assert "inconnu" in page


def test_nothing_of_what_was_dropped_is_kept(files: FilesScreen, tmp_path: Path) -> None:
    made = files.make(CM)
    before = files.desk.files()
    _upload(files, b"INVENTEE;Z\n" * 200_000, made["file_name"])
    assert files.desk.files() == before
    assert files.broker.events == []
    assert not [
        path for path in tmp_path.rglob("*") if path.is_file() and b"INVENTEE" in path.read_bytes()
    ]


def _upload(files: FilesScreen, content: bytes, name: str) -> Response:
    return files.post("verifier", {}, files={"fichier": (name, content)})


def test_a_departement_of_a_file_alone_is_verified_by_that_file(
    screen: FilesScreen, tmp_path: Path
) -> None:
    """A file keeps the form in which it was made, when the préfecture changes its mind."""
    url = screen.desk.engine.url.render_as_string(hide_password=False)
    virgule(tmp_path / "profiles")
    with open_screen(url, tmp_path) as files:
        files.desk.configure(profiles=load_profiles(tmp_path / "profiles"))
        made = files.make(CM)
        content = files.desk.read(made)
        assert "Ce fichier est intact" in words(_upload(files, content, made["file_name"]))
        page = words(_upload(files, content.replace(b",", b";"), f"Copie de {made['file_name']}"))
        assert _names("il devrait être", page)
        assert "Le séparateur est le point-virgule, et non la virgule" in page
        assert "Windows" not in page
    (tmp_path / "profiles" / "virgule.toml").unlink()
    with open_screen(url, tmp_path) as files:
        assert "Ce fichier est intact" in words(_upload(files, content, made["file_name"]))
        page = words(_upload(files, content.replace(b"\r\n", b"\n"), made["file_name"]))
        assert "autre système (LF), et non celles du module (CR LF)" in page
        assert "Le séparateur" not in page


def test_a_screen_does_not_start_with_a_bad_profile(tmp_path: Path) -> None:
    (tmp_path / "profiles").mkdir()
    (tmp_path / "profiles" / "somme.toml").write_text('kind = "platform"\n')
    with pytest.raises(
        ProducerConfigurationError, match=r"somme\.toml, ligne 1, name : champ manquant"
    ):
        create_app(WebSettings(state_url=SecretStr("sqlite:///x"), home=tmp_path), Sent().publish)


PAGES = (
    "taches",
    "plan",
    "registre",
    "listes",
    "tableaux",
    "exports",
    "verifier",
    "echeances",
    "depot",
)
TO_DEPOSIT = re.compile(
    r"[Pp]lateforme (?:le |la )?rejetterait|(?:peut être|à|avant de le) dépos|avant le dépôt|Marquer"
)


@pytest.mark.parametrize("wanted", [True, False])
def test_where_deposits_are_not_wanted_no_page_asks_for_one(
    files: FilesScreen, tmp_path: Path, *, wanted: bool
) -> None:
    changes = {"deposits_wanted = true": f"deposits_wanted = {str(wanted).lower()}"}
    changes['label = "e-listelec"'] = 'label = "Dépôts 13"'
    write_profile(tmp_path / "profiles" / "somme.toml", changes)
    files.desk.configure(profiles=load_profiles(tmp_path / "profiles"))
    url = files.desk.engine.url.render_as_string(hide_password=False)
    with open_screen(url, tmp_path) as screen:
        made = [files.make(liste) for liste in (Liste.PRINCIPALE, Liste.COMPLEMENTAIRE_MUNICIPALE)]
        said = [screen.read(page) for page in PAGES]
        said += [
            screen.read(page, export=it["export_id"])
            for it in made
            for page in ("export", "anomalies")
        ]
        uploaded = {"fichier": (made[0]["file_name"], files.desk.read(made[0]))}
        said += [words(screen.post("verifier", {}, files=uploaded))]
        found = {match for page in said for match in TO_DEPOSIT.findall(page)}
        assert bool(found) is wanted, found
        assert "Dépôts 13" in " ".join(said)
        assert "e-listelec" not in " ".join(said)
        assert (">Dépôts<" in screen.get("listes").text) is wanted


def test_only_a_format_of_the_platform_is_taken(files: FilesScreen, tmp_path: Path) -> None:
    write_profile(tmp_path / "profiles" / "somme.toml", {})
    with open_screen(
        files.desk.engine.url.render_as_string(hide_password=False), tmp_path
    ) as screen:
        page = screen.post("listes", {"listes": ["P"], "format": "xml"})
        assert (page.status_code, "Choisissez CSV." in page.text) == (422, True)


def test_a_file_is_sent_and_searched_in_the_form_in_which_it_was_made(
    files: FilesScreen, tmp_path: Path
) -> None:
    virgule(tmp_path / "profiles")
    files.desk.configure(profiles=load_profiles(tmp_path / "profiles"))
    files.desk.add_person(nom="INVENTÉE-SEULE")
    row = files.make()
    assert (
        files.get("fichier", export=row["export_id"]).headers["content-type"]
        == "text/csv; charset=cp1252"
    )
    files.desk.deposit(row["export_id"])
    files.desk.answer(
        row["export_id"], verdict="rejete", answer="INVENTÉE-SEULE Zélie : adresse absente"
    )
    page = files.read("reponse", export=row["export_id"])
    assert "INVENTÉE-SEULE Zélie" in page
    assert "14/03/1962" in page
    assert "REU : état civil" in files.read("anomalies", export=row["export_id"])


NOUMEA, PAPEETE = "98818", "98735"
EVENING, MORNING = (
    datetime(2026, 11, 26, 20, 0, tzinfo=UTC),
    datetime(2026, 11, 26, 4, 0, tzinfo=UTC),
)
"""In Paris it is the 26th; in Nouméa the evening of the 27th, in Papeete the morning of the 25th."""


def _move(files: FilesScreen, code: str, instant: datetime) -> FilesScreen:
    """Move the agent and a file of LIBREVILLE to another commune, requested and made just now."""
    files.make(Liste.COMPLEMENTAIRE_MUNICIPALE)
    for table in ("agent", "export", "request", "liste"):
        files.desk.run(f"UPDATE {table} SET code_commune = :code", code=code)  # noqa: S608 — our own names
    at = f"{instant:%Y-%m-%d %H:%M:%S}.000"
    files.desk.run(f"UPDATE request SET created_at = '{at}'")  # noqa: S608 — our own words
    files.desk.run(f"UPDATE export SET finished_at = '{at}', started_at = '{at}'")  # noqa: S608 — our own words
    files.commune = code
    files.set_clock(instant)
    return files


@pytest.mark.parametrize(
    ("code", "instant", "today", "hour"),
    [(NOUMEA, EVENING, "vendredi 27 novembre", 7), (PAPEETE, MORNING, "mercredi 25 novembre", 18)],
)
def test_every_day_and_hour_of_a_page_is_of_the_commune(
    files: FilesScreen, code: str, instant: datetime, today: str, hour: int
) -> None:
    screen = _move(files, code, instant)
    (export,) = screen.numbers()
    day = today.split()[1]
    assert f"Nous sommes le {today} 2026." in screen.read("taches")
    page = screen.read("export", export=export)
    assert f"Liste complémentaire municipale — {day} novembre, {hour} h 00" in page
    assert page.count(f"le {day}/11/2026 à {hour:02}:00") == 2
    found, lost = (
        screen.read("exports", f"du={it}&au={it}") for it in (f"2026-11-{day}", "2026-11-26")
    )
    assert (f"{hour} h 00" in found, f"{hour} h 00" in lost) == (True, False)


def test_a_deposit_is_of_the_day_that_it_is_in_the_town_hall(files: FilesScreen) -> None:
    noumea = _move(files, NOUMEA, EVENING)
    (export,) = noumea.numbers()
    assert (
        'name="jour" id="jour" required value="2026-11-27" max="2026-11-27"'
        in noumea.get("depot", f"export={export}").text
    )
    refused = noumea.post("depot", {"export": export, "jour": "2026-11-28"})
    assert "n'est pas encore venu" in words(refused)
    assert noumea.post("depot", {"export": export, "jour": "2026-11-27"}).status_code == 303
    assert noumea.broker.events[0].data["note"]["deposited_on"] == "2026-11-27"


@pytest.mark.parametrize(
    "query", ["au=9999-12-31", "du=0001-01-01", "du=01/01/1899", "au=01/01/2200"]
)
def test_a_day_that_no_calendar_holds_is_not_looked_for(files: FilesScreen, query: str) -> None:
    assert "Une date n'a pas été comprise" in files.read("exports", query)
