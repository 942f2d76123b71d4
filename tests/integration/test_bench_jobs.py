"""The jobs that `make bench` times do their whole work: one that fails is found here, not when figures are wanted."""

from pathlib import Path

import pytest

from bench import child
from bench.registers import Task

pytestmark = [pytest.mark.integration, pytest.mark.nightly]

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
