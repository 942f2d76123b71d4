"""The queries about mouvements that tests need, in addition to those of `import_desk`."""

from collections import Counter
from datetime import date
from pathlib import Path
from typing import Any

from schemas.vocabulary import Liste, Nature
from tests.integration.import_desk import COMMUNE, Desk
from worker.domain.mouvement import Mouvement
from worker.registre.imports.report import Comparison, ImportSummary
from worker.registre.mouvements import queries
from worker.registre.mouvements.importer import import_mouvements
from worker.registre.reu.importer import Intake

JOUR = date(2026, 11, 25)


class MouvementsDesk(Desk):
    """One database and the folder of its files."""

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

    def mouvements(self, liste: Liste = Liste.PRINCIPALE, commune: str = COMMUNE) -> list[Mouvement]:
        with self.engine.connect() as connection:
            return list(queries.select_mouvements(connection, commune, liste))

    def natures(self, liste: Liste = Liste.PRINCIPALE, commune: str = COMMUNE) -> Counter[Nature]:
        return Counter(mouvement.nature for mouvement in self.mouvements(liste, commune))

    @property
    def comparison_report(self) -> list[str]:
        """The lines of the report of the last comparison, without its title."""
        path = self.folder / "reu-comparaison.csv"
        return path.read_text("utf-8-sig").splitlines()[1:] if path.exists() else []
