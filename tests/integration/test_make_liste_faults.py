"""A job meets a full disk, a bug or another owner: the test checks the disk, the row and the log."""

import _thread
import errno
import io
import logging
import os
import shutil
import sys
from collections import namedtuple
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from functools import partial
from typing import Any

import pytest
import structlog
from sqlalchemy import text, update
from sqlalchemy.exc import DBAPIError, IntegrityError, InternalError, OperationalError

from common.logs import configure_logs
from schemas.envelope import CloudEvent
from schemas.requests import ListeExportRequested
from schemas.vocabulary import Format, Liste
from tests.integration.export_desk import COMMUNE, Desk, before_writing, fail_once, replace_writer
from tests.parts.town import LIBREVILLE_TEMPLATE
from tests.parts.wait import wait_until
from worker.db.types import utc_now
from worker.error_policy import is_waited_for
from worker.errors import DatabaseAwayError, ExhaustedError, SchemaMismatchError
from worker.exports import lease
from worker.handlers.making import make_export as make_export_module
from worker.handlers.requests.ingest_request import ingest_request
from worker.work.models import Work

pytestmark = [pytest.mark.database(LIBREVILLE_TEMPLATE), pytest.mark.desk(opened_by=Desk.open)]

ELECTEUR = "LANTERNE Ursule Zélie"
NO_ROOM = [errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EACCES]
AWAY = [errno.EIO, errno.ESTALE, errno.ETIMEDOUT, errno.ENOTCONN, errno.EBUSY, errno.ENODEV]
SHORT = [errno.EMFILE, errno.ENFILE, errno.ENOMEM]


@pytest.fixture
def json_log(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[], str]]:
    """The lines of the worker's JSON log."""
    handlers, level = logging.root.handlers[:], logging.root.level
    monkeypatch.setattr(sys, "stderr", stream := io.StringIO())
    configure_logs("json", "debug")
    yield stream.getvalue
    logging.root.handlers[:] = handlers
    logging.root.setLevel(level)
    structlog.reset_defaults()


def _check_waits_for_room(desk: Desk, export_id: int) -> None:
    row = desk.process(export_id)
    assert (row["status"], row["error_code"]) == ("queued", "disque_plein")
    assert row["error_message"].startswith("Volume des exports plein ou sans droit d'écriture")
    assert (row["starts"], row["waits"], row["owner"], row["lease_until"]) == (0, 1, None, None)
    assert desk.files() == []
    put_off(desk)
    row = desk.row(export_id)
    assert desk.process(export_id) == row, "its message came again before it was due"


def put_off(desk: Desk, **values: object) -> None:
    """Postpone the work rows that wait for a retry."""
    with desk.engine.begin() as connection:
        connection.execute(update(Work).where(Work.due_at.is_not(None)).values(due_at=utc_now(3600), **values))


@pytest.mark.slow
@pytest.mark.parametrize("code", NO_ROOM, ids=errno.errorcode.get)
@pytest.mark.parametrize("call", ["open", "fsync"])
def test_a_volume_without_room_is_waited_for(desk: Desk, monkeypatch: pytest.MonkeyPatch, call: str, code: int) -> None:
    export_id = desk.ask()
    fail_once(monkeypatch, call, code, on=".part")
    before = datetime.now(UTC)
    _check_waits_for_room(desk, export_id)
    assert _instant(desk.row(export_id)["due_at"]) > before
    desk.run("UPDATE work SET due_at = NULL")
    row = desk.process(export_id)
    assert (row["status"], row["error_code"], row["error_message"]) == ("ready", "", "")


@pytest.mark.slow
def test_the_first_file_that_is_made_again_ends_the_wait_of_all_that_met_the_same(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    elsewhere, *waiting = [desk.ask() for _ in range(4)]
    for export_id in (elsewhere, *waiting):
        fail_once(monkeypatch, "open", errno.ENOSPC, on=".part")
        desk.process(export_id)
        put_off(desk, **({"error": "autre"} if export_id == elsewhere else {}))
    assert all(desk.row(export_id)["due_at"] for export_id in waiting)
    assert desk.process(desk.ask())["status"] == "ready"
    for export_id in waiting:
        row = desk.row(export_id)
        assert (row["due_at"], row["waits"]) == (None, 0), "a wait that was cut short counts for none"
    assert desk.row(elsewhere)["due_at"]
    assert [desk.process(export_id)["status"] for export_id in waiting] == ["ready"] * 3


def test_a_disk_that_fills_up_under_the_bytes_leaves_nothing(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    real = os.open

    def open_full(path: Any, flags: int, *mode: int) -> int:  # noqa: ANN401 — as os.open
        descriptor = real(path, flags, *mode)
        if str(path).endswith(".part") and "anomalies" not in str(path):
            os.close(descriptor)
            return real("/dev/full", os.O_WRONLY)
        return descriptor

    monkeypatch.setattr(os, "open", open_full)
    _check_waits_for_room(desk, desk.ask(format_=Format.XML))


def test_a_disk_that_is_too_small_is_told_before_the_work(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    usage = namedtuple("usage", "total used free")  # noqa: PYI024 — as shutil's
    monkeypatch.setattr(shutil, "disk_usage", lambda _path: usage(1 << 30, 1 << 30, 1000))
    row = desk.process(desk.ask())
    assert (row["status"], row["error_code"]) == ("queued", "disque_plein")
    assert row["error_message"].startswith("Espace disque insuffisant")
    assert desk.files() == []


def test_a_volume_without_room_for_too_long_fails_the_row(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    desk.configure(retry_seconds=0)
    fail_once(monkeypatch, "fsync", errno.ENOSPC, on=".part")
    row = desk.process(desk.ask())
    assert (row["status"], row["error_code"]) == ("failed", "disque_plein")
    assert row["finished_at"] is not None
    assert desk.files() == []


@pytest.mark.slow
@pytest.mark.parametrize(
    "error",
    [
        RuntimeError(f"cannot write {ELECTEUR}"),
        ValueError(ELECTEUR),
        OSError(errno.ENAMETOOLONG, ELECTEUR),
        IntegrityError("INSERT", {"nom": ELECTEUR}, Exception(ELECTEUR)),
        KeyError(ELECTEUR),
        RecursionError(ELECTEUR),
    ],
    ids=lambda error: type(error).__name__,
)
def test_a_bug_is_tried_again_then_fails_the_row_and_names_nobody(
    desk: Desk, monkeypatch: pytest.MonkeyPatch, json_log: Callable[[], str], error: Exception
) -> None:
    def crash(*_arguments: object, **_options: object) -> int:
        local = ELECTEUR
        raise error from ValueError(local)

    replace_writer(monkeypatch, crash)
    export_id = desk.ask()
    for attempt in (1, 2, 3):
        row = desk.process(export_id)
        assert (row["status"], row["starts"]) == ("queued", attempt)
        assert row["due_at"] is not None
        desk.run("UPDATE work SET due_at = NULL")
    row = desk.process(export_id)
    assert (row["status"], row["error_code"]) == ("failed", "erreur")
    assert row["error_message"] == "Erreur interne : prévenez l'exploitant."
    assert desk.files() == []
    log = json_log()
    assert log.count("export_crashed") == 3
    assert type(error).__name__ in log
    assert not any(name in log for name in ("LANTERNE", "Ursule", "Zélie"))


@pytest.mark.slow
@pytest.mark.parametrize("code", AWAY, ids=errno.errorcode.get)
def test_a_volume_that_does_not_answer_is_waited_for(desk: Desk, monkeypatch: pytest.MonkeyPatch, code: int) -> None:
    export_id = desk.ask()
    for tries in range(1, 6):
        with monkeypatch.context() as patch:
            fail_once(patch, "fsync", code, on=".part")
            row = desk.process(export_id)
        assert (row["status"], row["error_code"], row["starts"]) == ("queued", "indisponible", 0)
        assert (
            row["error_message"] == f"Volume des exports injoignable ({errno.errorcode[code]}) : prévenez l'exploitant."
        )
        assert row["waits"] == tries
        desk.run("UPDATE work SET due_at = NULL")
    assert desk.process(export_id)["status"] == "ready"


@pytest.mark.slow
@pytest.mark.parametrize("code", SHORT, ids=errno.errorcode.get)
def test_a_worker_without_descriptors_fails_nobodys_file_and_says_that_it_cannot_go_on(
    desk: Desk, monkeypatch: pytest.MonkeyPatch, code: int
) -> None:
    """Before, twelve files of a hundred failed: each met this error three times."""
    export_id = desk.ask()
    for _ in range(5):
        with monkeypatch.context() as patch:
            fail_once(patch, "open", code, on=".part")
            with pytest.raises(ExhaustedError):
                desk.process(export_id)
        row = desk.row(export_id)
        assert (row["status"], row["error_code"], row["starts"]) == ("queued", "indisponible", 0)
        desk.run("UPDATE work SET due_at = NULL")
    assert desk.process(export_id)["status"] == "ready"


def test_a_worker_without_descriptors_takes_no_file_for_wrong(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever error a library raises for a file that it could not open."""
    export_id = desk.ask()
    with monkeypatch.context() as patch:
        before_writing(patch, lambda: _raise(SchemaMismatchError("Schéma XSD illisible")))
        patch.setattr(make_export_module, "lacks_descriptors", lambda: True)
        with pytest.raises(ExhaustedError):
            desk.process(export_id)
    row = desk.row(export_id)
    assert (row["status"], row["error_code"], row["starts"]) == ("queued", "indisponible", 0)
    desk.run("UPDATE work SET due_at = NULL")
    assert desk.process(export_id)["status"] == "ready"


def test_memory_that_is_short_costs_no_start(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """Before, five files of ten failed for good: a library's import failed, then each use of the half-imported one."""
    export_id = desk.ask()
    for error in (ImportError("failed to map segment"), MemoryError(), AttributeError("half imported"), KeyError()):
        with monkeypatch.context() as patch:
            before_writing(patch, partial(_raise, error))
            _is_given_back(desk, export_id)
    desk.services.exhausted.clear()  # the next process
    assert desk.process(export_id)["status"] == "ready"


@pytest.mark.parametrize("start", [lambda *_: 0, lambda *_: _raise(RuntimeError("can't start new thread"))])
def test_a_heartbeat_that_does_not_start_costs_no_start(
    desk: Desk, monkeypatch: pytest.MonkeyPatch, start: Callable[..., object]
) -> None:
    """Before, the worker waited for it until the time limit of a message, ten minutes."""
    export_id = desk.ask()
    monkeypatch.setattr(lease, "START_SECONDS", 0.01)
    with monkeypatch.context() as patch:
        patch.setattr(_thread, "start_new_thread", start)
        _is_given_back(desk, export_id)
    assert desk.process(export_id)["status"] == "ready"


def _is_given_back(desk: Desk, export_id: int) -> None:
    with pytest.raises(ExhaustedError):
        desk.process(export_id)
    row = desk.row(export_id)
    assert (row["status"], row["starts"]) == ("queued", 0)
    assert row["error_message"] == "Le serveur manque de ressources (ENOMEM) : prévenez l'exploitant."
    desk.run("UPDATE work SET due_at = NULL")


def test_the_blips_of_a_database_cost_no_start_and_no_lease(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """Before, three outages failed the file, each after a lease."""
    export_id = desk.ask()
    for _ in range(5):
        with monkeypatch.context() as patch:
            before_writing(patch, lambda: _raise(_cut()))
            with pytest.raises(DatabaseAwayError):
                desk.process(export_id)
        row = desk.row(export_id)
        assert (row["status"], row["starts"], row["owner"], row["lease_until"]) == ("queued", 0, None, None)
        assert row["error_message"].startswith("Base de données indisponible")
        desk.run("UPDATE work SET due_at = NULL")
    assert desk.files() == []
    assert desk.process(export_id)["status"] == "ready"


def test_after_one_blip_the_row_may_be_taken_at_once(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    before_writing(monkeypatch, lambda: _raise(_cut()))
    export_id = desk.ask()
    with pytest.raises(DatabaseAwayError):
        desk.process(export_id)
    assert desk.row(export_id)["due_at"] is None
    assert desk.process(export_id)["status"] == "ready"


@pytest.mark.slow
def test_a_row_is_given_back_as_soon_as_its_database_is_back(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    refused: list[bool] = []
    real = make_export_module.release  # type: ignore[attr-defined]

    def release(*arguments: Any, **options: Any) -> None:  # noqa: ANN401 — passed on
        if len(refused) < 3:
            refused.append(True)
            raise _cut()
        real(*arguments, **options)

    monkeypatch.setattr(make_export_module, "release", release)
    monkeypatch.setattr(lease, "GIVE_BACK_SECONDS", 0.01)
    before_writing(monkeypatch, lambda: _raise(_cut()))
    export_id = desk.ask()
    with pytest.raises(DatabaseAwayError):
        desk.process(export_id)
    row = wait_until(
        lambda: (row := desk.row(export_id))["status"] == "queued" and row, message="the row to be given back"
    )
    assert (row["starts"], row["owner"], len(refused)) == (0, None, 3)


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
def test_a_database_that_is_read_only_for_a_while_puts_no_event_aside(desk: Desk) -> None:
    """As a standby is after a failover: four of ten accepted requests became dead letters."""
    name = desk.engine.url.database
    desk.run(f"ALTER DATABASE {name} SET default_transaction_read_only = on")
    desk.engine.dispose()
    asked = ListeExportRequested(commune=COMMUNE, requested_by="mairie", listes=[Liste.PRINCIPALE])
    event = CloudEvent.wrap(asked, source="/test")
    with pytest.raises(InternalError) as caught:
        ingest_request(event, desk.services)
    assert is_waited_for(caught.value)
    desk.run(f"SET TRANSACTION READ WRITE; ALTER DATABASE {name} RESET ALL")
    desk.engine.dispose()
    ingest_request(event, desk.services)
    with desk.engine.connect() as connection:
        assert connection.scalar(text("SELECT count(*) FROM export")) == 1


def _cut() -> OperationalError:
    return OperationalError("SELECT", {}, Exception("server closed the connection"))


def _raise(error: Exception) -> None:
    raise error


def test_an_error_of_the_database_quotes_no_value(desk: Desk) -> None:
    with pytest.raises(DBAPIError) as caught, desk.engine.connect() as connection:
        connection.execute(text("SELECT :nom FROM nowhere"), {"nom": ELECTEUR})
    assert "nowhere" in str(caught.value)
    assert ELECTEUR not in str(caught.value)


def _instant(value: object) -> datetime:
    if isinstance(value, str):
        return datetime.fromisoformat(value).replace(tzinfo=UTC)
    assert isinstance(value, datetime)
    return value
