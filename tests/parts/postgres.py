"""A private PostgreSQL server, which a test may stop and kill."""

import os
import pwd
import secrets
import shutil
import subprocess
import tempfile
import time
from pathlib import Path
from signal import SIGINT, SIGQUIT
from typing import Literal

import psycopg
from psycopg import sql

from tests.parts.certificates import Certificate
from tests.parts.databases import Template
from tests.parts.packages import POSTGRESQL, require
from tests.parts.ports import LOOPBACK, free_port
from tests.parts.process import Process
from tests.parts.server import Server
from tests.parts.wait import wait_until

_START_SECONDS = 60
_STOP_SECONDS = 60
_STOP_SIGNALS = {"fast": SIGINT, "immediate": SIGQUIT}
_SPEED = {"fsync": "off", "full_page_writes": "off", "max_wal_size": "128MB"}
_PREFIX = "tests-postgres-"
_MEMORY = Path("/dev/shm")  # noqa: S108 — for folders that mkdtemp makes
_MEMORY_BYTES = 1 << 30
_STALE_SECONDS = 24 * 3600


class PostgresServer(Server):
    """A private server: own data, port and sockets; loopback only; `close` removes it with all its data.

    As root it runs as another user, since PostgreSQL refuses root.

    Args:
        fsync: write to the disk, as in production. Without it the data survive the server but not the machine, and are
            held in memory where it is large: some disks take 10 times longer to create a database.
        certificate: enable TLS too.
    """

    user = "postgres"

    def __init__(self, *, fsync: bool = False, certificate: Certificate | None = None) -> None:
        require(POSTGRESQL)
        self.port = free_port()
        self.password = secrets.token_urlsafe(12)
        self._owner = _unprivileged_user()
        super().__init__(Path(tempfile.mkdtemp(prefix=_PREFIX, dir=None if fsync else _memory())))
        self._settings = {
            "port": str(self.port),
            "listen_addresses": LOOPBACK,
            "unix_socket_directories": str(self._folder),
            "timezone": "UTC",
            "dynamic_shared_memory_type": "mmap",  # in the folder: a killed server leaves no files elsewhere
            **({} if fsync else _SPEED),
            **(self._keep(certificate) if certificate else {}),
        }
        self._environment = {
            "PATH": os.environ.get("PATH", os.defpath),
            "LANG": "C.UTF-8",
            "HOME": str(self._folder),
        }
        self._templates: set[str] = set()

    def start(self) -> None:
        if self.alive:
            return
        if not (self._folder / "data").exists():
            self._initialise()
        settings = [f"--{name}={value}" for name, value in self._settings.items()]
        self._server = Process(
            [POSTGRESQL.program("postgres"), "-D", self._folder / "data", *settings],
            env=self._environment,
            folder=self._folder,
            log=self._folder / "log.txt",
            user=self._owner,
            farewell=SIGINT,
        )
        wait_until(self._ready, timeout=_START_SECONDS, message="PostgreSQL ready")

    def stop(self, mode: Literal["fast", "immediate"] = "fast") -> None:
        """Stop as `pg_ctl -m mode stop` does, and wait for the end."""
        if self._server is not None:
            self._server.end(_STOP_SIGNALS[mode], timeout=_STOP_SECONDS)

    def url(self, database: str, user: str | None = None, password: str | None = None) -> str:
        """The SQLAlchemy URL of a database, by default for the superuser."""
        return f"postgresql+psycopg://{user or self.user}:{password or self.password}@{LOOPBACK}:{self.port}/{database}"

    def create_database(self, template: Template | str | None = None) -> str:
        """The URL of a new database: empty, or a copy of a template (prepared at its first use) or of a database."""
        if isinstance(template, Template):
            template = self._prepared(template)
        name = f"tests_{secrets.token_hex(6)}"
        self._create(name, template or "template0")
        return self.url(name)

    def drop(self, url: str) -> None:
        """Remove a database, even with open connections; no effect while the server is down."""
        if self.alive:
            database = sql.Identifier(url.rpartition("/")[2])
            self.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(database))

    def restore(self, url: str, template: Template) -> None:
        """Make a database a copy of its template again; no connection to it may be in use."""
        self.drop(url)
        self._create(url.rpartition("/")[2], self._prepared(template))

    def execute(self, statement: sql.Composed | sql.SQL) -> None:
        """Run one statement as superuser, outside a transaction."""
        with self._connect() as connection:
            connection.execute(statement)

    def _prepared(self, template: Template) -> str:
        name = f"template_{template.name}"
        if name not in self._templates:
            self._create(name, "template0")
            template.prepare(self.url(name))
            self._templates.add(name)
        return name

    def _create(self, name: str, template: str) -> None:
        # Copying files takes two thirds of the time of the default, which writes each block to the log.
        statement = sql.SQL("CREATE DATABASE {} TEMPLATE {} STRATEGY FILE_COPY")
        self.execute(statement.format(sql.Identifier(name), sql.Identifier(template)))

    def _connect(self) -> psycopg.Connection:
        url = self.url("postgres").replace("+psycopg", "")
        return psycopg.connect(url, autocommit=True, connect_timeout=5)

    def _ready(self) -> bool:
        if not self.alive:
            raise RuntimeError(f"PostgreSQL ended while it was starting:\n{self.log()[-3000:]}")
        try:
            self._connect().close()
        except psycopg.OperationalError:
            return False
        return self.alive

    def _keep(self, certificate: Certificate) -> dict[str, str]:
        """Copy the certificate and the key with the owner and mode that PostgreSQL requires."""
        copy = Certificate(self._folder / "server.pem", self._folder / "server.key")
        for source, target in zip(certificate, copy, strict=True):
            shutil.copyfile(source, target)
            target.chmod(0o600)
            if self._owner is not None:
                shutil.chown(target, self._owner)
        return {"ssl": "on", "ssl_cert_file": str(copy.chain), "ssl_key_file": str(copy.key)}

    def _initialise(self) -> None:
        secret = self._folder / "password"
        secret.write_text(self.password)
        if self._owner is not None:
            shutil.chown(secret, self._owner)
            shutil.chown(self._folder, self._owner)
        command = [
            str(POSTGRESQL.program("initdb")),
            "--pgdata=data",
            f"--username={self.user}",
            "--no-sync",
        ]
        command += [
            "--encoding=UTF8",
            "--locale=C.UTF-8",
            "--auth=scram-sha-256",
            "--pwfile=password",
        ]
        done = subprocess.run(
            command,
            env=self._environment,
            cwd=self._folder,
            user=self._owner,
            group=self._owner and pwd.getpwnam(self._owner).pw_gid,
            extra_groups=[] if self._owner else None,
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode != 0:
            raise RuntimeError(f"initdb failed:\n{done.stdout}{done.stderr}")


def _memory() -> Path | None:
    """The file system in memory, if there is room; remove what killed tests have left there long ago."""
    if not os.access(_MEMORY, os.W_OK) or shutil.disk_usage(_MEMORY).free < _MEMORY_BYTES:
        return None
    for folder in _MEMORY.glob(f"{_PREFIX}*"):
        old = time.time() - folder.stat().st_mtime > _STALE_SECONDS
        if old and not (folder / "data" / "postmaster.pid").exists():
            shutil.rmtree(folder, ignore_errors=True)
    return _MEMORY


def _unprivileged_user() -> str | None:
    """The user of the server process: the current user; for root, the user `postgres` of Debian, else `nobody`."""
    if os.geteuid() != 0:
        return None
    return "postgres" if any(entry.pw_name == "postgres" for entry in pwd.getpwall()) else "nobody"
