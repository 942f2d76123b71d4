"""Jobs that make a file from a register, with the default settings, and the simplest way to write the XML file."""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from lxml import etree
from pydantic import SecretStr
from sqlalchemy import Connection, select
from sqlalchemy.orm import Session, selectinload

import worker.messaging.broker  # noqa: F401 — dramatiq and pika are in a worker's memory too
from bench.measure import Measure, Stopwatch
from bench.registers import DATE_TABLEAU, Task
from common.calendrier import jour_a_paris
from schemas.envelope import CloudEvent
from schemas.profiles.platform import FileForm
from schemas.requests import ListeExportRequested, TableauxRenderRequested
from schemas.tableaux import TypeTableau
from schemas.topology import QUEUE_LISTES, QUEUE_TABLEAUX
from schemas.vocabulary import ExportStatus, Format, Liste
from worker.compose import build_services
from worker.db.engine import STREAM, build_engine, snapshot
from worker.demo.libreville import LIBREVILLE
from worker.exports.models import Export
from worker.exports.storage import Storage
from worker.handlers.next_work import do_next_work
from worker.handlers.requests.ingest_request import ingest_request
from worker.registre.communes import read_commune
from worker.settings import Settings
from worker.writers.columns import ADRESSE, ENTETE, IDENTITE, Column, ListeSpec, select_electeurs
from worker.writers.electeurs_file import write_csv

Asked = ListeExportRequested | TableauxRenderRequested

BENCH = "bench"
"""The requester."""


def ask_liste(
    commune: str,
    format_: Format,
    *,
    bulk: bool = False,
    listes: Sequence[Liste] = (Liste.PRINCIPALE,),
) -> Asked:
    """Return a request for lists, by default for the principal one."""
    return ListeExportRequested(
        commune=commune, listes=[*listes], formats=[format_], bulk=bulk, requested_by=BENCH
    )


def ask_tableau(commune: str, *, bulk: bool = False) -> Asked:
    """Return a request for the tableau with every mouvement of `bench.registers`."""
    return TableauxRenderRequested(
        commune=commune,
        listes=[Liste.PRINCIPALE],
        types=[TypeTableau.PREMIER_RECTIFICATIF],
        date_tableau=DATE_TABLEAU,
        bulk=bulk,
        requested_by=BENCH,
    )


def csv_job(task: Task) -> Measure:
    """Make the principal list as CSV."""
    return _run_job(task, ask_liste(LIBREVILLE.code, Format.CSV))


def xml_job(task: Task) -> Measure:
    """Make the principal list as XML."""
    return _run_job(task, ask_liste(LIBREVILLE.code, Format.XML))


def tableau_job(task: Task) -> Measure:
    """Make the tableau with every mouvement."""
    return _run_job(task, ask_tableau(LIBREVILLE.code))


def send_none(_queue: str, _number: int) -> None:
    """Send no token: a measurement does the works itself."""


def _run_job(task: Task, asked: Asked) -> Measure:
    settings = Settings(database_url=SecretStr(task.url), exports_dir=task.exports)
    services = replace(build_services(settings, send_none), is_embedded=True)
    ingest_request(CloudEvent.wrap(asked, source="/bench"), services)
    services.engine.dispose()
    queue = QUEUE_LISTES if isinstance(asked, ListeExportRequested) else QUEUE_TABLEAUX
    with Stopwatch() as watch:
        do_next_work(queue, services)
    last = select(Export).order_by(Export.id.desc()).options(selectinload(Export.pieces)).limit(1)
    with Session(services.engine) as session:
        row = session.scalars(last).one()
    if row.status != ExportStatus.READY:
        raise RuntimeError(f"the job ended as {row.status}: {row.error_message}")
    for name in (row.file_name, *(it.file_name for it in row.pieces.values())):
        services.storage.path(row.code_commune, name).unlink()
    return replace(watch.measure(), size=row.size or 0, lines=row.lines_written)


def csv_file(task: Task) -> Measure:
    """Write the file and its SHA-256 only; like psql's file, it is not forced to the disk."""
    engine = build_engine(task.url)
    with Storage(task.folder).pending(LIBREVILLE.code, "alone.csv", BENCH) as file:
        with Stopwatch() as watch, snapshot(engine) as connection:
            lines = write_csv(
                connection, read_spec(connection), file, lambda _written: None, cleaning=False
            )
        file.finish()
        return watch.measure(lines=lines, size=file.size)


def naive_xml(task: Task) -> Measure:
    """Write the electors of `xml_job` with `xmlfile` and one `SubElement` per value: no validation, no hash."""
    engine = build_engine(task.url)
    path = task.folder / "naive.xml"
    with Stopwatch() as watch, snapshot(engine) as connection:
        lines = _write_naive_xml(connection, read_spec(connection), path)
    return watch.measure(lines=lines)


def read_spec(connection: Connection) -> ListeSpec:
    """Return the spec of LIBREVILLE's principal list, as for a file of today."""
    commune = read_commune(connection, LIBREVILLE.code)
    if commune is None:
        raise LookupError("the register was not imported")
    return ListeSpec(
        code_commune=commune.code,
        nom_commune=commune.nom,
        code_departement=commune.code_departement,
        liste=Liste.PRINCIPALE,
        version=commune.versions[Liste.PRINCIPALE],
        type_liste="G",
        info_liste="L",
        jour=jour_a_paris(datetime.now(UTC)),
    )


def _write_naive_xml(connection: Connection, spec: ListeSpec, path: Path) -> int:
    header = connection.execute(
        select(*(column.expression for column in ENTETE)), spec.parameters
    ).one()
    rows = connection.execute(
        select_electeurs(IDENTITE + ADRESSE), spec.parameters, execution_options=STREAM
    )
    written = 0
    with etree.xmlfile(str(path), encoding="UTF-8") as file:
        file.write_declaration()
        with file.element("ListeElectorale"):
            for column, value in zip(ENTETE, header, strict=True):
                element = etree.Element(spec.form.title(column.value))
                element.text = value
                file.write(element)
            for row in rows:
                electeur = etree.Element("Electeur")
                _add(electeur, spec.form, IDENTITE, row[: len(IDENTITE)])
                _add(
                    etree.SubElement(electeur, "AdresseElecteur"),
                    spec.form,
                    ADRESSE,
                    row[len(IDENTITE) :],
                )
                file.write(electeur)
                written += 1
    return written


def _add(
    parent: etree._Element, form: FileForm, columns: Iterable[Column], values: Iterable[Any]
) -> None:
    for column, value in zip(columns, values, strict=True):
        field = etree.SubElement(parent, form.title(column.value))
        if value is not None:
            field.text = str(value)
