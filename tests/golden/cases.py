"""A golden case: a folder with a small register, the request, and the expected files, byte for byte.

The folder contains `case.toml` (purpose, commune, lists, instant), `registre.csv` (an export of the REU), sometimes
`complement.sql` (values that a service writes by SQL, and no import does). All other files are expected results:
`P.csv`, `P.xml`, the reports of anomalies, and `record.json`, the rows of the files.
"""

import json
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from sqlalchemy import Engine, text, update
from sqlalchemy.orm import Session

from schemas.vocabulary import Format, Liste, Piece
from tests.integration.export_desk import Desk
from worker.exports.models import Export
from worker.exports.storage import Storage
from worker.registre.communes import add_commune
from worker.registre.models import Import
from worker.registre.reu.importer import import_file

FOLDER = Path(__file__).parent
INPUTS = {"case.toml", "registre.csv", "complement.sql"}
_COUNTS = ("label", "file_name", "electeurs", "mineurs", "bloquantes", "remarques")


@dataclass(frozen=True)
class Case:
    """One folder."""

    folder: Path
    commune: str
    nom: str
    listes: tuple[Liste, ...]
    created_at: datetime

    def expected(self) -> dict[str, Path]:
        return {path.name: path for path in self.folder.iterdir() if path.name not in INPUTS}


def read_cases() -> list[Case]:
    cases = []
    for path in sorted(FOLDER.glob("*/case.toml")):
        fields = tomllib.loads(path.read_text("utf-8"))
        listes = tuple(map(Liste, fields["listes"]))
        cases.append(
            Case(path.parent, fields["commune"], fields["nom"], listes, fields["created_at"])
        )
    return cases


def produce(case: Case, database_url: str, folder: Path) -> dict[str, bytes]:
    """Import the case's register into a migrated database, make its files in `folder`, and return them by name."""
    with Desk.open(database_url, folder) as desk:
        with desk.engine.begin() as connection:
            add_commune(connection, case.commune, case.nom)
        import_file(
            desk.engine,
            case.folder / "registre.csv",
            imported_by="golden",
            report=folder / "rejets.csv",
        )
        with desk.engine.begin() as connection:  # a report may name the day
            connection.execute(update(Import).values(taken_on=case.created_at.date()))
        complement = case.folder / "complement.sql"
        if complement.exists():
            with desk.engine.begin() as connection:
                for statement in complement.read_text("utf-8").split(";\n"):
                    if statement.strip():
                        connection.execute(text(statement))
        parts = [(liste, format_) for liste in case.listes for format_ in Format]
        exports = desk.ask_all(parts, case.created_at, case.commune)
        for export_id in exports:
            desk.process(export_id)
        return dict(_collect(desk.engine, desk.services.storage, exports))


def _collect(
    engine: Engine, storage: Storage, export_ids: list[int]
) -> Iterator[tuple[str, bytes]]:
    record = {}
    with Session(engine) as session:
        for export in (session.get_one(Export, export_id) for export_id in export_ids):
            if export.status != "ready":
                raise AssertionError(f"{export.part}: {export.status}, {export.error_message}")
            yield export.part, storage.path(export.code_commune, export.file_name).read_bytes()
            if beside := export.pieces.get(Piece.RAPPORT):
                report = f"{export.part.replace('.', '-')}-anomalies.csv"
                yield report, storage.path(export.code_commune, beside.file_name).read_bytes()
            record[export.part] = {name: getattr(export, name) for name in _COUNTS}
    yield "record.json", (json.dumps(record, indent=2, ensure_ascii=False) + "\n").encode()
