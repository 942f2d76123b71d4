"""Jobs that make a file from a register, with the default settings."""

from dataclasses import replace
from pathlib import Path

from pydantic import SecretStr
from sqlalchemy import select
from sqlalchemy.orm import Session, selectinload

import worker.messaging.broker  # noqa: F401 — dramatiq and pika are in a worker's memory too
from bench.baselines import write_naive_xml
from bench.measure import Measure, Stopwatch
from bench.mouvements import DATE_TABLEAU
from bench.queries import read_spec
from bench.registers import Task
from schemas.envelope import CloudEvent
from schemas.requests import ListeExportRequested, TableauxRenderRequested
from schemas.tableaux import TypeTableau
from schemas.vocabulary import ExportStatus, Format, Liste
from worker.compose import build_services
from worker.db.engine import build_engine, snapshot
from worker.demo.libreville import LIBREVILLE
from worker.doorbell import Doorbell
from worker.exports.models import Export
from worker.exports.storage import Storage
from worker.handlers.making.make_export import make_export
from worker.handlers.requests.ingest_request import ingest_request
from worker.services import Services
from worker.settings import Settings
from worker.writers.csv_file import write_csv


def csv_job(task: Task) -> Measure:
    """Make the principal list as CSV."""
    return _run_job(task, _liste(Format.CSV))


def xml_job(task: Task) -> Measure:
    """Make the principal list as XML."""
    return _run_job(task, _liste(Format.XML))


def tableau_job(task: Task) -> Measure:
    """Make the tableau with every mouvement of `bench.mouvements`."""
    asked = TableauxRenderRequested(
        commune=LIBREVILLE.code,
        listes=[Liste.PRINCIPALE],
        types=[TypeTableau.PREMIER_RECTIFICATIF],
        date_tableau=DATE_TABLEAU,
        requested_by="bench",
    )
    return _run_job(task, asked)


def csv_file(task: Task) -> Measure:
    """Write the file and its SHA-256 only; like psql's file, it is not forced to the disk."""
    engine = build_engine(task.url)
    with Storage(Path(task.folder)).pending(LIBREVILLE.code, "alone.csv", "bench") as file:
        with Stopwatch() as watch, snapshot(engine) as connection:
            spec = read_spec(connection)
            lines = write_csv(connection, spec, file, lambda _written: None, cleaning=False)
        return watch.measure(lines=lines, size=file.finish().size)


def naive_xml(task: Task) -> Measure:
    """Write the rows of `xml_job` by the baseline."""
    engine = build_engine(task.url)
    path = Path(task.folder) / "naive.xml"
    with Stopwatch() as watch, snapshot(engine) as connection:
        lines = write_naive_xml(connection, read_spec(connection), path)
    measure = watch.measure(lines=lines, size=path.stat().st_size)
    path.unlink()
    return measure


def _liste(format_: Format) -> ListeExportRequested:
    return ListeExportRequested(
        commune=LIBREVILLE.code, listes=[Liste.PRINCIPALE], formats=[format_], requested_by="bench"
    )


def _run_job(task: Task, asked: ListeExportRequested | TableauxRenderRequested) -> Measure:
    """Run the whole job of a queued row, as an actor runs it; the queueing is not timed."""
    settings = Settings(database_url=SecretStr(task.url), exports_dir=task.exports)
    rung: list[Doorbell] = []
    services = build_services(settings, rung.extend)
    services = replace(services, is_embedded=True)
    ingest_request(CloudEvent.wrap(asked, source="/bench"), services)
    services.engine.dispose()
    with Stopwatch() as watch:
        make_export(rung[0].row_id, services)
    row = _take_away(rung[0].row_id, services)
    return replace(watch.measure(), size=row.size or 0, lines=row.lines_written)


def _take_away(export_id: int, services: Services) -> Export:
    """Read the recorded row, and remove the files."""
    with Session(services.engine) as session:
        row = session.scalars(select(Export).where(Export.id == export_id).options(selectinload(Export.pieces))).one()
    if row.status != ExportStatus.READY:
        raise RuntimeError(f"the job ended as {row.status}: {row.error_message}")
    for name in (row.file_name, *(it.file_name for it in row.pieces.values())):
        services.storage.path(row.code_commune, name).unlink()
    return row
