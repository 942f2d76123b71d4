"""RabbitMQ and PostgreSQL with the accounts that docker-compose.yml gives them, from the same files of `deploy/`."""

import os
import re
import shutil
import subprocess
from contextlib import ExitStack
from json import dumps, loads
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from sqlalchemy import Connection, create_engine
from sqlalchemy.pool import NullPool

from tests.parts.packages import POSTGRESQL
from tests.parts.postgres import PostgresServer
from tests.parts.rabbitmq import RabbitNode

DEPLOY = Path(__file__).parents[2] / "deploy"
TEMPLATE = DEPLOY / "broker" / "definitions.json"
VHOST = DATABASE = "prefecture"


def read_conf(path: Path) -> dict[str, str]:
    return dict(re.findall(r"^([a-z_.]\S*) = (.+)$", path.read_text("utf-8"), re.MULTILINE))


def make_secrets(checkout: Path, *names: str) -> Path:
    """Run `deploy/prefecture secrets` in the layout of a checkout; return the directory that it creates or completes.

    Certificates are for these names too.
    """
    shutil.copytree(DEPLOY, checkout / "deploy", dirs_exist_ok=True)
    subprocess.run(["sh", checkout / "deploy" / "prefecture", "secrets", *names], check=True)
    return checkout / "var" / "secrets"


class Deployment:
    """A private node and a private server, started as the containers start theirs, in a folder of their own."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.secrets = make_secrets(folder)
        self._definitions = folder / "definitions.json"
        conf = read_conf(DEPLOY / "broker" / "rabbitmq.conf") | {
            "load_definitions": str(self._definitions)
        }
        self.broker = RabbitNode(config=conf)
        self.server = PostgresServer()
        self._open = ExitStack()

    def __enter__(self) -> Self:
        with ExitStack() as opened:
            opened.enter_context(self.server)
            self.make_accounts()
            self.write_definitions()
            opened.enter_context(self.broker)
            self._open = opened.pop_all()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._open.close()

    def renew_password(self, account: str) -> None:
        """Renew it as docs/operations.md describes, up to the restart of the broker."""
        for name in ("password", "url"):
            (self.secrets / f"{account}_{name}").unlink(missing_ok=True)
        make_secrets(self._folder)
        self.make_accounts()
        self.write_definitions()

    def write_definitions(self) -> dict[str, Any]:
        """Write the definitions for the node's next start, with an administrator for the tests; their content."""
        script = str(DEPLOY / "broker" / "definitions.sh")
        printed = subprocess.run(
            ["sh", script, str(TEMPLATE), str(self.secrets)], capture_output=True, check=True
        ).stdout
        definitions: dict[str, Any] = loads(printed)
        ours = {
            "name": self.broker.user,
            "password": self.broker.password,
            "tags": ["administrator"],
        }
        rights = {
            "vhost": VHOST,
            "user": self.broker.user,
            "configure": ".*",
            "write": ".*",
            "read": ".*",
        }
        definitions["users"].append(ours)
        definitions["permissions"].append(rights)
        self._definitions.write_text(dumps(definitions), "utf-8")
        return definitions

    def make_accounts(self) -> None:
        """Run `accounts.sql` as the server's superuser."""
        environment = {
            "PATH": os.environ["PATH"],
            "PGHOST": "127.0.0.1",
            "PGPORT": str(self.server.port),
            "PGUSER": self.server.user,
            "PGPASSWORD": self.server.password,
            "PGDATABASE": "postgres",
            "SECRETS_DIR": str(self.secrets),
        }
        script = str(DEPLOY / "database" / "accounts.sql")
        command = [str(POSTGRESQL.program("psql")), "--no-psqlrc", "--quiet", "--file", script]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr

    def password(self, account: str) -> str:
        """The password of `broker_workers`, `database_owner` and so on."""
        return (self.secrets / f"{account}_password").read_text()

    def amqp_url(self, account: str) -> str:
        """The address of the broker for `requests`, `workers`, `notifier`, `producteur`, `exploitant`."""
        return self.broker.url(VHOST, account, self.password(f"broker_{account}"))

    def database_url(self, account: str) -> str:
        """The address of the database for `owner`, `files`, `notifier`, `ecran`, `lecture`."""
        user = "prefecture" if account == "owner" else f"prefecture_{account}"
        return self.server.url(DATABASE, user, self.password(f"database_{account}"))

    def connect(self, account: str) -> Connection:
        """A connection to the database as that account."""
        return create_engine(self.database_url(account), poolclass=NullPool).connect()

    def addresses(self, account: str, broker: str = "") -> dict[str, str]:
        """The settings of a process with this account of the database.

        `broker`: its account of the broker. Without one under the same name, it is `workers`.
        """
        has_own = (self.secrets / f"broker_{account}_password").exists()
        return {
            "PREFECTURE_AMQP_URL": self.amqp_url(broker or (account if has_own else "workers")),
            "PREFECTURE_DATABASE_URL": self.database_url(account),
        }
