"""Jobs that insert LIBREVILLE's past and its neighbour's, or requests without notifications, by bulk INSERTs."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import TypeVar

from sqlalchemy import Connection, Engine, func, insert, select

from bench.departement import communes_of
from bench.history import FILES, Asked, Past, iter_past
from bench.history_files import Row, deposits_of, files_of
from bench.measure import Measure, Stopwatch
from bench.registers import Task, settle
from common.calendrier import jour_a_paris, now
from schemas.topology import REQUEST_DECLARATION, REQUEST_LISTE_EXPORT, REQUEST_TABLEAUX_RENDER
from schemas.vocabulary import ExportStatus
from tests.parts.town import AGENT, prepare_mouvements
from worker.access.models import Agent
from worker.audit import NOTIFIER, Action, Audit
from worker.db.engine import build_engine
from worker.db.types import Base
from worker.demo.libreville import LIBREVILLE, demo_calendrier
from worker.exports.models import Depot, Export, Request
from worker.exports.storage import Storage
from worker.notifier.models import Notification
from worker.registre.communes import add_commune
from worker.work.models import About, WorkKind, subject_of
from worker.work.queue import NewWork, add

NEIGHBOUR = "13901"
_NEIGHBOURS_WAITING = 20
_CHUNK = 500
_ORDINARY = 51
"""A request for lists whose files are all ready and not purged."""
_SOURCE = "/bench"
_T = TypeVar("_T")


def add_history(task: Task) -> Measure:
    """Insert LIBREVILLE as the demonstration leaves it, and its past; then half as many requests of its neighbour.

    The neighbour's files are the newest ones of the database, and some of them wait.
    """
    today = jour_a_paris(now())
    prepare_mouvements(task.url, today)
    engine = build_engine(task.url)
    libreville = Past(LIBREVILLE.code, AGENT, task.size, datetime.now(UTC), demo_calendrier(today).scrutin)
    neighbour = replace(
        libreville,
        commune=NEIGHBOUR,
        agent=f"mairie-{NEIGHBOUR}",
        requests=task.size // 2,
        before=task.size,
        waiting=_NEIGHBOURS_WAITING,
    )
    with Stopwatch() as watch:
        for chunk in _chunks((*iter_past(libreville), *iter_past(neighbour))):
            with engine.begin() as connection:
                if chunk[0].number == 0:
                    add_commune(connection, NEIGHBOUR, "GRANDVILLE")
                _insert(connection, chunk)
    _go_on_after(engine)
    settle(engine)
    Storage(task.exports, engine).mark()  # files of the past are rows only: a worker would miss them
    return watch.measure(lines=FILES * (libreville.requests + neighbour.requests))


def _go_on_after(engine: Engine) -> None:
    """Set PostgreSQL's sequences after the inserted ids."""
    if engine.dialect.name == "postgresql":
        with engine.begin() as connection:
            for table in (Request, Export):
                numbers = func.pg_get_serial_sequence(table.__tablename__, "id")
                connection.execute(select(func.setval(numbers, select(func.max(table.id)).scalar_subquery())))


def add_untold(task: Task) -> Measure:
    """Insert requests with a ready file and no notification, one for each commune in turn, each with its agent."""
    engine = build_engine(task.url)
    codes = [code for code, _nom in communes_of(task.communes)]
    today = jour_a_paris(now())
    past = Past(codes[0], AGENT, task.size, datetime.now(UTC), demo_calendrier(today).scrutin)
    with Stopwatch() as watch, engine.begin() as connection:
        _add(
            connection,
            Agent,
            ({"name": AGENT, "code_commune": code, "email": f"mairie-{code}@bench.example"} for code in codes),
        )
        for chunk in _chunks(iter_past(past)):
            whose = [replace(asked, past=replace(past, commune=codes[asked.number % len(codes)])) for asked in chunk]
            never = {"notified_at": None, "completed_at": past.until, "is_bulk": True}
            _add(connection, Request, (_request(asked) | never for asked in whose))
            _add(connection, Export, (_untold_file(asked) for asked in whose))
            add(connection, (work for asked in whose for work in _works_of(asked)))
    settle(engine)
    return watch.measure(lines=task.size)


def _works_of(asked: Asked) -> Iterator[NewWork]:
    subject = subject_of(About.REQUEST, asked.request_id)
    for kind, part in ((WorkKind.EVENT, _untold_file(asked)["part"]), (WorkKind.EVENT, ""), (WorkKind.RECIPIENTS, "")):
        yield NewWork(kind, subject, part, 1)


def _untold_file(asked: Asked) -> Row:
    file, *_ = files_of(replace(asked, index=_ORDINARY, past=replace(asked.past, requests=2 * _ORDINARY)))
    return file | {
        "id": asked.request_id,
        "request_id": asked.request_id,
        "code_commune": asked.past.commune,
        "file_name": f"liste-{asked.number}.csv",
        "purged_at": None,
    }


def _insert(connection: Connection, chunk: Sequence[Asked]) -> None:
    files = {asked: files_of(asked) for asked in chunk}
    made = [(asked, file) for asked, its in files.items() for file in its if file["status"] is ExportStatus.READY]
    _add(connection, Request, (_request(asked) for asked in chunk))
    _add(connection, Request, (_download(asked) for asked in chunk))
    _add(connection, Export, (file for its in files.values() for file in its))
    _add(connection, Depot, (row for asked, its in files.items() for row in deposits_of(asked, its)))
    taken = ((asked, file) for asked, file in made if file["downloaded_by"])
    _add(connection, Audit, (_deed(asked, file, Action.FILE_DOWNLOADED) for asked, file in taken))
    _add(connection, Audit, (_deed(asked, file, Action.FILE_PURGED) for asked, file in made if asked.is_purged))
    _add(connection, Notification, (_message(asked) for asked in chunk))


def _add(connection: Connection, model: type[Base], rows: Iterable[Row]) -> None:
    if values := list(rows):
        connection.execute(insert(model), values)


def _request(asked: Asked) -> Row:
    return _event(asked, 0, asked.at) | {
        "event_id": f"bench-{asked.number}",
        "event_type": REQUEST_TABLEAUX_RENDER if asked.is_about_tableaux else REQUEST_LISTE_EXPORT,
    }


def _download(asked: Asked) -> Row:
    return _event(asked, 1, asked.at + timedelta(minutes=1)) | {
        "event_id": f"bench-{asked.number}-download",
        "event_type": REQUEST_DECLARATION,
        "kind": "downloaded",
    }


def _event(asked: Asked, rank: int, moment: datetime) -> Row:
    return {
        "id": asked.request_id + rank,
        "source": _SOURCE,
        "correlation_id": f"bench-{asked.number}",
        "code_commune": asked.past.commune,
        "requested_by": asked.past.agent,
        "created_at": moment,
        "completed_at": moment,
        "notified_at": moment,
    }


def _deed(asked: Asked, file: Row, action: Action) -> Row:
    is_purge = action is Action.FILE_PURGED
    return {
        "at": file["purged_at"] if is_purge else file["downloaded_at"],
        "actor": NOTIFIER if is_purge else asked.past.agent,
        "action": action,
        "code_commune": asked.past.commune,
        "export_id": file["id"],
        "detail": "" if is_purge else "fichier",
    }


def _message(asked: Asked) -> Row:
    address = "elections@libreville.example"
    return {
        "request_id": asked.request_id,
        "recipient": f"courriel:{address}",
        "code_commune": asked.past.commune,
        "subject": f"{FILES} fichiers sont prêts",
        "kind": "pret",
        "channel": "courriel",
        "address": address,
        "message_id": f"<bench-{asked.number}@libreville.example>",
        "created_at": asked.at,
        "ended_at": asked.at,
        "sent_at": asked.at,
    }


def _chunks(items: Iterable[_T]) -> Iterator[list[_T]]:
    iterator = iter(items)
    while chunk := list(islice(iterator, _CHUNK)):
        yield chunk
