"""Ready exports of LIBREVILLE with real files in a volume, and the commands that check and purge them."""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from io import StringIO
from pathlib import Path
from typing import Any, NamedTuple, Self

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from schemas.vocabulary import Piece
from tests.integration.notifier_desk import Desk, make_export
from tests.unit.mail_samples import report_beside
from worker.audit import AuditLine, read_audit
from worker.cli.main import main
from worker.db.types import utc_now
from worker.exports.models import Export, piece_name
from worker.exports.storage import PendingFile, Storage, publish

DAY = 24 * 3600


class Ran(NamedTuple):
    """The output of a command and its exit code."""

    code: int
    out: str
    err: str

    @property
    def document(self) -> Any:  # noqa: ANN401 — JSON
        return json.loads(self.out)


Run = Callable[..., Ran]


def run_command(*arguments: str, typed: str = "") -> Ran:
    """Run `python -m worker` with these arguments and this standard input, in the environment of the test."""
    with (
        pytest.MonkeyPatch.context() as patch,
        redirect_stdout(StringIO()) as out,
        redirect_stderr(StringIO()) as err,
    ):
        patch.setattr("sys.stdin", StringIO(typed))
        code = main(list(arguments))
    return Ran(code, out.getvalue(), err.getvalue())


class FilesDesk(Desk):
    """Creates files as a worker does."""

    def __init__(self, url: str, root: Path) -> None:
        super().__init__(url)
        self.root = root
        self.storage = Storage(root)

    @classmethod
    @contextmanager
    def open(cls, url: str, folder: Path) -> Iterator[Self]:
        """A desk whose commands use this database and a volume in this folder."""
        desk = cls(url, folder / "exports")
        with pytest.MonkeyPatch.context() as environment:
            environment.setenv("PREFECTURE_DATABASE_URL", url)
            environment.setenv("PREFECTURE_EXPORTS_DIR", str(desk.root))
            environment.setenv("COLUMNS", "200")
            yield desk
        desk.engine.dispose()

    def make(
        self,
        name: str = "demande",
        *,
        part: str = "P.csv",
        days: float = 0,
        told: bool = True,
        has_report: bool = False,
        **columns: Any,  # noqa: ANN401 — of Export
    ) -> int:
        """Create a request with one file, made `days` ago; the id of its export."""
        export = make_export(part, name, finished_at=utc_now(-days * DAY), **columns)
        file = self._write(export.file_name, f"Nom;Prénoms\n{name};invention\n".encode())
        export.size, export.sha256 = file.size, file.sha256
        if has_report:
            report = self._write(piece_name(export.file_name, Piece.RAPPORT), b"code;colonne\n")
            export.pieces = report_beside(report.path.name, report.size, report.sha256)
        self.ask(
            export,
            event_id=name,
            **dict.fromkeys(("completed_at", "notified_at"), utc_now() if told else None),
        )
        with Session(self.engine) as session:
            return session.scalars(
                select(Export.id).where(Export.file_name == export.file_name)
            ).one()

    def path(self, export_id: int) -> Path:
        """The path of the file of an export, even after its removal."""
        row = self.export(export_id)
        return self.root / row.code_commune / row.file_name

    def export(self, export_id: int) -> Export:
        with Session(self.engine) as session:
            return session.get_one(Export, export_id)

    def files(self) -> list[str]:
        return sorted(path.name for path in self.root.rglob("*") if not path.is_dir())

    def audit(self) -> list[AuditLine]:
        """The audit trail, the oldest line first."""
        with self.engine.connect() as connection:
            return read_audit(connection, limit=1000)[::-1]

    def run(self, *arguments: str, typed: str = "") -> Ran:
        return run_command(*arguments, typed=typed)

    def _write(self, name: str, content: bytes) -> PendingFile:
        with self.storage.pending("13900", name, "test") as file:
            file.write(content)
            file.finish()
            publish([file])
        return file
