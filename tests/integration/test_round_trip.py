"""An independent reader finds in both files the values that a service wrote to the register by SQL, dirty or not."""

import re
import xml.etree.ElementTree as ET
from collections.abc import Iterator, Mapping
from datetime import date
from typing import Any, NamedTuple

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from sqlalchemy import Engine, insert

from common.texte import JOINT, clean
from schemas.vocabulary import Format, Liste
from tests.golden.cases import FOLDER
from tests.parts.databases import SqliteFiles
from tests.parts.postgres import PostgresServer
from tests.unit.nasty import nasty_texts
from worker.db.engine import build_engine
from worker.db.migrate import migrate
from worker.registre.models import Bureau, Commune, Electeur, ListeCommunale
from worker.writers.columns import ListeSpec
from worker.writers.electeurs_file import write_csv, write_xml
from worker.writers.precheck import find_anomalies, take_census

# An independent reader, and the expected lines by the rules of the arrêté. It names no column: positions are those of
# the table of 29 columns; the header itself is in a golden file.

HEADER = (FOLDER / "liste_vide" / "CE.csv").read_text("utf-8").removesuffix("\n").split(";")
FILE_COLUMNS = 6
ADDRESS_AT = 20
JOUR = "2026-11-25"
OF_AGE = "2008-11-25"
YOUNGEST = "2010-11-25"

_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", re.ASCII)
_NO_NUMBER = {"0", "sans"}

Fields = Mapping[str, Any]


def read_csv(content: bytes) -> tuple[list[str], list[list[str]]]:
    """Header and lines of a CSV file without quotes."""
    *lines, after_the_last = content.decode("utf-8", "strict").split("\n")
    assert after_the_last == ""
    header, *rows = (line.split(";") for line in lines)
    return header, rows


def read_xml(content: bytes) -> tuple[list[str], list[list[str]]]:
    """Header and lines of an XML file: the element names without the container, and a line per elector."""
    root = ET.fromstring(content)  # noqa: S314 — our own file
    assert root.tag == "ListeElectorale"
    top = [element for element in root if element.tag != "Electeur"]
    electeurs = [list(_leaves(element)) for element in root.iter("Electeur")]
    names = [element.tag for element in [*top, *(electeurs[0] if electeurs else [])]]
    return names, [[element.text or "" for element in [*top, *leaves]] for leaves in electeurs]


def _leaves(electeur: ET.Element) -> Iterator[ET.Element]:
    *identity, address = electeur
    assert len(identity) == ADDRESS_AT - FILE_COLUMNS
    yield from identity
    yield from address


def is_of_age(fields: Fields) -> bool:
    """Whether the elector is 18 on JOUR; unknown parts of the date count as the earliest possible.

    An unreadable date counts as of age, and so does the date of a person under 16.
    """
    born = clean(fields["date_naissance"])
    return not _DATE.fullmatch(born) or born <= OF_AGE or born > YOUNGEST


def rank(fields: Fields) -> tuple[bytes | int, ...]:
    """The sort key of the elector in the file."""
    texts = (fields[name].encode() for name in ("nom_naissance", "prenoms", "date_naissance"))
    numero = fields["numero_ordre"]
    return (fields["code_bureau"].encode(), -1 if numero is None else numero, *texts, fields["id"])


def expected_line(fields: Fields, bureaux: Mapping[str, Fields]) -> list[str]:
    """The 29 values of an elector of the principal list, before the separators of the CSV are replaced."""
    it = {name: clean(value) if isinstance(value, str) else value for name, value in fields.items()}
    bureau = {name: clean(value) for name, value in bureaux.get(fields["code_bureau"], {}).items()}
    born = it["date_naissance"]
    numero = "" if it["numero_general"] is None else str(it["numero_general"])
    return [
        *("G", "L", "25/11/2026", "13", "13900", "LIBREVILLE"),
        *(numero, it["sexe"], it["nom_naissance"]),
        "" if it["nom_usage"] == it["nom_naissance"] else it["nom_usage"],
        it["prenoms"],
        "/".join(reversed(born.split("-"))) if _DATE.fullmatch(born) else born,
        *(it["commune_naissance"], it["departement_naissance"], it["pays_naissance"], ""),
        *(bureau.get("libelle", ""), it["code_bureau"]),
        *(bureau.get("code_canton", ""), bureau.get("code_circonscription", "")),
        *(it["complement1"], it["complement2"]),
        "" if it["numero_voie"].lower() in _NO_NUMBER else it["numero_voie"],
        *(it["type_voie"], it["libelle_voie"], it["lieu_dit"], it["code_postal"], it["ville"]),
        it["pays"] or "FRANCE",
    ]


SPEC = ListeSpec(
    code_commune="13900",
    nom_commune="Libreville",
    code_departement="13",
    liste=Liste.PRINCIPALE,
    version=1,
    type_liste="G",
    info_liste="L",
    jour=date.fromisoformat(JOUR),
)
ORDINARY = {
    "code_bureau": "0001",
    "sexe": "F",
    "nom_naissance": "LANTERNE",
    "nom_usage": "",
    "prenoms": "Ursule Zélie",
    "date_naissance": "1962-03-14",
    "commune_naissance": "ARLES",
    "departement_naissance": "13",
    "pays_naissance": "FRANCE",
    "nationalite": "Française",
    "complement1": "",
    "complement2": "",
    "numero_voie": "12 BIS",
    "type_voie": "RUE",
    "libelle_voie": "DES ABEILLES",
    "lieu_dit": "",
    "code_postal": "13900",
    "ville": "LIBREVILLE",
    "pays": "FRANCE",
}
_NUMBERS = {"numero_ordre": 1, "numero_general": 1}
DATES = (
    "1953-00-00",
    "1955-08-00",
    "2008-11-25",
    "2008-11-26",
    "2008-12-00",
    "2009-00-00",
    "1900-02-29",
    "",
    "1961",
)
TEXTS = nasty_texts(nul=False)
SPECIAL = {
    "date_naissance": st.sampled_from(DATES) | TEXTS.filter(lambda text: text.count("-") < 2),
    "code_bureau": st.sampled_from(["", "0001", "0002", "9999", "1;2"]) | TEXTS,
    "numero_voie": st.sampled_from(["0", "Sans", "SANS", "", "12-14", "0\u00a0", " Sans"]) | TEXTS,
    "pays": st.sampled_from(["", "France", "ROYAUME-UNI", "\u00a0"]) | TEXTS,
    "nom_usage": st.sampled_from(["", "LANTERNE", "LANTERNE ", "POIRIER-DES-BROUETTES"]) | TEXTS,
}
ELECTEUR = st.fixed_dictionaries(
    {
        "numero_ordre": st.none() | st.integers(0, 12),
        "numero_general": st.none() | st.integers(0, 2**31 - 1),
    },
    optional={name: SPECIAL.get(name, TEXTS) for name in ORDINARY},
).map(lambda drawn: ORDINARY | drawn)
NO_NAMES = dict.fromkeys(("libelle", "code_canton", "code_circonscription"), "")
BUREAU = st.fixed_dictionaries(dict.fromkeys(NO_NAMES, TEXTS))


class Files(NamedTuple):
    csv: bytes
    xml: bytes
    electeurs: int
    cleaned: int


class _Memory:
    """A file and its progress in memory."""

    def __init__(self) -> None:
        self.content = bytearray()
        self.written = 0

    def write(self, data: bytes) -> None:
        self.content += data

    def note(self, written: int) -> None:
        self.written = written


@pytest.fixture(scope="module")
def engines(
    postgres_server: PostgresServer,
    sqlite_files: SqliteFiles,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[list[Engine]]:
    """A migrated database of each kind; every example writes to them and rolls back."""
    postgres_server.start()
    postgres_url = postgres_server.create_database()
    sqlite_url = sqlite_files.create(tmp_path_factory.mktemp("round-trip") / "register.sqlite3")
    engines = [build_engine(postgres_url), build_engine(sqlite_url)]
    for engine in engines:
        migrate(engine)
    yield engines
    for engine in engines:
        engine.dispose()
    postgres_server.drop(postgres_url)


def _export(
    engine: Engine, electeurs: list[dict[str, Any]], bureaux: dict[str, dict[str, str]]
) -> Files:
    key = {"code_commune": SPEC.code_commune}
    with engine.connect() as connection, connection.begin() as transaction:
        connection.execute(
            insert(Commune).values(code="13900", nom="Libreville", code_departement="13")
        )
        connection.execute(insert(ListeCommunale).values(**key, liste="P", version=1))
        connection.execute(
            insert(Bureau), [key | {"code": code} | fields for code, fields in bureaux.items()]
        )
        connection.execute(
            insert(Electeur), [key | {"liste": "P", "version": 1} | fields for fields in electeurs]
        )
        outputs: dict[Format, bytes] = {}
        cleaned = 0
        for format_ in Format:
            census = take_census(connection, SPEC)
            anomalies = list(find_anomalies(connection, SPEC, census, format_))
            sink = _Memory()
            if format_ is Format.CSV:
                cleaned = sum(
                    anomaly.code == "caracteres_nettoyes" and not anomaly.column
                    for anomaly in anomalies
                )
                written = write_csv(
                    connection, SPEC, sink, sink.note, cleaning=census.needs_cleaning
                )
            else:
                written = write_xml(
                    connection, SPEC, sink, sink.note, cleaning=census.needs_cleaning
                )
            assert written == census.electeurs == sink.written
            outputs[format_] = bytes(sink.content)
        transaction.rollback()
    return Files(outputs[Format.CSV], outputs[Format.XML], census.electeurs, cleaned)


def _is_changed(fields: dict[str, Any]) -> bool:
    return any(isinstance(value, str) and clean(value) != value for value in fields.values())


@pytest.mark.slow
@settings(max_examples=40, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(drawn=st.lists(ELECTEUR, min_size=1, max_size=6), first=BUREAU, second=BUREAU)
@example(drawn=[ORDINARY | _NUMBERS], first=NO_NAMES | {"libelle": "\u037e\u00a0"}, second=NO_NAMES)
@example(drawn=[ORDINARY | _NUMBERS | {"complement1": "\u037e"}], first=NO_NAMES, second=NO_NAMES)
@example(
    drawn=[ORDINARY | _NUMBERS | {"numero_voie": " Sans", "pays": "\u00a0"}],
    first=NO_NAMES,
    second=NO_NAMES,
)
@example(
    drawn=[ORDINARY | _NUMBERS | {"nom_usage": "LANTERNE\u00a0"}], first=NO_NAMES, second=NO_NAMES
)
@example(
    drawn=[ORDINARY | _NUMBERS | {"date_naissance": "1962-03-14\u00a0"}],
    first=NO_NAMES,
    second=NO_NAMES,
)
def test_what_is_in_the_register_is_what_is_read(
    engines: list[Engine],
    drawn: list[dict[str, Any]],
    first: dict[str, str],
    second: dict[str, str],
) -> None:
    electeurs = [fields | {"id": number} for number, fields in enumerate(drawn, 1)]
    bureaux = {"0001": first, "1;2": second}
    written = [fields for fields in sorted(electeurs, key=rank) if is_of_age(fields)]
    lines = [expected_line(fields, bureaux) for fields in written]
    on_postgresql, on_sqlite = (_export(engine, electeurs, bureaux) for engine in engines)

    assert on_postgresql.csv == on_sqlite.csv
    in_csv = [
        [value.replace(";", ",").replace('"', "'") for value in line] for line in lines
    ]  # it has neither sign
    assert read_csv(on_sqlite.csv) == (HEADER, in_csv)
    for files in (on_postgresql, on_sqlite):
        assert read_xml(files.xml) == (HEADER if lines else HEADER[:6], lines)
        assert files.electeurs == len(lines)
        assert files.cleaned >= sum(_is_changed(fields) for fields in written)
    if not any(JOINT in str(value) for fields in written for value in fields.values()):
        assert on_sqlite.cleaned == sum(_is_changed(fields) for fields in written)


@pytest.mark.slow
@pytest.mark.parametrize("count", [0, 1, 199, 200, 201, 500, 501, 1001])
def test_no_line_is_lost_where_blocks_meet(engines: list[Engine], count: int) -> None:
    electeurs = [
        ORDINARY | {"id": number, "numero_ordre": number, "numero_general": number}
        for number in range(1, count + 1)
    ]
    minor = ORDINARY | {
        "id": count + 1,
        "numero_ordre": 0,
        "numero_general": None,
        "date_naissance": "2010-01-01",
    }
    lines = [expected_line(fields, {}) for fields in electeurs]
    for engine in engines:
        files = _export(engine, [*electeurs, minor], {"0002": {}})
        assert read_csv(files.csv)[1] == lines
        assert read_xml(files.xml)[1] == lines
