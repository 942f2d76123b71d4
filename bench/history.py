"""The past of a commune, through which the screen searches: requests that the product handles, and copies of them."""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from functools import partial
from typing import Any, NamedTuple

from pydantic import SecretStr
from sqlalchemy import Connection, Engine, func, insert, select, update

from bench.files import send_none
from bench.registers import Task, settle
from common.calendrier import jour_a_paris, now
from schemas.envelope import CloudEvent, Data
from schemas.requests import ListeExportRequested, TableauxRenderRequested
from schemas.tableaux import Presentation, TypeTableau
from schemas.topology import QUEUE_LISTES, QUEUE_TABLEAUX
from schemas.vocabulary import Format, Liste
from tests.parts.notes import note_file
from tests.parts.town import AGENT, EMAIL, prepare_mouvements
from worker.audit import NOTIFIER, Audit
from worker.compose import build_services
from worker.db.types import Base
from worker.demo.libreville import LIBREVILLE, demo_calendrier
from worker.exports.models import Depot, Export, ExportPiece, Request
from worker.exports.purge import remove_files
from worker.handlers.next_work import do_next_work
from worker.handlers.requests.ingest_request import ingest_request
from worker.notifier.models import Notification
from worker.registre.communes import add_commune
from worker.services import Services
from worker.settings import Settings
from worker.work.queue import count_due

Row = Mapping[Any, Any]

APART = timedelta(minutes=10)
"""The time between two requests of a commune, day and night: ten thousand take 69 days."""

_NEIGHBOUR = "13901"
_WAITING = 2
_TABLEAUX_ONE_IN = 5
_CHUNK = 100
_STRIDE = 100
"""The ids of a copy are larger by so much than those of the copy before."""

_TABLES = {
    Request: Request.id,
    Export: Export.id,
    ExportPiece: ExportPiece.export_id,
    Depot: Depot.export_id,
    Audit: Audit.id,
    Notification: Notification.id,
}
_UNIQUE = frozenset({"event_id", "correlation_id", "file_name"})


class _Original(NamedTuple):
    """The rows of a request, of its files and of all that happened to them; the last ids before them."""

    rows: Mapping[type[Base], Sequence[Row]]
    before: Mapping[type[Base], int]


def add_history(task: Task) -> None:
    """Insert LIBREVILLE as the demonstration leaves it, and its past; then half as many requests of its neighbour.

    The files of the older half are purged. The neighbour's files are the newest ones. Some requests of LIBREVILLE wait.
    """
    today = jour_a_paris(now())
    prepare_mouvements(task.url, today)
    settings = Settings(database_url=SecretStr(task.url), exports_dir=task.exports)
    services = replace(build_services(settings, send_none), is_embedded=True)
    liste = ListeExportRequested(
        commune=LIBREVILLE.code, listes=[*Liste], formats=[*Format], requested_by=AGENT
    )
    tableaux = TableauxRenderRequested(
        commune=LIBREVILLE.code,
        listes=[Liste.PRINCIPALE],
        types=[TypeTableau.VINGT_JOURS, TypeTableau.CINQ_JOURS_REU],
        presentations=[*Presentation],
        scrutin=demo_calendrier(today).scrutin,
        requested_by=AGENT,
    )
    handle = partial(_handle, services)
    old = [handle(asked, is_purged=True) for asked in (tableaux, liste)]
    recent = [handle(tableaux), *[handle(liste)] * 4, handle(liste, deposited_on=today)]
    _copy(services.engine, old, recent, task.size)
    for _ in range(_WAITING):
        _ingest(liste.model_copy(update={"bulk": True}), services)
    settle(services.engine)


def export_of(number: int) -> int:
    """Return the id of the first file of a past request; 1 is the oldest one."""
    return _STRIDE * number + 1


def _handle(
    services: Services, asked: Data, *, is_purged: bool = False, deposited_on: date | None = None
) -> _Original:
    with services.engine.connect() as connection:
        before = {
            model: connection.scalar(select(func.max(key))) or 0 for model, key in _TABLES.items()
        }
    _ingest(asked, services)
    newest = select(Export.id).where(Export.id > before[Export]).order_by(Export.id)
    with services.engine.connect() as connection:
        files = connection.scalars(newest).all()
    _make_all(services)
    _ingest(note_file("downloaded", files[0]), services)
    if deposited_on:
        _ingest(note_file("deposited", *files[::2], deposited_on=deposited_on), services)
        _ingest(
            note_file("verdict", *files[::2], verdict="accepte", verdict_on=deposited_on), services
        )
        _make_all(services)
    if is_purged:
        remove_files(services.engine, services.storage, files, actor=NOTIFIER)
    with services.engine.begin() as connection:
        connection.execute(update(Request).values(notified_at=Request.completed_at))
        connection.execute(insert(Notification).values(_message(before[Request] + 1)))
        rows = {
            model: connection.execute(select(model.__table__).where(key > before[model]))
            .mappings()
            .all()
            for model, key in _TABLES.items()
        }
    return _Original(rows, before)


def _ingest(asked: Data, services: Services) -> None:
    ingest_request(CloudEvent.wrap(asked, source="/bench"), services)


def _make_all(services: Services) -> None:
    for queue in (QUEUE_LISTES, QUEUE_TABLEAUX):
        while _has_due(services.engine, queue):
            do_next_work(queue, services)


def _has_due(engine: Engine, queue: str) -> bool:
    with engine.connect() as connection:
        return count_due(connection, queue) > 0


def _message(request_id: int) -> Row:
    return {
        "request_id": request_id,
        "recipient": f"courriel:{EMAIL}",
        "code_commune": LIBREVILLE.code,
        "subject": "6 fichiers sont prêts",
        "kind": "pret",
        "channel": "courriel",
        "address": EMAIL,
        "ended_at": datetime.now(UTC),
        "sent_at": datetime.now(UTC),
    }


def _copy(engine: Engine, old: Sequence[_Original], recent: Sequence[_Original], size: int) -> None:
    until = datetime.now(UTC)
    places = [(LIBREVILLE.code, until - APART * ago) for ago in reversed(range(size))]
    places += [(_NEIGHBOUR, until - APART * ago) for ago in reversed(range(size // 2))]
    numbered = [*enumerate(places, 1)]
    for first in range(0, len(numbered), _CHUNK):
        rows: dict[type[Base], list[Row]] = defaultdict(list)
        for number, (commune, at) in numbered[first : first + _CHUNK]:
            tableaux, *listes = old if number <= size // 2 else recent
            original = listes[number % len(listes)] if number % _TABLEAUX_ONE_IN else tableaux
            for model in _TABLES:
                rows[model] += _shift(original, model, number, commune, at)
        with engine.begin() as connection:
            for model, values in rows.items():
                if values:
                    connection.execute(insert(model), values)
    with engine.begin() as connection:
        add_commune(connection, _NEIGHBOUR, "GRANDVILLE")
        if engine.dialect.name == "postgresql":
            _go_on_after(connection)


def _shift(
    original: _Original, model: type[Base], number: int, commune: str, at: datetime
) -> Iterator[Row]:
    before, later = original.before, at - original.rows[Request][0]["created_at"]
    former = {"id": before[model], "request_id": before[Request], "export_id": before[Export]}
    for row in original.rows[model]:
        shifted = dict(row)
        for name, value in row.items():
            if name in former:
                shifted[name] = value and value - former[name] + _STRIDE * number
            elif name in _UNIQUE:
                shifted[name] = f"{value}-{number}"
            elif isinstance(value, date):
                shifted[name] = value + later
            elif value == LIBREVILLE.code:
                shifted[name] = commune
        yield shifted


def _go_on_after(connection: Connection) -> None:
    for model in (Request, Export, Audit, Notification):
        numbers = func.pg_get_serial_sequence(model.__tablename__, "id")
        connection.execute(
            select(func.setval(numbers, select(func.max(model.id)).scalar_subquery()))
        )
