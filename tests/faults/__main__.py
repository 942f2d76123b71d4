"""`python -m tests.faults`: exit code 0 when nothing was lost, doubled or half-written, 1 otherwise."""

import shutil
import signal
import sys
import tempfile
from pathlib import Path

import click

from tests.faults import table
from tests.faults.plays import FAULTS
from tests.faults.runner import Verdict, play
from tests.faults.stage import Servers
from tests.parts.packages import POSTGRESQL, RABBITMQ, provide_for_command
from tests.parts.postgres import PostgresServer
from tests.parts.rabbitmq import RabbitNode

_VAR = Path("var")
_LOGS = _VAR / "faults"
_TERMINATED = 128 + signal.SIGTERM


@click.command()
@click.option("--only", multiple=True, type=click.Choice(list(FAULTS)), help="This fault; repeated for several.")
@click.option("--requests", default=20, show_default=True, type=click.IntRange(8), help="How many, each sent twice.")
@click.option(
    "--json",
    "json_path",
    default=_VAR / "faults.json",
    show_default=True,
    type=click.Path(dir_okay=False, path_type=Path),
    help="Where to write what was counted.",
)
def main(only: tuple[str, ...], requests: int, json_path: Path) -> None:
    """Play the faults, print a line for each, and keep the logs of those that broke something."""
    provide_for_command(RABBITMQ, POSTGRESQL)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(_TERMINATED))
    shutil.rmtree(_LOGS, ignore_errors=True)
    with RabbitNode() as broker, PostgresServer() as database:
        servers = Servers(broker, database)
        verdicts = _play_faults(servers, only or tuple(FAULTS), requests)
    table.write_json(json_path, verdicts, requests=requests)
    sys.exit(1 if any(verdict.broken for verdict in verdicts) else 0)


def _play_faults(servers: Servers, slugs: tuple[str, ...], requests: int) -> list[Verdict]:
    click.echo(f"{requests} requests, each sent twice, two workers:\n\n{table.headings()}")
    verdicts = []
    for slug in slugs:
        with tempfile.TemporaryDirectory(prefix="faults-") as folder:
            verdict = play(FAULTS[slug], servers, Path(folder), requests=requests)
            if verdict.broken:
                _keep_logs(Path(folder), slug)
        click.echo(table.row(verdict))
        verdicts.append(verdict)
    return verdicts


def _keep_logs(folder: Path, slug: str) -> None:
    kept = _LOGS / slug
    kept.mkdir(parents=True, exist_ok=True)
    for log in folder.glob("*.log"):
        shutil.copy(log, kept)


if __name__ == "__main__":
    main()
