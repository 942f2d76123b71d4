"""Each rule of the pre-check: an elector for whom it speaks, one like it for whom it does not."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import date
from typing import Any

import pytest
from sqlalchemy import Connection, delete, insert

from schemas.vocabulary import Format, Liste, Severity
from worker.db.base import Base
from worker.db.engine import build_engine
from worker.registre.models import Bureau, Electeur
from worker.writers.columns import COLUMNS, ListeSpec
from worker.writers.precheck import Anomaly, find_anomalies, take_census
from worker.writers.rules import RULES

SPEC = ListeSpec("13900", "LIBREVILLE", "13", Liste.PRINCIPALE, 1, "G", "L", date(2026, 11, 25))
PERFECT: dict[str, Any] = {
    "code_commune": "13900",
    "version": 1,
    "code_bureau": "0001",
    "numero_ordre": 1,
    "numero_general": 1,
    "sexe": "F",
    "nom_naissance": "LANTERNE",
    "prenoms": "Ursule Zélie",
    "date_naissance": "1962-03-14",
    "code_commune_naissance": "13004",
    "commune_naissance": "ARLES",
    "departement_naissance": "13",
    "pays_naissance": "FRANCE",
    "nationalite": "Belge",
    "libelle_voie": "Rue des Abeilles",
    "code_postal": "13900",
    "ville": "LIBREVILLE",
}
BORN_IN_LIEGE = {"code_commune_naissance": "99131", "commune_naissance": "LIEGE", "departement_naissance": "99"}
CE = Liste.COMPLEMENTAIRE_EUROPEENNE
Table = list[tuple[str, list[dict[str, Any]], list[dict[str, Any]]]]
BLOCKING: Table = [  # code, what trips it, what does not
    ("sexe_absent", [{"sexe": ""}, {"sexe": "X"}, {"sexe": "f"}], [{"sexe": "M"}, {"sexe": "F"}]),
    ("nom_absent", [{"nom_naissance": ""}], [{"nom_naissance": "O"}]),
    ("prenoms_absents", [{"prenoms": ""}], [{"prenoms": "É"}]),
    ("date_absente", [{"date_naissance": ""}], [{"date_naissance": "1961-00-00"}]),
    (
        "date_illisible",
        [{"date_naissance": "14/03/1962"}, {"date_naissance": "1962"}],
        [{"date_naissance": ""}, {"date_naissance": "1962-03-14"}, {"date_naissance": "0000-03-14"}],
    ),
    ("commune_naissance_absente", [{"commune_naissance": ""}], [{"commune_naissance": "Y"}]),
    ("departement_naissance_absent", [{"departement_naissance": ""}], [{"departement_naissance": "2A"}]),
    (
        "pays_naissance_absent",
        [BORN_IN_LIEGE | {"pays_naissance": ""}],
        [BORN_IN_LIEGE | {"pays_naissance": "BELGIQUE"}, {"pays_naissance": ""}],
    ),
    (
        "voie_absente",
        [{"libelle_voie": ""}, {"libelle_voie": "", "numero_voie": "12", "complement1": "Appt 3"}],
        [{"libelle_voie": "", "lieu_dit": "Les Granges-Neuves"}, {"libelle_voie": "Quai des Cordiers"}],
    ),
    ("code_postal_absent", [{"code_postal": ""}], [{"code_postal": "SW1A 1AA"}]),
    ("ville_absente", [{"ville": ""}], [{"ville": "LONDON"}]),
    ("nationalite_absente", [{"liste": CE, "nationalite": ""}], [{"nationalite": ""}, {"liste": CE}]),
]
REMARKS: Table = [
    (
        "date_partielle",
        [{"date_naissance": born} for born in ("1953-00-00", "1955-08-00", "1980-00-15", "0000-08-15")],
        [{"date_naissance": born} for born in ("1953-10-10", "2000-01-01", "", "00/00/1953")],
    ),
    (
        "date_impossible",
        [
            {"date_naissance": born}
            for born in (
                *("1970-13-01", "1970-01-32", "1970-04-31", "1970-06-31", "1970-09-31", "1970-11-31"),
                *("1970-02-31", "1972-02-30", "1970-02-29", "1900-02-29", "1970-99-99", "1980-00-32"),
            )
        ],
        [
            {"date_naissance": born}
            for born in (
                *("1970-12-31", "1970-01-31", "1970-04-30", "1970-02-28", "1972-02-29", "2000-02-29"),
                *("1904-02-29", "2008-02-29", "1996-02-29", "1961-00-00", "1961-02-00", "0000-02-29", "31/02/1970"),
            )
        ],
    ),
    (
        "date_future",
        [{"date_naissance": "2062-03-14"}, {"date_naissance": "2026-11-26"}],
        [{"date_naissance": "1962-03-14"}, {"date_naissance": ""}],
    ),
    ("bureau_absent", [{"code_bureau": ""}], [{"code_bureau": "9999"}]),
    ("numero_provisoire", [{"numero_general": 0}], [{"numero_general": None}, {"numero_general": 1254}]),
    (
        "nom_usage_identique",
        [{"nom_usage": "LANTERNE"}],
        [{"nom_usage": ""}, {"nom_usage": "POIRIER"}, {"nom_naissance": "", "nom_usage": ""}],
    ),
    (
        "nationalite_francaise",
        [{"liste": CE, "nationalite": word} for word in ("Française", "FRANÇAISE", "Francaise", "FR")],
        [{"nationalite": "Française"}, {"liste": CE, "nationalite": "Belge"}, {"liste": CE, "nationalite": ""}],
    ),
    ("departement_obsolete", [{"departement_naissance": "20"}], [{"departement_naissance": "2A"}]),
    (
        "naissance_incoherente",
        [
            {"departement_naissance": "84"},
            BORN_IN_LIEGE | {"pays_naissance": "France"},
            {"code_commune_naissance": "97411", "departement_naissance": "971"},
            {"code_commune_naissance": "20004", "departement_naissance": "13"},
        ],
        [
            {"departement_naissance": ""},
            {"code_commune_naissance": "", "departement_naissance": "84"},
            BORN_IN_LIEGE | {"pays_naissance": "BELGIQUE"},
            {"code_commune_naissance": "97411", "departement_naissance": "974"},
            {"code_commune_naissance": "2A004", "departement_naissance": "2A"},
            {"code_commune_naissance": "20004", "departement_naissance": "2A"},
            {"code_commune_naissance": "20004", "departement_naissance": "20"},
            {"code_commune_naissance": "91352", "departement_naissance": "91", "pays_naissance": "ALGERIE"},
        ],
    ),
]
CASES = [(code, changes, True) for code, trips, _ in BLOCKING + REMARKS for changes in trips]
CASES += [(code, changes, False) for code, _, fine in BLOCKING + REMARKS for changes in fine]


@pytest.fixture(scope="module")
def connection() -> Iterator[Connection]:
    engine = build_engine("sqlite://")
    with engine.connect() as connection, connection.begin():
        Base.metadata.create_all(connection)
        bureau = {"code_commune": "13900", "libelle": "HOTEL DE VILLE", "code_canton": "1301"}
        connection.execute(
            insert(Bureau), [bureau | {"code": code, "code_circonscription": "16"} for code in ("0001", "9999")]
        )
        yield connection
    engine.dispose()


def _check(connection: Connection, changes: dict[str, Any], format_: Format = Format.CSV) -> list[Anomaly]:
    """The anomalies of an elector who is perfect but for the changes."""
    elector = PERFECT | {"liste": SPEC.liste} | changes
    spec = replace(SPEC, liste=elector["liste"])
    connection.execute(delete(Electeur))
    connection.execute(insert(Electeur).values(elector))
    return list(find_anomalies(connection, spec, take_census(connection, spec), format_))


def test_a_perfect_elector_has_no_anomaly(connection: Connection) -> None:
    assert _check(connection, {}) == _check(connection, {"liste": CE}) == []


@pytest.mark.parametrize(
    ("code", "changes", "is_wrong"), CASES, ids=lambda value: value if isinstance(value, str) else ""
)
def test_a_rule_speaks_when_it_must(
    connection: Connection, code: str, changes: dict[str, Any], *, is_wrong: bool
) -> None:
    assert (code in [anomaly.code for anomaly in _check(connection, changes)]) == is_wrong


@pytest.mark.parametrize(
    ("severity", "table"), [(Severity.BLOCKING, BLOCKING), (Severity.REMARK, REMARKS)], ids=["blocking", "remarks"]
)
def test_every_rule_has_its_cases_and_its_severity(severity: Severity, table: Table) -> None:
    assert [rule.code for rule in RULES if rule.severity is severity] == [code for code, _, _ in table]


def test_a_rule_names_a_column_of_the_file_and_says_what_to_do() -> None:
    names = {column.name for column in COLUMNS}
    assert [rule.code for rule in RULES if rule.column not in names or not rule.message.endswith(".")] == []


@pytest.mark.parametrize("length", [255, 256])
def test_a_long_value_is_a_remark_from_256_characters_on(connection: Connection, length: int) -> None:
    anomalies = _check(connection, {"lieu_dit": "é" * length})
    assert [anomaly.code for anomaly in anomalies] == ["valeur_trop_longue"] * (length > 255)


def test_many_short_values_are_no_long_one(connection: Connection) -> None:
    assert _check(connection, {"lieu_dit": "é" * 200, "complement1": "é" * 200}) == []


@pytest.mark.parametrize(
    ("value", "in_csv", "in_xml"),
    [
        ("a;b", ["separateur_remplace"], []),
        ('a"b', ["separateur_remplace"], []),
        ("a\u00a0b", ["caracteres_nettoyes"], ["caracteres_nettoyes"]),
        ("a, b'¦b", [], []),
    ],
)
def test_cleaning_is_reported_where_it_is_done(
    connection: Connection, value: str, in_csv: list[str], in_xml: list[str]
) -> None:
    for format_, codes in ((Format.CSV, in_csv), (Format.XML, in_xml)):
        anomalies = _check(connection, {"complement2": value}, format_)
        assert [anomaly.code for anomaly in anomalies] == codes


@pytest.mark.parametrize(
    ("born", "is_of_age"),
    [
        *(("2008-11-25", True), ("2008-11-26", False), ("2008-11-00", True), ("2008-12-00", False)),
        *(("2008-00-00", True), ("2009-00-00", False), ("2026-11-25", False), ("1900-01-01", True)),
        *(("0000-00-14", True), ("", True), ("1962", True), ("14/03/2020", True), ("3020-01-01", True)),
    ],
)
def test_who_is_of_age_is_on_the_list(connection: Connection, born: str, *, is_of_age: bool) -> None:
    _check(connection, {"date_naissance": born})
    census = take_census(connection, SPEC)
    assert (census.electeurs, census.mineurs) == ((1, 0) if is_of_age else (0, 1))


@pytest.mark.parametrize(
    ("jour", "is_of_age"),
    [(date(2026, 2, 28), False), (date(2026, 3, 1), True), (date(2028, 2, 28), True)],
)
def test_who_was_born_on_29_february_is_of_age_on_1_march(
    connection: Connection, jour: date, *, is_of_age: bool
) -> None:
    _check(connection, {"date_naissance": "2008-02-29"})
    assert bool(take_census(connection, replace(SPEC, jour=jour)).electeurs) == is_of_age
