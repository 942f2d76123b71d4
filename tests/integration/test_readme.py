"""The commands of README.md, typed unchanged and in order: each has the documented result."""

import os
import re
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import httpx2
import pytest

from common.cli import ExitCode
from tests.parts.ports import LOOPBACK, free_port
from tests.parts.process import Process
from tests.parts.rabbitmq import RabbitNode
from tests.parts.town import ROOT
from tests.parts.wait import wait_until
from tests.unit.reu_sample import DATE, NOM, NUMERO, PRENOMS, electeurs, write_reu

pytestmark = pytest.mark.slow

SERVERS = ("python -m worker.main", "python -m worker notifier", "python -m producers web")
"""Each runs in a shell of its own, until it is stopped."""


def _commands(title: str) -> list[str]:
    """The lines of the block under a title; a line continued by a backslash is one."""
    section = (
        (ROOT / "README.md").read_text("utf-8").partition(f"## {title}\n")[2].partition("\n## ")[0]
    )
    (block,) = re.findall(r"```sh\n(.+?)```", section, re.DOTALL)
    return str(block).replace("\\\n", " ").splitlines()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two exports of the REU, a month apart, under the names of README.md."""
    rows = electeurs(40)
    write_reu(tmp_path / "export-reu.csv", rows)
    newcomers = [
        row
        | {
            NOM: f"ARRIVANTE-{'ABC'[place]}",
            PRENOMS: "Léonie",
            DATE: "02/02/1982",
            NUMERO: str(90 + place),
        }
        for place, row in enumerate(rows[:3])
    ]
    write_reu(tmp_path / "export-reu-du-mois-suivant.csv", [*rows[2:], *newcomers])
    return tmp_path


def _environment(**variables: str) -> dict[str, str]:
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    return {"PATH": path, "PYTHONPATH": str(ROOT), "COLUMNS": "200", **variables}


def _run(command: str, folder: Path, environment: dict[str, str]) -> str:
    """The output of a command; « try again later » is retried, as before the workers have declared the exchange."""

    def run() -> subprocess.CompletedProcess[str] | None:
        done = subprocess.run(
            ["sh", "-eu", "-c", command],
            cwd=folder,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )
        return None if done.returncode == ExitCode.AWAY else done

    done = wait_until(run, message=command)
    assert done
    assert done.returncode == ExitCode.DONE, f"{command}\n{done.stdout}{done.stderr}"
    return done.stdout


def test_a_commune_in_one_process(folder: Path) -> None:
    printed = ""
    for command in _commands("The same with your own commune, in one process"):
        assert ".venv/bin/python -m " in command
        printed = _run(command.replace(".venv/bin/python", sys.executable), folder, _environment())
    made = Counter(path.name.split("-")[0] for path in folder.glob("var/exports/13055/*[0-9].*"))
    assert made == {"liste": 6, "tableau": 3}
    # The general list was made from the first export; the tableaux need the second.
    assert (printed.count("prêt"), printed.count("ancien")) == (4, 2), printed
    assert len(list(folder.glob("var/mails/*.eml"))) >= 2


@pytest.fixture
def servers(folder: Path) -> Iterator[list[Process]]:
    """Processes that the test leaves running."""
    started: list[Process] = []
    yield started
    for server in started:
        server.kill()


def test_a_commune_with_a_broker(
    folder: Path, rabbit_node: RabbitNode, amqp_url: str, postgres_url: str, servers: list[Process]
) -> None:
    addresses = {
        "postgresql+psycopg://prefecture:secret@127.0.0.1/prefecture": postgres_url,
        "amqp://guest:guest@127.0.0.1/": amqp_url,
        "--add guest ": f"--add {rabbit_node.user} ",
    }
    port = free_port()
    environment = _environment(PREFECTURE_WEB_PORT=str(port))
    variables, printed = "", {}
    for line in _commands("With a broker"):
        command = line
        for ours, here in addresses.items():
            command = command.replace(ours, here)
        if command.startswith("export "):
            variables += f"{command}\n"
        elif command.startswith(SERVERS):
            log = folder / f"server-{len(servers)}.log"
            servers.append(
                Process(
                    ["sh", "-c", f"{variables}exec {command}"],
                    env=environment,
                    folder=folder,
                    log=log,
                )
            )
        else:
            printed[command] = _run(variables + command, folder, environment)
    assert len(servers) == len(SERVERS)
    *_, liste, _, tableaux = printed.values()
    assert "prêt" in liste
    assert tableaux.count("provisoire") >= 3, tableaux
    assert "prêt" not in tableaux, "their date is to come"
    wait_until(lambda: list(folder.glob("var/mails/*.eml")), message="the mail")
    said = folder / f"server-{len(servers) - 1}.log"
    opened = re.compile(rf"http://{LOOPBACK}:{port}/ouvrir\?cle=\S+")
    wait_until(lambda: opened.search(said.read_text("utf-8")), message="the address of the screen")
    with httpx2.Client(follow_redirects=True) as browser:
        page = browser.get(opened.findall(said.read_text("utf-8"))[0])
    assert "(13055)" in page.text
