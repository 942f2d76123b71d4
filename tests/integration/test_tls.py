"""TLS to the broker and to the database by the address alone, with a private certification authority."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest
from sqlalchemy import text
from sqlalchemy.exc import OperationalError

from producers.cli import main as producers
from tests.parts.certificates import Authority, Certificate
from tests.parts.deployment import DEPLOY, make_secrets, read_conf
from tests.parts.mail import Mailbox
from tests.parts.ports import LOOPBACK, free_port
from tests.parts.postgres import PostgresServer
from tests.parts.rabbitmq import RabbitNode
from tests.parts.town import LIBREVILLE_TEMPLATE, ROOT, Town
from worker.cli.main import main as worker
from worker.db.engine import build_engine
from worker.errors import TransientError
from worker.messaging.queues import ping_broker

HOST = "localhost"
VERIFY = "?sslmode=verify-full&sslrootcert=system"


class Servers(NamedTuple):
    """A broker and a database at `HOST`, with certificates by the authority `ours`."""

    node: RabbitNode
    port: int
    """The broker's TLS port."""
    server: PostgresServer
    database_url: str
    ours: Path
    other: Path

    def environment(self, host: str = HOST, authority: Path | None = None) -> dict[str, str]:
        """The addresses, as an operator writes them."""
        database_url = self.database_url.replace(LOOPBACK, host) + VERIFY
        return {
            "PREFECTURE_AMQP_URL": f"amqps://{self.node.user}:{self.node.password}@{host}:{self.port}/%2F",
            "PREFECTURE_DATABASE_URL": database_url,
            "PREFECTURE_STATE_URL": database_url,
            "SSL_CERT_FILE": str(authority or self.ours),
        }


class Wrong(NamedTuple):
    """Addresses that must not be trusted, and the reason in the words of the broker's and the database's clients."""

    environment: dict[str, str]
    broker: str
    database: str


@pytest.fixture(scope="module")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Servers]:
    folder = tmp_path_factory.mktemp("authorities")
    ours, other = Authority(folder, "ours"), Authority(folder, "other")
    certificate, port = ours.sign(HOST), free_port()
    conf = read_conf(DEPLOY / "broker" / "tls.conf") | {
        "listeners.ssl.default": f"{LOOPBACK}:{port}",
        "ssl_options.certfile": str(certificate.chain),
        "ssl_options.keyfile": str(certificate.key),
    }
    with RabbitNode(config=conf) as node, PostgresServer(certificate=certificate) as server:
        database_url = server.create_database(LIBREVILLE_TEMPLATE)
        yield Servers(node, port, server, database_url, ours.root, other.root)


@pytest.fixture
def town(servers: Servers, tmp_path: Path, mailbox: Mailbox) -> Iterator[Town]:
    town = Town(servers.database_url, servers.node.url(), tmp_path, mailbox.port)
    town.environment |= {
        name: url for name, url in servers.environment().items() if name != "PREFECTURE_STATE_URL"
    }
    yield town
    town.close()


@pytest.mark.slow
def test_a_request_over_tls_is_processed_to_the_mail(
    servers: Servers, town: Town, mailbox: Mailbox
) -> None:
    town.start_worker()
    town.start_notifier()
    asked = _run(
        servers.environment(),
        "producers",
        "export-liste",
        "--commune",
        "13900",
        "--liste",
        "P",
        "--wait",
    )
    assert asked.returncode == 5, asked.stderr  # LIBREVILLE has blocking anomalies
    mailbox.wait_for(1)
    encrypted = "SELECT count(*) FROM pg_stat_ssl JOIN pg_stat_activity USING (pid) WHERE ssl"
    assert town.rows(encrypted)[0]["count"] >= 2
    assert _run(town.environment, "worker", "check").returncode == 0


WRONG = {
    "another host": (
        LOOPBACK,
        "ours",
        "n'est pas celui de cet hôte",
        "n'est pas celui de cet hôte",
    ),
    "another authority": (
        HOST,
        "other",
        "n'est pas signé par une autorité connue",
        "autorité attendue, ou a expiré",
    ),
}


@pytest.fixture(params=list(WRONG.values()), ids=list(WRONG))
def wrong(
    request: pytest.FixtureRequest,
    servers: Servers,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> Wrong:
    """An environment with another host name, or another authority."""
    host, authority, broker, database = request.param
    environment = servers.environment(host, getattr(servers, authority))
    for name, value in (environment | {"PREFECTURE_EXPORTS_DIR": str(tmp_path)}).items():
        monkeypatch.setenv(name, value)
    return Wrong(environment, broker, database)


@pytest.mark.slow
def test_a_producer_sends_nothing_to_a_wrong_broker(
    servers: Servers, wrong: Wrong, capsys: pytest.CaptureFixture[str]
) -> None:
    assert producers(["export-liste", "--commune", "13900"]) == 3
    said = capsys.readouterr()
    assert said.out == ""
    assert f":{servers.port}) est injoignable : TLS impossible (" in said.err
    assert wrong.broker in said.err


def test_a_database_with_a_wrong_certificate_is_not_read(
    wrong: Wrong, capsys: pytest.CaptureFixture[str]
) -> None:
    for main, command in ((producers, "exports"), (worker, "agents"), (worker, "migrate")):
        assert main([command]) == 3
        said = capsys.readouterr()
        assert said.out == ""
        assert "Erreur : " in said.err
        assert wrong.database in said.err


@pytest.mark.slow
@pytest.mark.parametrize("part", ["PREFECTURE_AMQP_URL", "PREFECTURE_DATABASE_URL"])
@pytest.mark.parametrize("process", [("worker.main", "--processes", "1"), ("worker", "notifier")])
def test_workers_and_notifier_do_not_start_with_a_wrong_server(
    servers: Servers, wrong: Wrong, part: str, process: tuple[str, ...]
) -> None:
    plain = {
        "PREFECTURE_AMQP_URL": servers.node.url(),
        "PREFECTURE_DATABASE_URL": servers.database_url,
    }
    started = _run(wrong.environment | plain | {part: wrong.environment[part]}, *process)
    assert started.returncode == 2, started.stderr
    assert f"corrigez {part} ou SSL_CERT_FILE" in started.stderr
    assert (wrong.broker if part == "PREFECTURE_AMQP_URL" else wrong.database) in started.stderr


def _run(environment: dict[str, str], *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", *arguments],
        env={"PATH": os.environ["PATH"]} | environment,
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.mark.slow
def test_certificates_made_by_secrets_are_trusted_by_the_parts(tmp_path: Path) -> None:
    """The files that `deploy/tls.yml` names: each server is trusted, and none by another authority."""
    secrets, other = make_secrets(tmp_path / "ours", HOST), make_secrets(tmp_path / "other", HOST)
    assert not list(secrets.glob("signing*")), "the key of the authority is kept"
    port = free_port()
    conf = read_conf(DEPLOY / "broker" / "tls.conf") | {
        "listeners.ssl.default": f"{LOOPBACK}:{port}",
        "ssl_options.certfile": str(secrets / "broker_certificate.pem"),
        "ssl_options.keyfile": str(secrets / "broker_key.pem"),
    }
    certificate = Certificate(secrets / "database_certificate.pem", secrets / "database_key.pem")
    with RabbitNode(config=conf) as node, PostgresServer(certificate=certificate) as server:
        plain = server.create_database()
        for folder, is_ours in ((secrets, True), (other, False)):
            tail = (
                (secrets / "broker_requests_tls_url").read_text().partition("@broker/prefecture")[2]
            )
            amqp_url = f"amqps://{node.user}:{node.password}@{HOST}:{port}/%2F{tail}"
            tail = (
                (secrets / "database_requests_tls_url")
                .read_text()
                .partition("@database/prefecture")[2]
            )
            database_url = plain.replace(LOOPBACK, HOST) + tail
            amqp_url, database_url = (
                url.replace("/run/secrets/authority", str(folder / "authority.pem"))
                for url in (amqp_url, database_url)
            )
            engine = build_engine(database_url)
            if is_ours:
                assert ping_broker(amqp_url) == f"{HOST}:{port}//"
                with engine.connect() as connection:
                    assert connection.scalar(
                        text("SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()")
                    )
            else:
                with pytest.raises(TransientError, match="TLS impossible"):
                    ping_broker(amqp_url)
                with pytest.raises(OperationalError, match="certificate verify failed"):
                    engine.connect()
            engine.dispose()
