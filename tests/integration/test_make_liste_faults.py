"""A job that meets a full disk, a bug or another owner: what is left on the disk, in the row and in the log."""

import errno
import io
import logging
import os
import shutil
import sys
from collections import namedtuple
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
import structlog
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError, IntegrityError, OperationalError

from common.logs import configure_logs
from schemas.vocabulary import Format
from tests.integration.export_desk import Desk, fail_once, open_desk
from tests.parts.town import LIBREVILLE_TEMPLATE
from worker.handlers import make_liste

pytestmark = [pytest.mark.integration, pytest.mark.database(LIBREVILLE_TEMPLATE), pytest.mark.desk(opened_by=open_desk)]

ELECTEUR = "LANTERNE Ursule Zélie"
NO_ROOM = [errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EACCES]


@pytest.fixture
def json_log(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[], str]]:
    """What the worker prints, in its own form."""
    handlers, level = logging.root.handlers[:], logging.root.level
    monkeypatch.setattr(sys, "stderr", stream := io.StringIO())
    configure_logs("json", "debug")
    yield stream.getvalue
    logging.root.handlers[:] = handlers
    logging.root.setLevel(level)
    structlog.reset_defaults()


def _check_waits_for_room(desk: Desk, export_id: int) -> None:
    row = desk.ring(export_id)
    assert (row["status"], row["error_code"]) == ("queued", "disque_plein")
    assert row["error_message"].startswith("Volume des exports plein ou sans droit d'écriture")
    assert (row["attempts"], row["retries"], row["owner"], row["lease_until"]) == (0, 1, None, None)
    assert desk.files() == []
    assert desk.ring(export_id) == row, "rung again before its time"


@pytest.mark.parametrize("code", NO_ROOM, ids=errno.errorcode.get)
@pytest.mark.parametrize("call", ["open", "fsync"])
def test_a_volume_without_room_is_waited_for(desk: Desk, monkeypatch: pytest.MonkeyPatch, call: str, code: int) -> None:
    export_id = desk.ask()
    fail_once(monkeypatch, call, code, on=".part")
    before = datetime.now(UTC)
    _check_waits_for_room(desk, export_id)
    assert 4 < (_instant(desk.row(export_id)["not_before"]) - before).total_seconds() < 15
    desk.run("UPDATE export SET not_before = NULL")
    row = desk.ring(export_id)
    assert (row["status"], row["attempts"], row["error_code"], row["error_message"]) == ("ready", 1, "", "")


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
    row = desk.ring(desk.ask())
    assert (row["status"], row["error_code"]) == ("queued", "disque_plein")
    assert row["error_message"].startswith("Espace disque insuffisant")
    assert desk.files() == []


def test_a_volume_without_room_for_too_long_fails_the_row(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    desk.configure(retry_seconds=0)
    fail_once(monkeypatch, "fsync", errno.ENOSPC, on=".part")
    row = desk.ring(desk.ask())
    assert (row["status"], row["error_code"]) == ("failed", "disque_plein")
    assert row["finished_at"] is not None
    assert desk.files() == []


@pytest.mark.parametrize(
    "error",
    [
        RuntimeError(f"cannot write {ELECTEUR}"),
        ValueError(ELECTEUR),
        OSError(errno.EIO, ELECTEUR),
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

    monkeypatch.setattr(make_liste, "write_csv", crash)
    export_id = desk.ask()
    for attempt in (1, 2, 3):
        row = desk.ring(export_id)
        assert (row["status"], row["attempts"], row["retries"]) == ("queued", attempt, attempt)
        assert row["not_before"] is not None
        desk.run("UPDATE export SET not_before = NULL")
    row = desk.ring(export_id)
    assert (row["status"], row["error_code"]) == ("failed", "erreur")
    assert row["error_message"] == "Erreur interne : prévenez l'exploitant."
    assert desk.files() == []
    log = json_log()
    assert log.count("export_crashed") == 3
    assert type(error).__name__ in log
    assert not any(name in log for name in ("LANTERNE", "Ursule", "Zélie"))


def test_a_database_that_is_away_leaves_the_row_to_its_lease(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    def leave(*_arguments: object, **_options: object) -> int:
        raise OperationalError("SELECT", {}, Exception("server closed the connection"))

    monkeypatch.setattr(make_liste, "write_csv", leave)
    export_id = desk.ask()
    with pytest.raises(OperationalError):
        desk.ring(export_id)
    row = desk.row(export_id)
    assert (row["status"], row["attempts"]) == ("running", 1)
    assert row["lease_until"] is not None
    assert desk.files() == []


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
