"""A worker writes to the expected volume only."""

import stat
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.integration.export_desk import COMMUNE, Desk, before_writing
from tests.parts.town import LIBREVILLE_TEMPLATE
from worker.exports.storage import SENTINEL, Storage

pytestmark = [pytest.mark.database(LIBREVILLE_TEMPLATE), pytest.mark.desk(opened_by=Desk.open)]


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
    with desk.engine.connect() as connection:
        assert connection.exec_driver_sql("SELECT token FROM volume WHERE name = 'exports'").scalar() == token


def test_an_empty_directory_in_its_place_is_waited_for(desk: Desk) -> None:
    """Five files that were reported as ready vanished when the volume was unmounted again."""
    _guard(desk)
    desk.process(desk.ask())
    put_back = _unmount(desk.root)
    _guard(desk)  # another process, which has not seen the mark
    export_id = desk.ask()
    row = desk.process(export_id)
    assert (row["status"], row["error_code"], row["starts"]) == ("queued", "volume_absent", 0)
    assert row["error_message"] == "Volume des exports absent, ou un autre à sa place : prévenez l'exploitant."
    put_back()
    desk.run("UPDATE work SET due_at = NULL")
    assert desk.process(export_id)["status"] == "ready"


def test_a_volume_that_is_taken_away_under_a_file_gets_it_later(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    _guard(desk)
    desk.process(desk.ask())
    before_writing(monkeypatch, lambda: returned.append(_unmount(desk.root)))
    returned: list[Callable[[], None]] = []
    export_id = desk.ask()
    assert desk.process(export_id)["error_code"] == "volume_absent"
    returned[0]()
    desk.run("UPDATE work SET due_at = NULL")
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
