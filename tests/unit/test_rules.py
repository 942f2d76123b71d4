"""Each rule of the pre-check: an elector for whom it reports an anomaly, and one like it for whom it does not."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import date
from typing import Any

import pytest
from sqlalchemy import Connection, delete, insert, update
from sqlalchemy.orm import InstrumentedAttribute

from schemas.profiles.platform import read_shipped
from schemas.vocabulary import Format, Liste, Severity
from tests.parts.rules import KINDS
from worker.db.engine import build_engine
from worker.db.types import Base
from worker.domain.anomaly import Anomaly
from worker.registre.checks.rules import RULES
from worker.registre.models import Bureau, Electeur
from worker.writers.columns import ListeSpec, header_of
from worker.writers.precheck import find_anomalies, take_census

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
BORN_IN_LIEGE = {
    "code_commune_naissance": "99131",
    "commune_naissance": "LIEGE",
    "departement_naissance": "99",
}
BORN_IN_ALGERIA = {
    "code_commune_naissance": "91352",
    "departement_naissance": "91",
    "pays_naissance": "ALGERIE",
}
CE, CM = Liste.COMPLEMENTAIRE_EUROPEENNE, Liste.COMPLEMENTAIRE_MUNICIPALE
Changes = list[dict[str, Any]]


def of(column: str, values: str, **others: str) -> Changes:
    """An elector for each of these values of a column, separated by `|`; the other columns are the same for all."""
    return [{column: value} | others for value in values.split("|")]


@pytest.fixture(scope="module")
def connection() -> Iterator[Connection]:
    engine = build_engine("sqlite://")
    with engine.connect() as connection, connection.begin():
        Base.metadata.create_all(connection)
        bureau = {"code_commune": "13900", "libelle": "HOTEL DE VILLE", "code_canton": "1301"}
        connection.execute(
            insert(Bureau),
            [bureau | {"code": code, "code_circonscription": "16"} for code in ("0001", "9999")],
        )
        yield connection
    engine.dispose()


def _check(
    connection: Connection,
    changes: dict[str, Any],
    format_: Format = Format.CSV,
    *,
    second: dict[str, Any] | None = None,
    jour: date = SPEC.jour,
    ours: Severity = Severity.BLOCKING,
) -> list[Anomaly]:
    """The anomalies of an elector who is correct except for the changes, next to a second elector."""
    elector = PERFECT | {"liste": SPEC.liste} | changes
    spec = replace(SPEC, liste=elector["liste"], jour=jour)
    connection.execute(delete(Electeur))
    connection.execute(insert(Electeur), [elector, *([elector | second] if second else [])])
    return list(find_anomalies(connection, spec, take_census(connection, spec), format_, ours=ours))


def test_a_perfect_elector_has_no_anomaly(connection: Connection) -> None:
    assert _check(connection, {}) == _check(connection, {"liste": CE}) == []


def _try(connection: Connection, code: str, trips: Changes, fine: Changes) -> tuple[Severity, bool]:
    """The rule reports the first electors and not the others; its severity, and whether it is our own."""
    for changes in trips:
        assert code in [anomaly.code for anomaly in _check(connection, changes)], changes
    for changes in fine:
        assert code not in [anomaly.code for anomaly in _check(connection, changes)], changes
    (rule,) = (it for it in RULES if it.code == code)
    return rule.severity, rule.is_ours


@pytest.mark.parametrize(
    ("code", "trips", "fine"),
    [
        ("sexe_absent", of("sexe", "|X|f"), of("sexe", "M|F")),
        ("nom_absent", of("nom_naissance", ""), of("nom_naissance", "O")),
        ("prenoms_absents", of("prenoms", ""), of("prenoms", "É")),
        ("date_absente", of("date_naissance", ""), of("date_naissance", "1961-00-00")),
        (
            "date_illisible",
            of("date_naissance", "14/03/1962|1962"),
            of("date_naissance", "|1962-03-14|0000-03-14"),
        ),
        ("commune_naissance_absente", of("commune_naissance", ""), of("commune_naissance", "Y")),
        (
            "departement_naissance_absent",
            of("departement_naissance", ""),
            of("departement_naissance", "2A"),
        ),
        (
            "pays_naissance_absent",
            [BORN_IN_LIEGE | {"pays_naissance": ""}],
            [BORN_IN_LIEGE | {"pays_naissance": "BELGIQUE"}, {"pays_naissance": ""}],
        ),
        (
            "voie_absente",
            [
                {"libelle_voie": ""},
                {"libelle_voie": "", "numero_voie": "12", "complement1": "Appt 3"},
            ],
            [
                {"libelle_voie": "", "lieu_dit": "Les Granges-Neuves"},
                {"libelle_voie": "Quai des Cordiers"},
            ],
        ),
        ("code_postal_absent", of("code_postal", ""), of("code_postal", "SW1A 1AA")),
        ("ville_absente", of("ville", ""), of("ville", "LONDON")),
        (
            "nationalite_absente",
            of("nationalite", "", liste=CE),
            [{"nationalite": ""}, {"liste": CE}],
        ),
    ],
)
def test_a_rule_of_the_platform_speaks_when_it_must(
    connection: Connection, code: str, trips: Changes, fine: Changes
) -> None:
    assert _try(connection, code, trips, fine) == (Severity.BLOCKING, False)


@pytest.mark.parametrize(
    ("code", "trips", "fine"),
    [
        (
            "nom_abime",
            of(
                "nom_naissance",
                "-|123|. .|' '|DUP0NT|O'BRIEN-2|D ? BRIS|@DUPONT|+DUPONT|NULL|TEST|TRUE|FALSE|VRAI"
                "|M. DUPONT|M.|Mme DUPONT|MLLE",
            ),
            of(
                "nom_naissance",
                "MMERTEN|MLLER|MADAME|M|O|É|Ő|D'AUBIGNÉ|Ω|NULLE|NONE|Null|TESTE|XX|FAUX",
            ),
        ),
        (
            "nom_usage_abime",
            of("nom_usage", ".|POIRIER-3|nan|None|N/A|XXX|Mme. POIRIER"),
            of("nom_usage", "|Ș|POIRIER|NAN"),
        ),
        (
            "prenoms_abimes",
            of("prenoms", "-|0|Ursule 2|Ursule ?|test|null|FAUX|M.|Mme Ursule"),
            of("prenoms", "|M. Carmen|É.|Zélie|Nan|Xénia"),
        ),
        (
            "commune_naissance_abimee",
            of("commune_naissance", "13004|-|...|NULL"),
            of("commune_naissance", "|Y|NONE|Nulle|PARIS 12|Łódź|FAUX"),
        ),
        (
            "pays_naissance_abime",
            [BORN_IN_LIEGE | {"pays_naissance": "NULL"}, {"pays_naissance": "FALSE"}],
            [
                BORN_IN_LIEGE | {"pays_naissance": "BELGIQUE"},
                {"pays_naissance": ""},
                {"pays_naissance": "MALI"},
            ],
        ),
        (
            "numero_voie_en_date",
            of("numero_voie", "12-mars|mars-12|1-mai|12-août|15-Déc|12-févr.|12-mars-26|janv.-03")
            + of("numero_voie", "12/03/2026|12-03-26|2026-03-12|2026-03-12 00:00:00|44635"),
            of(
                "numero_voie",
                "|12|12 BIS|12-14|12/14|1250 TER|Sans|B12-14|12 mars|14635|4463|44635 B",
            ),
        ),
        (
            "bureau_en_date",
            of("code_bureau", "01-janv|1-mai|janv-01|03-Févr."),
            of("code_bureau", "0001|mars|1-A|12-14|MAIRIE"),
        ),
        (
            "voie_abimee",
            of("libelle_voie", "NULL|test"),
            of("libelle_voie", "Rue du Test|8|Impasse Nulle|Rue 12"),
        ),
        (
            "code_postal_abime",
            of("code_postal", "BP 12|bp12|B.P. 7|CS 10010|TSA 40001"),
            of("code_postal", "|13900|SW1A 1AA") + of("code_postal", "BP 12", pays="MALI"),
        ),
        (
            "ville_abimee",
            [*of("ville", "13900|.|N/A"), {"ville": "13900", "code_postal": "LIBREVILLE"}],
            of("ville", "|Y|LIBREVILLE CEDEX 9|l'Île|Ålesund"),
        ),
        (
            "date_impossible",
            of(
                "date_naissance",
                "1970-13-01|1970-01-32|1970-04-31|1970-06-31|1970-09-31|1970-11-31|1970-02-31",
            )
            + of("date_naissance", "1972-02-30|1970-02-29|1900-02-29|1970-99-99|1980-00-32"),
            of(
                "date_naissance",
                "1970-12-31|1970-01-31|1970-04-30|1970-02-28|1972-02-29|2000-02-29|1904-02-29",
            )
            + of(
                "date_naissance",
                "2008-02-29|1996-02-29|1961-00-00|1961-02-00|0000-02-29|31/02/1970",
            ),
        ),
        (
            "date_trop_ancienne",
            of(
                "date_naissance",
                "1850-05-05|0001-01-01|1899-12-31|1850-00-00|1900-01-00|1900-01-01|1904-01-01|1904-12-31",
            ),
            of("date_naissance", "1905-01-01|0000-08-15|1962-03-14||14/03/1850"),
        ),
        (
            "date_trop_recente",
            of("date_naissance", "2062-03-14|2026-11-26|2026-11-25|2024-05-05|2010-11-26"),
            of("date_naissance", "1962-03-14||2010-11-25|2010-11-00|2010-00-00"),
        ),
        (
            "departement_inconnu",
            of("departement_naissance", "00|96|100|2C|990|97|Ain"),
            of("departement_naissance", "|01|1|13|2A|2b|20|75|78|91|94|95|971|976|988|99|985"),
        ),
        (
            "departement_sans_zero",
            of("departement_naissance", "1|9"),
            of("departement_naissance", "|01|0|13|A"),
        ),
        (
            "code_postal_sans_zero",
            [
                {"code_postal": "1400"},
                {"code_postal": "1400", "pays": "France"},
                {"code_postal": "6000", "pays": "FRANCE"},
            ],
            [*of("code_postal", "01400|14OO|0140|"), {"code_postal": "1000", "pays": "BELGIQUE"}],
        ),
        (
            "nationalite_hors_union",
            of("nationalite", "Suisse|Britannique|GB|UK|BRITANNIQUE|Norvégienne|APATRIDE", liste=CE)
            + of(
                "nationalite", "Suisse|Britannique|GB|UK|BRITANNIQUE|Norvégienne|APATRIDE", liste=CM
            ),
            of("nationalite", "|Belge|FR|Française|Croate|hr|EL|CZ", liste=CE)
            + of("nationalite", "BELGE|Allemand|NEERLANDAISE|Tcheque|SUÉDOIS", liste=CM)
            + of("nationalite", "Suisse|Britannique"),
        ),
    ],
)
def test_a_rule_of_ours_speaks_when_it_must(
    connection: Connection, code: str, trips: Changes, fine: Changes
) -> None:
    assert _try(connection, code, trips, fine) == (Severity.BLOCKING, True)


@pytest.mark.parametrize(
    ("code", "trips", "fine"),
    [
        (
            "date_partielle",
            of("date_naissance", "1953-00-00|1955-08-00|1980-00-15|0000-08-15"),
            of("date_naissance", "1953-10-10|2000-01-01||00/00/1953"),
        ),
        ("bureau_absent", of("code_bureau", ""), of("code_bureau", "9999")),
        (
            "numero_provisoire",
            [{"numero_general": 0}],
            [{"numero_general": None}, {"numero_general": 1254}],
        ),
        (
            "nom_usage_identique",
            [{"nom_usage": "LANTERNE"}],
            [{"nom_usage": ""}, {"nom_usage": "POIRIER"}, {"nom_naissance": "", "nom_usage": ""}],
        ),
        (
            "nom_usage_repete",
            [{"nom_usage": "Lanterne"}, {"nom_naissance": "ÉPIŞ", "nom_usage": "épiş"}],
            of("nom_usage", "|LANTERNE|LANTERNÉ|LANTERNE POIRIER"),
        ),
        (
            "nationalite_francaise",
            of("nationalite", "Française|FRANÇAISE|Francaise|FR", liste=CE),
            [{"nationalite": "Française"}, *of("nationalite", "Belge|", liste=CE)],
        ),
        (
            "departement_obsolete",
            of("departement_naissance", "20"),
            of("departement_naissance", "2A"),
        ),
        (
            "naissance_incoherente",
            [
                {"departement_naissance": "84"},
                BORN_IN_LIEGE | {"pays_naissance": "France"},
                {"code_commune_naissance": "97411", "departement_naissance": "971"},
                {"code_commune_naissance": "20004", "departement_naissance": "13"},
                BORN_IN_ALGERIA | {"date_naissance": "1962-07-03"},
                {
                    "code_commune_naissance": "91228",
                    "departement_naissance": "78",
                    "date_naissance": "1968-01-01",
                },
            ],
            [
                {"departement_naissance": ""},
                {"code_commune_naissance": "", "departement_naissance": "84"},
                BORN_IN_LIEGE | {"pays_naissance": "BELGIQUE"},
                {"code_commune_naissance": "97411", "departement_naissance": "974"},
                {"code_commune_naissance": "2A004", "departement_naissance": "2A"},
                {"code_commune_naissance": "20004", "departement_naissance": "2A"},
                {"code_commune_naissance": "20004", "departement_naissance": "20"},
                BORN_IN_ALGERIA | {"date_naissance": "1962-07-02"},
                BORN_IN_ALGERIA | {"date_naissance": "1962-00-00"},
                {
                    "code_commune_naissance": "91228",
                    "departement_naissance": "91",
                    "date_naissance": "1981-01-01",
                },
                {
                    "code_commune_naissance": "91228",
                    "departement_naissance": "78",
                    "date_naissance": "1967-12-31",
                },
                {
                    "code_commune_naissance": "92004",
                    "departement_naissance": "75",
                    "date_naissance": "1951-01-01",
                },
                {"code_commune_naissance": "1053", "departement_naissance": "01"},
                {"code_commune_naissance": "01053", "departement_naissance": "1"},
            ],
        ),
        (
            "commune_naissance_sans_zero",
            of("code_commune_naissance", "1053"),
            of("code_commune_naissance", "|01053|2A04|13004"),
        ),
        (
            "code_postal_inconnu",
            of("code_postal", "SW1A 1AA|75 001|139000|00100|96000|99100|1390A|140")
            + of(
                "code_postal", "SW1A 1AA|75 001|139000|00100|96000|99100|1390A|140", pays="France"
            ),
            of("code_postal", "|01000|13900|20000|97411|98800|95999|1400")
            + of("code_postal", "SW1A 1AA|1000|96000", pays="ROYAUME-UNI")
            + of("ville", "ARMEES|Armées|POSTE AUX ARMÉES", code_postal="00305"),
        ),
    ],
)
def test_a_remark_is_made_when_it_must(
    connection: Connection, code: str, trips: Changes, fine: Changes
) -> None:
    assert _try(connection, code, trips, fine) == (Severity.REMARK, False)


def test_every_rule_has_its_cases() -> None:
    tests: list[Any] = [
        test_a_rule_of_the_platform_speaks_when_it_must,
        test_a_rule_of_ours_speaks_when_it_must,
        test_a_remark_is_made_when_it_must,
    ]
    assert [case[0] for it in tests for case in it.pytestmark[0].args[1]] == [
        rule.code for rule in RULES
    ]


def test_a_kind_names_a_column_of_the_file_and_says_what_to_do_and_who_says_so() -> None:
    names = set(read_shipped().form.columns)
    assert [
        kind.code for kind in KINDS if kind.value is not None and header_of(kind.value) not in names
    ] == []
    assert [kind.code for kind in KINDS if not (kind.message.endswith(".") and kind.source)] == []
    assert len({kind.code for kind in KINDS}) == len(KINDS)


def test_what_is_ours_is_a_remark_where_the_operator_says_so(connection: Connection) -> None:
    changes = {"date_naissance": "1962-02-31", "sexe": ""}
    found = {it.code: it.severity for it in _check(connection, changes, ours=Severity.REMARK)}
    assert found == {"sexe_absent": Severity.BLOCKING, "date_impossible": Severity.REMARK}


@pytest.mark.parametrize(
    ("jour", "is_citizen"), [(date(2020, 1, 31), True), (date(2020, 2, 1), False)]
)
def test_a_nationality_counts_while_its_state_is_a_member(
    connection: Connection, jour: date, *, is_citizen: bool
) -> None:
    anomalies = _check(connection, {"liste": CE, "nationalite": "Britannique"}, jour=jour)
    assert [anomaly.code for anomaly in anomalies] == ["nationalite_hors_union"] * (not is_citizen)


def test_a_nationality_does_not_count_before_its_state_is_a_member(connection: Connection) -> None:
    change = {"liste": CM, "nationalite": "Croate"}
    assert [it.code for it in _check(connection, change, jour=date(2013, 6, 30))] == [
        "nationalite_hors_union"
    ]
    assert _check(connection, change, jour=date(2013, 7, 1)) == []


@pytest.mark.parametrize(
    ("text", "is_ruined"),
    [
        *(
            (text, True)
            for text in (
                "RenÃ©",
                "Ã‰TIENNE",
                "NoÃ«l",
                "Ã–ZDEMIR",
                "FranÃ§ois",
                "N\ufffdEL",
                "Ren\u201a",
            )
        ),
        *(
            (text, True)
            for text in (
                "Fran√ßois",
                "√©toile",
                "l‚Äô√éle",
                "BESAN?ON",
                "Rue de l'?glise",
                "Ren?",
                "Zo?",
            )
        ),
        *((text, False) for text in ("Bâtiment ?", "étage ?3", "? 12")),
        *(
            (text, False)
            for text in ("JOÃO", "CONCEIÇÃO", "MAÇÃ", "ÅSE", "D’AUBIGNÉ", "n° 3", "Łukasz Šťastný")
        ),
    ],
)
def test_ruined_letters_are_told_with_their_column(
    connection: Connection, text: str, *, is_ruined: bool
) -> None:
    found = [(it.code, it.column) for it in _check(connection, {"lieu_dit": text}, Format.XML)]
    assert found == [("caracteres_abimes", header_of(Electeur.lieu_dit))] * is_ruined


@pytest.mark.parametrize(
    ("column", "text"),
    [
        *(
            (Electeur.nom_naissance, text)
            for text in ("#N/A", "#VALEUR!", "#NOM?", "#DIV/0!", "#REF!", "=MAJUSCULE(A1)", "??")
        ),
        *((Electeur.code_bureau, text) for text in ("1E+03", "1.0", "2,00")),
        *((Electeur.code_postal, text) for text in ("1,39E+04", "1.39E+04", "13900.0", "13900,0")),
        *(
            (column, "#N/A")
            for column in (Electeur.ville, Electeur.departement_naissance, Electeur.complement2)
        ),
        *((Electeur.numero_voie, text) for text in ("12.0", "12,0", "=SOMME(A2)")),
    ],
)
def test_what_a_spreadsheet_wrote_is_said_once_with_its_column(
    connection: Connection, column: InstrumentedAttribute[str], text: str
) -> None:
    found = [it for it in _check(connection, {column.key: text}) if it.column == header_of(column)]
    assert [(it.code, it.severity) for it in found] == [("valeur_de_tableur", Severity.BLOCKING)]


@pytest.mark.parametrize(
    "text", ["12.5", "1.05", "n° 12.0 bis", "a = b", "Bât A+B", "#12", "1E3", "Rés. #N/A", "0,5"]
)
def test_what_resembles_a_number_of_a_spreadsheet_is_none(
    connection: Connection, text: str
) -> None:
    assert _check(connection, {"complement1": text}) == []


def test_zeros_that_a_spreadsheet_took_are_said_once_for_the_whole_file(
    connection: Connection,
) -> None:
    ruined = {"code_postal": "1400", "departement_naissance": "1", "code_commune_naissance": "1053"}
    first, *others = _check(connection, ruined)
    assert (first.code, first.bureau, first.severity) == ("zeros_perdus", "", Severity.BLOCKING)
    assert "un tableur a retiré les zéros" in first.message.lower()
    assert "1 électeur :" in first.message
    assert [it.code for it in others] == [
        "departement_sans_zero",
        "code_postal_sans_zero",
        "commune_naissance_sans_zero",
    ]


SAME = {"numero_ordre": 2, "numero_general": 2}


@pytest.mark.parametrize(
    ("second", "codes"),
    [
        (SAME, ["electeur_en_double"] * 2),
        (SAME | {"libelle_voie": "Quai des Cordiers"}, ["homonyme"] * 2),
        (
            SAME | {"nom_naissance": "LÂNTERNE", "prenoms": "URSULE-ZELIE"},
            ["electeur_en_double"] * 2,
        ),
        (SAME | {"libelle_voie": "RUE DES ABEILLES"}, ["electeur_en_double"] * 2),
        (
            SAME | {"nom_naissance": "Lanterne", "libelle_voie": "Quai des Cordiers"},
            ["homonyme"] * 2,
        ),
        (SAME | {"nom_naissance": "LANTERNO"}, []),
        (SAME | {"commune_naissance": "NIMES"}, []),
        (SAME | {"date_naissance": "1962-03-15"}, []),
        (SAME | {"date_naissance": "1962-14-03"}, ["naissance_inversee"] * 2 + ["date_impossible"]),
        (SAME | {"prenoms": "Ursule"}, []),
        ({"prenoms": "Ursule"}, ["numero_en_double"]),
        ({"prenoms": "Ursule", "code_bureau": "9999"}, []),
    ],
)
def test_doubles_on_a_list(
    connection: Connection, second: dict[str, Any], codes: list[str]
) -> None:
    assert [it.code for it in _check(connection, {}, second=second)] == codes


@pytest.mark.parametrize(
    ("first", "second", "codes"),
    [
        (
            {"date_naissance": "1962-03-04"},
            {"date_naissance": "1962-04-03"},
            ["naissance_inversee"] * 2,
        ),
        ({"date_naissance": "1962-03-04"}, {"date_naissance": "1963-04-03"}, []),
        (
            {"nom_usage": "BOUGEOIR"},
            {"nom_naissance": "BOUGEOIR", "nom_usage": "LANTERNE"},
            ["noms_inverses"] * 2,
        ),
        (
            {"nom_usage": "BOUGEOIR"},
            {"nom_naissance": "BOUGEOIR", "nom_usage": "LANTERNE", "prenoms": "Zélie"},
            [],
        ),
        ({"ine": "123456789"}, {"ine": "123456789", "prenoms": "Zélie"}, ["ine_en_double"] * 2),
        ({"ine": "123456789"}, {"ine": "123456780", "prenoms": "Zélie"}, []),
        ({"ine": ""}, {"ine": "", "prenoms": "Zélie"}, []),
    ],
)
def test_one_elector_twice_with_values_swapped_or_one_national_number(
    connection: Connection, first: dict[str, Any], second: dict[str, Any], codes: list[str]
) -> None:
    assert [it.code for it in _check(connection, first, second=SAME | second)] == codes


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("D'AUBIGNÉ", "D'AUBIGNE"),
        ("LEBŒUF", "LEBOEUF"),
        ("Lebœuf", "LEBOEUF"),
        ("GROß", "GROSS"),
        ("LE-BRUN", "Le Brun"),
    ],
)
def test_two_spellings_of_a_name_are_one_identity(
    connection: Connection, one: str, other: str
) -> None:
    found = _check(connection, {"nom_naissance": one}, second=SAME | {"nom_naissance": other})
    assert [(it.code, it.nom) for it in found] == [
        ("electeur_en_double", one),
        ("electeur_en_double", other),
    ]


def test_electors_without_number_or_bureau_or_name_are_no_doubles(connection: Connection) -> None:
    for blank in (
        {"numero_ordre": None},
        {"code_bureau": ""},
        {"nom_naissance": ""},
        {"date_naissance": ""},
    ):
        found = {it.code for it in _check(connection, blank, second=blank)}
        assert ("numero_en_double" in found) == (not {"numero_ordre", "code_bureau"} & blank.keys())
        assert ("electeur_en_double" in found) == (
            not {"nom_naissance", "date_naissance"} & blank.keys()
        )


def test_numbers_borne_by_several_are_named_once_for_the_bureau(connection: Connection) -> None:
    _check(connection, {})
    connection.execute(delete(Electeur))
    electors = [
        PERFECT
        | {"liste": SPEC.liste, "prenoms": f"{name} {n}", "numero_ordre": n, "numero_general": None}
        for n in range(1, 8)
        for name in ("Ursule", "Zélie")
    ]
    connection.execute(insert(Electeur), electors)
    found = list(find_anomalies(connection, SPEC, take_census(connection, SPEC), Format.CSV))
    (numeros,) = (it for it in found if it.code == "numero_en_double")
    assert (numeros.bureau, "1, 2, 3, 4, 5 et 2 autres." in numeros.message) == ("0001", True)


@pytest.mark.parametrize(
    ("circonscription", "codes"),
    [("16", []), ("8416", ["circonscription_incoherente"]), ("", ["circonscription_absente"])],
)
def test_a_constituency_of_another_departement_is_a_remark(
    connection: Connection, circonscription: str, codes: list[str]
) -> None:
    set_to = update(Bureau).where(Bureau.code == "0001")
    connection.execute(set_to.values(code_circonscription=circonscription))
    found = [it.code for it in _check(connection, {})]
    connection.execute(set_to.values(code_circonscription="16"))
    assert found == codes


@pytest.mark.parametrize("length", [255, 256])
def test_a_long_value_is_a_remark_from_256_characters_on(
    connection: Connection, length: int
) -> None:
    anomalies = _check(connection, {"lieu_dit": "é" * length})
    assert [anomaly.code for anomaly in anomalies] == ["valeur_trop_longue"] * (length > 255)


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
        *(("2008-00-00", True), ("2009-00-00", False), ("2010-11-25", False), ("1900-01-01", True)),
        *(("2010-11-26", True), ("2024-05-05", True), ("2026-11-25", True), ("2010-12-00", True)),
        *(
            ("0000-00-14", True),
            ("", True),
            ("1962", True),
            ("14/03/2020", True),
            ("3020-01-01", True),
        ),
    ],
)
def test_who_is_of_age_is_on_the_list(
    connection: Connection, born: str, *, is_of_age: bool
) -> None:
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
