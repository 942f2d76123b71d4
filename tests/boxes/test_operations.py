"""docs/operations.md, block by block as it stands, on a real engine; then what an operator meets besides."""

import re
import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from tests.boxes.engine import Engine, require_engine
from tests.boxes.standins import make_standins
from tests.unit.reu_sample import electeurs, write_reu

pytestmark = [pytest.mark.nightly, pytest.mark.boxes]

ROOT = Path(__file__).parents[2]
DOCUMENT = (ROOT / "docs" / "operations.md").read_text("utf-8")
BLOCK = re.compile(
    r"(?:<!-- boxes: (?P<mark>[^>]+) -->\n)?(?:<!-- [^>]+ -->\n)?```sh\n(?P<commands>.+?)```\n", re.DOTALL
)
PAGE = (
    "curl --silent --show-error --fail-with-body --header 'Host: prefecture.mairie.example' "
    "--header 'X-Forwarded-Proto: https' --header 'X-Remote-User: mairie' http://127.0.0.1:8000/communes/13055/listes"
)
"""A page, as a reverse proxy of this host asks for it in the name of the agent « mairie »."""

LETTERS = """
import json, pika
account = pika.URLParameters(open("/run/secrets/prefecture_amqp_url").read())
channel = pika.BlockingConnection(account).channel()
known = {"user_id": "exploitant", "delivery_mode": 2}
key = "fr.openelec.prefecture.request.liste_export.v1"
channel.basic_publish("prefecture", key, b"not JSON", pika.BasicProperties(**known))
data = {"commune": "13055", "requested_by": "essai", "listes": ["P"], "formats": ["csv"]}
event = {"specversion": "1.0", "id": "lettre", "source": "/essai", "type": key, "data": data}
event |= {"time": "2026-11-25T08:00:00Z", "datacontenttype": "application/json"}
failed = pika.BasicProperties(**known, headers={"x-reason": "failed: OperationalError"})
channel.basic_publish("", "requests.XQ", json.dumps(event).encode(), failed)
"""
"""A program that puts into the queue what no worker can read, and aside what one could not do."""


class Installation:
    """A checkout made under `umask 027`, as an operator has one, on an engine of its own."""

    def __init__(self, engine: Engine, folder: Path) -> None:
        self.engine, self.folder = engine, folder
        self.times: dict[str, float] = {}

    def run(self, script: str, *, what: str = "", stdin: str = "", check: bool = True) -> str:
        """Run as at a terminal; what it printed, errors too."""
        since = time.monotonic()
        done = self.engine.run(script, folder=self.folder, stdin=stdin, check=check)
        if what:
            self.times[what] = time.monotonic() - since
        return done.stdout + done.stderr

    def wait_for(self, query: str, answer: str) -> None:
        """Ask the database each second, two minutes at most, until it says so."""
        ask = f'docker compose exec -T database psql --username=postgres -At --command="{query}" prefecture'
        self.run(f"for try in $(seq 120); do [ \"$({ask})\" != '{answer}' ] || exit 0; sleep 1; done; {ask}; exit 1")

    def healthy(self) -> None:
        """Wait for every service; `up --wait` fails for one that ended as it should (`migrate`)."""
        ask = "docker compose ps --format '{{.Service}} {{.Health}}' | grep --invert-match ' healthy$'"
        self.run(f'for try in $(seq 120); do if [ -z "$({ask})" ]; then exit 0; fi; sleep 1; done; {ask}; exit 1')


@pytest.fixture(scope="module")
def installation(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    require_engine()
    folder = tmp_path_factory.mktemp("boxes")
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    checkout = folder / "prefecture"
    for name in filter(None, listed.split("\0")):
        target = checkout / name
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, target)
        target.chmod(target.stat().st_mode & 0o750)
    with Engine(folder / "engine") as engine:
        make_standins(engine, ROOT / "var" / "boxes", checkout / "requirements.lock", folder)
        yield Installation(engine, checkout)


def test_every_block_of_the_document_works_in_its_order(installation: Installation) -> None:
    blocks = [(it["mark"] or "", it["commands"]) for it in BLOCK.finditer(DOCUMENT)]
    assert len(blocks) == DOCUMENT.count("```sh\n")
    write_reu(installation.folder / "liste.csv", [*electeurs(300)])
    for mark, written in blocks:
        if mark.startswith("not run: "):
            continue
        commands = _prepare(installation, mark, written)
        first = commands.splitlines()[0]
        said = installation.run(commands, what=first, stdin="o\n")
        _look(installation, first, said)


def test_a_release_and_the_way_back_lose_nothing_under_load(installation: Installation) -> None:
    """Files are asked for all the while, and a browser asks for a page five times a second."""
    before = installation.run("docker compose ps --format '{{.Image}}' web").strip()
    installation.run(
        f"""
        (while [ ! -e stop ]; do {PAGE} >page 2>&1 && echo up || echo away; sleep 0.2; done >seen) &
        docker compose run --rm -T --env PREFECTURE_SOURCE=/essai --entrypoint sh command -c '
            set -e; for n in $(seq 40); do python -m producers export-liste --commune 13055 --liste P --format csv; done
        ' >asked 2>&1 &
        load=$!
        sh deploy/upgrade.sh
        sh deploy/rollback.sh
        wait $load
        touch stop
        wait""",
        what="upgrade and rollback under load",
    )
    assert installation.run("docker compose ps --format '{{.Image}}' web").strip() == before
    installation.healthy()
    away = (installation.folder / "seen").read_text().split().count("away") * 0.2
    installation.times["the screen was away"] = away
    assert away < 60
    installation.wait_for("SELECT count(*) FROM derniers_exports WHERE source = '/essai' AND status = 'ready'", "40")
    installation.wait_for("SELECT count(DISTINCT file_name) FROM derniers_exports WHERE source = '/essai'", "40")


def test_whoever_is_killed_loses_nothing(installation: Installation) -> None:
    """Broker, database, workers and notifier, one after the other, while files are asked for."""
    installation.run("docker compose up --detach --scale worker-listes=2", what="two workers for lists")
    installation.healthy()
    ask = "docker compose run --rm -T --entrypoint 'python -m producers' command export-liste --commune 13055"
    for service in ("broker", "database", "worker-listes", "notifier"):
        kill = f"docker compose kill {service}; docker compose up --detach"
        installation.run(f"{ask} --format csv; {kill}", what=f"{service}, killed and started")
        installation.healthy()
    installation.run(f"{ask} --wait --timeout 300", what="one more file")
    installation.wait_for("SELECT count(*) FROM derniers_exports WHERE status <> 'ready'", "0")
    installation.wait_for("SELECT count(*) FROM demandes WHERE told_at IS NULL AND code_commune = '13055'", "0")


def test_another_user_of_the_group_works_and_figures_are_told(installation: Installation) -> None:
    said = installation.run("docker compose run --rm --user 20001:10001 command", check=False)
    assert "OK     Volume des exports" in said
    for what, seconds in installation.times.items():
        click.echo(f"{seconds:6.1f} s  {what}")
    layers = installation.run("docker history --format '{{.Size}} {{.CreatedBy}}' prefecture:local | grep COPY")
    click.echo(f"What the image adds to its base:\n{layers}")
    memory = {
        service: _memory(installation, service) for service in installation.run("docker compose ps --services").split()
    }
    for service, mebibytes in memory.items():
        click.echo(f"{mebibytes:6.0f} MiB  {service}")
    click.echo(f"{sum(memory.values()):6.0f} MiB  all of them at rest: proportional set size")


def _memory(installation: Installation, service: str) -> float:
    """MiB of all processes of a service, what they share counted once (PSS)."""
    pids = installation.run(
        f"docker compose ps --quiet {service} | xargs -I ID docker top ID -o pid | grep -v PID"
    ).split()
    kibibytes = [
        int(line.split()[1])
        for pid in pids
        for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
        if line.startswith("Pss:")
    ]
    return sum(kibibytes) / 1024


def _prepare(installation: Installation, mark: str, commands: str) -> str:
    """What the document takes for granted before a block; the block."""
    match mark.split(": ", maxsplit=1)[0]:
        case "a certificate":
            installation.run(
                "openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=broker -addext subjectAltName=DNS:broker "
                "-keyout var/secrets/broker_key.pem -out var/secrets/broker_certificate.pem && sh deploy/secrets.sh"
            )
        case "a dead letter":
            (installation.folder / "letters.py").write_text(LETTERS)
            installation.run("docker compose run --rm -T --entrypoint python command - < letters.py")
            installation.healthy()
            shown = installation.run("docker compose run --rm command dead-letters list")
            names = dict(re.findall(r"\b([0-9a-f]{12})\b.*(not JSON|failed: )", shown))
            assert sorted(names.values()) == ["failed: ", "not JSON"], shown
            for name, reason in names.items():
                commands = commands.replace({"failed: ": "4f2a09c1d77b", "not JSON": "9c01e5b2ad34"}[reason], name)
            return commands
    return commands


def _look(installation: Installation, first: str, said: str) -> None:
    """What an operator sees after the block that begins so."""
    if first.startswith("sh deploy/secrets.sh"):
        installation.healthy()
        assert "critical" not in installation.run("docker compose logs").lower()
        assert "prêt" in said
    if "prefecture.env" in first:
        installation.healthy()
        assert "MARSEILLE" in installation.run(PAGE).upper()
