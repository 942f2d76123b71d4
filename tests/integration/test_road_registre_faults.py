"""What goes wrong while an export is taken up, with real processes: the register is the old one or the new one.

Never anything between: a watcher reads it all the time. And nothing stays in the arrivals folder.
"""

import random
import shutil
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from signal import SIGKILL
from tempfile import mkdtemp
from typing import Any

import pytest
from sqlalchemy import RowMapping

from bench.people import write_town
from tests.integration.test_road_registre import accept, drop
from tests.parts.disk import SmallDisk, small_disk
from tests.parts.mail import Mailbox
from tests.parts.town import LIBREVILLE_TEMPLATE, TODAY, Town
from tests.parts.wait import PATIENCE_SECONDS, wait_until

pytestmark = [pytest.mark.integration, pytest.mark.database(LIBREVILLE_TEMPLATE), pytest.mark.slow]

REGISTER = """
SELECT liste, count(*) AS n, sum(hashtext(concat_ws('|', nom_naissance, prenoms, date_naissance, code_bureau))) AS sum
FROM electeur NATURAL JOIN liste WHERE code_commune = '13900' GROUP BY liste ORDER BY liste
"""
MAX_ATTEMPTS = 3
"""How often a worker may die of an import; a full disk is nobody's death."""
Register = tuple[tuple[Any, ...], ...]
ENDED = ("imported", "refused", "dropped", "expired")


@pytest.fixture
def town(postgres_url: str, amqp_url: str, tmp_path: Path, mailbox: Mailbox) -> Iterator[Town]:
    """Whose queue of requests is read, and whose notifier sweeps."""
    town = Town(postgres_url, amqp_url, tmp_path, mailbox.port)
    town.arrivals.mkdir()
    town.start_worker("-Q", "requests")
    town.start_notifier()
    yield town
    town.close()


def _register(town: Town) -> Register:
    return tuple(tuple(row.values()) for row in town.rows(REGISTER))


@contextmanager
def _watched(town: Town) -> Iterator[set[Register]]:
    """Every register that somebody who reads all the time has seen."""
    seen, is_over = {_register(town)}, threading.Event()

    def watch() -> None:
        while not is_over.wait(0.1):
            seen.add(_register(town))

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        yield seen
    finally:
        is_over.set()
        watcher.join()


def _last(town: Town, *states: str, size: int | None = None) -> Mapping[str, Any]:
    """The last export, or that of so many electors, once it is in one of these states."""
    query = "SELECT id AS preview_id, arrival, sha256, status, found, reason FROM preview ORDER BY id DESC"

    def reached() -> RowMapping | None:
        rows = [row for row in town.rows(query) if size is None or row["arrival"] == f"export-{size}.csv"]
        return rows[0] if rows and rows[0]["status"] in states else None

    row = wait_until(reached, timeout=4 * PATIENCE_SECONDS, message=f"{states}: {town.rows(query)}")
    assert row
    return dict(row) | {"kept": [it["liste"] for it in (row["found"] or {}).get("kept", ())]}


def _expect_no_arrival(town: Town) -> None:
    wait_until(lambda: not list(town.arrivals.iterdir()), message="an empty arrivals folder")


def _preview(town: Town, size: int) -> Mapping[str, Any]:
    drop(town, size)
    return _last(town, "ready", size=size)


def _replace_before(town: Town, path: Path, other: Path) -> None:
    shutil.copy(other, path)
    accept(town, _last(town, "ready"))


def _replace_while_it_is_read(town: Town, path: Path, other: Path) -> None:
    accept(town, _last(town, "ready"))
    query = "SELECT 1 FROM preview WHERE status = 'importing' AND lines_read > 0"
    wait_until(lambda: town.rows(query), message="lines being read")
    other.replace(path)


def _write_over_while_it_is_read(town: Town, path: Path, other: Path) -> None:
    accept(town, _last(town, "ready"))
    query = "SELECT 1 FROM preview WHERE status = 'importing' AND lines_read > 0"
    wait_until(lambda: town.rows(query), message="lines being read")
    path.write_bytes(other.read_bytes())


@pytest.mark.parametrize("harm", [_replace_before, _replace_while_it_is_read, _write_over_while_it_is_read])
def test_another_file_in_its_place_does_not_enter_the_register(town: Town, harm: Any) -> None:  # noqa: ANN401 — above
    town.start_worker("-Q", "registre")
    other = town.folder / "other.csv"
    write_town(other, 9_000, today=TODAY)
    preview = _preview(town, 12_000)
    expected = {(it["liste"], it["electeurs"]) for it in preview["found"]["listes"]}
    with _watched(town) as seen:
        before = _register(town)
        harm(town, town.arrivals / preview["arrival"], other)
        ended = _last(town, *ENDED)
        after = _register(town)
    if ended["status"] == "imported":  # what was read is what was previewed, whatever its name means by now
        assert harm is not _replace_before
        assert {(liste, n) for liste, n, _ in after} == expected
    else:
        assert (ended["status"], after) == ("refused", before)
        assert "déposez-le de nouveau" in ended["reason"] or "a changé pendant sa lecture" in ended["reason"]
    assert seen <= {before, after}
    _expect_no_arrival(town)


def test_of_two_commits_at_once_one_enters_the_register(town: Town) -> None:
    for _ in range(2):
        town.start_worker("-Q", "registre")
    first = _preview(town, 300)
    second = _preview(town, 400)
    with _watched(town) as seen:
        before = _register(town)
        for said in (first, second, first, second):
            accept(town, said)
        query = "SELECT status, reason, found FROM preview ORDER BY id"
        wait_until(lambda: all(row["status"] in ENDED for row in town.rows(query)), message="the end of both")
        rows, after = town.rows(query), _register(town)
    assert sorted(row["status"] for row in rows) == ["imported", "refused"]
    (reason,) = (row["reason"] for row in rows if row["status"] == "refused")
    assert reason.startswith("Le registre a changé depuis l'aperçu")
    (found,) = (row["found"] for row in rows if row["status"] == "imported")
    assert {(liste, n) for liste, n, _ in after} == {(it["liste"], it["electeurs"]) for it in found["listes"]}
    assert seen <= {before, after}
    assert town.rows("SELECT count(*) AS n FROM import WHERE finished_at IS NOT NULL")[0]["n"] == 2
    _expect_no_arrival(town)


@pytest.fixture
def disk(town: Town) -> Iterator[SmallDisk]:
    """What the electors lie on."""
    (at,) = town.rows("SELECT current_setting('data_directory') AS folder")
    folder = Path(mkdtemp(prefix="tests-small-", dir="/"))
    with small_disk(folder, "48m", Path(at["folder"]).stat().st_uid) as disk:
        connection = town.engine.connect().execution_options(isolation_level="AUTOCOMMIT")
        with connection:
            connection.exec_driver_sql(f"CREATE TABLESPACE small LOCATION '{folder}'")
            connection.exec_driver_sql("ALTER TABLE electeur SET TABLESPACE small")
        yield disk
        town.close()
        with town.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            connection.exec_driver_sql("ALTER TABLE electeur SET TABLESPACE pg_default")
            connection.exec_driver_sql("DROP TABLESPACE small")
    folder.rmdir()


def test_a_full_disk_is_waited_for(town: Town, disk: SmallDisk) -> None:
    town.start_worker("-Q", "registre")
    preview = _preview(town, 12_000)
    with _watched(town) as seen:
        before = _register(town)
        disk.fill()
        accept(town, preview)
        wait_until(
            lambda: len(_starts(town)) > MAX_ATTEMPTS, timeout=2 * PATIENCE_SECONDS, message="more starts than one has"
        )
        assert _register(town) == before
        disk.free()
        _last(town, "imported")
        after = _register(town)
    assert {(liste, n) for liste, n, _ in after} == {
        (it["liste"], it["electeurs"]) for it in preview["found"]["listes"]
    }
    assert seen <= {before, after}
    _expect_no_arrival(town)


def _starts(town: Town) -> list[dict[str, Any]]:
    """Each time that a worker began to import."""
    return [
        line for line in town.json_log("worker") if line["event"] == "preview_started" and line["step"] == "importing"
    ]


def test_killed_at_ten_random_moments_it_goes_on(town: Town) -> None:
    chance, harmed = random.Random(11), 0
    worker = town.start_worker("-Q", "registre")
    for size in (20_000, 20_050):
        began = time.monotonic()
        accept(town, _preview(town, size))
        _last(town, "imported", size=size)
    longest = (time.monotonic() - began) / 2
    for round_ in range(5):
        with _watched(town) as seen:
            before = _register(town)
            size = 20_100 + round_
            drop(town, size)
            for under_way, then in (("running", "ready"), ("importing", "imported")):
                if then == "imported":
                    accept(town, _last(town, "ready"))
                _last(town, under_way, then, size=size)
                time.sleep(chance.uniform(0, longest))  # the moment is the fault
                worker.end(SIGKILL)
                harmed += _last(town, under_way, then, size=size)["status"] == under_way
                worker = town.start_worker("-Q", "registre")
                _last(town, then, size=size)
            after = _register(town)
        assert sum(n for _, n, _ in after if n) > size
        assert seen <= {before, after}
        _expect_no_arrival(town)
    assert harmed >= 3, "some were killed while they worked"
    assert town.rows("SELECT count(*) AS n FROM import WHERE finished_at IS NULL")[0]["n"] == 0
