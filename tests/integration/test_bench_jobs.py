"""The jobs that `make bench` times do their whole work: one that fails is found here, not when figures are wanted."""

import subprocess
import sys
from pathlib import Path

import pytest

from bench import child
from bench.france import format_country, format_sample, measure
from bench.registers import Task

pytestmark = [pytest.mark.integration, pytest.mark.slow]

ELECTEURS = 300


def test_each_job_makes_a_file_of_the_whole_register(database_url: str, tmp_path: Path) -> None:
    task = Task(database_url, str(tmp_path), ELECTEURS)
    for job in ("prepare", "generate", "import"):
        lines = child.run(job, task).lines
    for job in ("csv job", "xml job"):
        made = child.run(job, task)
        assert 0.9 * ELECTEURS < made.lines <= lines  # minors are left out
        assert made.size > 50 * made.lines
    child.run("mouvements", task)
    assert child.run("tableau job", task).lines == ELECTEURS
    assert [path.name for path in tmp_path.rglob("liste-*")] == []
    assert child.run("import again", task).lines == lines - lines // 50


def test_each_question_of_the_past_is_answered(database_url: str, tmp_path: Path) -> None:
    task = Task(database_url, str(tmp_path), 60)
    child.run("history", task)
    for job in ("claim", "outbox", "sweep"):
        assert child.run(job, task).wall > 0


def test_a_part_of_the_country_is_made_whole(tmp_path: Path) -> None:
    sample = measure(3000, 6, tmp_path)
    assert (sample.electeurs, sample.files - len(sample.waits)) == (3000, 6 * 3)
    assert sample.waits
    assert min(sample.workers, sample.server, sample.broker, sample.import_client, sample.import_server) > 0
    assert min(sample.exports_bytes, sample.register_bytes) > 100 * 3000
    assert [line for line in (*format_sample(sample), *format_country(sample)) if "nan" in line] == []


def test_the_rows_are_measured_one_after_the_other(tmp_path: Path) -> None:
    rows, json = ["P1", "P3", "P7", "W2"], str(tmp_path / "bench.json")
    command = [sys.executable, "-m", "bench", "--only", ",".join(rows), "--size", "20000", "--json", json]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    names = [line.split(maxsplit=1)[0] for line in done.stdout.splitlines() if line]
    assert [name for name in dict.fromkeys(names) if name in rows] == rows, done.stdout + done.stderr
