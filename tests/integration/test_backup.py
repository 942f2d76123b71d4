"""Backups and restores by the exact commands of docs/operations.md, and `verify` on copies that differ."""

import os
import re
import sqlite3
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from shutil import rmtree
from signal import SIGKILL

import pytest

from common.cli import ExitCode
from schemas.envelope import CloudEvent
from schemas.topology import QUEUE_PROGRAMS, QUEUE_REQUESTS
from schemas.vocabulary import CopieFile
from tests.integration.files_desk import FilesDesk
from tests.integration.notifier_desk import TEMPLATE
from tests.parts.databases import SqliteFiles
from tests.parts.deployment import DEPLOY, VHOST, Deployment
from tests.parts.disk import small_disk
from tests.parts.mail import Mailbox
from tests.parts.packages import POSTGRESQL
from tests.parts.process import Process
from tests.parts.schema import make_former
from tests.parts.town import CITY_TEMPLATE, LIBREVILLE_TEMPLATE, ROOT, Town, prepare_libreville
from tests.parts.wait import wait_until
from worker.db.engine import build_engine
from worker.settings import load_settings
from worker.solo.process import RESTORING, finish_restore

pytestmark = [pytest.mark.database(TEMPLATE), pytest.mark.desk(opened_by=FilesDesk.open)]

REQUESTS = QUEUE_REQUESTS, QUEUE_PROGRAMS
DOCUMENT = (ROOT / "docs" / "operations.md").read_text("utf-8")
ON_POSTGRESQL = "runs this", "runs this too"
ON_SQLITE = "runs this on SQLite", "runs this on SQLite too"


def _commands(mark: str) -> str:
    """The block of the document under this mark."""
    marked = rf"<!-- (?:boxes: not run: )?tests/integration/test_backup\.py {mark} -->\n```sh\n(.+?)```\n"
    (block,) = re.findall(marked, DOCUMENT, re.DOTALL)
    return str(block)


def _run(commands: str, folder: Path, environment: dict[str, str]) -> str:
    words = ["sh", "-eu", "-c", commands]
    done = subprocess.run(
        words, cwd=folder, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def own_deployment(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployment]:
    """An installation whose database is dropped and created again."""
    with Deployment(tmp_path_factory.mktemp("deployment")) as deployed:
        prepare_libreville(deployed.database_url("owner"))
        yield deployed


@pytest.fixture
def town(own_deployment: Deployment, tmp_path: Path, mailbox: Mailbox) -> Iterator[Town]:
    town = Town(
        own_deployment.database_url("owner"),
        own_deployment.broker.url(VHOST),
        tmp_path,
        mailbox.port,
    )
    yield town
    town.close()


@pytest.mark.slow
def test_a_restored_installation_goes_on_from_the_dump(
    own_deployment: Deployment, town: Town, mailbox: Mailbox, tmp_path: Path
) -> None:
    checkout = tmp_path / "checkout"
    checkout.mkdir()
    environment = _make_checkout(checkout, own_deployment, town)
    notified, ready, queued, running = _leave_work_in_every_state(own_deployment, town, mailbox)
    saved, restored = map(_commands, ON_POSTGRESQL)
    _run(saved, checkout, environment)
    (backup,) = (checkout / "var" / "backups").iterdir()
    files = {path.name: path.stat().st_mode & 0o777 for path in backup.iterdir()}
    assert files == dict.fromkeys(("prefecture.dump", "exports.tar", "SHA256SUMS"), 0o600)
    metric = checkout / "var" / "metrics" / "backup.prom"
    assert re.search(
        r"^prefecture_backup_success_timestamp_seconds \d{10}$", metric.read_text(), re.MULTILINE
    )
    assert [path.stat().st_mode & 0o777 for path in (metric, metric.parent)] == [0o644, 0o755]

    town.close()
    rmtree(town.exports)
    town.exports.mkdir()
    with town.engine.begin() as connection:
        connection.exec_driver_sql("DROP OWNED BY prefecture CASCADE")
    town.engine.dispose()
    for queue in ("requests", "listes"):
        own_deployment.broker.rabbitmqctl("purge_queue", "--vhost", VHOST, queue)
    for name in ("exports.tar", "SHA256SUMS"):
        content = (backup / name).read_bytes()
        (backup / name).write_bytes(content[:-2])
        with pytest.raises(AssertionError, match="nothing was changed"):
            _run(restored, checkout, environment)
        (backup / name).write_bytes(content)
    (checkout / "worker").unlink()
    older = checkout / "worker" / "db" / "migrations" / "versions" / "0999_older.py"
    older.parent.mkdir(parents=True)
    older.touch()
    with pytest.raises(AssertionError, match="of a newer release"):
        _run(restored, checkout, environment)
    older.with_name("1000_schema.py").touch()
    said = _run(restored, checkout, environment)
    assert "Base de données déjà à jour" in said
    assert "2 exports vérifiés (4 fichiers) : tous intacts." in said
    assert "the database knows each request that the logs say was notified" in said
    assert {path.stat().st_mode & 0o7777 for path in town.exports.glob("13900/*")} == {0o640}

    town.start_worker("-Q", *REQUESTS, **own_deployment.addresses("requests"))
    town.start_worker("-Q", "listes", "tableaux", **own_deployment.addresses("files", "workers"))
    for _ in range(2):
        town.start_notifier(**own_deployment.addresses("notifier"))
    for event in (notified, ready, queued, running):
        town.wait_for(event)
    wait_until(lambda: None not in _notified(town), message="every request told")
    assert Counter(str(mail.message["X-Correlation-ID"]) for mail in mailbox.mails) == {
        event.correlationid: 1 for event in (notified, ready, queued, running)
    }
    assert "InsufficientPrivilege" not in town.log("worker") + town.log("notifier")


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
def test_a_drill_makes_a_list_again_and_no_copy_for_an_elector(desk: FilesDesk) -> None:
    made, _ = desk.make("liste"), desk.make("copie", edition=CopieFile.COPIE)
    (query,) = re.findall(r'lists=.*"(SELECT[^"]+)"', (DEPLOY / "prefecture").read_text("utf-8"))
    with desk.engine.connect() as connection:
        lists = connection.exec_driver_sql(query).scalars().all()
    assert lists == [f"13900 P {desk.export(made).sha256}"]


def _leave_work_in_every_state(
    deployment: Deployment, town: Town, mailbox: Mailbox
) -> list[CloudEvent]:
    """One request notified, one ready and not notified, one queued, one whose worker dies with the installation."""
    town.start_worker("-Q", *REQUESTS, **deployment.addresses("requests"))
    files = town.start_worker("-Q", "listes", **deployment.addresses("files", "workers"))
    notifier = town.start_notifier(**deployment.addresses("notifier"))
    notified = town.ask(listes=["P"])
    town.wait_for(notified)
    mailbox.wait_for(1)
    wait_until(lambda: None not in _notified(town), message="the first request told")
    notifier.kill()
    ready = town.ask(listes=["CE"])
    town.wait_for(ready)
    files.kill()
    queued, running = town.ask(listes=["CM"]), town.ask(listes=["P"], formats=["xml"])
    for event in (queued, running):
        town.wait_for(event, status="queued")
    with town.engine.begin() as connection:
        connection.exec_driver_sql(
            "UPDATE export SET status = 'running', started_at = now() WHERE format = 'xml'"
        )
        connection.exec_driver_sql(
            "UPDATE work SET state = 'held', owner = 'lost', starts = 1, within_seconds = 2,"
            " due_at = now() + interval '2 seconds' "
            "WHERE subject IN (SELECT 'export:' || id FROM export WHERE status = 'running')"
        )
    (town.exports / "13900" / ".half a file.lost.part").write_bytes(b"half")
    return [notified, ready, queued, running]


_DOCKER = """#!{python}
import os, sys
places = {{"/var/lib/prefecture/exports": os.environ["PREFECTURE_EXPORTS_DIR"], "/docker-entrypoint-initdb.d": "{sql}"}}
words = sys.argv[1:]
for theirs, ours in places.items():
    words = [word.replace(theirs, ours) for word in words]
if words[:4] == ["compose", "exec", "-T", "database"]:
    command = words[4:]
elif words[:2] == ["compose", "run"] and "--entrypoint" in words:
    command = [words[words.index("--entrypoint") + 1], *words[words.index("command") + 1 :]]
elif words[:2] == ["compose", "run"]:
    service = "command" if "command" in words else "migrate"
    command = [sys.executable, "-m", "worker", *(words[words.index(service) + 1 :] or ["migrate"])]
elif words[0] == "ps" and "label=com.docker.compose.oneoff=False" in words:
    command = ["printf", "%s Up (healthy)\\\\n", "broker", "database", "notifier", "web"]
else:
    command = ["true"]
os.execvp(command[0], command)
"""
"""A `docker` that runs here what a container would; `tests/boxes` runs the same commands on an engine."""


def _make_checkout(folder: Path, deployment: Deployment, town: Town) -> dict[str, str]:
    """Prepare a folder in which `deploy/prefecture` works on the servers of the test, in the returned environment."""
    for name in ("deploy", "worker"):
        (folder / name).symlink_to(ROOT / name)
    docker = folder / "bin" / "docker"
    docker.parent.mkdir()
    docker.write_text(_DOCKER.format(python=sys.executable, sql=DEPLOY / "database"))
    docker.chmod(0o755)
    return town.environment | {
        "PATH": f"{docker.parent}:{Path(POSTGRESQL.program('pg_dump')).parent}:{os.environ['PATH']}",
        "PYTHONPATH": str(ROOT),
        "PGHOST": "127.0.0.1",
        "PGPORT": str(deployment.server.port),
        "PGPASSWORD": deployment.server.password,
        "SECRETS_DIR": str(deployment.secrets),
    }


def _notified(town: Town) -> list[object]:
    return [row["notified_at"] for row in town.rows("SELECT notified_at FROM demandes")]


class Computer:
    """A folder with the embedded mode and its commands."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.home = folder, folder / "var"
        self.home.mkdir(parents=True)
        (folder / ".venv").symlink_to(sys.prefix)
        (folder / "phrase.txt").write_text("correcte, cheval, agrafe\n")
        self.environment = {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT)}

    def run(self, commands: str) -> str:
        return _run(commands, self.folder, self.environment)

    def solo(self, *arguments: str) -> tuple[int, str]:
        """The exit code and the output of one command."""
        command = [sys.executable, "-m", "worker.solo", *arguments]
        done = subprocess.run(
            command,
            cwd=self.folder,
            env=self.environment,
            check=False,
            capture_output=True,
            text=True,
        )
        return done.returncode, done.stdout + done.stderr

    def query(self, query: str) -> list[tuple[object, ...]]:
        with closing(sqlite3.connect(self.home / "prefecture.db")) as connection:
            return connection.execute(query).fetchall()


@pytest.mark.slow
def test_the_embedded_mode_is_copied_while_it_runs_and_goes_on_on_an_empty_computer(
    tmp_path: Path, sqlite_files: SqliteFiles
) -> None:
    old, new = Computer(tmp_path / "old"), Computer(tmp_path / "new")
    sqlite_files.create(old.home / "prefecture.db", CITY_TEMPLATE)
    code, said = old.solo("export-liste", "--commune", "13900", "--liste", "CE")
    assert code == 0, said
    command = [sys.executable, "-m", "worker.solo", "export-liste", "--commune", "13900"]
    files = ["--liste", "P", "--format", "xml"]
    log = tmp_path / "log.txt"
    running = Process([*command, *files], env=old.environment, folder=old.folder, log=log)
    wait_until(lambda: list(old.home.rglob("*.xml.*.part")), message="a large file being written")
    saved, restored = map(_commands, ON_SQLITE)
    old.run(saved)
    running.kill()

    (old.folder / "prefecture.sauvegarde").rename(new.folder / "prefecture.sauvegarde")
    assert "tous intacts." in new.run(restored)
    code, said = new.solo("export-liste", "--commune", "13900", "--liste", "CM")
    assert code == 0, said
    assert set(new.query("SELECT status FROM export")) == {("ready",)}
    assert ": tous intacts." in new.run(".venv/bin/python -m worker.solo verify")
    assert list(new.home.rglob(".*.part")) == []


@pytest.fixture
def computer(tmp_path: Path, sqlite_files: SqliteFiles) -> Computer:
    """A computer with a list of LIBREVILLE, and its backup."""
    computer = Computer(tmp_path / "mairie")
    sqlite_files.create(computer.home / "prefecture.db", LIBREVILLE_TEMPLATE)
    code, said = computer.solo(
        "export-liste", "--commune", "13900", "--liste", "CE", "--format", "csv"
    )
    assert code in {ExitCode.DONE, ExitCode.ANOMALIES}, said
    computer.run(_commands(ON_SQLITE[0]))
    return computer


@pytest.mark.slow
def test_a_backup_holds_everything_and_says_nothing_of_it(computer: Computer) -> None:
    saved = computer.folder / "prefecture.sauvegarde"
    assert saved.stat().st_mode & 0o777 == 0o600
    names = {str(name) for (name,) in computer.query("SELECT nom_naissance FROM electeur")}
    content = saved.read_bytes()
    assert len(names) > 20
    assert [name for name in names if len(name) > 4 and name.encode() in content] == []
    assert list(computer.home.glob(".sauvegarde-*")) == []

    (made,) = computer.home.glob("exports/13900/*[0-9].csv")
    before = made.read_bytes()
    made.unlink()
    with closing(sqlite3.connect(computer.home / "prefecture.db")) as connection, connection:
        connection.execute("DELETE FROM electeur")
    code, said = computer.solo("restore", saved.name, "--passphrase-file", "phrase.txt")
    assert code == 0, said
    assert made.read_bytes() == before
    assert {str(name) for (name,) in computer.query("SELECT nom_naissance FROM electeur")} == names
    assert made.stat().st_mode & 0o7777 == 0o640
    assert made.parent.stat().st_mode & 0o7777 == 0o2750
    (former,) = computer.home.glob("avant-restauration-*")
    with closing(sqlite3.connect(former / "prefecture.db")) as connection:
        assert connection.execute("SELECT count(*) FROM electeur").fetchall() == [(0,)]


_SAVES = """
import os, signal, sys
from worker.solo.__main__ import main

event, name = sys.argv[1:3]

def look(seen, arguments):
    if seen == event and ".sauvegarde-" in str(arguments[0]) and str(arguments[0]).endswith(name):
        os.kill(os.getpid(), signal.SIGKILL)

sys.addaudithook(look)
sys.exit(main(sys.argv[3:]))
"""
"""Saves, and is killed when it is about to open or delete one of its temporary files."""


@pytest.mark.slow
@pytest.mark.parametrize(
    ("step", "left"),
    [(("os.remove", "prefecture.db"), ["prefecture.db"]), (("open", "donnees.tar.age"), [])],
)
def test_a_killed_backup_leaves_no_register(
    computer: Computer, step: tuple[str, str], left: list[str]
) -> None:
    """The copy of the database has a name for a moment; the next start deletes it."""
    command = [
        sys.executable,
        "-c",
        _SAVES,
        *step,
        "backup",
        "encore.sauvegarde",
        "--passphrase-file",
        "phrase.txt",
    ]
    killed = subprocess.run(command, cwd=computer.folder, env=computer.environment, check=False)
    assert killed.returncode == -SIGKILL
    assert [it.name for it in computer.home.glob(".sauvegarde-*/*") if it.stat().st_size] == left
    assert computer.solo("imports")[0] == 0
    assert list(computer.home.glob(".sauvegarde-*")) == []


@pytest.mark.slow
def test_a_backup_without_room_says_so(tmp_path: Path, sqlite_files: SqliteFiles) -> None:
    computer = Computer(tmp_path / "mairie")
    with small_disk(computer.home / "disque", "24m") as disk:
        computer.environment["PREFECTURE_HOME"] = str(computer.home / "disque")
        sqlite_files.create(computer.home / "disque" / "prefecture.db", LIBREVILLE_TEMPLATE)
        disk.fill()
        code, said = computer.solo("backup", "encore.sauvegarde", "--passphrase-file", "phrase.txt")
    assert (code, "il n'y a pas assez de place" in said) == (ExitCode.FAILED, True), said


@pytest.mark.slow
def test_what_is_no_whole_backup_replaces_nothing(computer: Computer) -> None:
    whole = computer.folder / "prefecture.sauvegarde"
    content = whole.read_bytes()
    middle = len(content) // 2
    ruined = {
        "coupée": content[:middle],
        "changée": content[:middle] + bytes([content[middle] ^ 1]) + content[middle + 1 :],
        "autre": b"commune;nom\n" * 1000,
        "vide": b"",
    }
    before = computer.query("SELECT count(*), max(id) FROM export")
    for name, bytes_ in ruined.items():
        (computer.folder / name).write_bytes(bytes_)
        code, said = computer.solo("restore", name, "--passphrase-file", "phrase.txt")
        assert code == ExitCode.FAILED, name
        assert "Rien n'a été remplacé" in said, name
        assert "Traceback" not in said, name
    (computer.folder / "phrase.txt").write_text("une autre phrase de passe")
    code, said = computer.solo("restore", whole.name, "--passphrase-file", "phrase.txt")
    assert (code, "Ce n'est pas la phrase de passe" in said) == (ExitCode.FAILED, True)
    assert computer.query("SELECT count(*), max(id) FROM export") == before
    assert list(computer.home.glob("avant-restauration-*")) == []
    assert list(computer.home.glob(".restauration-*")) == []


_RESTORES = """
import os, signal, sys
from pathlib import Path
from worker.settings import load_settings
from worker.solo.process import finish_restore

left = int(sys.argv[1])

def count(event, arguments):
    global left
    if event in {"os.mkdir", "os.rename", "os.remove", "os.rmdir"}:
        left -= 1
        if left < 0:
            os.kill(os.getpid(), signal.SIGKILL)

settings = load_settings(home=Path(sys.argv[2]), database_url=f"sqlite:///{sys.argv[2]}/prefecture.db",
    exports_dir=Path(sys.argv[2]) / "exports")
sys.addaudithook(count)
finish_restore(settings)
"""
"""Puts a checked backup in place, and is killed before its n-th change of a folder."""


@pytest.mark.slow
def test_killed_at_any_change_a_restore_is_ended_by_the_next_start(tmp_path: Path) -> None:
    ends = []
    for changes in range(30):
        home = tmp_path / str(changes)
        _keep(home, "old")
        _keep(home / RESTORING, "new")
        killed = subprocess.run(
            [sys.executable, "-c", _RESTORES, str(changes), str(home)],
            cwd=ROOT,
            env={"PATH": os.environ["PATH"], "PREFECTURE_PUBLIC_URL": "http://127.0.0.1:8000"},
            check=False,
            capture_output=True,
            text=True,
        )
        ends.append(killed.returncode)
        settings = load_settings(
            home=home,
            database_url=f"sqlite:///{home / 'prefecture.db'}",
            exports_dir=home / "exports",
        )
        finish_restore(settings)
        (former,) = home.glob("avant-restauration-*")
        assert (_kept(home), _kept(former)) == ("new new", "old old"), (changes, killed.stderr)
        assert not (home / RESTORING).exists()
        if killed.returncode == 0:
            break
    assert ends[:-1] == [-SIGKILL] * (len(ends) - 1), ends
    assert ends[-1] == 0
    assert len(ends) > 5


def _keep(home: Path, word: str) -> None:
    """Write a database and a file that contain a word."""
    (home / "exports" / "13900").mkdir(parents=True)
    (home / "exports" / "13900" / "liste.csv").write_text(word)
    with closing(sqlite3.connect(home / "prefecture.db")) as connection, connection:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("CREATE TABLE said AS SELECT ? AS word", [word])


def _kept(home: Path) -> str:
    with closing(sqlite3.connect(home / "prefecture.db")) as connection:
        ((word,),) = connection.execute("SELECT word FROM said").fetchall()
    return f"{word} {(home / 'exports' / '13900' / 'liste.csv').read_text()}"


@pytest.mark.slow
def test_a_backup_overwrites_nothing_and_wants_a_passphrase(computer: Computer) -> None:
    code, said = computer.solo("backup", "prefecture.sauvegarde", "--passphrase-file", "phrase.txt")
    assert (code, "existe déjà" in said) == (ExitCode.FAILED, True)
    (computer.folder / "phrase.txt").write_text("court")
    code, said = computer.solo("backup", "autre.sauvegarde", "--passphrase-file", "phrase.txt")
    assert (code, "trop courte" in said) == (ExitCode.FAILED, True)
    assert not (computer.folder / "autre.sauvegarde").exists()


@pytest.mark.slow
def test_a_new_release_keeps_the_database_as_it_was(computer: Computer) -> None:
    database = computer.home / "prefecture.db"
    database.unlink()
    engine = build_engine(f"sqlite:///{database}")
    make_former(engine)
    engine.dispose()
    code, said = computer.solo("imports")
    assert code == 0, said
    (former,) = computer.home.glob("prefecture.db.avant-*")
    assert former.name == "prefecture.db.avant-0044"
    with closing(sqlite3.connect(former)) as connection:
        assert connection.execute("SELECT version_num FROM alembic_version").fetchall() == [
            ("0044",)
        ]
    assert former.stat().st_mode & 0o777 == 0o640
