"""A job meets a full disk, a bug, another owner or another volume: the test checks the disk, the row and the log."""

import _thread
import errno
import os
import re
import shutil
import stat
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from sqlalchemy import RowMapping, event, text
from sqlalchemy.exc import DBAPIError, IntegrityError, InternalError, OperationalError

from common.logs import configure_logs
from schemas.envelope import CloudEvent
from schemas.requests import ListeExportRequested
from schemas.topology import QUEUE_LISTES
from schemas.vocabulary import Format, Liste
from tests.integration.export_desk import COMMUNE, Desk, before_writing, fail_once, replace_writer
from tests.parts.town import LIBREVILLE_TEMPLATE
from tests.parts.wait import PATIENCE_SECONDS, wait_until
from worker.db.types import utc_now
from worker.error_policy import is_waited_for
from worker.errors import DatabaseAwayError, ExhaustedError, LeaseLostError, SchemaMismatchError
from worker.exports import lease
from worker.exports.lease import Heartbeat
from worker.exports.models import Export
from worker.exports.records import restart
from worker.exports.storage import SENTINEL, Storage
from worker.handlers.making import make_export as make_export_module
from worker.handlers.requests.ingest_request import ingest_request
from worker.work import queue
from worker.work.queue import WorkKind
from worker.writers import Progress
from worker.writers.electeurs_file import LISTE_FORMATS

pytestmark = [pytest.mark.database(LIBREVILLE_TEMPLATE), pytest.mark.desk(opened_by=Desk.open)]

ELECTEUR = "LANTERNE Ursule Zélie"
NO_ROOM = [errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EACCES]
AWAY = [errno.EIO, errno.ESTALE, errno.ETIMEDOUT, errno.ENOTCONN, errno.EBUSY, errno.ENODEV]
SHORT = [errno.EMFILE, errno.ENFILE, errno.ENOMEM]


@pytest.fixture(autouse=True)
def _without_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    """A worker pauses after trouble, so that it does not meet the same trouble with each file."""
    monkeypatch.setattr(make_export_module, "TROUBLE_SECONDS", 0)


def _check_waits_for_room(desk: Desk, export_id: int) -> None:
    row = desk.process(export_id)
    assert (row["status"], row["error_code"]) == ("queued", "disque_plein")
    assert row["error_message"].startswith("Volume des exports plein ou sans droit d'écriture")
    assert (row["starts"], row["waits"], row["owner"]) == (0, 1, None)
    assert desk.files() == []
    assert desk.count_due(QUEUE_LISTES) == 0, "it waits a second"


@pytest.mark.slow
@pytest.mark.parametrize("code", NO_ROOM, ids=errno.errorcode.get)
@pytest.mark.parametrize("call", ["open", "fsync"])
def test_a_volume_without_room_is_waited_for(
    desk: Desk, monkeypatch: pytest.MonkeyPatch, call: str, code: int
) -> None:
    export_id = desk.ask()
    fail_once(monkeypatch, call, code, on=".part")
    _check_waits_for_room(desk, export_id)
    desk.end_waits()
    row = desk.process(export_id)
    assert (row["status"], row["error_code"], row["error_message"]) == ("ready", "", "")


def test_a_disk_that_fills_up_under_the_bytes_leaves_nothing(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = os.open

    def open_full(path: Any, flags: int, *mode: int) -> int:  # noqa: ANN401 — as os.open
        descriptor = real(path, flags, *mode)
        if str(path).endswith(".part") and "anomalies" not in str(path):
            os.close(descriptor)
            return real("/dev/full", os.O_WRONLY)
        return descriptor

    monkeypatch.setattr(os, "open", open_full)
    _check_waits_for_room(desk, desk.ask(format_=Format.XML))


def test_a_disk_that_is_too_small_is_told_before_the_work(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda _path: SimpleNamespace(free=1000))
    row = desk.process(desk.ask())
    assert (row["status"], row["error_code"]) == ("queued", "disque_plein")
    assert row["error_message"].startswith("Espace disque insuffisant")
    assert desk.files() == []


@pytest.mark.parametrize("waits", [0, 6, 400])
def test_a_file_is_begun_again_within_eight_seconds_however_long_the_volume_was_full(
    desk: Desk, monkeypatch: pytest.MonkeyPatch, waits: int
) -> None:
    """Before, after a long outage, files waited up to two minutes after the volume had room again."""
    export_id = desk.ask()
    desk.change_works(waits=waits)
    desk.run("UPDATE export SET error_code = 'disque_plein'")
    fail_once(monkeypatch, "fsync", errno.ENOSPC, on=".part")
    row = desk.process(export_id)
    assert (row["status"], row["waits"]) == ("queued", waits + 1)
    assert 0 < desk.seconds_left(export_id) <= 8
    desk.end_waits()
    assert desk.process(export_id)["status"] == "ready"


def test_a_volume_without_room_for_too_long_fails_the_row(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
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
def test_a_bug_is_tried_again_then_fails_the_row_and_no_elector_is_named(
    desk: Desk,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    error: Exception,
) -> None:
    def crash(*_arguments: object, **_options: object) -> int:
        local = ELECTEUR
        raise error from ValueError(local)

    configure_logs("json", "debug")
    replace_writer(monkeypatch, crash)
    export_id = desk.ask()
    for attempt in (1, 2):
        row = desk.process(export_id)
        assert (row["status"], row["starts"]) == ("queued", attempt)
        assert desk.seconds_left(export_id) > 0
        desk.end_waits()
    row = desk.process(export_id)
    assert (row["status"], row["error_code"]) == ("failed", "erreur")
    assert row["error_message"] == "Erreur interne : prévenez l'exploitant."
    assert desk.files() == []
    log = capsys.readouterr().err
    assert log.count("export_crashed") == 3
    assert type(error).__name__ in log
    assert not any(name in log for name in ("LANTERNE", "Ursule", "Zélie"))


@pytest.mark.slow
@pytest.mark.parametrize("code", AWAY, ids=errno.errorcode.get)
def test_a_volume_that_does_not_answer_is_waited_for(
    desk: Desk, monkeypatch: pytest.MonkeyPatch, code: int
) -> None:
    export_id = desk.ask()
    for tries in range(1, 6):
        with monkeypatch.context() as patch:
            fail_once(patch, "fsync", code, on=".part")
            row = desk.process(export_id)
        assert (row["status"], row["error_code"], row["starts"]) == ("queued", "indisponible", 0)
        assert (
            row["error_message"]
            == f"Volume des exports injoignable ({errno.errorcode[code]}) : prévenez l'exploitant."
        )
        assert row["waits"] == tries
        desk.end_waits()
    assert desk.process(export_id)["status"] == "ready"


@pytest.mark.slow
@pytest.mark.parametrize("code", SHORT, ids=errno.errorcode.get)
def test_a_worker_without_descriptors_fails_no_file_and_ends(
    desk: Desk, monkeypatch: pytest.MonkeyPatch, code: int
) -> None:
    """Before, twelve files of a hundred failed: each met this error three times."""
    export_id = desk.ask()
    for _ in range(5):
        with monkeypatch.context() as patch:
            fail_once(patch, "open", code, on=".part")
            _is_given_back(desk, export_id, errno.errorcode[code])
    assert desk.process(export_id)["status"] == "ready"


def test_a_worker_without_descriptors_takes_no_file_for_wrong(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever error a library raises for a file that it could not open."""
    export_id = desk.ask()
    with monkeypatch.context() as patch:
        before_writing(patch, lambda: _raise(SchemaMismatchError("Schéma XSD illisible")))
        patch.setattr(make_export_module, "lacks_descriptors", lambda: True)
        _is_given_back(desk, export_id)
    assert desk.process(export_id)["status"] == "ready"


def test_memory_that_is_short_costs_no_start(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """Before, five files of ten failed for good: a library's import failed, then each use of the half-imported one."""
    export_id = desk.ask()
    for error in (
        ImportError("failed to map segment"),
        MemoryError(),
        AttributeError("half imported"),
        KeyError(),
    ):
        with monkeypatch.context() as patch:
            before_writing(patch, partial(_raise, error))
            _is_given_back(desk, export_id)
    desk.services.exhausted.clear()  # the next process
    assert desk.process(export_id)["status"] == "ready"


@pytest.mark.parametrize(
    "start", [lambda *_: 0, lambda *_: _raise(RuntimeError("can't start new thread"))]
)
def test_a_heartbeat_that_does_not_start_costs_no_start(
    desk: Desk, monkeypatch: pytest.MonkeyPatch, start: Callable[..., object]
) -> None:
    """Before, the worker waited for it until the time limit of a message, ten minutes."""
    export_id = desk.ask()
    with monkeypatch.context() as patch:
        patch.setattr(lease, "START_SECONDS", 0.01)
        patch.setattr(_thread, "start_new_thread", start)
        _is_given_back(desk, export_id)
    assert desk.process(export_id)["status"] == "ready"


def _is_given_back(desk: Desk, export_id: int, code: str = "ENOMEM") -> None:
    with pytest.raises(ExhaustedError):
        desk.process(export_id)
    row = desk.row(export_id)
    assert (row["status"], row["error_code"], row["starts"]) == ("queued", "indisponible", 0)
    assert (
        row["error_message"] == f"Le serveur manque de ressources ({code}) : prévenez l'exploitant."
    )
    desk.end_waits()


def test_the_blips_of_a_database_cost_no_start_and_no_lease(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Before, three outages failed the file, each after a lease."""
    export_id = desk.ask()
    for _ in range(5):
        with monkeypatch.context() as patch:
            before_writing(patch, lambda: _raise(_cut()))
            with pytest.raises(DatabaseAwayError):
                desk.process(export_id)
        row = desk.row(export_id)
        assert (row["status"], row["starts"], row["owner"]) == ("queued", 0, None)
        assert row["error_message"].startswith("Base de données indisponible")
        desk.end_waits()
    assert desk.files() == []
    assert desk.process(export_id)["status"] == "ready"


@pytest.mark.slow
def test_a_file_is_released_as_soon_as_its_database_is_back(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    refused: list[bool] = []
    real = make_export_module.release  # type: ignore[attr-defined]

    def release(*arguments: Any, **options: Any) -> None:  # noqa: ANN401 — passed on
        if len(refused) < 3:
            refused.append(True)
            raise _cut()
        real(*arguments, **options)

    monkeypatch.setattr(make_export_module, "release", release)
    monkeypatch.setattr(lease, "REPEAT_SECONDS", 0.01)
    before_writing(monkeypatch, lambda: _raise(_cut()))
    export_id = desk.ask()
    with pytest.raises(DatabaseAwayError):
        desk.process(export_id)
    row = desk.row(export_id)
    assert (row["status"], row["starts"], row["owner"]) == ("queued", 0, None)
    assert len(refused) == 3


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
def test_a_database_that_is_read_only_for_a_while_loses_no_event(desk: Desk) -> None:
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
    assert desk.values("SELECT count(*) FROM export") == [1]


def _cut() -> OperationalError:
    return OperationalError("SELECT", {}, Exception("server closed the connection"))


def _raise(error: Exception) -> None:
    raise error


def test_an_error_of_the_database_quotes_no_value(desk: Desk) -> None:
    with pytest.raises(DBAPIError) as caught, desk.engine.connect() as connection:
        connection.execute(text("SELECT :nom FROM nowhere"), {"nom": ELECTEUR})
    assert "nowhere" in str(caught.value)
    assert ELECTEUR not in str(caught.value)


def _die(desk: Desk, deaths: int) -> None:
    """Let so many workers have died with the file; the lease of the last one ends now."""
    desk.change_works(state="held", owner="dead", starts=deaths, due_at=utc_now(), within_seconds=8)


def test_a_file_whose_worker_was_killed_twice_is_made_at_once(desk: Desk) -> None:
    export_id = desk.ask()
    _die(desk, 2)
    assert desk.process(export_id)["status"] == "ready"


@pytest.mark.parametrize(("deaths", "rest"), [(3, 60), (4, 300), (5, 900)])
def test_a_file_whose_workers_were_killed_by_a_drain_rests_and_is_made(
    desk: Desk, deaths: int, rest: int
) -> None:
    """Before, a file whose worker was killed three times from outside failed for good."""
    export_id = desk.ask()
    _die(desk, deaths)
    desk.change_works(due_at=utc_now(5 - rest))
    assert desk.count_due(QUEUE_LISTES) == 0
    desk.change_works(due_at=utc_now(-rest))
    assert desk.process(export_id)["status"] == "ready"


def test_a_file_whose_workers_died_six_times_fails(desk: Desk) -> None:
    export_id = desk.ask()
    waited = "UPDATE export SET error_code = 'disque_plein', error_message = 'Volume plein.'"
    desk.run(f"{waited} WHERE id = :id", id=export_id)
    _die(desk, 6)
    row = desk.process(export_id)
    assert (row["status"], row["error_code"]) == ("failed", "arrets_repetes")
    assert (
        row["error_message"]
        == "La production s'est arrêtée 6 fois avant la fin : prévenez l'exploitant."
    )
    assert desk.files() == []


@pytest.mark.slow
@pytest.mark.parametrize("format_", Format)
def test_a_worker_that_lost_its_lease_publishes_nothing(
    desk: Desk, monkeypatch: pytest.MonkeyPatch, format_: Format
) -> None:
    before_writing(monkeypatch, lambda: desk.run("UPDATE work SET owner = 'other', starts = 2"))
    row = desk.process(desk.ask(format_=format_))
    assert (row["status"], row["owner"], row["starts"]) == ("running", "other", 2)
    assert (row["sha256"], row["finished_at"], row["error_code"]) == (None, None, "")
    assert desk.files() == []


@pytest.mark.slow
def test_a_lost_lease_is_noticed_while_writing(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    real = LISTE_FORMATS[Format.CSV].write

    def write(connection: Any, spec: Any, sink: Any, progress: Progress, **options: bool) -> int:  # noqa: ANN401
        desk.run("UPDATE work SET owner = 'other'")
        wait_until(
            lambda: _raises_lease_lost(progress),
            message="the heartbeat to see that the lease is lost",
        )
        noticed.append(True)
        return real(connection, spec, sink, progress, **options)

    noticed: list[bool] = []
    replace_writer(monkeypatch, write)
    desk.configure(lease_seconds=0.3)
    assert desk.process(desk.ask())["owner"] == "other"
    assert noticed
    assert desk.files() == []


def test_a_worker_that_wakes_up_late_does_not_touch_the_file_of_its_successor(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    export_id = desk.ask()

    def succeed() -> None:
        desk.end_waits()
        desk.take_token(QUEUE_LISTES)
        seen.update({path: path.stat().st_ino for path in (desk.root / COMMUNE).glob("liste-*")})

    seen: dict[Path, int] = {}
    before_writing(monkeypatch, succeed)
    row = desk.process(export_id)
    assert row["status"] == "ready"
    assert len(seen) == 2
    assert {path: path.stat().st_ino for path in seen} == seen
    assert desk.files() == sorted(path.name for path in seen)


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EIO], ids=errno.errorcode.get)
def test_a_failure_after_the_lease_was_lost_changes_no_row(
    desk: Desk, monkeypatch: pytest.MonkeyPatch, code: int
) -> None:
    before_writing(monkeypatch, lambda: desk.run("UPDATE work SET owner = 'other'"))
    fail_once(monkeypatch, "fsync", code, on=".part")
    assert desk.process(desk.ask())["owner"] == "other"


def test_a_job_that_stands_still_loses_its_lease_and_its_process(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It kept the row for ever, frozen in COPY: another worker claims it, and that costs no start."""
    real = LISTE_FORMATS[Format.CSV].write

    def stand_still(
        connection: Any,  # noqa: ANN401
        spec: Any,  # noqa: ANN401
        sink: Any,  # noqa: ANN401
        progress: Progress,
        **options: bool,
    ) -> int:
        if desk.services.stuck.wait(PATIENCE_SECONDS):
            seen.append(desk.row(export_id))
        return real(connection, spec, sink, progress, **options)

    seen: list[RowMapping] = []
    replace_writer(monkeypatch, stand_still)
    monkeypatch.setattr(lease, "STILL_SECONDS", 0.2)
    desk.configure(lease_seconds=0.3)
    export_id = desk.ask()
    desk.process(export_id)
    (row,) = seen
    assert (row["status"], row["owner"], row["starts"]) == ("queued", None, 0)
    assert row["error_message"] == "La production n'avançait plus : prévenez l'exploitant."
    assert desk.row(export_id) == row, "what it does afterwards changes nothing"
    assert desk.files() == []


def test_a_step_that_was_announced_may_take_its_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lease, "STILL_SECONDS", 0.0)
    renewed: list[int] = []

    def keep(written: int) -> bool:
        renewed.append(written)
        return True

    heartbeat = Heartbeat(keep, 0.03, lambda: None, threading.Event())
    heartbeat.expect(60)
    with heartbeat:
        wait_until(lambda: len(renewed) > 5, message="the lease to be renewed")
    heartbeat.expect(0)  # raises where the lease was lost


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
def test_a_worker_that_freezes_while_it_publishes_does_not_keep_the_row(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its transaction holds the row's lock: the database ends it after a fifth of a second here."""
    timeout = re.compile("(idle_in_transaction_session_timeout = )'[^']+'")

    @event.listens_for(desk.engine, "before_cursor_execute", retval=True)
    def shorten(*call: Any) -> tuple[str, Any]:  # noqa: ANN401 — SQLAlchemy's
        return timeout.sub(r"\1'200ms'", call[2]), call[3]

    idle = "SELECT count(*) FROM pg_stat_activity WHERE state = 'idle in transaction' AND datname = current_database()"

    def freeze(*_paths: object, **_folders: object) -> None:
        wait_until(lambda: desk.values(idle) == [0], message="the end of the frozen transaction")
        ended.append(True)

    ended: list[bool] = []
    monkeypatch.setattr(os, "rename", freeze)
    export_id = desk.ask()
    with pytest.raises(DatabaseAwayError):
        desk.process(export_id)
    assert desk.row(export_id)["status"] == "queued"
    assert ended
    monkeypatch.undo()
    assert desk.process(export_id)["status"] == "ready"


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
def test_a_recall_and_a_claim_at_the_same_time_do_not_block_each_other(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A recall frees the works of running files. A claim that locked one of them first would end in a deadlock."""
    export_id = desk.ask()
    desk.run("UPDATE export SET status = 'running', lines_written = 7")
    _die(desk, 1)
    monkeypatch.setitem(queue.QUEUE_KINDS, QUEUE_LISTES, [WorkKind.LISTE])  # no fingerprints first
    real, claims, pool = queue.give_back, list[Future[None]](), ThreadPoolExecutor()

    def give_back(*arguments: Any) -> None:  # noqa: ANN401 — passed on
        monkeypatch.setattr(queue, "give_back", real)
        claims.append(pool.submit(desk.take_token, QUEUE_LISTES))
        desk.wait_for_lock()
        real(*arguments)

    monkeypatch.setattr(queue, "give_back", give_back)
    with pool:
        with desk.engine.begin() as connection:
            assert restart(connection, Export.code_commune == COMMUNE) == 1
            desk.wait_for_lock()
            assert desk.row(export_id)["lines_written"] == 7, "no worker begins before the commit"
        claims[0].result(PATIENCE_SECONDS)
    assert desk.row(export_id)["status"] == "ready"


def _raises_lease_lost(progress: Progress) -> bool:
    try:
        progress(0)
    except LeaseLostError:
        return True
    return False


def _guard(desk: Desk) -> None:
    desk.configure(storage=Storage(desk.root, desk.engine))


def _unmount(root: Path) -> Callable[[], None]:
    """Replace the volume by an empty directory, as an unmount does; return a function that puts it back."""
    aside = root.with_name("aside")
    root.rename(aside)
    root.mkdir()

    def put_back() -> None:
        assert list(root.rglob("*")) == [], "something was written beside the volume"
        root.rmdir()
        aside.rename(root)

    return put_back


def test_a_new_volume_is_marked_with_its_first_file(desk: Desk) -> None:
    _guard(desk)
    assert desk.process(desk.ask())["status"] == "ready"
    mark = desk.root / SENTINEL
    assert stat.S_IMODE(mark.stat().st_mode) == 0o640
    (token,) = mark.read_text().split()
    assert desk.values("SELECT token FROM volume WHERE name = 'exports'") == [token]


def test_an_empty_directory_in_its_place_is_waited_for(desk: Desk) -> None:
    """Five files that were reported as ready vanished when the volume was unmounted again."""
    _guard(desk)
    desk.process(desk.ask())
    put_back = _unmount(desk.root)
    _guard(desk)  # another process, which has not seen the mark
    export_id = desk.ask()
    row = desk.process(export_id)
    assert (row["status"], row["error_code"], row["starts"]) == ("queued", "volume_absent", 0)
    assert (
        row["error_message"]
        == "Volume des exports absent, ou un autre à sa place : prévenez l'exploitant."
    )
    put_back()
    desk.end_waits()
    assert desk.process(export_id)["status"] == "ready"


def test_a_volume_that_is_taken_away_under_a_file_gets_it_later(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    _guard(desk)
    desk.process(desk.ask())
    before_writing(monkeypatch, lambda: returned.append(_unmount(desk.root)))
    returned: list[Callable[[], None]] = []
    export_id = desk.ask()
    assert desk.process(export_id)["error_code"] == "indisponible"
    desk.end_waits()
    assert desk.process(export_id)["error_code"] == "volume_absent"
    returned[0]()
    desk.end_waits()
    assert desk.process(export_id)["status"] == "ready"


def test_another_installations_volume_is_not_written_to(desk: Desk) -> None:
    _guard(desk)
    desk.root.mkdir()
    (desk.root / SENTINEL).write_text("une autre\n")
    row = desk.process(desk.ask())
    assert (row["status"], row["error_code"]) == ("queued", "volume_absent")
    assert desk.files() == [SENTINEL]


def test_a_volume_of_before_is_taken_as_it_is(desk: Desk) -> None:
    desk.process(desk.ask())
    _guard(desk)
    row = desk.process(desk.ask())
    assert row["status"] == "ready"
    assert (desk.root / COMMUNE / row["file_name"]).is_file()
    assert (desk.root / SENTINEL).is_file()
