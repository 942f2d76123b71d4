"""Imports that die, meet, or make others wait: the register is what it was, or what it should be."""

import signal
import subprocess
import sys
from pathlib import Path

import pytest
from sqlalchemy import text
from sqlalchemy.exc import OperationalError

from tests.integration.import_desk import COMMUNE, TWO_COMMUNES, Desk, give_up_soon, open_desk
from tests.unit.reu_sample import EUROPEENNE, electeurs
from worker.errors import ImportRefusedError
from worker.registre.imports.history import undo_import
from worker.registre.versions import BATCH

pytestmark = [pytest.mark.integration, pytest.mark.database(TWO_COMMUNES), pytest.mark.desk(opened_by=open_desk)]

P, CE = (COMMUNE, "P"), (COMMUNE, "CE")
MANY = 2 * BATCH + 10
ROOT = Path(__file__).parents[2]
CUT_OTHERS = """
SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()
"""
KILLED = """
import os, signal, sys
from pathlib import Path
from unittest.mock import Mock
from worker.db.engine import build_engine
from worker.registre.reu.importer import import_file
kill = lambda lines, share: os.kill(os.getpid(), signal.SIGKILL)
import_file(build_engine(sys.argv[1]), Path(sys.argv[2]), imported_by="test", progress=kill)
"""


@pytest.mark.slow
def test_an_import_killed_in_the_middle_has_changed_nothing(desk: Desk) -> None:
    desk.load(electeurs(3))
    path = desk.write([*electeurs(MANY), *electeurs(2, EUROPEENNE)])
    killed = subprocess.run([sys.executable, "-c", KILLED, desk.url, path], cwd=ROOT, check=False)
    assert killed.returncode == -signal.SIGKILL
    assert desk.stored() == BATCH + 3
    assert (desk.counts(), desk.imports()[1:]) == ({P: 3}, [(2, 0, False, False)])
    desk.load(electeurs(4))
    assert desk.counts() == {P: 4}
    assert desk.stored() == 4 + 3
    assert [finished for _, _, finished, _ in desk.imports()] == [True, True]


def test_a_connection_that_is_lost_changes_nothing(postgres_url: str, tmp_path: Path) -> None:
    desk = Desk(postgres_url, tmp_path / "desk")
    desk.folder.mkdir()

    def cut(_lines: int, _share: float) -> None:
        with desk.engine.connect() as connection:
            connection.execute(text(CUT_OTHERS))

    with pytest.raises(OperationalError):
        desk.load(electeurs(MANY), progress=cut)
    assert desk.counts() == {}
    desk.load(electeurs(MANY))
    assert (desk.counts(), desk.stored()) == ({P: MANY}, MANY)
    desk.close()


@pytest.mark.slow
def test_a_second_import_is_refused_while_one_is_at_work(desk: Desk) -> None:
    refusals: list[str] = []

    def meet(_lines: int, _share: float) -> None:
        for other in (lambda: desk.load_file(desk.folder / "reu.csv"), lambda: undo_import(desk.engine)):
            with pytest.raises(ImportRefusedError) as refusal:
                other()
            refusals.append(str(refusal.value))

    desk.load(electeurs(3), progress=meet)
    assert len(refusals) == 2
    assert {reason.partition(" ;")[0] for reason in refusals} == {"un autre import est en cours"}
    assert desk.counts() == {P: 3}


@pytest.mark.slow
def test_others_read_the_former_list_and_write_meanwhile(desk: Desk) -> None:
    desk.load(electeurs(3))
    seen, written = [], []

    def look(_lines: int, _share: float) -> None:
        seen.append(desk.counts())
        with desk.engine.begin() as connection:
            give_up_soon(connection)
            connection.execute(text("UPDATE commune SET nom = nom"))
        written.append(True)

    desk.load(electeurs(MANY), progress=look)
    assert seen == [{P: 3}] * 3
    assert len(written) == 3
    assert desk.counts() == {P: MANY}


def test_a_file_that_grows_while_it_is_read_is_refused(desk: Desk) -> None:
    path = desk.write(electeurs(MANY))

    def grow(_lines: int, _share: float) -> None:
        with path.open("a") as file:
            file.write("\n")

    with pytest.raises(ImportRefusedError, match="a changé pendant sa lecture"):
        desk.load_file(path, progress=grow)
    assert (desk.counts(), desk.stored()) == ({}, 0)
