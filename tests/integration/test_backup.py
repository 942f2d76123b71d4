"""Backups and restores, by the very commands of docs/operations.md, and what `verify` says of copies that differ."""

import os
import re
import sqlite3
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from shutil import copytree, rmtree

import pytest
from sqlalchemy import make_url

from common.cli import ExitCode
from schemas.envelope import CloudEvent
from tests.integration.files_desk import DAY, FilesDesk, open_desk
from tests.integration.notifier_desk import TEMPLATE
from tests.parts import docker
from tests.parts.databases import SqliteFiles
from tests.parts.deployment import VHOST, Deployment
from tests.parts.mail import Mailbox
from tests.parts.packages import POSTGRESQL
from tests.parts.postgres import PostgresServer
from tests.parts.process import Process
from tests.parts.town import CITY_TEMPLATE, ROOT, Town, prepare_libreville
from tests.parts.wait import wait_until

pytestmark = [pytest.mark.integration, pytest.mark.database(TEMPLATE), pytest.mark.desk(opened_by=open_desk)]

DOCUMENT = (ROOT / "docs" / "operations.md").read_text("utf-8")
ON_POSTGRESQL = "runs this", "runs this too"
ON_SQLITE = "runs this on SQLite", "runs this on SQLite too"


def _commands(mark: str) -> str:
    """The block of the document under its mark."""
    (block,) = re.findall(
        rf"<!-- (?:boxes: not run: )?tests/integration/test_backup\.py {mark} -->\n```sh\n(.+?)```\n",
        DOCUMENT,
        re.DOTALL,
    )
    return str(block)


def _run(commands: str, folder: Path, environment: dict[str, str]) -> str:
    done = subprocess.run(
        ["sh", "-eu", "-c", commands], cwd=folder, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def own_deployment(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployment]:
    """One whose database is dropped and made again."""
    with Deployment(tmp_path_factory.mktemp("deployment")) as deployed:
        prepare_libreville(deployed.database_url("owner"))
        yield deployed


@pytest.fixture
def town(own_deployment: Deployment, tmp_path: Path, mailbox: Mailbox) -> Iterator[Town]:
    town = Town(own_deployment.database_url("owner"), own_deployment.broker.url(VHOST), tmp_path, mailbox.port)
    yield town
    town.close()


@pytest.mark.nightly
def test_a_restored_installation_goes_on_from_the_dump(
    own_deployment: Deployment, town: Town, mailbox: Mailbox, tmp_path: Path
) -> None:
    environment = _of_containers(own_deployment, town, docker.install(tmp_path / "bin"))
    told, untold, queued, running = _leave_work_in_every_state(own_deployment, town, mailbox)
    saved, restored = map(_commands, ON_POSTGRESQL)
    _run(saved, tmp_path, environment)
    assert {(tmp_path / name).stat().st_mode & 0o777 for name in ("prefecture.dump", "exports.tar")} == {0o600}

    _lose_everything(own_deployment, town)
    said = _run(restored, tmp_path, environment)
    assert "Base de données déjà à jour" in said
    assert "2 exports vérifiés (4 fichiers) : tous intacts." in said
    assert {path.stat().st_mode & 0o7777 for path in town.exports.glob("13900/*")} == {0o640}

    town.start_worker(**_addresses(own_deployment, "worker"))
    for _ in range(2):
        town.start_notifier(**_addresses(own_deployment, "notifier"))
    for event in (told, untold, queued, running):
        town.wait_for(event)
    wait_until(lambda: None not in _told(town), message="every request told")
    assert Counter(_correlation(mail.text) for mail in mailbox.mails) == {
        event.correlationid: 1 for event in (told, untold, queued, running)
    }
    assert "InsufficientPrivilege" not in town.log("worker") + town.log("notifier")


def _leave_work_in_every_state(deployment: Deployment, town: Town, mailbox: Mailbox) -> list[CloudEvent]:
    """One request told, one ready and untold, one that waits, one whose worker dies with the installation."""
    worker = town.start_worker(**_addresses(deployment, "worker"))
    notifier = town.start_notifier(**_addresses(deployment, "notifier"))
    told = town.ask(listes=["P"])
    town.wait_for(told)
    mailbox.wait_for(1)
    wait_until(lambda: None not in _told(town), message="the first request told")
    notifier.kill()
    untold = town.ask(listes=["CE"])
    town.wait_for(untold)
    worker.kill()
    town.start_worker("-Q", "requests", **_addresses(deployment, "worker"))
    queued, running = town.ask(listes=["CM"]), town.ask(listes=["P"], formats=["xml"])
    for event in (queued, running):
        town.wait_for(event, status="queued")
    with town.engine.begin() as connection:
        connection.exec_driver_sql(
            "UPDATE export SET status = 'running', owner = 'lost', attempts = 1, started_at = now(), "
            "lease_until = now() + interval '2 seconds' WHERE format = 'xml'"
        )
        connection.exec_driver_sql("UPDATE export SET rung_at = now() - interval '1 minute'")  # as in an older dump
    (town.exports / "13900" / ".half a file.lost.part").write_bytes(b"half")
    return [told, untold, queued, running]


def _lose_everything(deployment: Deployment, town: Town) -> None:
    town.close()
    rmtree(town.exports)
    town.exports.mkdir()
    with town.engine.begin() as connection:
        connection.exec_driver_sql("DROP OWNED BY prefecture CASCADE")
    town.engine.dispose()
    for queue in ("requests", "listes"):
        deployment.broker.rabbitmqctl("purge_queue", "--vhost", VHOST, queue)


def _of_containers(deployment: Deployment, town: Town, path: Path) -> dict[str, str]:
    return town.environment | {
        "PATH": f"{path}:{os.environ['PATH']}",
        "PGHOST": "127.0.0.1",
        "PGPORT": str(deployment.server.port),
        "PGPASSWORD": deployment.server.password,
        "SECRETS_DIR": str(deployment.secrets),
    }


def _addresses(deployment: Deployment, account: str) -> dict[str, str]:
    return {
        "PREFECTURE_AMQP_URL": deployment.amqp_url(account),
        "PREFECTURE_DATABASE_URL": deployment.database_url(account),
    }


def _told(town: Town) -> list[object]:
    return [row["told_at"] for row in town.rows("SELECT told_at FROM demandes")]


def _correlation(text: str) -> str:
    found = re.search(r"Référence de la demande : (\S+)", text)
    assert found, text
    return found[1]


@pytest.mark.nightly
def test_the_embedded_mode_is_copied_while_it_runs_and_goes_on_from_the_copy(
    tmp_path: Path, sqlite_files: SqliteFiles
) -> None:
    (tmp_path / ".venv").symlink_to(sys.prefix)
    home = tmp_path / "var"
    home.mkdir()
    sqlite_files.create(home / "prefecture.db", CITY_TEMPLATE)
    environment = {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-m", "worker.solo", "export-liste", "--commune", "13900"]
    files = ["--liste", "CE", "--format", "csv", "--liste", "P", "--format", "xml"]
    running = Process([*command, *files], env=environment, folder=tmp_path, log=tmp_path / "log.txt")
    wait_until(lambda: list(home.rglob("*.xml.*.part")), message="a large file being written")
    saved, restored = map(_commands, ON_SQLITE)
    _run(saved, tmp_path, environment)
    assert running.alive
    running.kill()

    _run(restored, tmp_path, environment)
    again = subprocess.run([*command, "--liste", "CM"], cwd=tmp_path, env=environment, check=False, capture_output=True)
    assert again.returncode == 0, again.stderr
    with closing(sqlite3.connect(home / "prefecture.db")) as connection:
        assert set(connection.execute("SELECT status FROM export").fetchall()) == {("ready",)}
    said = _run(".venv/bin/python -m worker.solo verify", tmp_path, environment)
    assert ": tous intacts." in said
    assert list(home.rglob(".*.part")) == []


@pytest.fixture
def copies(desk: FilesDesk, tmp_path: Path, request: pytest.FixtureRequest) -> Iterator["Copies"]:
    server = request.getfixturevalue("postgres_server") if desk.engine.dialect.name == "postgresql" else None
    copies = Copies(desk, tmp_path, server)
    yield copies
    copies.close()


class Copies:
    """Copies of a desk's database and volume."""

    def __init__(self, desk: FilesDesk, folder: Path, server: PostgresServer | None) -> None:
        self._desk = desk
        self._folder = folder
        self._server = server
        self._restored: list[str] = []

    def save_rows(self) -> None:
        """Dump the database."""
        if self._server:
            self._call("pg_dump", self._url, "--format=custom", f"--file={self._folder / 'dump'}")
        else:
            with closing(sqlite3.connect(self._desk.engine.url.database or "")) as connection:
                connection.execute("VACUUM INTO ?", [str(self._folder / "dump")])

    def save_files(self) -> None:
        """Copy the volume."""
        copytree(self._desk.root, self._folder / "saved")

    def restore(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Let the commands work on the copies."""
        url = f"sqlite:///{self._folder / 'dump'}"
        if self._server:
            url = self._server.create_database()
            self._restored.append(url)
            self._call("pg_restore", "--exit-on-error", f"--dbname={_libpq(url)}", str(self._folder / "dump"))
        monkeypatch.setenv("PREFECTURE_DATABASE_URL", url)
        monkeypatch.setenv("PREFECTURE_EXPORTS_DIR", str(self._folder / "saved"))

    def close(self) -> None:
        """Leave no database behind."""
        for url in self._restored:
            assert self._server
            self._server.drop(url)

    @property
    def _url(self) -> str:
        return _libpq(self._desk.engine.url.render_as_string(hide_password=False))

    def _call(self, program: str, *arguments: str) -> None:
        subprocess.run([POSTGRESQL.program(program), *arguments], check=True)


def _libpq(url: str) -> str:
    return make_url(url).set(drivername="postgresql").render_as_string(hide_password=False)


def test_rows_older_than_the_volume_are_told_by_verify(
    desk: FilesDesk, copies: Copies, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk.make("avant")
    copies.save_rows()
    late = desk.path(desk.make("après", has_report=True))
    for path in late.parent.glob("*après*"):
        instant = path.stat().st_mtime - 2 * DAY
        os.utime(path, (instant, instant))
    copies.save_files()
    copies.restore(monkeypatch)

    said = desk.run("verify", "--json")
    assert said.code == ExitCode.FAILED
    assert (said.document["exports"], said.document["wrong"]) == (1, [])
    assert said.document["unknown"] == ["13900/liste-P-après-csv-anomalies.csv", "13900/liste-P-après.csv"]


def test_a_volume_older_than_the_rows_is_told_by_verify(
    desk: FilesDesk, copies: Copies, monkeypatch: pytest.MonkeyPatch
) -> None:
    purged = desk.make("purgée", days=31)
    desk.make("avant")
    copies.save_files()
    late = desk.make("après")
    desk.run("purge")
    copies.save_rows()
    copies.restore(monkeypatch)

    said = desk.run("verify", "--json")
    assert said.code == ExitCode.FAILED
    (missing,) = said.document["wrong"]
    assert (missing["export_id"], missing["path"], missing["fault"]) == (late, "13900/liste-P-après.csv", "missing")
    assert said.document["came_back"] == [f"13900/{desk.path(purged).name}"]
    assert desk.run("purge").code == ExitCode.DONE
    assert desk.run("verify", "--json").document["came_back"] == []


def test_copies_of_one_moment_are_intact(desk: FilesDesk, copies: Copies, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("une", "deux"):
        desk.make(name, has_report=True)
    copies.save_rows()
    copies.save_files()
    copies.restore(monkeypatch)
    assert desk.run("verify").out == "2 exports vérifiés (4 fichiers) : tous intacts.\n"
