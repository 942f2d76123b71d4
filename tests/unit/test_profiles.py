"""Profiles of platforms and sources: a bad one is refused with its line; each format and piece has its record."""

import re
from dataclasses import replace
from datetime import date
from pathlib import Path

import pytest

from producers.web.depot import find_to_correct, find_to_deposit
from producers.web.dossier import DossierFile, by_liste, write_readme
from producers.web.security import AgentCommune
from schemas.profiles import ProfileError, read_profile, write_profile
from schemas.profiles.platform import SHIPPED, load_profiles, may_be_deposited, read_shipped
from schemas.profiles.source import F, SourceMapping, SourceProfile, profile_of, read_reu
from schemas.vocabulary import FORMATS, PIECES, Channel, FileFormat, Format, Liste, Piece
from tests.unit.asked_files import ready_list
from worker.cli.main import main
from worker.compose import build_senders, build_services
from worker.errors import ConfigurationError
from worker.exports.models import main_name, piece_name
from worker.exports.storage import Storage
from worker.settings import load_settings
from worker.writers.electeurs_file import LISTE_FORMATS

TEXT = SHIPPED.read_text("utf-8").replace('xsd = "../', f'xsd = "{SHIPPED.parent.parent}/')


@pytest.mark.parametrize(
    ("old", "new", "line", "reason"),
    [
        ('Sexe = "sexe"', 'Sexe = "genre"', "Sexe", "les valeurs possibles sont type_liste"),
        (
            'Sexe = "sexe"',
            'Sexe = "prenoms"',
            "[form.columns]",
            "deux colonnes ont la même valeur : prenoms",
        ),
        ('Sexe = "sexe"\n', 'Prenoms = "sexe"\n', "", "Cannot overwrite a value"),
        ('Prenoms = "prenoms"\n', "", "[form.columns]", "il manque une colonne pour prenoms"),
        ('Sexe = "sexe"', '"Se;xe" = "sexe"', "[form]", "« Se;xe » : ce titre ne s'écrit pas"),
        ('Sexe = "sexe"', '"Né le" = "sexe"', "", "« Né le » ne peut pas nommer un élément du XML"),
        ('CE = "E"\n', "", "[type_liste]", "il manque un code pour CE"),
        ('CE = "E"', 'CE = "G"', "[type_liste]", "deux listes ont le même code"),
        ('CE = "E"', 'CE = "E;F"', "CE", "un caractère n'est pas admis"),
        ('info_liste = "L"', 'info_liste = ";"', "info_liste", "un caractère n'est pas admis"),
        ('separator = ";"', 'separator = ";;"', "separator", "un séparateur est un seul caractère"),
        ('separator = ";"', 'separator = "A"', "separator", "un séparateur est un seul caractère"),
        ('"utf-8"', '"ebcdic"', "encoding", "les valeurs possibles sont utf-8, cp1252"),
        (
            '"utf-8"\nbyte_order_mark = false',
            '"cp1252"\nbyte_order_mark = true',
            "[form]",
            "n'existe qu'en utf-8",
        ),
        ("-{moment}", "", "file_name", "il manque {moment} : deux fichiers auraient le même nom"),
        ("liste-{liste}-", "", "file_name", "il manque {liste}"),
        ('"liste-{', '"../{', "file_name", "un nom de fichier n'a que des lettres sans accent"),
        ('"liste-{', '"{jour}-{', "file_name", "un nom de fichier n'a que des lettres"),
        ("-{moment}", "-{moment}-v", "file_name", "un nom de fichier finit par {moment}"),
        (
            '["csv", "xml", "pdf"]',
            '["ods"]',
            "formats",
            "les valeurs possibles sont csv, xml ou pdf",
        ),
        (
            "deposits_wanted = true",
            "deposits_wanted = 1",
            "deposits_wanted",
            "true ou false est attendu",
        ),
        ("deposits_wanted = true\n", "", "", "deposits_wanted : champ manquant"),
        ('label = "', 'couleur = "', "couleur", "champ inconnu"),
        ('kind = "platform"', 'kind = "plateforme"', "kind", "les valeurs possibles sont platform"),
        ("liste_electorale.xsd", "absent.xsd", "", "absent.xsd n'existe pas ; mettez-le là"),
        (
            "deposits_wanted",
            'departements = ["Somme"]\ndeposits_wanted',
            "",
            "n'est pas un code de département",
        ),
        ("deposits_wanted = true", "deposits_wanted", "", "n'est pas du TOML"),
    ],
)
def test_a_bad_profile_is_refused_with_its_line(
    tmp_path: Path, old: str, new: str, line: str, reason: str
) -> None:
    assert old in TEXT
    path = tmp_path / "somme.toml"
    path.write_text(TEXT.replace(old, new, 1), "utf-8")
    with pytest.raises(ProfileError) as caught:
        load_profiles(tmp_path)
    assert "somme.toml" in str(caught.value)
    assert reason in str(caught.value)
    changed = path.read_text("utf-8").splitlines()
    if line:
        assert f"ligne {next(n for n, it in enumerate(changed, 1) if it.startswith(line))}," in str(
            caught.value
        )


@pytest.mark.parametrize(
    "content", [b"\xff", b"name = 1\n" * 20_000], ids=["not UTF-8", "too long"]
)
def test_a_file_that_is_no_profile_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "somme.toml").write_bytes(content)
    with pytest.raises(ProfileError, match=r"somme\.toml : un profil"):
        load_profiles(tmp_path)


def test_a_profile_is_checked_by_command(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["profiles", "check", str(SHIPPED)]) == 0
    assert "e-listelec.toml : valide. TypeListe;" in capsys.readouterr().out
    (tmp_path / "somme.toml").write_text('kind = "platform"')
    assert main(["profiles", "check", str(tmp_path / "somme.toml")]) != 0
    assert "somme.toml, ligne 1, name : champ manquant" in capsys.readouterr().err


def test_a_folder_that_cannot_be_read_is_no_empty_folder(tmp_path: Path) -> None:
    (tmp_path / "profiles").write_text("")
    with pytest.raises(ProfileError, match="dossier des profils illisible"):
        load_profiles(tmp_path / "profiles")


def test_the_profile_that_names_the_departement_wins(tmp_path: Path) -> None:
    def add(name: str, departements: str) -> None:
        text = TEXT.replace(
            "deposits_wanted", f"departements = [{departements}]\ndeposits_wanted", 1
        )
        (tmp_path / f"{name}.toml").write_text(
            text.replace('name = "e-listelec"', f'name = "{name}"'), "utf-8"
        )

    assert load_profiles(tmp_path / "absent").of("13900") == read_shipped()
    add("sud", '"13", "2A"')
    add("reunion", '"974"')
    (tmp_path / "reu.toml").write_text('kind = "source"\n')
    profiles = load_profiles(tmp_path)
    assert [profiles.of(code).name for code in ("13055", "2A004", "97411", "2B033", "75056")] == [
        *("sud", "sud", "reunion", "e-listelec", "e-listelec")
    ]
    add("partout", "")
    assert load_profiles(tmp_path).of("75056").name == "partout"
    add("corse", '"2A"')
    with pytest.raises(
        ProfileError, match=r"sud\.toml et corse\.toml sont tous deux pour le département 2A"
    ):
        load_profiles(tmp_path)


def test_a_platform_that_wants_no_deposits_takes_no_format() -> None:
    profile = read_shipped()
    assert may_be_deposited(profile.record(of_liste=True), "csv")
    unwanted = profile.model_copy(update={"deposits_wanted": False})
    assert not may_be_deposited(unwanted.record(of_liste=True), "csv")
    assert may_be_deposited(None, "csv")


def test_a_worker_does_not_start_with_a_bad_profile(tmp_path: Path) -> None:
    (tmp_path / "profiles").mkdir()
    (tmp_path / "profiles" / "somme.toml").write_text('kind = "platform"')
    settings = load_settings(database_url="sqlite://", home=tmp_path)
    with pytest.raises(ConfigurationError, match=r"somme\.toml, ligne 1, name : champ manquant"):
        build_services(settings, lambda _queue, _number: None)


REU = (Path(__file__).parents[2] / "schemas" / "profiles" / "reu.toml").read_text(encoding="utf-8")
SEXE_AT = REU.partition('"code sexe"')[0].count("\n") + 1


@pytest.mark.parametrize(
    ("before", "after", "said"),
    [
        ("[fields.sexe]", "[fields.genre]", r"ligne \d+, fields.genre : ce nom n'est pas connu"),
        (
            'presence = "usual"',
            'presense = "usual"',
            r"ligne \d+, fields.nom_usage.presense : champ inconnu",
        ),
        (
            'presence = "usual"',
            'presence = "often"',
            "les valeurs possibles sont required, usual, noted ou optional",
        ),
        (
            '"code sexe"',
            '"prénom"',
            f"ligne {SEXE_AT} : la colonne « prénom » est dite deux fois : prenoms et sexe",
        ),
        ('"Féminin"', '"Homme"', r"ligne \d+ : sexe : la valeur « Homme » a deux sens, M et F"),
        ("values.M", "values.X", "sexe : « X » n'est pas un code ; les codes sont M, F"),
        (
            '"AAAA-MM-JJ"',
            '"MM/JJ/AAAA"',
            "une date aurait deux sens avec « JJ/MM/AAAA » et « MM/JJ/AAAA »",
        ),
        (
            'shapes = ["commune_bureau"]',
            'shapes = ["AAAA-MM-JJ"]',
            "la forme « AAAA-MM-JJ » n'est pas la sienne",
        ),
        ('name = "reu"', "name =", r"n'est pas du TOML \(Invalid value \(at line \d+"),
        ('name = "reu"', 'name = "reu"\nname = "autre"', "Cannot overwrite a value"),
        ('name = "reu"\n', "", "name : champ manquant"),
        ('label = "', 'label = "' + "x" * 70_000, "un profil a 16 Ko au plus"),
    ],
)
def test_a_bad_profile_of_a_source_is_refused_with_its_line(
    before: str, after: str, said: str
) -> None:
    assert before in REU
    with pytest.raises(ProfileError) as error:
        read_profile(REU.replace(before, after, 1), SourceProfile, name="reu.toml")
    assert str(error.value).startswith("reu.toml")
    assert re.search(said, str(error.value))


def test_what_an_agent_says_wins() -> None:
    said = {"fields": {"nom_naissance": {"titles": ["Commune"]}, "sexe": {"values": {"F": ["1"]}}}}
    joined = read_reu().joined(SourceMapping.model_validate(said))
    assert "Commune" in joined.fields[F.NOM_NAISSANCE].titles
    assert "commune" not in joined.fields[F.VILLE].titles
    assert "1" in joined.fields[F.SEXE].values["F"]
    assert "1" not in joined.fields[F.SEXE].values["M"]


def test_a_profile_is_read_as_it_was_written() -> None:
    said = {
        "fields": {
            "nom_naissance": {"titles": ['NOM "exact"', "é\\"]},
            "date_naissance": {"parts": [["jour"], ["mois"], ["an"]], "shapes": ["JJ.MM.AAAA"]},
            "sexe": {"values": {"M": ["H"], "": ["?"]}},
            "prenoms": {"is_absent": True},
        },
        "splits": [{"titles": ["Adresse"], "shape": "numéro voie"}],
    }
    profile = profile_of(
        SourceMapping.model_validate(said), "13900", "LIBREVILLE", date(2026, 11, 29)
    )
    assert read_profile(write_profile(profile), SourceProfile, name="reu-13900.toml") == profile


def test_the_value_of_all_lines_is_not_kept_for_the_next_file() -> None:
    said = {"fields": {"liste": {"constant": "P"}, "sexe": {"titles": ["Genre"]}}}
    assert set(SourceMapping.model_validate(said).lasting().fields) == {F.SEXE}


def test_every_format_has_its_records() -> None:
    assert set(FORMATS) == set(FileFormat)
    assert set(LISTE_FORMATS) == set(Format)
    for format_ in Format:
        assert FORMATS[FileFormat(format_)].usage, f"the screen says when to choose {format_}"


def test_every_piece_has_its_record_and_a_name_that_leads_back_to_its_file() -> None:
    assert set(PIECES) == set(Piece) - {Piece.FICHIER, Piece.DOSSIER}
    assert len({it.suffix.partition(".")[0] for it in PIECES.values()}) == len(PIECES), (
        "« Vérifier » goes by it"
    )
    for piece in PIECES:
        name = piece_name("liste-P-13900-20261125-093000-2.csv", piece)
        assert main_name(name) == "liste-P-13900-20261125-093000-2.csv"
        assert Storage(Path("/exports")).path("13900", name).name == name


def test_every_channel_has_its_sender(tmp_path: Path) -> None:
    assert set(build_senders(load_settings(database_url="sqlite://", home=tmp_path))) == set(
        Channel
    )
    assert all(it.label for it in Channel)


def test_a_list_in_a_format_that_the_platform_does_not_take_is_not_to_be_deposited() -> None:
    profile = read_shipped().model_copy(update={"formats": [FileFormat.CSV]}).record(of_liste=True)
    csv, xml = (
        ready_list(number, format=it, profile=profile)
        for number, it in enumerate(("csv", "xml"), 1)
    )
    wrong = replace(xml, export_id=3, bloquantes=1)
    assert find_to_deposit([csv, xml]) == [csv]
    assert find_to_correct([wrong]) == []
    assert by_liste([csv, xml, wrong])[Liste.PRINCIPALE] == [csv]
    readme = write_readme(
        AgentCommune("13900", "LIBREVILLE"), [DossierFile(xml)], [], read_shipped()
    ).decode()
    assert "ne prend pas ce format" in readme
    assert "Joignez aussi" in readme
