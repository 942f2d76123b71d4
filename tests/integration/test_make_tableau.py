"""The six tableaux in their three presentations, read back by others: what the database holds, in French order."""

import hashlib
from collections.abc import Iterator
from datetime import UTC, datetime
from itertools import product
from pathlib import Path
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

import pytest
from pypdf import PdfReader
from sqlalchemy import Engine, RowMapping

from common.french import count_of
from schemas.tableaux import Presentation, TypeTableau
from tests.integration.tableau_desk import ASKED_AT, Made, TableauDesk
from tests.integration.tableau_reader import Reader
from tests.integration.tableau_register import (
    EUROPEENNES,
    FEVRIER,
    JANVIER,
    MOUVEMENTS,
    MUNICIPALES,
    REUNION,
    REUNION_PRECEDENTE,
    SCRUTIN,
    add_scrutin,
    write_register,
)
from tests.integration.tableau_words import OBJETS, REFERENCES, TITRES, heading, squeezed
from tests.parts.databases import SqliteFiles
from tests.parts.postgres import PostgresServer
from tests.parts.town import MIGRATED_TEMPLATE
from worker.db.engine import build_engine

pytestmark = pytest.mark.integration

PARIS = ZoneInfo("Europe/Paris")
KINDS = list(product(TypeTableau, Presentation))
BEFORE = datetime(2014, 2, 12, 11, 26, 7, tzinfo=UTC)
ASKED: dict[TypeTableau, dict[str, Any]] = {
    TypeTableau.PREMIER_RECTIFICATIF: {"created_at": BEFORE, "date_tableau": JANVIER},
    TypeTableau.SECOND_RECTIFICATIF: {"created_at": BEFORE, "date_tableau": FEVRIER},
    TypeTableau.ADDITIONS: {"created_at": BEFORE, "scrutin": EUROPEENNES},
    TypeTableau.CINQ_JOURS: {"created_at": BEFORE, "scrutin": MUNICIPALES},
    TypeTableau.VINGT_JOURS: {"scrutin": SCRUTIN},
    TypeTableau.CINQ_JOURS_REU: {"scrutin": SCRUTIN},
}
PROVISOIRES = {
    TypeTableau.SECOND_RECTIFICATIF,
    TypeTableau.ADDITIONS,
    TypeTableau.CINQ_JOURS,
    TypeTableau.CINQ_JOURS_REU,
}
"""Asked for before their day; the tableau des vingt jours on its day."""


class Office(NamedTuple):
    """The same register on both databases, and every tableau made on each."""

    on_postgresql: dict[tuple[TypeTableau, Presentation], Made]
    on_sqlite: dict[tuple[TypeTableau, Presentation], Made]
    postgresql: Engine


@pytest.fixture(scope="module")
def office(
    postgres_server: PostgresServer, sqlite_files: SqliteFiles, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Office]:
    folder = tmp_path_factory.mktemp("tableaux")
    postgres_server.start()
    postgres_url = postgres_server.create_database(MIGRATED_TEMPLATE)
    postgresql, sqlite = build_engine(postgres_url), build_engine(sqlite_files.create(folder / "db", MIGRATED_TEMPLATE))
    yield Office(_make_all(postgresql, folder / "postgresql"), _make_all(sqlite, folder / "sqlite"), postgresql)
    for engine in (postgresql, sqlite):
        engine.dispose()
    postgres_server.drop(postgres_url)


def _make_all(engine: Engine, root: Path) -> dict[tuple[TypeTableau, Presentation], Made]:
    write_register(engine, MOUVEMENTS)
    add_scrutin(engine, SCRUTIN, REUNION_PRECEDENTE, REUNION)
    desk = TableauDesk(engine, root)
    return {(type_, how): desk.make(type_, presentations=[how], **ASKED[type_]) for type_, how in KINDS}


@pytest.mark.slow
@pytest.mark.parametrize(("type_", "presentation"), KINDS)
def test_its_text_is_what_the_database_holds(office: Office, type_: TypeTableau, presentation: Presentation) -> None:
    made = office.on_postgresql[type_, presentation]
    pages = list(map(squeezed, made.pages))
    assert pages == [squeezed(page.extract_text()) for page in PdfReader(made.path).pages], "poppler and pypdf"
    body = ""
    for number, page in enumerate(pages, 1):
        top = squeezed(_top(type_, made.row) + f"page {number} / {len(pages)}")
        assert page.startswith(top)
        body += _without_running_titles(type_, page.removeprefix(top))
    with office.postgresql.connect() as connection:
        assert body == Reader(connection).body(type_, presentation)
    assert made.row["pages"] == len(pages)


@pytest.mark.slow
@pytest.mark.parametrize(("type_", "presentation"), KINDS)
def test_both_databases_give_the_same_bytes(office: Office, type_: TypeTableau, presentation: Presentation) -> None:
    made = office.on_sqlite[type_, presentation]
    assert made.content == office.on_postgresql[type_, presentation].content
    assert (made.row["size"], made.row["sha256"]) == (len(made.content), hashlib.sha256(made.content).hexdigest())
    for column in ("label", "file_name", "electeurs", "pages", "bloquantes", "remarques", "report_sha256"):
        assert made.row[column] == office.on_postgresql[type_, presentation].row[column]


def test_the_record_says_which_tableau_it_is(office: Office) -> None:
    row = office.on_postgresql[TypeTableau.VINGT_JOURS, Presentation.PAR_BUREAU].row
    assert row["label"] == "Tableau des vingt jours (par bureau), liste P, du 20/03/2027 09:30:00"
    assert row["file_name"] == "tableau-vingt_jours-P-13900-par_bureau-20270320-093000.pdf"
    assert (row["kind"], row["format"], row["type_tableau"]) == ("tableau", "pdf", "vingt_jours")
    assert (row["presentation"], row["edition"]) == ("par_bureau", "affichage")
    assert row["electeurs"] == row["lines_written"] == 5


@pytest.mark.parametrize(("type_", "presentation"), KINDS)
def test_a_tableau_whose_date_is_to_come_says_so_in_its_row(
    office: Office, type_: TypeTableau, presentation: Presentation
) -> None:
    for made in (office.on_postgresql[type_, presentation], office.on_sqlite[type_, presentation]):
        is_provisoire = "PROVISOIRE" in squeezed(made.pages[0])
        assert is_provisoire is (type_ in PROVISOIRES)
        assert (made.row["provisoire_until"] is not None) is is_provisoire
        assert made.row["label"].endswith(", provisoire") is is_provisoire


def _top(type_: TypeTableau, row: RowMapping) -> str:
    provisoire = "PROVISOIRE" if type_ in PROVISOIRES else ""
    if row["bloquantes"]:
        provisoire += f" À corriger, ne pas afficher : {count_of(row['bloquantes'], 'anomalie bloquante')}"
    if row["a_completer"]:
        provisoire += f" À compléter, ne pas publier : {count_of(row['a_completer'], 'motif')}"
    at = ASKED[type_].get("created_at", ASKED_AT).astimezone(PARIS)
    return (
        "Département : Bouches-du-Rhône Commune de LIBREVILLE code INSEE 13900 "
        f"{TITRES[type_]} Liste principale (générale) — P {REFERENCES[type_]} "
        f"{provisoire} {OBJETS[type_]} Édité le {at:%d/%m/%Y à %H:%M}"
    )


def _without_running_titles(type_: TypeTableau, page: str) -> str:
    """The body of a page, without the section, the part and the headings that lines go on under."""
    titles, suite, rest = page.partition("–suite")
    return rest.removeprefix(squeezed(heading(type_))) if suite else titles
