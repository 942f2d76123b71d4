"""A register for the tests of imports, with the queries that they need."""

import shutil
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from datetime import date
from pathlib import Path
from typing import Any, Self

from sqlalchemy import Connection, text, update

from schemas.vocabulary import Liste, Nature
from tests.parts.databases import Template
from tests.unit.reu_sample import write_reu
from worker.audit import Actor, note_removed
from worker.db.engine import build_engine
from worker.db.migrate import migrate
from worker.db.types import utc_now
from worker.domain.identite import Mouvement
from worker.registre.communes import add_commune
from worker.registre.imports.history import purge_versions
from worker.registre.imports.report import Comparison, ImportSummary
from worker.registre.models import Import
from worker.registre.mouvements import queries
from worker.registre.mouvements.importer import import_mouvements
from worker.registre.reu.importer import Intake, import_file

COMMUNE = "13055"
VOISINE = "13900"
JOUR = date(2026, 11, 25)


def _prepare(url: str) -> None:
    engine = build_engine(url)
    migrate(engine)
    with engine.begin() as connection:
        add_commune(connection, COMMUNE, "Marseille")
        add_commune(connection, VOISINE, "Libreville")
    engine.dispose()


TWO_COMMUNES = Template("two-communes", _prepare)


class Desk:
    """One database and the folder of its files."""

    def __init__(self, url: str, folder: Path) -> None:
        self.url, self.folder = url, folder
        self.engine = build_engine(url)

    @classmethod
    @contextmanager
    def open(cls, url: str, folder: Path) -> Iterator[Self]:
        """A desk on this database, its files in this folder."""
        (files := folder / "desk").mkdir()
        desk = cls(url, files)
        yield desk
        desk.close()

    @property
    def report(self) -> Path:
        return self.folder / "reu-rejets.csv"

    def write(self, rows: Iterable[Mapping[str, str]], **how: Any) -> Path:  # noqa: ANN401 — see write_reu
        return write_reu(self.folder / "reu.csv", rows, **how)

    def load(self, rows: Iterable[Mapping[str, str]], **options: Any) -> ImportSummary:  # noqa: ANN401 — see import_file
        return self.load_file(self.write(rows), **options)

    def load_file(self, path: Path, **options: Any) -> ImportSummary:  # noqa: ANN401 — see import_file
        return import_file(self.engine, path, imported_by="test", **options)

    def rows(self, query: str, **parameters: object) -> list[tuple[Any, ...]]:
        with self.engine.connect() as connection:
            return [tuple(row) for row in connection.execute(text(query), parameters)]

    def shown(self) -> dict[tuple[str, str], list[str]]:
        """The first names of the electors that each list shows."""
        shown: dict[tuple[str, str], list[str]] = {
            (commune, liste): []
            for commune, liste in self.rows("SELECT code_commune, liste FROM liste")
        }
        query = "SELECT code_commune, liste, prenoms FROM electeur NATURAL JOIN liste ORDER BY id"
        for commune, liste, prenoms in self.rows(query):
            shown[commune, liste].append(prenoms)
        return shown

    def counts(self) -> dict[tuple[str, str], int]:
        """The number of electors that each list shows."""
        return {liste: len(electeurs) for liste, electeurs in self.shown().items()}

    def purge(self) -> list[int]:
        """Remove the electors of obsolete versions, as the notifier does each hour; their number in each step."""
        return list(purge_versions(self.engine, note_removed(Actor("test"))))

    def stored(self) -> int:
        """The number of all electors, including those that no list shows."""
        return int(self.rows("SELECT count(*) FROM electeur")[0][0])

    def bureaux(self) -> list[tuple[Any, ...]]:
        """Code, name, canton and circonscription of each bureau."""
        return self.rows(
            "SELECT code, libelle, code_canton, code_circonscription FROM bureau ORDER BY code"
        )

    def imports(self) -> list[tuple[Any, ...]]:
        """Id, number of kept lines, finished and undone, for each import."""
        query = "SELECT id, lines_kept, finished_at IS NOT NULL, undone_at IS NOT NULL FROM import ORDER BY id"
        return [(*row[:2], bool(row[2]), bool(row[3])) for row in self.rows(query)]

    def age_imports(self, days: int) -> None:
        """Set the date of all imports this many days back."""
        with self.engine.begin() as connection:
            connection.execute(update(Import).values(finished_at=utc_now(-days * 86_400)))

    def close(self) -> None:
        """Close the connections and remove the files."""
        self.engine.dispose()
        shutil.rmtree(self.folder)


class MouvementsDesk(Desk):
    """A desk with the queries about mouvements."""

    def load_file(self, path: Path, **options: Any) -> ImportSummary:  # noqa: ANN401 — see import_file
        """Import a file taken on JOUR, unless `intake` has another day."""
        return super().load_file(path, **{"intake": Intake(JOUR)} | options)

    def compare(self, rows: list[dict[str, str]], **options: Any) -> Comparison:  # noqa: ANN401 — see import_file
        """Import an export of these electors, and compare it with the register."""
        found = self.load(rows, **options).comparison
        assert found is not None
        return found

    def load_mouvements(self, path: Path, **options: Any) -> ImportSummary:  # noqa: ANN401 — see import_mouvements
        return import_mouvements(self.engine, path, imported_by="test", **options)

    def mouvements(
        self, liste: Liste = Liste.PRINCIPALE, commune: str = COMMUNE
    ) -> list[Mouvement]:
        with self.engine.connect() as connection:
            return list(queries.select_mouvements(connection, commune, liste))

    def natures(self, liste: Liste = Liste.PRINCIPALE, commune: str = COMMUNE) -> Counter[Nature]:
        return Counter(mouvement.nature for mouvement in self.mouvements(liste, commune))


def give_up_soon(connection: Connection) -> None:
    """Set a lock timeout: a write that waits for this very thread fails instead of hanging."""
    if connection.dialect.name == "postgresql":
        connection.execute(text("SET LOCAL lock_timeout = '5s'"))
