"""The accounts of `deploy/broker/` on a real RabbitMQ: each account is refused what it does not need."""

import shlex
import socket
import struct
from collections.abc import Callable
from contextlib import ExitStack, closing, suppress
from pathlib import Path

import pika
import pytest
from dramatiq import Message
from pika import spec
from pika.adapters.blocking_connection import BlockingChannel
from pika.exceptions import (
    AMQPConnectionError,
    ChannelClosedByBroker,
    NoFreeChannels,
    ProbableAccessDeniedError,
    ProbableAuthenticationError,
)
from pika.frame import Body, Header, Method

from common.cli import ExitCode
from producers.errors import PublishError
from producers.publisher import Publisher
from schemas.envelope import CloudEvent
from schemas.events import AnsweredRequest, RequestStage, RequestStatus
from schemas.requests import ListeExportRequested
from schemas.topology import (
    EVENT_EXPORT_STATUS,
    EVENT_TYPES,
    EXCHANGE,
    REQUEST_LISTE_EXPORT,
    REQUEST_TYPES,
    SCREEN_NOTE,
    account_queue,
    listener_key,
    request_key,
)
from tests.parts.deployment import VHOST, Deployment
from tests.parts.rabbitmq import Management
from tests.parts.wait import wait_until
from worker.cli.main import main
from worker.errors import PrefectureError
from worker.messaging.broker import build_broker
from worker.messaging.consumer import sender_of
from worker.messaging.dead_letters import open_office
from worker.messaging.encoder import ACTOR_QUEUES
from worker.messaging.events import EventPublisher
from worker.messaging.middleware import TIME_LIMIT_MS
from worker.messaging.queues import add_account_queues, is_blocked, ping_broker, read_queues

EVENT = CloudEvent.wrap(
    ListeExportRequested(commune="13055", requested_by="mairie"), source="/test"
)
OPERATIONS = Path(__file__).parents[2] / "docs" / "operations.md"

Attempt = Callable[[BlockingChannel], object]


def _publish(exchange: str, routing_key: str, user_id: str | None = None) -> Attempt:
    properties = pika.BasicProperties(user_id=user_id)
    return lambda channel: channel.basic_publish(exchange, routing_key, b"{}", properties)


def _read(queue: str) -> Attempt:
    return lambda channel: channel.basic_get(queue)


def _declare(queue: str) -> Attempt:
    return lambda channel: channel.queue_declare(queue, durable=True)


REFUSED: list[tuple[str, str, Attempt]] = [
    *(
        ("producteur", f"publish {event_type}", _publish(EXCHANGE, event_type))
        for event_type in EVENT_TYPES
    ),
    (
        "producteur",
        "publish as the screen",
        _publish(EXCHANGE, request_key("producteur", SCREEN_NOTE)),
    ),
    (
        "producteur",
        "publish as another",
        _publish(EXCHANGE, request_key("ecran", REQUEST_LISTE_EXPORT)),
    ),
    ("producteur", "publish to no account", _publish(EXCHANGE, REQUEST_LISTE_EXPORT)),
    ("producteur", "publish straight to a queue", _publish("", "listes")),
    ("producteur", "publish elsewhere", _publish("amq.topic", REQUEST_LISTE_EXPORT)),
    ("producteur", "declare a queue", _declare("mine")),
    ("producteur", "declare an exchange", lambda channel: channel.exchange_declare("mine")),
    ("producteur", "change the exchange", lambda channel: channel.exchange_delete(EXCHANGE)),
    ("producteur", "consume requests", _read("requests")),
    ("producteur", "purge requests", lambda channel: channel.queue_purge("requests")),
    ("producteur", "delete a queue", lambda channel: channel.queue_delete("requests")),
    ("producteur", "bind a queue", lambda channel: channel.queue_bind("requests", EXCHANGE, "#")),
    ("producteur", "read its own queue", _read(account_queue("producteur"))),
    *(
        ("ecran", f"publish {event_type}", _publish(EXCHANGE, event_type))
        for event_type in EVENT_TYPES
    ),
    ("ecran", "publish straight to a queue", _publish("", "requests")),
    ("ecran", "declare a queue", _declare("mine")),
    *(("ecran", f"read {queue}", _read(queue)) for queue in ("requests", "listes", "requests.XQ")),
    *(
        ("notifier", f"read {queue}", _read(queue))
        for queue in ("requests", "listes", "tableaux", "requests.XQ")
    ),
    *(
        ("notifier", f"publish {request_type}", _publish(EXCHANGE, request_type))
        for request_type in REQUEST_TYPES
    ),
    ("notifier", "declare another queue", _declare("mine")),
    (
        "notifier",
        "bind to events",
        lambda channel: channel.queue_bind("requests", EXCHANGE, EVENT_EXPORT_STATUS),
    ),
    ("worker", "publish an event", _publish(EXCHANGE, EVENT_EXPORT_STATUS)),
    (
        "worker",
        "publish a request",
        _publish(EXCHANGE, request_key("worker", REQUEST_LISTE_EXPORT)),
    ),
    (
        "worker",
        "bind to events",
        lambda channel: channel.queue_bind("account.ecran", EXCHANGE, EVENT_EXPORT_STATUS),
    ),
    ("worker", "declare another queue", _declare("mine")),
    ("worker", "read exports of the REU", _read("registre")),
    *(
        ("registre", f"read {queue}", _read(queue))
        for queue in ("requests", "listes", "tableaux", "registre.XQ")
    ),
    *(
        ("registre", f"publish {it}", _publish(EXCHANGE, it))
        for it in (*REQUEST_TYPES, *EVENT_TYPES)
    ),
    ("registre", "declare another queue", _declare("listes")),
    ("worker", "read dead letters", _read("requests.XQ")),
    *(
        ("requests", f"declare {it}", _declare(it))
        for it in ("my-requests", "requests.YQ", "accounts.x")
    ),
    *(
        ("requests", f"read {queue}", _read(queue))
        for queue in ("listes", "registre", "requests.XQ")
    ),
    *((it, "declare another queue", _declare("mine")) for it in ("listes", "tableaux", "bulk")),
    *(
        (it, "publish straight to a queue", _publish("", "listes"))
        for it in ("listes", "tableaux", "bulk", "registre")
    ),
    *(
        ("listes", f"read {queue}", _read(queue))
        for queue in ("tableaux", "listes-bulk", "listes.XQ")
    ),
    *((it, "read lists", _read("listes")) for it in ("tableaux", "bulk")),
    ("exploitant", "publish an event", _publish(EXCHANGE, EVENT_EXPORT_STATUS)),
    ("exploitant", "read requests", _read("requests")),
    ("exploitant", "declare a queue", _declare("mine")),
]


def _try(url: str, attempt: Attempt) -> int:
    """The code with which the broker closed the channel; 0 when it allowed the attempt."""
    with pika.BlockingConnection(pika.URLParameters(url)) as connection:
        channel = connection.channel()
        channel.confirm_delivery()
        try:
            attempt(channel)
        except ChannelClosedByBroker as error:
            return error.reply_code
    return 0


@pytest.mark.parametrize(
    ("account", "what", "attempt"), REFUSED, ids=[f"{who}: {what}" for who, what, _ in REFUSED]
)
def test_the_broker_refuses_what_an_account_has_no_use_for(
    deployment: Deployment, account: str, what: str, attempt: Attempt
) -> None:
    url = deployment.broker.url(VHOST, account, deployment.password(f"broker_{account}"))
    assert _try(url, attempt) == 403


def test_nobody_publishes_under_another_name(deployment: Deployment) -> None:
    url = deployment.amqp_url("producteur")
    key = request_key("producteur", REQUEST_LISTE_EXPORT)
    assert _try(url, _publish(EXCHANGE, key, user_id="producteur")) == 0
    assert _try(url, _publish(EXCHANGE, key, user_id="worker")) == 406


def test_only_the_screen_publishes_for_a_token(deployment: Deployment) -> None:
    """The broker does not check `app_id`: of another account, the worker ignores it."""
    for account in ("ecran", "producteur"):
        add_account_queues(deployment.broker.url(VHOST), account)

    def sender(account: str) -> str:
        with pika.BlockingConnection(
            pika.URLParameters(deployment.amqp_url("worker"))
        ) as connection:
            _, properties, _ = connection.channel().basic_get(account_queue(account), auto_ack=True)
        return sender_of(properties)

    with (
        Publisher(deployment.amqp_url("ecran")) as screen,
        Publisher(deployment.amqp_url("producteur")) as other,
    ):
        screen.publish(EVENT, token="jeton compta")
        assert sender("ecran") == "jeton compta"
        screen.publish(EVENT)
        assert sender("ecran") == "ecran"
        with pytest.raises(PublishError, match="n'a pas le droit"):
            other.publish(EVENT, token="jeton compta")
    forged = pika.BasicProperties(user_id="producteur", app_id="jeton compta")
    key = request_key("producteur", REQUEST_LISTE_EXPORT)
    assert (
        _try(
            deployment.amqp_url("producteur"),
            lambda it: it.basic_publish(EXCHANGE, key, b"{}", forged),
        )
        == 0
    )
    assert sender("producteur") == "producteur"


def test_a_message_beyond_the_limit_is_refused(deployment: Deployment) -> None:
    assert (
        _try(
            deployment.amqp_url("worker"),
            lambda it: it.basic_publish("", "requests", b"x" * 262_145),
        )
        == 406
    )


def test_headers_beyond_a_frame_end_the_connection(deployment: Deployment) -> None:
    """No limit of a queue counts them."""
    known = pika.BasicProperties(headers={"a": "x" * 9_000})
    key = request_key("producteur", REQUEST_LISTE_EXPORT)
    with pytest.raises(AMQPConnectionError):
        _try(
            deployment.amqp_url("producteur"),
            lambda it: it.basic_publish(EXCHANGE, key, b"", known, mandatory=True),
        )


def test_there_is_no_other_account(deployment: Deployment) -> None:
    users = {user["name"] for user in deployment.broker.management.request("GET", "/users")}
    ours = {
        "requests",
        "listes",
        "tableaux",
        "bulk",
        "registre",
        "notifier",
        "producteur",
        "ecran",
        "exploitant",
    }
    assert users == ours | {"worker", deployment.broker.user}
    with pytest.raises(ProbableAuthenticationError):
        pika.BlockingConnection(pika.URLParameters(deployment.broker.url(VHOST, "guest", "guest")))


@pytest.fixture
def letter(deployment: Deployment) -> CloudEvent:
    """One event as the only dead letter."""
    with pika.BlockingConnection(pika.URLParameters(deployment.broker.url(VHOST))) as connection:
        channel = connection.channel()
        channel.confirm_delivery()
        for queue in ("requests", "requests.XQ"):
            channel.queue_purge(queue)
        channel.basic_publish("", "requests.XQ", EVENT.to_bytes())
    return EVENT


def test_the_operator_sees_dead_letters_and_leaves_them_there(
    deployment: Deployment, letter: CloudEvent
) -> None:
    operator = Management(
        deployment.broker.management.port, "exploitant", deployment.password("broker_exploitant")
    )
    look = {"count": 10, "ackmode": "ack_requeue_true", "encoding": "auto"}
    for _ in range(2):
        (found,) = operator.request("POST", f"/queues/{VHOST}/requests.XQ/get", look)
        assert found["payload"].encode() == letter.to_bytes()
    with pytest.raises(RuntimeError, match=r"40[13]"):
        operator.request("POST", f"/queues/{VHOST}/listes/get", look)
    with pytest.raises(RuntimeError, match=r"40[13]"):
        operator.request("PUT", f"/queues/{VHOST}/mine", {})


def test_the_operator_puts_a_dead_letter_back(deployment: Deployment, letter: CloudEvent) -> None:
    with open_office(deployment.amqp_url("exploitant")) as office:
        for held in office.look("requests"):
            office.put_back(Message("listes", "liste", args=(41,), kwargs={}, options={}))
            held.remove()
        assert office.count("requests") == 0
    with pika.BlockingConnection(pika.URLParameters(deployment.broker.url(VHOST))) as connection:
        _, _, body = connection.channel().basic_get("listes", auto_ack=True)
    assert b"41" in (body or b"")


@pytest.mark.parametrize("account", ["requests", "listes", "worker", "notifier", "producteur"])
def test_dead_letters_are_the_operators(
    deployment: Deployment, letter: CloudEvent, account: str
) -> None:
    with (
        pytest.raises(PrefectureError, match="employez celui de l'exploitant"),
        open_office(deployment.amqp_url(account)) as office,
    ):
        list(office.look("requests"))


def test_the_definitions_declare_what_the_code_declares(deployment: Deployment) -> None:
    def topology() -> dict[str, object]:
        found = deployment.broker.management.request("GET", f"/definitions/{VHOST}")
        queues = [it for it in found["queues"] if not it["name"].startswith("account")]
        return {
            "exchanges": sorted(map(str, found["exchanges"])),
            "queues": sorted(map(str, queues)),
        }

    before = topology()
    for account, queues in (
        *(
            ("requests", {*ACTOR_QUEUES.values()}),
            ("notifier", {*ACTOR_QUEUES.values()}),
            ("listes", {"listes"}),
        ),
        *(
            ("tableaux", {"tableaux"}),
            ("bulk", {"listes-bulk", "tableaux-bulk"}),
            ("registre", {"registre"}),
        ),
    ):
        broker = build_broker(deployment.amqp_url(account))
        for queue in sorted(queues):
            broker.declare_queue(queue, ensure=True)
        broker.close()
    assert topology() == before


def test_one_account_does_not_fill_the_memory_of_the_broker(deployment: Deployment) -> None:
    """RabbitMQ counts neither the messages that arrive nor the channels against a limit of a queue."""
    parameters = pika.URLParameters(deployment.amqp_url("producteur"))
    with ExitStack() as opened:

        def connect(_number: int = 0) -> pika.BlockingConnection:
            return opened.enter_context(pika.BlockingConnection(parameters))

        connection = connect()
        for _ in range(16):
            connection.channel()
        with pytest.raises(NoFreeChannels):
            connection.channel()
        with pytest.raises(ProbableAccessDeniedError, match="user connection limit"):
            list(map(connect, range(12)))  # the broker counts a connection a moment later


@pytest.mark.parametrize(
    "way", ["a transaction without commit", "returned messages that are not read"]
)
def test_an_account_that_holds_much_memory_is_disconnected(
    deployment: Deployment, way: str
) -> None:
    """RabbitMQ has no limit for either: `deploy/broker/account_memory.erl`."""
    parameters, body = (
        pika.URLParameters(deployment.amqp_url("producteur")),
        b"ESSAI-FICTIF" * 20_000,
    )
    channel = pika.BlockingConnection(parameters).channel()
    key = request_key("producteur", REQUEST_LISTE_EXPORT)
    if way == "a transaction without commit":
        channel.tx_select()
    else:
        key += ".missing"  # allowed, but no queue is bound to it
    frames = [
        Method(
            channel.channel_number,
            spec.Basic.Publish(exchange=EXCHANGE, routing_key=key, mandatory=True),
        ),
        Header(channel.channel_number, len(body), pika.BasicProperties(user_id="producteur")),
        *(Body(channel.channel_number, body[at : at + 8184]) for at in range(0, len(body), 8184)),
    ]
    message = b"".join(frame.marshal() for frame in frames)
    sock = vars(channel.connection)["_impl"]._transport._sock  # noqa: SLF001 — pika would read returned messages
    sock.settimeout(5)
    with pika.BlockingConnection(pika.URLParameters(deployment.amqp_url("requests"))) as other:
        with suppress(OSError):  # closed by the broker, or full
            for _ in range(20_000):
                sock.sendall(message)
        closed = "account_memory closes the connections of producteur: they hold"
        wait_until(lambda: closed in deployment.broker.log(), message="the end of the connection")
        other.process_data_events()
        assert other.is_open
    pika.BlockingConnection(parameters).close()
    assert "ESSAI-FICTIF" not in deployment.broker.log()
    assert deployment.broker.rabbitmqctl("eval", "rabbit_alarm:get_alarms().").strip() == "[]"
    sock.close()


def test_amqp_1_0_is_refused(deployment: Deployment) -> None:
    """RabbitMQ would end the connection of each consumer of a message whose content type has over 255 characters."""
    protocols = [b"AMQP\x03\x01\x00\x00", b"AMQP\x00\x01\x00\x00"]  # SASL, then AMQP
    login = f"\0producteur\0{deployment.password('broker_producteur')}".encode()
    host = b"vhost:prefecture"
    init = _performative(0x41, b"\xa3\x05PLAIN" + bytes([0xA0, len(login)]) + login, frame_type=1)
    opened = _performative(0x10, b"\xa1\x01t" + bytes([0xA1, len(host)]) + host)
    with socket.create_connection(("127.0.0.1", deployment.broker.port), timeout=30) as client:
        client.sendall(protocols[0] + init)
        assert _receives(client, b"\x00\x53\x44\xc0\x04\x02\x50\x00")  # the outcome of the login: 0
        client.sendall(protocols[1] + opened)
        assert not _receives(client, b"\x00\x53\x10")  # no « open » in return: closed
    pika.BlockingConnection(pika.URLParameters(deployment.amqp_url("producteur"))).close()


def _performative(code: int, fields: bytes, *, frame_type: int = 0) -> bytes:
    """A frame of AMQP 1.0 with two fields (OASIS AMQP 1.0, part 2, section 2.3.1)."""
    body = bytes([0x00, 0x53, code, 0xC0, len(fields) + 1, 2]) + fields
    return struct.pack(">IBBH", len(body) + 8, 2, frame_type, 0) + body


def _receives(client: socket.socket, expected: bytes) -> bool:
    """Whether these bytes come before the end of the connection."""
    received = b""
    with suppress(ConnectionResetError):
        while expected not in received and (piece := client.recv(4096)):
            received += piece
    return expected in received


def test_policies_bound_the_queues(deployment: Deployment) -> None:
    ask = deployment.broker.management.request
    policies = {policy["name"]: policy["definition"] for policy in ask("GET", f"/policies/{VHOST}")}
    queues = {
        queue["name"]: policies[queue["policy"]]
        for queue in ask("GET", f"/queues/{VHOST}")
        if queue.get("policy") and not queue["name"].startswith("account")
    }
    ours = set(ACTOR_QUEUES.values())
    assert queues.keys() == ours | {f"{name}.XQ" for name in ours}
    assert min(queues[name]["consumer-timeout"] for name in ours) > 2 * TIME_LIMIT_MS
    assert queues["requests"]["overflow"] == "reject-publish"
    from_anybody = [name for name in queues if name.startswith("requests") or name.endswith(".XQ")]
    assert all({"max-length", "max-length-bytes"} < queues[name].keys() for name in from_anybody)


def _run_documented(deployment: Deployment, mark: str) -> None:
    block = OPERATIONS.read_text("utf-8").partition(
        f"test_broker_permissions.py {mark} -->\n```sh\n"
    )[2]
    for line in block.partition("\n```\n")[0].replace("\\\n", "").splitlines():
        if line.startswith("docker compose run --rm command "):
            assert (
                main(shlex.split(line.removeprefix("docker compose run --rm command ")))
                == ExitCode.DONE
            )
            continue
        words = shlex.split(line.removeprefix("docker compose exec broker rabbitmqctl "))
        deployment.broker.rabbitmqctl(*words, *(["p"] if words[0] == "add_user" else []))


@pytest.mark.slow
def test_the_documented_commands_make_a_producer_for_one_commune(commands: Deployment) -> None:
    _run_documented(commands, "runs this")
    limits = {
        it["user"]: it["value"] for it in commands.broker.management.request("GET", "/user-limits")
    }
    assert limits["mairie-13055"] == limits["producteur"] == {"max-connections": 10}
    deployment, queue = commands, account_queue("mairie-13055")
    url = deployment.broker.url(VHOST, "mairie-13055", "p")
    with pika.BlockingConnection(pika.URLParameters(deployment.broker.url(VHOST))) as connection:
        channel = connection.channel()
        with Publisher(url) as publisher:
            publisher.publish(EVENT)
            with pytest.raises(PublishError, match="aucune file n'attend"):
                publisher.publish(EVENT.model_copy(update={"type": EVENT_EXPORT_STATUS}))
        _, properties, _ = channel.basic_get(queue, auto_ack=True)
    assert properties is not None
    assert properties.user_id == "mairie-13055"
    assert _try(url, _publish(EXCHANGE, request_key("ecran", REQUEST_LISTE_EXPORT))) == 403
    assert _try(url, _read(queue)) == 403
    worker = build_broker(deployment.amqp_url("requests"))
    worker.list_accounts = lambda: ["mairie-13055"]
    with (
        closing(worker),
        closing(worker.consume("requests", timeout=100)) as reader,
        Publisher(url) as publisher,
    ):
        publisher.publish(EVENT)
        wait_until(lambda: next(reader), message="the request, read by the account of the workers")


@pytest.fixture
def commands(deployment: Deployment, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Deployment:
    """The operator's commands with the operator's broker account, on a database that only the test uses."""
    url = f"sqlite:///{tmp_path / 'prefecture.db'}"
    monkeypatch.setenv("PREFECTURE_DATABASE_URL", url)
    monkeypatch.setenv("PREFECTURE_AMQP_URL", deployment.amqp_url("exploitant"))
    assert main(["migrate"]) == ExitCode.DONE
    return deployment


CONFINED: list[tuple[str, Attempt]] = [
    ("declare a queue", _declare("listener.mine")),
    ("declare its own anew", lambda channel: channel.queue_delete("listener.compta")),
    (
        "hear more",
        lambda channel: channel.queue_bind("listener.compta", EXCHANGE, listener_key(commune="*")),
    ),
    (
        "hear less",
        lambda channel: channel.queue_unbind(
            "listener.compta", EXCHANGE, listener_key(commune="13055")
        ),
    ),
    ("read another's", _read("listener.other")),
    ("read requests", _read("requests")),
    ("publish a request", _publish(EXCHANGE, request_key("compta", REQUEST_LISTE_EXPORT))),
    ("publish straight to a queue", _publish("", "listener.other")),
]


@pytest.mark.slow
def test_a_listener_reads_its_own_queue_and_does_nothing_else(
    commands: Deployment, capsys: pytest.CaptureFixture[str]
) -> None:
    _run_documented(commands, "runs this too")
    assert (
        main(["accounts", "--kind", "ecoute", "--add", "other", "--account", "mairie-13900"])
        == ExitCode.DONE
    )
    capsys.readouterr()
    publisher = EventPublisher(build_broker(commands.amqp_url("notifier")))
    about = AnsweredRequest(source="/test", id="1")
    for commune in ("13055", "13900"):
        data = RequestStatus(
            request=about, status=RequestStage.SETTLED, request_id=1, commune=commune, ready=1
        )
        publisher.publish(CloudEvent.wrap(data, source="/module-prefecture"), f"mairie-{commune}")
    url = commands.broker.url(VHOST, "compta", "p")
    for what, attempt in CONFINED:
        assert _try(url, attempt) == 403, what
    with pika.BlockingConnection(pika.URLParameters(url)) as connection:
        channel = connection.channel()
        _, _, body = channel.basic_get("listener.compta", auto_ack=True)
        assert CloudEvent.from_bytes(body or b"").data["commune"] == "13055"
        assert channel.basic_get("listener.compta", auto_ack=True)[2] is None
    policies = {
        it["name"]: it.get("policy")
        for it in commands.broker.management.request("GET", f"/queues/{VHOST}")
    }
    assert policies["listener.compta"] == "listeners"
    assert main(["accounts", "--kind", "ecoute"]) == ExitCode.DONE
    shown = capsys.readouterr().out
    assert [
        word in shown for word in ("listener.compta", "13055", "les réponses à mairie-13900")
    ] == [True] * 3


def test_a_listener_is_told_other_things_and_removed(
    commands: Deployment, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for code in ("13055", "13055", "*"):
        assert (
            main(["accounts", "--kind", "ecoute", "--add", "agenda", "--commune", code])
            == ExitCode.DONE
        )
    assert (
        main(["accounts", "--kind", "ecoute", "--remove", "agenda", "--commune", "*"])
        == ExitCode.DONE
    )
    bindings = commands.broker.management.request(
        "GET", f"/queues/{VHOST}/listener.agenda/bindings"
    )
    assert [it["routing_key"] for it in bindings if it["source"]] == [listener_key(commune="13055")]
    assert main(["accounts", "--kind", "ecoute", "--remove", "agenda"]) == ExitCode.DONE
    assert capsys.readouterr().out.endswith("agenda n'entend plus 13055 ; sa file est supprimée.\n")
    with pytest.raises(RuntimeError, match="404"):
        commands.broker.management.request("GET", f"/queues/{VHOST}/listener.agenda")
    assert main(["audit", "--json"]) == ExitCode.DONE
    trail = capsys.readouterr().out
    assert (trail.count("listener_added"), trail.count("listener_removed")) == (2, 2)
    assert main(["accounts", "--kind", "ecoute", "--remove", "agenda"]) == ExitCode.FAILED
    assert (
        main(["accounts", "--kind", "ecoute", "--add", "agenda", "--commune", "99999"])
        == ExitCode.FAILED
    )
    assert (
        main(["accounts", "--kind", "ecoute", "--add", "agenda"])
        == main(["accounts", "--kind", "ecoute", "--add", "A B", "--commune", "*"])
        == 2
    )
    assert "aucune écoute à ce nom : agenda" in capsys.readouterr().err
    monkeypatch.setenv("PREFECTURE_AMQP_URL", commands.amqp_url("worker"))
    assert (
        main(["accounts", "--kind", "ecoute", "--add", "agenda", "--commune", "*"])
        == ExitCode.FAILED
    )
    assert "employez celui de l'exploitant" in capsys.readouterr().err
    assert main(["accounts", "--kind", "ecoute"]) == ExitCode.DONE
    assert capsys.readouterr().out == "Aucune écoute : ajoutez-en une avec --kind ecoute --add.\n"


@pytest.mark.slow
def test_an_account_that_binds_itself_is_confined_to_its_commune(deployment: Deployment) -> None:
    run = deployment.broker.rabbitmqctl
    run("add_user", "binder", "p")
    run("set_permissions", "-p", VHOST, "binder", "^binder$", "^binder$", "^(prefecture|binder)$")
    run("set_topic_permissions", "-p", VHOST, "binder", EXCHANGE, "", r"\.v1\.13055$")
    url = deployment.broker.url(VHOST, "binder", "p")
    assert _try(url, _declare("binder")) == 0

    def bind(key: str) -> int:
        return _try(url, lambda channel: channel.queue_bind("binder", EXCHANGE, key))

    assert bind("fr.openelec.prefecture.event.*.v1.13055") == 0
    for key in (
        "fr.openelec.prefecture.event.#",
        EVENT_EXPORT_STATUS,
        "#",
        f"{EVENT_EXPORT_STATUS}.13900",
        "*.13055",
    ):
        assert bind(key) == 403, key


def test_the_notifier_counts_messages_that_it_cannot_read(deployment: Deployment) -> None:
    with pika.BlockingConnection(pika.URLParameters(deployment.broker.url(VHOST))) as connection:
        channel = connection.channel()
        channel.queue_purge("listes.XQ")
        channel.confirm_delivery()
        channel.basic_publish("", "listes.XQ", b"poison")
    counted = {
        state.queue: state.dead_letters for state in read_queues(deployment.amqp_url("notifier"))
    }
    assert counted["listes"] == 1


def test_those_who_report_an_alarm_of_the_broker_may_publish_to_no_queue(
    deployment: Deployment,
) -> None:
    assert not any(is_blocked(deployment.amqp_url(it)) for it in ("notifier", "exploitant"))
    assert ping_broker(deployment.amqp_url("listes")).endswith(VHOST), (
        "a worker's account publishes nothing"
    )


@pytest.mark.slow
def test_a_new_password_is_taken_at_the_next_start(deployment: Deployment) -> None:
    old = deployment.amqp_url("producteur")
    deployment.renew_password("broker_producteur")
    deployment.broker.restart()
    key = request_key("producteur", REQUEST_LISTE_EXPORT)
    assert _try(deployment.amqp_url("producteur"), _publish(EXCHANGE, key)) == 0
    with pytest.raises(ProbableAuthenticationError):
        _try(old, _publish(EXCHANGE, key))
