"""A département where nobody is wrong, and how many are accused all the same."""

from pathlib import Path

import pytest

from tests.oracle.departement import count_accused, iter_electors, measure
from tests.parts.town import MIGRATED_TEMPLATE
from worker.db.engine import build_engine

_TITLES = "Gravité;Bureau;Numéro;Nom de naissance;Prénoms;Date de naissance;Colonne;Anomalie;Code\n"


@pytest.mark.database(MIGRATED_TEMPLATE)
def test_fewer_than_one_elector_in_a_thousand_is_accused_wrongly(sqlite_url: str, tmp_path: Path) -> None:
    engine = build_engine(sqlite_url)
    alarms = measure(engine, tmp_path, 4000)
    engine.dispose()
    assert alarms.electors > 4000
    assert alarms.in_a_thousand < 1, alarms.codes


def test_its_electors_are_odd_as_real_ones_are() -> None:
    electors = list(iter_electors(20_000))
    values = {value for elector in electors for value in elector.row.values()}
    assert {"U.R.S.S.", "94352", "SW1A 1AA", "Sans", "France", "2B"} <= values
    assert any(value.startswith("00/00/") for value in values)
    assert any("\u00a0" in value or "\0" in value for value in values)
    assert 0 < sum(elector.is_remarkable for elector in electors) < len(electors) / 200


def test_who_is_accused_wrongly_is_counted_once(tmp_path: Path) -> None:
    (report := tmp_path / "report.csv").write_text(
        _TITLES
        + "remarque;0001;;;;;canton;of a bureau;canton_absent\n"
        + "remarque;0001;1;ZZANA;Ana;00/00/1961;naissance;deserved;date_partielle\n"
        + "remarque;0001;2;ZZBEA;Bea;01/01/1961;Pays;not deserved;pays\n"
        + "bloquante;0001;2;ZZBEA;Bea;01/01/1961;Sexe;not deserved either;sexe_absent\n"
        + "bloquante;0001;3;ZZCLO;Clo;01/01/1961;Sexe;nobody deserves it;sexe_absent\n",
        encoding="utf-8-sig",
    )
    found = count_accused(report, {("ZZANA", "Ana", "00/00/1961"), ("ZZCLO", "Clo", "01/01/1961")})
    assert found == {"remarque pays": 1, "bloquante sexe_absent": 2, "": 2}
