"""The embedded mode as a user runs it: commands in a folder, killed in the middle, started again."""

import hashlib
import os
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from tests.parts.process import Process
from tests.parts.town import CITY_TEMPLATE, ROOT
from tests.parts.wait import wait_until

pytestmark = pytest.mark.integration


def test_the_demo_makes_six_files_and_a_mail_twice(tmp_path: Path) -> None:
    first = _run(tmp_path, "demo")
    assert first.returncode == 0, first.stderr
    assert "374 gardées" in first.stdout
    again = _run(tmp_path, "demo")
    assert "déjà importé" in again.stdout
    exports = _exports(tmp_path)
    assert [status for status, _, _ in exports] == ["ready"] * 12
    for _, name, sha256 in exports:
        assert hashlib.sha256((tmp_path / "exports/13900" / name).read_bytes()).hexdigest() == sha256
        assert f"{sha256}  {tmp_path}/exports/13900/{name}" in first.stdout + again.stdout
    assert len(list((tmp_path / "mails").glob("*.eml"))) == 2


def test_killed_in_the_middle_the_next_start_finishes_the_files(tmp_path: Path) -> None:
    CITY_TEMPLATE.prepare(f"sqlite:///{tmp_path / 'prefecture.db'}")
    interrupted = _start(tmp_path, "export-liste", "--commune", "13900", "--format", "xml", "--format", "csv")
    wait_until(lambda: list(tmp_path.rglob(".*.part")), timeout=30, message="a file being written")
    interrupted.kill()
    assert "ready" not in {status for status, name, _ in _exports(tmp_path) if "-P-" in name and name.endswith("xml")}
    assert _run(tmp_path, "export-liste", "--commune", "13900", "--liste", "CE").returncode == 0

    exports = _exports(tmp_path)
    assert [status for status, _, _ in exports] == ["ready"] * 7
    for _, name, sha256 in exports:
        assert hashlib.sha256((tmp_path / "exports/13900" / name).read_bytes()).hexdigest() == sha256
    assert list(tmp_path.rglob(".*.part")) == []
    assert len(list((tmp_path / "mails").glob("*.eml"))) == 2


def test_a_second_process_on_the_same_data_is_refused(tmp_path: Path) -> None:
    CITY_TEMPLATE.prepare(f"sqlite:///{tmp_path / 'prefecture.db'}")
    first = _start(tmp_path, "export-liste", "--commune", "13900", "--format", "xml")
    wait_until(lambda: list(tmp_path.rglob(".*.part")), timeout=30, message="a file being written")
    second = _run(tmp_path, "demo")
    first.kill()
    assert second.returncode == 1
    assert "Un autre processus utilise déjà" in second.stderr


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["export-liste", "--commune", "13900"], 1, "Commune inconnue : 13900"),
        (["export-liste", "--commune", "01001"], 1, "Aucun registre importé pour 01001"),
        (["export-liste", "--commune", "../x"], 2, "code INSEE de commune attendu"),
        (["import-mouvements", "Makefile"], 1, "ce n'est pas un fichier de mouvements"),
        (["scrutins"], 0, "Aucun scrutin"),
        (["commissions", "--commune", "13900"], 0, "Aucune réunion"),
        (["motifs", "--commune", "13900"], 0, "0 mouvement sans catégorie"),
        (["protections", "--commune", "13900"], 0, "Aucun électeur protégé"),
        (["import-reu", "Makefile"], 1, "ce n'est pas un export « Liste des électeurs actifs »"),
    ],
)
def test_a_command_answers_in_french(tmp_path: Path, arguments: list[str], code: int, message: str) -> None:
    done = _run(tmp_path, *arguments)
    assert done.returncode == code
    assert message in done.stdout + done.stderr
    assert "Traceback" not in done.stderr


def test_the_database_of_another_installation_is_not_touched(tmp_path: Path) -> None:
    environment = _environment(tmp_path) | {"PREFECTURE_DATABASE_URL": "postgresql+psycopg://mairie@127.0.0.1/base"}
    done = subprocess.run(_command("demo"), env=environment, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "ce mode travaille sur SQLite" in done.stderr


def _command(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "worker.solo", *arguments]


def _environment(home: Path) -> dict[str, str]:
    return {"PATH": os.environ["PATH"], "PREFECTURE_HOME": str(home)}


def _run(home: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        _command(*arguments), env=_environment(home), cwd=ROOT, capture_output=True, text=True, timeout=120, check=False
    )


def _start(home: Path, *arguments: str) -> Process:
    return Process(_command(*arguments), env=_environment(home), folder=ROOT, log=home / "solo.log")


def _exports(home: Path) -> list[tuple[str, str, str]]:
    with closing(sqlite3.connect(home / "prefecture.db")) as connection:
        return connection.execute("SELECT status, file_name, sha256 FROM export ORDER BY id").fetchall()
