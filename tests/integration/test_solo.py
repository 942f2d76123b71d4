"""The embedded mode as a user runs it: commands in a folder, killed in the middle, started again."""

import hashlib
import json
import os
import sqlite3
import subprocess
import sys
from collections import Counter
from contextlib import closing
from datetime import timedelta
from email import message_from_bytes, policy
from pathlib import Path
from typing import Any

import pytest

from common.calendrier import jour_a_paris, now
from schemas.vocabulary import Format, Liste
from tests.parts.databases import SqliteFiles
from tests.parts.process import Process
from tests.parts.town import CITY_TEMPLATE, ROOT
from tests.parts.wait import wait_until
from tests.unit.reu_sample import BUREAU, NUMERO, electeurs, write_reu

VINGT_JOURS = ["--type", "vingt_jours", "--scrutin", "11/04/2027"]


def test_the_demo_makes_lists_tableaux_and_mails_twice(tmp_path: Path) -> None:
    first = _run(tmp_path, "demo")
    assert first.returncode == 0, first.stderr
    for loaded in (
        "374 gardées",
        "38 gardées",
        "377 gardées",
        "15 inscriptions, 12 radiations, 12 changements",
    ):
        assert loaded in first.stdout
    assert "déjà importée" not in first.stdout
    again = _run(tmp_path, "demo")
    assert again.returncode == 0, again.stderr
    assert "LIBREVILLE est déjà importée" in again.stdout
    assert "gardées" not in again.stdout
    exports = _exports(tmp_path)
    kinds = Counter(
        name.split("-")[1] if name.startswith("tableau") else "liste" for _, name, _ in exports
    )
    assert kinds == {"liste": len(Liste) * len(Format) * 2, "vingt_jours": 6} | dict.fromkeys(
        (
            "cinq_jours_reu",
            "cinq_jours",
            "premier_rectificatif",
            "second_rectificatif",
            "additions",
        ),
        2,
    )
    said = "bloquantes + remarques, provisoire_until IS NOT NULL, count(*)"
    with closing(sqlite3.connect(tmp_path / "prefecture.db")) as connection:
        query = f"SELECT type_tableau, {said} FROM export WHERE kind = 'tableau' GROUP BY 1, 2, 3"  # noqa: S608 — ours
        states = {type_: known for type_, *known in connection.execute(query)}
    (remarks, is_provisoire, number) = states.pop("cinq_jours_reu")
    assert (remarks > 0, is_provisoire, number) == (True, 1, 2), "its motifs are to be completed"
    assert states.pop("vingt_jours") == [0, 0, 6]
    assert set(map(tuple, states.values())) == {(0, 0, 2)}
    for status, name, sha256 in exports:
        content = (tmp_path / "exports/13900" / name).read_bytes()
        assert (status, hashlib.sha256(content).hexdigest()) == ("ready", sha256)
        assert f"{sha256}  {tmp_path}/exports/13900/{name}" in first.stdout + again.stdout
    subjects = [
        str(message_from_bytes(path.read_bytes(), policy=policy.default)["Subject"])
        for path in (tmp_path / "mails").glob("*.eml")
    ]
    assert len([subject for subject in subjects if not subject.startswith("Rappel")]) == 10, (
        subjects
    )


@pytest.mark.slow
def test_killed_in_the_middle_the_next_start_finishes_the_files(
    tmp_path: Path, sqlite_files: SqliteFiles
) -> None:
    """After any number of interrupted starts: on a slow computer each may interrupt the same file."""
    sqlite_files.create(tmp_path / "prefecture.db", CITY_TEMPLATE)
    interrupted = _start(
        tmp_path, "export-liste", "--commune", "13900", "--format", "xml", "--format", "csv"
    )
    wait_until(lambda: list(tmp_path.rglob("13900/.*.part")), message="a file being written")
    interrupted.kill()
    assert "ready" not in {
        status for status, name, _ in _exports(tmp_path) if "-P-" in name and name.endswith("xml")
    }
    with closing(sqlite3.connect(tmp_path / "prefecture.db")) as connection, connection:
        connection.execute("UPDATE work SET starts = 29 WHERE kind = 'liste'")
    assert _run(tmp_path, "export-liste", "--commune", "13900", "--liste", "CE").returncode == 0

    exports = _exports(tmp_path)
    assert [status for status, _, _ in exports] == ["ready"] * 7
    for _, name, sha256 in exports:
        assert (
            hashlib.sha256((tmp_path / "exports/13900" / name).read_bytes()).hexdigest() == sha256
        )
    assert list(tmp_path.rglob(".*.part")) == []
    assert len(list((tmp_path / "mails").glob("*.eml"))) == 2


@pytest.mark.slow
def test_what_a_killed_process_left_is_cancelled_then_made_after_all(
    tmp_path: Path, sqlite_files: SqliteFiles
) -> None:
    sqlite_files.create(tmp_path / "prefecture.db", CITY_TEMPLATE)
    interrupted = _start(
        tmp_path, "export-liste", "--commune", "13900", "--liste", "P", "--format", "xml"
    )
    wait_until(lambda: list(tmp_path.rglob("13900/.*.part")), message="a file being written")
    interrupted.kill()
    with closing(sqlite3.connect(tmp_path / "prefecture.db")) as connection:
        ((asked,),) = connection.execute("SELECT event_id FROM request").fetchall()

    cancelled = _run(tmp_path, "cancel", asked, "--requested-by", "mairie")
    assert (cancelled.returncode, "Annulé par mairie." in cancelled.stdout) == (0, True), (
        cancelled.stderr
    )
    assert list((tmp_path / "exports").rglob("*.xml")) == []
    assert "Rien à annuler" in _run(tmp_path, "cancel", asked).stdout
    assert _run(tmp_path, "retry", asked).returncode == 5, "made, with anomalies"
    assert [status for status, _, _ in _exports(tmp_path)] == ["cancelled", "ready"]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["export-liste", "--commune", "../x"], 2, "code INSEE de commune attendu"),
        (
            ["render-tableaux", "--commune", "01001", *VINGT_JOURS],
            1,
            "Aucun registre importé pour 01001",
        ),
        (["declare", "--show", "scrutin"], 0, "décret n° 2025-848"),
        (["import-reu", "Makefile"], 1, "ce n'est pas un export « Liste des électeurs actifs »"),
    ],
)
def test_a_command_is_answered_in_french(
    tmp_path: Path, arguments: list[str], code: int, message: str
) -> None:
    done = _run(tmp_path, *arguments)
    assert done.returncode == code
    assert message in done.stdout + done.stderr
    assert "Traceback" not in done.stderr


def test_the_database_of_another_installation_is_not_touched(tmp_path: Path) -> None:
    environment = _environment(tmp_path) | {
        "PREFECTURE_DATABASE_URL": "postgresql+psycopg://mairie@127.0.0.1/base"
    }
    done = subprocess.run(
        _command("demo"), env=environment, cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 2
    assert "ce mode travaille sur SQLite" in done.stderr


@pytest.mark.slow
def test_a_tableau_is_published_on_its_day_from_the_command_line(tmp_path: Path) -> None:
    """Eight changes of bureau have no known day. They lie between two exports around its last day."""
    today = jour_a_paris(now())
    before, between = today - timedelta(days=300), today - timedelta(days=5)
    people = [it | {NUMERO: str(place)} for place, it in enumerate(electeurs(30), 1)]
    stayed = people[1:]
    moved = [it | ({BUREAU: "0002"} if place < 8 else {}) for place, it in enumerate(stayed)]
    for day, lines in ((before, people), (between, stayed), (today, moved)):
        export = write_reu(tmp_path / "export.csv", lines)
        done = _run(tmp_path, "import-reu", str(export), "--taken-on", f"{day}", "--accept-changes")
        assert done.returncode == 0, done.stderr
    assert "8 changements de bureau" in done.stdout

    def declare(note: dict[str, Any], **about: object) -> None:
        declared = tmp_path / "declaration.json"
        declared.write_text(json.dumps({"commune": "13055", "note": note, **about}))
        answer = _run(tmp_path, "declare", str(declared))
        assert answer.returncode == 0, answer.stderr

    declare({"kind": "reunion", "jour": f"{before + timedelta(days=1)}"})
    motif = {"mouvement": 1, "categorie": "radiation_deces", "jour": f"{between}"}
    declare({"kind": "motifs", "motifs": [motif]})
    asked = ("--type", "vingt_jours", "--until", f"{today - timedelta(days=1)}", "--liste", "P")
    made = _run(tmp_path, "render-tableaux", "--commune", "13055", *asked)
    assert made.returncode == 0, made.stdout
    declare({"kind": "published", "mode": "consultation", "published_on": f"{today}"}, exports=[1])
    assert "publié" in _run(tmp_path, "exports", "--commune", "13055").stdout


def _command(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "worker.solo", *arguments]


def _environment(home: Path) -> dict[str, str]:
    return {"PATH": os.environ["PATH"], "PREFECTURE_HOME": str(home)}


def _run(home: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        _command(*arguments),
        env=_environment(home),
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def _start(home: Path, *arguments: str) -> Process:
    return Process(_command(*arguments), env=_environment(home), folder=ROOT, log=home / "solo.log")


def _exports(home: Path) -> list[tuple[str, str, str]]:
    with closing(sqlite3.connect(home / "prefecture.db")) as connection:
        return connection.execute(
            "SELECT status, file_name, sha256 FROM export ORDER BY id"
        ).fetchall()
