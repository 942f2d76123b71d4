"""A département is served by a file alone: from the request to the next file, which is compared with the first."""

import csv
import io
from pathlib import Path

import pytest
from sqlalchemy import RowMapping

from schemas.envelope import CloudEvent
from schemas.requests import ListeExportRequested
from schemas.vocabulary import Format, Liste
from tests.integration.depots_desk import DepotsDesk
from tests.integration.export_desk import COMMUNE, decoded
from tests.parts.profiles import REVERSED, everywhere, tabulation, virgule, write_profile
from tests.parts.town import LIBREVILLE_TEMPLATE
from worker.handlers.making.make_liste import OTHER_COLUMNS
from worker.handlers.requests.ingest_request import ingest_request

pytestmark = [
    pytest.mark.database(LIBREVILLE_TEMPLATE),
    pytest.mark.desk(opened_by=DepotsDesk.open),
]


def _ask(desk: DepotsDesk) -> RowMapping:
    asked = ListeExportRequested(
        commune=COMMUNE, listes=[Liste.PRINCIPALE], formats=[Format.CSV], requested_by="mairie"
    )
    event = CloudEvent.wrap(asked, source="/test")
    ingest_request(event, desk.services)
    (row,) = desk.files_of(event)
    return desk.process(row["export_id"])


def _electeurs(content: bytes, encoding: str, separator: str) -> list[dict[str, str]]:
    return list(
        csv.DictReader(
            io.StringIO(content.decode(encoding), newline=""),
            delimiter=separator,
            quoting=csv.QUOTE_NONE,
        )
    )


def _differences(row: RowMapping) -> dict[str, int]:
    found = decoded(row["differences"])
    assert "reason" not in found, found
    return {name: found[name] for name in ("arrivees", "departs", "modifications")}


def test_a_departement_is_served_by_a_file_alone(desk: DepotsDesk, tmp_path: Path) -> None:
    before = _electeurs(desk.read(_ask(desk)), "utf-8", ";")
    desk.configure(profiles=everywhere(virgule(tmp_path)))
    desk.add_person(nom="ÉLÉPHANT-ŠŤASTNÝ", libelle_voie="12, rue de la Sauge ; bât. |B|")
    clean = {
        "code_postal": "13900",
        "ville": "LIBREVILLE",
        "pays_naissance": "FRANCE",
        "code_commune_naissance": "13900",
    }
    desk.add_person(nom="INVENTÉE-VIRGULE", libelle_voie="RUE, DE LA SAUGE", **clean)
    desk.add_person(nom="INVENTÉE-ŤASTNÁ", **clean)
    row = _ask(desk)
    assert row["file_name"].startswith(f"{COMMUNE}_P_")
    content = desk.read(row)
    assert content.startswith(b"Pays,VilleLocalite,CodePostal,")
    assert content.count(b"\r\n") == content.count(b"\n") == row["electeurs"] + 1
    electeurs = _electeurs(content, "cp1252", ",")
    assert {it["TypeListe"] for it in electeurs} == {"01"}
    (new,) = [it for it in electeurs if it["NOM FAMILLE"].startswith("ÉLÉPHANT")]
    assert (new["NOM FAMILLE"], new["LibelleVoie"]) == (
        "ÉLÉPHANT-ŠTASTNÝ",
        "12; rue de la Sauge ; bât. |B|",
    )
    assert len(electeurs) == len(before) + 3
    report = (desk.root / COMMUNE / row["report_name"]).read_text("utf-8-sig")
    lines = {
        line[8]: line
        for line in csv.reader(io.StringIO(report), delimiter=";")
        if "PHANT" in line[3]
    }
    assert lines["lettre_hors_encodage"][:1] + lines["lettre_hors_encodage"][6:7] == [
        "bloquante",
        "NOM FAMILLE",
    ]
    assert "cp1252" in lines["lettre_hors_encodage"][7]
    assert lines["separateur_remplace"][7].startswith("La virgule et le guillemet")
    found = {
        (line[3], line[8])
        for line in csv.reader(io.StringIO(report), delimiter=";")
        if "INVENTÉE" in line[3]
    }
    assert found == {
        ("INVENTÉE-VIRGULE", "separateur_remplace"),
        ("INVENTÉE-ŤASTNÁ", "lettre_hors_encodage"),
    }


@pytest.mark.parametrize("cause", ["clean", "most_bytes"])
def test_an_unknown_letter_or_a_large_file_blocks_and_nothing_else(
    desk: DepotsDesk, tmp_path: Path, cause: str
) -> None:
    desk.run(
        "DELETE FROM electeur WHERE nom_naissance <> (SELECT min(nom_naissance) FROM electeur WHERE liste = 'P')"
    )
    profile = virgule(tmp_path).model_copy(
        update={"most_bytes": 100 if cause == "most_bytes" else 10_000_000}
    )
    desk.configure(profiles=everywhere(profile))
    anomalies = {it["code"]: it["severity"] for it in decoded(_ask(desk)["anomalies"])}
    assert "lettre_hors_encodage" not in anomalies
    assert anomalies.get("fichier_trop_gros") == ("bloquante" if cause == "most_bytes" else None)


def test_a_file_keeps_the_form_in_which_it_was_made(desk: DepotsDesk, tmp_path: Path) -> None:
    """The form of the file changes and the electors do not: the comparison finds no difference."""
    desk.add_person(libelle_voie="12, rue de la Sauge ; bât. |B|")
    first = _ask(desk)
    desk.configure(profiles=everywhere(virgule(tmp_path)))
    desk.deposit(first["export_id"])
    second = _ask(desk)
    lost = sum(
        it["count"] for it in decoded(second["anomalies"]) if it["code"] == "lettre_hors_encodage"
    )
    assert _differences(second) == {"arrivees": 0, "departs": 0, "modifications": lost}
    desk.run("DELETE FROM electeur WHERE nom_naissance = 'INVENTEE'")
    desk.deposit(second["export_id"])
    profile = write_profile(tmp_path / "barre.toml", {'separator = ";"': 'separator = "|"'})
    desk.configure(profiles=everywhere(profile))
    third = _ask(desk)
    assert _differences(third) == {"arrivees": 0, "departs": 1, "modifications": lost}
    desk.configure(profiles=everywhere(tabulation(tmp_path)))
    desk.deposit(third["export_id"])
    assert decoded(_ask(desk)["differences"])["reason"] == OTHER_COLUMNS


def test_an_xml_has_the_titles_of_its_profile(desk: DepotsDesk, tmp_path: Path) -> None:
    changes = {'Sexe = "sexe"': 'Genre = "sexe"', '["csv", "pdf"]': '["xml"]'}
    profile = write_profile(tmp_path / "xml.toml", changes, columns=REVERSED)
    desk.configure(profiles=everywhere(profile))
    row = desk.make(Format.XML, days_ago=1)
    content = desk.read(row)
    assert content.count(b"<Genre") == row["electeurs"]
    desk.deposit(row["export_id"])
    assert not any(_differences(desk.make(Format.XML)).values()), (
        "each value is read where it stands"
    )
    desk.configure(profiles=everywhere(virgule(tmp_path)))
    row = desk.make(Format.XML)
    assert row["error_message"].startswith("« NOM FAMILLE » ne peut pas nommer un élément du XML")
