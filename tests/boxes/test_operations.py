"""Each block of docs/operations.md, unchanged, on a real engine; then incidents that an operator meets.

Substitutes for the official images are built from Debian's packages: no registry is asked. They differ by Debian's
builds and paths, and by entrypoints that implement only the features which docker-compose.yml uses.
"""

import hashlib
import re
import shutil
import subprocess
import time
from collections.abc import Iterable, Iterator
from pathlib import Path

import click
import pytest

from bench.people import write_town
from tests.boxes.engine import Engine, require_engine
from tests.unit.reu_sample import electeurs, write_reu
from worker.demo.libreville import LIBREVILLE

_CONTEXT = Path(__file__).with_name("standins")
_ROOTS = {
    "python-root": ("python3.13", "python3.13-venv", "python3-pip", "ca-certificates", "tzdata"),
    "services-root": (
        *("rabbitmq-server", "postgresql-17", "gosu", "ca-certificates", "procps", "wget"),
        *(
            "prometheus",
            "prometheus-alertmanager",
            "prometheus-node-exporter",
            "prometheus-blackbox-exporter",
        ),
    ),
}
_IMAGES = {
    "python": "python:3.13-slim-trixie",
    "rabbitmq": "rabbitmq:4.0-management",
    "postgres": "postgres:17",
    "prometheus": "prom/prometheus:v2.53.3",
    "alertmanager": "prom/alertmanager:v0.28.1",
    "node-exporter": "prom/node-exporter:v1.9.0",
    "blackbox-exporter": "prom/blackbox-exporter:v0.26.0",
}


def make_standins(engine: Engine, cache: Path, locks: Iterable[Path], folder: Path) -> None:
    """Build them under the names that FROM and `image:` use. Two minutes, none once `cache` has the root file systems.

    The Python image contains the wheels of the lock files, and its pip looks nowhere else.
    """
    cache.mkdir(parents=True, exist_ok=True)
    for name, packages in _ROOTS.items():
        included = ",".join(packages)
        root = cache / f"{name}-{hashlib.sha256(included.encode()).hexdigest()[:12]}.tar"
        if not root.exists():
            _run(
                "mmdebstrap",
                "--quiet",
                "--variant=minbase",
                f"--include={included}",
                "trixie",
                root,
            )
        engine.run(f"docker import {root} prefecture-standin/{name}")
    context = folder / "standins"
    shutil.copytree(_CONTEXT, context)
    wheels = context / "wheels"
    for lock in locks:
        options = (
            "--quiet",
            "--require-hashes",
            "--only-binary=:all:",
            "--requirement",
            lock,
            "--dest",
            wheels,
        )
        _run("/usr/bin/python3.13", "-m", "pip", "download", *options)
    for target, tag in _IMAGES.items():
        engine.run(f"docker build --quiet --target {target} --tag {tag} {context}")


def _run(*command: object) -> None:
    done = subprocess.run([*map(str, command)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-3000:]


pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]
DOCUMENT = (ROOT / "docs" / "operations.md").read_text("utf-8")
BLOCK = re.compile(
    r"(?:<!-- boxes: (?P<mark>[^>]+) -->\n)?(?:<!-- [^>]+ -->\n)?```sh\n(?P<commands>.+?)```\n",
    re.DOTALL,
)
PAGE = (
    "curl --silent --show-error --fail-with-body --header 'Host: prefecture.mairie.example' "
    "--header 'X-Forwarded-Proto: https' --header 'X-Remote-User: mairie' "
    '--header "X-Prefecture-Secret: $(cat var/secrets/web_proxy_secret)" '
    "http://127.0.0.1:8000/communes/13055/listes"
)
"""Request a page as the agent « mairie », with the header of a reverse proxy on this host."""

NO_EVENT = """
import pika
with pika.BlockingConnection(pika.URLParameters(open("/run/secrets/prefecture_amqp_url").read())) as connection:
    connection.channel().basic_publish("", "requests", b"not JSON", pika.BasicProperties(delivery_mode=2))
"""
"""The service of requests publishes a message that is no event; no other account may write to its queue."""

FAILED_EVENT = """
import json, pika
connection = pika.BlockingConnection(pika.URLParameters(open("/run/secrets/prefecture_amqp_url").read()))
known = pika.BasicProperties(user_id="exploitant", delivery_mode=2)
key = "fr.openelec.prefecture.request.liste_export.v1"
data = {"commune": "13055", "requested_by": "essai", "listes": ["P"], "formats": ["csv"]}
event = {"specversion": "1.0", "id": "lettre", "source": "/essai", "type": key, "data": data}
event |= {"time": "2026-11-25T08:00:00Z", "datacontenttype": "application/json"}
body = json.dumps(event).encode()
connection.channel().basic_publish("prefecture", "programs.exploitant." + key, body, known)
connection.close()
"""
"""A program publishes an event while no worker reads it."""

FAILING = """
import pika
with pika.BlockingConnection(pika.URLParameters(open("/run/secrets/prefecture_amqp_url").read())) as connection:
    channel = connection.channel()
    method, _, _ = channel.basic_get("requests-programs")
    channel.basic_nack(method.delivery_tag, requeue=False)
"""
"""The service of requests rejects it, as one whose handler fails."""


LOAD = """
import json, sys, time, pika
account = pika.URLParameters(open("/run/secrets/prefecture_amqp_url").read())
known = pika.BasicProperties(user_id="exploitant", delivery_mode=2)
key = "fr.openelec.prefecture.request.liste_export.v1"
data = {"commune": "13055", "requested_by": "essai", "listes": ["P"], "formats": ["csv"]}
channel = None
for number in range(int(sys.argv[1])):
    event = {"specversion": "1.0", "id": str(number), "source": sys.argv[2], "type": key, "data": data}
    while True:
        try:
            if channel is None:
                channel = pika.BlockingConnection(account).channel()
                channel.confirm_delivery()
            body = json.dumps(event).encode()
            channel.basic_publish("prefecture", "programs.exploitant." + key, body, known, mandatory=True)
            break
        except (pika.exceptions.AMQPError, OSError):
            channel = None
            time.sleep(1)
    time.sleep(0.18)
"""
"""A program that requests so many files as a source, five a second, and retries until the broker confirms."""

_IN_BROKER = "docker compose exec -T broker rabbitmqctl --silent"
IN_REGISTER = "SELECT sum(electeurs) >= 100000 FROM registres WHERE code_commune"
MAIN, OTHER = "192.0.2.10", "192.0.2.11"
SHARED = "/srv/prefecture/exports"


class Installation:
    """A checkout made under `umask 027`, with a private engine."""

    def __init__(self, engine: Engine, folder: Path, other: "Installation | None" = None) -> None:
        self.engine, self.folder, self._other = engine, folder, other
        self.times: dict[str, float] = {}

    @property
    def other(self) -> "Installation":
        """The host at the other end of the cable, which only makes files."""
        assert self._other
        return self._other

    def run(self, script: str, *, what: str = "", stdin: str = "", check: bool = True) -> str:
        """Run a command as at a terminal; return its output, stderr included."""
        since = time.monotonic()
        done = self.engine.run(script, folder=self.folder, stdin=stdin, check=check)
        if what:
            self.times[what] = time.monotonic() - since
        return done.stdout + done.stderr

    def wait_for(self, query: str, answer: str) -> None:
        """Query the database each second until the condition holds, for two minutes at most."""
        ask = f'docker compose exec -T database psql --username=postgres -At --command="{query}" prefecture'
        self.run(
            f"for try in $(seq 120); do [ \"$({ask})\" != '{answer}' ] || exit 0; sleep 1; done; {ask}; exit 1"
        )

    def healthy(self) -> None:
        """Wait for every service; `up --wait` fails for a service that has ended as intended (`migrate`)."""
        ask = "docker compose ps --format '{{.Service}} {{.Health}}' | grep --invert-match ' healthy$'"
        why = f"for service in broker $({ask} | cut -d ' ' -f 1); do docker compose logs --tail 25 $service; done"
        unhealthy = "docker ps --filter health=unhealthy --quiet"
        probes = f"{unhealthy} | xargs -r docker inspect --format '{{{{json .State.Health}}}}'"
        tries = f'for try in $(seq 240); do if [ -z "$({ask})" ]; then exit 0; fi; sleep 1; done'
        self.run(f"{tries}; {ask}; {why}; {probes}; exit 1")


@pytest.fixture(scope="module")
def host(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    """One of two hosts that a cable connects; nothing is installed yet."""
    require_engine()
    folder = tmp_path_factory.mktemp("boxes")
    with Engine(folder / "engine") as engine, Engine(folder / "another") as another:
        engine.join(another, MAIN, OTHER)
        locks = [ROOT / "requirements.lock"]
        for commit in _find_releases()[:1]:
            locks.append(folder / "release.lock")
            locks[-1].write_text(_git("show", f"{commit}:requirements.lock"))
        make_standins(engine, ROOT / "var" / "boxes", locks, folder)
        yield Installation(
            engine,
            folder / "prefecture",
            Installation(another, folder / "elsewhere" / "prefecture"),
        )


@pytest.fixture(scope="module")
def installation(host: Installation) -> Installation:
    for folder in (host.folder, host.other.folder):
        _check_out(folder)
    return host


def test_from_the_last_release_to_this_one_under_load_nothing_is_lost_and_the_backup_goes_back(
    host: Installation,
) -> None:
    """The last release is installed by its own document."""
    releases = _find_releases()
    if not releases:
        pytest.skip("boxes: not tried: the history of this clone does not reach back to a release")
    _check_out(host.folder, releases[0])
    write_reu(host.folder / "liste.csv", [*electeurs(300)])
    document = (host.folder / "docs" / "operations.md").read_text("utf-8")
    for block in [*BLOCK.finditer(document)][:2]:
        host.run(block["commands"])
    _change_files(host.folder)
    before = host.run("docker compose ps --format '{{.Image}}' web").strip()
    refused = host.run("sh deploy/prefecture upgrade", check=False)
    assert "PREFECTURE_WEB_KNOWN_BY" in refused, "a setting that is gone"
    host.healthy()
    host.run(
        "sed --in-place /WEB_KNOWN_BY/d var/prefecture.env; echo CANARY=13055 >>.env",
        what="nothing was stopped",
    )
    former = host.run(f"{_IN_BROKER} list_queues --vhost prefecture name")
    assert "listes-bulk" in former
    _run_under_load(
        host, "sh deploy/prefecture upgrade | tee upgraded", 450, "/essai", most_away=900
    )
    queues = host.run(f"{_IN_BROKER} list_queues --vhost prefecture name arguments")
    assert "x-single-active-consumer" in queues
    assert not re.search(r"-bulk|[.]DQ", queues)
    users = host.run(f"{_IN_BROKER} list_users")
    assert {line.split()[0] for line in users.splitlines() if line} == {
        *("requests", "workers", "notifier", "ecran", "exploitant", "producteur")
    }
    assert "the account worker of RabbitMQ" in (host.folder / "upgraded").read_text()
    host.wait_for("SELECT count(*) FROM pg_roles WHERE rolname LIKE 'prefecture_%'", "6")
    assert "worker-bulk" not in host.run("docker compose ps --all --format '{{.Service}}'")
    assert (
        "13055 has the same electors and mouvements as before: liste 300"
        in (host.folder / "upgraded").read_text()
    )
    host.run("zgrep --quiet worker-listes var/logs/*.gz")
    assert host.run("cut -d ' ' -f 2 var/images.txt | sort -u").count(":") >= 4, (
        "what exactly it ran"
    )
    # the release does not work on the new schema: the backup is restored, and files are made again
    refused = host.run("sh deploy/prefecture rollback", check=False)
    assert "rollback --restore" in refused
    script = (host.folder / "deploy" / "prefecture").read_text()
    _change_files(host.folder, releases[0])
    (host.folder / "deploy" / "prefecture").write_text(script)
    (host.folder / "load.py").write_text(LOAD.replace('"programs.exploitant." + key', "key"))
    host.run("sh deploy/prefecture rollback --restore", what="rollback")
    assert host.run("docker compose ps --format '{{.Image}}' web").strip() == before
    host.healthy()
    host.run("docker compose run --rm -T --entrypoint python command - 450 /essai < load.py")
    host.wait_for(
        "SELECT count(*) FROM derniers_exports WHERE source = '/essai' AND status = 'ready'", "450"
    )
    host.run(
        "docker compose down --volumes; docker images --quiet prefecture | sort -u | xargs docker image rm --force"
    )
    shutil.rmtree(host.folder)


def _run_under_load(
    host: Installation, command: str, requests: int, source: str, *, most_away: float = 15
) -> None:
    """Run a command that replaces the release, beside requests of files and of pages, five a second each.

    The screen may be away for `most_away` seconds in all.

    An import of 100,000 electors begins when the first workers are stopped, and a container runs that is no service.
    Where the import finds no database, it is run again, as its message says; one that has begun must not be cut.
    """
    (host.folder / "load.py").write_text(LOAD)
    write_town(host.folder / "grande.csv", 100_000)
    host.run(f"docker compose run --rm -T command communes --add {LIBREVILLE.code} LIBREVILLE")
    host.run(
        f"""
        trap 'touch stop' EXIT
        rm -f stop
        (while [ ! -e stop ]; do
            {PAGE} >page 2>&1 && echo up $EPOCHREALTIME || echo away $EPOCHREALTIME
            sleep 0.2
        done >seen) &
        docker compose run --rm -T --entrypoint python command - {requests} {source} < load.py >asked 2>&1 &
        load=$!
        docker compose run --rm -T --no-deps --entrypoint 'sleep 900' migrate </dev/null &
        running=$(docker compose ps --format '{{{{.Image}}}}' web)
        (while [ -n "$(docker compose ps --quiet worker-listes)" ]; do sleep 0.1; done
            export MODULE_IMAGE=$running
            docker compose run --rm -T --no-deps command import-reu - --report /import/rejets.csv \\
                <grande.csv >imported 2>&1) &
        import=$!
        {command}
        docker ps --quiet --filter label=com.docker.compose.oneoff=True \
            --filter label=com.docker.compose.service=migrate | xargs docker kill
        wait $load
        wait $import || {{
            grep --extended-regexp 'connection failed|failed to resolve' imported || (cat imported; exit 1)
            docker compose run --rm -T command import-reu - --report /import/rejets.csv <grande.csv
        }}""",
        what=f"{command}, under load, beside an import and a container that is no service",
    )
    host.healthy()
    since, away = 0.0, 0.0
    for line in (host.folder / "seen").read_text().splitlines():
        state, at = line.split()
        if state == "away":
            since = since or float(at)
        elif since:
            away, since = away + float(at) - since, 0.0
    host.times[f"{command}: the screen was away"] = away
    assert away < most_away
    of_ours = f"FROM derniers_exports WHERE source = '{source}'"
    host.wait_for(f"SELECT count(*) {of_ours} AND status = 'ready'", str(requests))
    host.wait_for(f"SELECT count(DISTINCT file_name) {of_ours}", str(requests))
    host.wait_for(f"{IN_REGISTER} = '{LIBREVILLE.code}'", "t")


def _change_files(folder: Path, commit: str = "") -> None:
    """Replace the files of this release by those of another one; `var` and `.env` stay."""
    for name in folder.iterdir():
        if name.name not in ("var", ".env", "liste.csv", "load.py"):
            shutil.rmtree(name) if name.is_dir() else name.unlink()
    _check_out(folder, commit)


def test_every_block_of_the_document_works_in_its_order(installation: Installation) -> None:
    blocks = [(it["mark"] or "", it["commands"]) for it in BLOCK.finditer(DOCUMENT)]
    assert len(blocks) == DOCUMENT.count("```sh\n")
    write_reu(installation.folder / "liste.csv", [*electeurs(300)])
    # The page begins with what an operator of a running installation asks.
    last = [block for block in blocks if block[0] == "at the end"]
    for mark, written in [*(block for block in blocks if block not in last), *last]:
        if mark.startswith("not run: "):
            continue
        commands = _prepare(installation, mark, written)
        first = commands.splitlines()[0]
        host = installation.other if mark == "the other host" else installation
        said = host.run(commands, what=first, stdin="o\n")
        if first.startswith("sh deploy/prefecture install"):
            installation.healthy()
            logs = installation.run("docker compose logs")
            assert "critical" not in logs.lower()
            assert "prêt" in said
        if "prefecture.env" in first:
            installation.healthy()
            assert "MARSEILLE" in installation.run(PAGE).upper()


def test_every_command_of_the_runbook_works(installation: Installation) -> None:
    runbook = re.sub(r"\s*\n\s*", " ", (ROOT / "docs" / "runbook.md").read_text("utf-8"))
    commands = [
        it for it in re.findall(r"`(docker compose [^`]+)`", runbook) if not it.endswith(" exec")
    ]
    assert len(commands) > 10
    for command in commands:
        # A `grep` that finds nothing exits with 1, which is the expected result.
        installation.run(
            f"{command} || [ $? = 1 ]" if "| grep" in command else command, stdin="o\n"
        )


def test_a_part_that_is_killed_loses_nothing(installation: Installation) -> None:
    """Broker, database, workers and notifier are killed one after the other, while files are requested."""
    installation.run(
        "docker compose up --detach --scale worker-listes=2", what="two workers for lists"
    )
    installation.healthy()
    ask = "docker compose run --rm -T --entrypoint 'python -m producers' command export-liste --commune 13055"
    for service in ("broker", "database", "worker-listes", "notifier"):
        kill = f"docker compose kill {service}; docker compose up --detach"
        installation.run(f"{ask} --format csv; {kill}", what=f"{service}, killed and started")
        installation.healthy()
    installation.run(f"{ask} --wait --timeout 300", what="one more file")
    installation.wait_for("SELECT count(*) FROM derniers_exports WHERE status <> 'ready'", "0")
    installation.wait_for(
        "SELECT count(*) FROM demandes WHERE notified_at IS NULL AND code_commune = '13055'", "0"
    )


def test_a_new_image_and_the_way_back_lose_nothing(installation: Installation) -> None:
    _run_under_load(
        installation,
        "sh deploy/prefecture backup; sh deploy/prefecture upgrade --rebuild; sh deploy/prefecture rollback",
        1000,
        "/rebuild",
    )


def test_an_upgrade_that_is_killed_goes_on_by_the_same_command(installation: Installation) -> None:
    """`tests/contract/test_interruptions.py` kills it before each change, with containers that are files."""
    said = installation.run(
        """
        setsid sh deploy/prefecture upgrade --rebuild >killed 2>&1 &
        upgrade=$!
        until grep --quiet MODULE_STEP=upgrade:replace .env; do kill -0 $upgrade; sleep 0.1; done
        sleep 3
        kill -KILL -- -$upgrade
        sh deploy/prefecture install && exit 1
        sh deploy/prefecture upgrade""",
        what="an upgrade that is killed, and ended",
    )
    assert "an upgrade is not finished" in said
    installation.run("sh deploy/prefecture rollback")
    installation.healthy()


def test_a_password_is_renewed_while_the_parts_talk_by_tls(installation: Installation) -> None:
    """The block that precedes TLS runs again for an account of this host: its addresses with certificates are new."""
    assert (
        "deploy/tls.yml"
        in (installation.folder / ".env").read_text().rpartition("COMPOSE_FILE=")[2]
    )
    renewal = "rm var/secrets/*_files_* var/secrets/*_workers_*"
    (commands,) = [
        it["commands"] for it in BLOCK.finditer(DOCUMENT) if it["commands"].startswith(renewal)
    ]
    of_this_host = commands.replace(renewal, "rm var/secrets/*_notifier_*")
    installation.run(of_this_host, what="a password renewed, by TLS")
    installation.healthy()
    ask = "docker compose run --rm -T --entrypoint 'python -m producers' command export-liste --commune 13055"
    installation.run(f"{ask} --wait --timeout 300")


def test_a_cable_that_is_cut_in_the_middle_of_a_file_loses_nothing(
    installation: Installation,
) -> None:
    """The other host alone makes lists until the cable is cut; this host takes over; then the cable is reconnected."""
    write_reu(installation.folder / "liste.csv", [*electeurs(100_000)])
    installation.run(
        "docker compose run --rm -T command import-reu - --report /import/rejets.csv < liste.csv",
        what="100,000 electors, imported",
    )
    installation.run("docker compose stop worker-listes worker-people")
    asked = "export-liste --commune 13055 --liste P --format csv --format xml"
    installation.run(
        "docker compose run --rm -T --env PREFECTURE_SOURCE=/cable --entrypoint sh command -c "
        f"'set -e; for n in $(seq 10); do python -m producers {asked}; done'"
    )
    of_ours = "FROM derniers_exports WHERE source = '/cable'"
    installation.wait_for(f"SELECT count(*) > 0 {of_ours} AND status = 'running'", "t")
    since = time.monotonic()
    installation.other.run("ip link set cable down")
    installation.wait_for(f"SELECT count(*) > 0 {of_ours} AND status <> 'ready'", "t")
    installation.run("docker compose start worker-listes")
    installation.wait_for(f"SELECT count(*) {of_ours} AND status = 'ready'", "20")
    installation.times["the cable was cut: all files ready"] = time.monotonic() - since
    installation.other.run("ip link set cable up")
    installation.run("docker compose stop worker-listes")
    installation.run(
        f"docker compose run --rm --entrypoint 'python -m producers' command {asked} --wait --timeout 300",
        what="the cable is back: two files of the other host",
    )
    installation.wait_for(f"SELECT count(DISTINCT file_name) {of_ours}", "20")
    installation.run(
        "docker compose up --detach worker-listes worker-people; docker compose run --rm command verify"
    )


def test_a_second_checkout_takes_nothing_over(installation: Installation) -> None:
    second = Installation(installation.engine, installation.folder.parent / "second")
    _check_out(second.folder)
    for command in ("install", "secrets", "upgrade"):
        said = second.run(f"sh deploy/prefecture {command} && exit 1; ls var || true", check=False)
        assert f"already runs from {installation.folder}: nothing was changed" in said
    own = "COMPOSE_PROJECT_NAME=essai WEB_PORT=8001 BROKER_PORT=5673 BROKER_PAGES_PORT=15673"
    own += " FRONT_SUBNET=10.213.58.0/28 FRONT_GATEWAY=10.213.58.1"
    (second.folder / ".env").write_text("COMPOSE_PROJECT_NAME=essai\n")
    assert "another program has the port 8000" in second.run(
        "sh deploy/prefecture install", check=False
    )
    (second.folder / ".env").write_text(own.replace(" ", "\n"))
    second.run(
        "sh deploy/prefecture secrets; docker compose up --detach --wait broker database; docker compose down --volumes"
    )
    installation.healthy()


def test_the_image_is_small_and_the_same_twice(installation: Installation) -> None:
    look = "docker image inspect --format '{{.Id}} {{.Size}}'"
    ours = "$(docker compose config --images migrate | grep ^prefecture | head -n 1)"
    first = installation.run(f"docker compose build --quiet migrate; {look} {ours}").splitlines()[
        -1
    ]
    again = f"docker compose build --quiet --no-cache migrate; {look} {ours}"
    assert installation.run(again, what="the image built once more").splitlines()[-1] == first, (
        "to the byte"
    )
    base = installation.run(f"{look} $(sed -n 's/^ARG PYTHON_IMAGE=//p' Dockerfile)").split()[1]
    added = (int(first.split()[1]) - int(base)) / 1e6
    click.echo(f"{added:6.0f} MB  what the image adds to its base")
    assert added <= 220


def test_another_user_of_the_group_works_and_figures_are_told(installation: Installation) -> None:
    said = installation.run("docker compose run --rm --user 20001:10001 command", check=False)
    assert "OK     Volume des exports" in said
    for what, seconds in installation.times.items():
        click.echo(f"{seconds:6.1f} s  {what}")
    _say_memory(installation, "after a day of it all")
    installation.run(
        "docker compose down; docker compose up --detach", what="all of it, started again"
    )
    installation.healthy()
    time.sleep(60)  # the memory that the start needed, most of all the broker's, is released
    _say_memory(installation, "a minute after they started")


def _git(*arguments: str) -> str:
    return subprocess.run(
        ["git", *arguments], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout


def _find_releases() -> list[str]:
    """The earlier commits that set a version of the project, the newest first, as far as the git history reaches."""
    found = _git("log", "--format=%H", "-G^version = ", "--", "pyproject.toml").split()
    return [commit for commit in found if commit != _git("rev-parse", "HEAD").strip()]


def _check_out(folder: Path, commit: str = "") -> None:
    """The files of a commit, or of this working tree, under `umask 027`."""
    folder.mkdir(parents=True, exist_ok=True)
    listed = (
        f"git archive {commit}"
        if commit
        else "git ls-files -z | tar --create --null --files-from=-"
    )
    unpack = f"umask 027; {listed} | tar --extract --no-same-owner --no-same-permissions --directory='{folder}'"
    subprocess.run(unpack, shell=True, cwd=ROOT, check=True)  # noqa: S602 — nothing of it comes from elsewhere


def _say_memory(installation: Installation, when: str) -> None:
    services = {*installation.run("docker compose config --services").split()} - {
        "migrate",
        "command",
    }
    looks = []
    for _ in range(3):  # a health probe is a process of its container, for a second
        looks.append({service: _memory(installation, service) for service in sorted(services)})
        time.sleep(7)
    memory = {service: min(look[service] for look in looks) for service in sorted(services)}
    for service, mebibytes in memory.items():
        click.echo(f"{mebibytes:6.0f} MiB  {service}")
    click.echo(
        f"{sum(memory.values()):6.0f} MiB  all of them at rest, {when}: proportional set size"
    )


def _memory(installation: Installation, service: str) -> float:
    """MiB of all processes of a service; shared pages are counted once (PSS)."""
    pids = installation.run(
        f"docker compose ps --quiet {service} | xargs -I ID docker top ID -o pid | grep -v PID"
    ).split()
    return sum(_kibibytes(pid) for pid in pids) / 1024


def _kibibytes(pid: str) -> int:
    """PSS of a process; 0 when it has ended since it was listed, as a health probe does."""
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    except (FileNotFoundError, ProcessLookupError):
        return 0
    return sum(int(line.split()[1]) for line in lines if line.startswith("Pss:"))


def _prepare(installation: Installation, mark: str, commands: str) -> str:
    """Do what the document requires before a block; return the block."""
    match mark.split(": ", maxsplit=1)[0]:
        case "a dead letter":
            (installation.folder / "no_event.py").write_text(NO_EVENT)
            (installation.folder / "failed_event.py").write_text(FAILED_EVENT)
            (installation.folder / "failing.py").write_text(FAILING)
            installation.run(
                "docker compose stop worker-requests\n"
                "docker compose run --rm -T --entrypoint python worker-requests - < no_event.py\n"
                "docker compose run --rm -T --entrypoint python command - < failed_event.py\n"
                "docker compose run --rm -T --entrypoint python worker-requests - < failing.py\n"
                "docker compose start worker-requests"
            )
            installation.healthy()
            shown = installation.run("docker compose run --rm command dead-letters list")
            names = dict(
                re.findall(r"\b([0-9a-f]{12})\b.*(not come by the exchange|failed)", shown)
            )
            assert sorted(names.values()) == ["failed", "not come by the exchange"], shown
            for name, reason in names.items():
                commands = commands.replace(
                    {"failed": "4f2a09c1d77b", "not come by the exchange": "9c01e5b2ad34"}[reason],
                    name,
                )
            return commands
        case "the other host":
            there = installation.other.folder
            (there / "var" / "secrets").mkdir(parents=True)
            secrets = "authority.pem", "broker_workers_tls_url", "database_files_tls_url"
            for taken in (
                ".env",
                "var/image.tar",
                *(f"var/secrets/{secret}" for secret in secrets),
            ):
                shutil.copy(installation.folder / taken, there / taken)
    # The directory that two hosts share does not belong to this machine.
    return commands.replace(SHARED, str(installation.folder.parent / "shared"))
