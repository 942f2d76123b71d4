"""One job in its own process, so that its memory can be measured: `python -m bench.child JOB`.

Standard input has the task as JSON; the last line of standard output is the measure.
"""

import json
import os
import subprocess
import sys
from dataclasses import asdict
from pathlib import Path

from bench.measure import Measure
from bench.registers import Task

_ROOT = Path(__file__).parents[1]
_JOBS = {
    "prepare": "bench.registers:prepare",
    "generate": "bench.registers:generate",
    "import": "bench.registers:import_reu",
    "import again": "bench.registers:import_again",
    "departement": "bench.departement:import_departement",
    "places": "bench.departement:import_places",
    "csv job": "bench.exports:csv_job",
    "csv file": "bench.exports:csv_file",
    "xml job": "bench.exports:xml_job",
    "naive xml": "bench.exports:naive_xml",
    "pdf": "bench.baselines_pdf:ours",
    "fpdf": "bench.baselines_pdf:fpdf",
    "fpdf wrapped": "bench.baselines_pdf:fpdf_wrapped",
    "long table": "bench.baselines_pdf:long_table",
    "mouvements": "bench.mouvements:add_mouvements",
    "few mouvements": "bench.mouvements:add_few_mouvements",
    "tableau job": "bench.exports:tableau_job",
    "history": "bench.history_rows:add_history",
    "untold": "bench.history_rows:add_untold",
    "claim": "bench.growth:claim_row",
    "outbox": "bench.growth:claim_request",
    "sweep": "bench.growth:sweep_rows",
}
"""The imported modules count in the peak: an import of the register needs fewer than a worker."""


def run(job: str, task: Task) -> Measure:
    """Run a job in a new process, without our own PREFECTURE_ settings.

    Raises:
        RuntimeError: it failed; its traceback is on standard error.
    """
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PREFECTURE_")}
    done = subprocess.run(  # noqa: S603 — ourselves
        [sys.executable, "-m", "bench.child", job],
        input=json.dumps(task._asdict()),
        stdout=subprocess.PIPE,
        env=environment,
        cwd=_ROOT,
        text=True,
        check=False,
    )
    if done.returncode:
        raise RuntimeError(f"the job « {job} » failed")
    return Measure(**json.loads(done.stdout.splitlines()[-1]))


def main(job: str) -> None:
    """Run the job in this process."""
    from pkgutil import resolve_name

    from common.logs import configure_logs

    configure_logs("console", "warning")
    task = Task(**json.load(sys.stdin))
    print(json.dumps(asdict(resolve_name(_JOBS[job])(task))))


if __name__ == "__main__":
    main(sys.argv[1])
