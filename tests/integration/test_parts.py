"""The parts themselves: they serve, they keep tests apart, and they can be killed."""

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from email.message import EmailMessage
from pathlib import Path
from signal import SIGKILL
from smtplib import SMTP, SMTPRecipientsRefused

import pika
import pytest
from pika.adapters.blocking_connection import BlockingChannel
from pika.exceptions import ChannelClosedByBroker, NackError, UnroutableError
from sqlalchemy import NullPool, create_engine, inspect, text
from sqlalchemy.exc import OperationalError

from tests.parts.databases import SqliteFiles, Template
from tests.parts.mail import Mailbox
from tests.parts.packages import Part, require
from tests.parts.postgres import PostgresServer
from tests.parts.rabbitmq import RabbitNode
from tests.parts.wait import wait_until

pytestmark = pytest.mark.slow

PERSISTENT = pika.BasicProperties(delivery_mode=2)


@contextmanager
def channel(url: str) -> Iterator[BlockingChannel]:
    with pika.BlockingConnection(pika.URLParameters(url)) as connection:
        opened = connection.channel()
        opened.confirm_delivery()
        yield opened


def publish(url: str, queue: str, body: bytes) -> None:
    with channel(url) as opened:
        opened.queue_declare(queue, durable=True)
        opened.basic_publish("", queue, body, PERSISTENT, mandatory=True)


def fill(url: str, queue: str) -> None:
    for _ in range(5):
        publish(url, queue, b"one too many")


def consume(url: str, queue: str) -> bytes | None:
    with channel(url) as opened:
        _, _, body = opened.basic_get(queue, auto_ack=True)
        return body


def execute(url: str, *statements: str) -> list[tuple[object, ...]]:
    engine = create_engine(url, poolclass=NullPool)
    with engine.begin() as connection:
        results = [connection.execute(text(statement)) for statement in statements]
        return [tuple(row) for row in results[-1]] if results[-1].returns_rows else []


def create_numbers(url: str) -> None:
    execute(url, "CREATE TABLE numbers (n integer)", "INSERT INTO numbers VALUES (7)")


def send(mailbox: Mailbox, *recipients: str) -> dict[str, tuple[int, bytes]]:
    message = EmailMessage()
    message["Subject"] = "Export prêt"
    message.set_content("Votre liste électorale est prête.")
    with SMTP(mailbox.host, mailbox.port) as client:
        return client.send_message(message, "module@example.org", recipients)


def test_the_node_takes_and_gives_a_message(amqp_url: str) -> None:
    publish(amqp_url, "requests", b"hello")
    assert consume(amqp_url, "requests") == b"hello"


def test_the_node_returns_what_it_cannot_route(amqp_url: str) -> None:
    with channel(amqp_url) as opened, pytest.raises(UnroutableError):
        opened.basic_publish("", "nowhere", b"hello", PERSISTENT, mandatory=True)


def test_the_node_refuses_large_messages(amqp_url: str) -> None:
    with pytest.raises(ChannelClosedByBroker, match="larger than configured max size 262144"):
        publish(amqp_url, "requests", bytes(262145))


def test_virtual_hosts_are_apart(amqp_url: str, rabbit_node: RabbitNode) -> None:
    publish(amqp_url, "requests", b"hello")
    other = rabbit_node.create_vhost()
    with pytest.raises(ChannelClosedByBroker, match="no queue 'requests'"):
        consume(rabbit_node.url(other), "requests")
    rabbit_node.delete_vhost(other)


def test_a_user_has_the_rights_it_was_given(amqp_url: str, rabbit_node: RabbitNode) -> None:
    vhost = amqp_url.rpartition("/")[2]
    rabbit_node.rabbitmqctl("add_user", "reader/é", "p@ss/word")
    rabbit_node.rabbitmqctl("set_permissions", "--vhost", vhost, "reader/é", "", "", ".*")
    publish(amqp_url, "requests", b"hello")
    reader = rabbit_node.url(vhost, "reader/é", "p@ss/word")
    assert consume(reader, "requests") == b"hello"
    with pytest.raises(ChannelClosedByBroker, match="ACCESS_REFUSED"):
        publish(reader, "requests", b"hello")


@pytest.mark.parametrize("end", [RabbitNode.kill, RabbitNode.stop])
def test_confirmed_messages_outlive_the_node(
    end: Callable[[RabbitNode], None], amqp_url: str, rabbit_node: RabbitNode
) -> None:
    publish(amqp_url, "requests", b"kept")
    end(rabbit_node)
    assert not rabbit_node.alive
    with pytest.raises(pika.exceptions.AMQPConnectionError):
        consume(amqp_url, "requests")
    rabbit_node.restart()
    assert consume(amqp_url, "requests") == b"kept"


def test_a_second_node_can_have_quorum_queues_and_a_limit() -> None:
    with RabbitNode(default_queue_type="quorum", config={"consumer_timeout": "60000"}) as node:
        publish(node.url(), "requests", b"hello")
        assert "quorum" in node.rabbitmqctl("list_queues", "name", "type")
        assert node.rabbitmqctl("eval", "application:get_env(rabbit, consumer_timeout).").strip() == "{ok,60000}"
        node.rabbitmqctl("set_policy", "short", "^requests$", '{"max-length": 1, "overflow": "reject-publish"}')
        with pytest.raises(NackError):
            fill(node.url(), "requests")


def test_each_test_has_an_empty_database(database_url: str) -> None:
    create_numbers(database_url)
    assert execute(database_url, "SELECT n FROM numbers") == [(7,)]


def test_databases_are_apart(postgres_url: str, postgres_server: PostgresServer) -> None:
    create_numbers(postgres_url)
    other = create_engine(postgres_server.create_database(), poolclass=NullPool)
    assert inspect(other).get_table_names() == []


def test_a_template_is_prepared_once_and_copied(
    postgres_server: PostgresServer, sqlite_files: SqliteFiles, tmp_path: Path
) -> None:
    prepared: list[str] = []

    def prepare(url: str) -> None:
        prepared.append(url)
        create_numbers(url)

    template = Template("numbers", prepare)
    copies = [postgres_server.create_database(template) for _ in range(2)]
    copies += [sqlite_files.create(tmp_path / f"{number}.sqlite3", template) for number in range(2)]
    for copy in copies:
        assert execute(copy, "DELETE FROM numbers WHERE n = 7", "SELECT count(*) FROM numbers") == [(0,)]
    assert len(prepared) == 2


def test_the_server_speaks_utf_8_and_sorts_by_bytes(postgres_url: str) -> None:
    names = execute(postgres_url, "SELECT name FROM (VALUES ('é'), ('z'), ('Z')) AS t(name) ORDER BY name")
    assert names == [("Z",), ("z",), ("é",)]


@pytest.mark.parametrize("mode", ["fast", "immediate", "kill"])
def test_committed_rows_outlive_the_server(mode: str, postgres_url: str, postgres_server: PostgresServer) -> None:
    create_numbers(postgres_url)
    engine = create_engine(postgres_url)
    with engine.connect() as connection:
        connection.execute(text("SELECT 1"))
        if mode == "kill":
            postgres_server.kill()
        else:
            postgres_server.stop("fast" if mode == "fast" else "immediate")
        with pytest.raises(OperationalError):
            connection.execute(text("SELECT 1"))
    engine.dispose()
    with pytest.raises(OperationalError):
        execute(postgres_url, "SELECT 1")
    postgres_server.start()
    assert execute(postgres_url, "SELECT n FROM numbers") == [(7,)]


def test_a_mail_arrives(mailbox: Mailbox) -> None:
    assert send(mailbox, "agent@example.org") == {}
    (mail,) = mailbox.wait_for(1)
    assert (mail.sender, mail.recipients) == ("module@example.org", ("agent@example.org",))
    assert mail.message["Subject"] == "Export prêt"
    assert mail.text == "Votre liste électorale est prête.\n"


def test_the_mailbox_refuses_whom_it_is_told_to(mailbox: Mailbox) -> None:
    mailbox.refuse("unknown@example.org", 550)
    mailbox.refuse("full@example.org", 452)
    refused = send(mailbox, "agent@example.org", "unknown@example.org", "full@example.org")
    assert {who: code for who, (code, _) in refused.items()} == {"unknown@example.org": 550, "full@example.org": 452}
    assert mailbox.wait_for(1)[0].recipients == ("agent@example.org",)
    with pytest.raises(SMTPRecipientsRefused):
        send(mailbox, "unknown@example.org")
    mailbox.accept("unknown@example.org")
    assert send(mailbox, "unknown@example.org") == {}


def test_the_mailbox_can_be_away(mailbox: Mailbox) -> None:
    mailbox.stop()
    with pytest.raises(ConnectionRefusedError):
        send(mailbox, "agent@example.org")
    mailbox.start()
    assert send(mailbox, "agent@example.org") == {}


@pytest.fixture
def shared_folder() -> Iterator[Path]:
    """A folder that PostgreSQL's user can enter."""
    folder = Path(tempfile.mkdtemp())
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder)


@pytest.mark.parametrize("server", ["PostgresServer(fsync=True)", "RabbitNode()"])
def test_a_server_ends_with_the_tests_that_were_killed(server: str, shared_folder: Path) -> None:
    code = (
        "import os, signal\n"
        "from tests.parts.postgres import PostgresServer\n"
        "from tests.parts.rabbitmq import RabbitNode\n"
        f"server = {server}; server.start(); os.kill(os.getpid(), signal.SIGKILL)"
    )
    environment = {**os.environ, "TMPDIR": str(shared_folder), "PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run([sys.executable, "-c", code], env=environment, check=False)
    assert done.returncode == -SIGKILL
    wait_until(lambda: not is_home(shared_folder), message=f"the end of {server}")


def is_home(folder: Path) -> bool:
    """Whether a process has its home in this folder."""
    for environment in Path("/proc").glob("[0-9]*/environ"):
        with suppress(OSError):
            if f"HOME={folder}/".encode() in environment.read_bytes():
                return True
    return False


@pytest.mark.parametrize(("ci", "outcome"), [("", pytest.skip.Exception), ("true", pytest.fail.Exception)])
def test_a_missing_part_is_skipped_on_a_laptop_and_fails_on_a_ci(
    ci: str, outcome: type[BaseException], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CI", ci)
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    with pytest.raises(outcome, match=r"Teleprinter is missing .* As root: apt-get install .* teleprinter"):
        require(Part("Teleprinter", "teleprinter", ("no-such-program",)))
