"""The accounts of `deploy/broker/` on a real RabbitMQ: each account is refused what it does not need."""

import shlex
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

import pika
import pytest
from dramatiq.common import xq_name
from dramatiq.errors import ConnectionClosed
from pika.adapters.blocking_connection import BlockingChannel
from pika.exceptions import ChannelClosedByBroker, ProbableAuthenticationError

from common.cli import ExitCode
from producers.errors import PublishError
from producers.publisher import Publisher
from schemas.envelope import CloudEvent
from schemas.events import AnsweredRequest, RequestStage, RequestStatus
from schemas.requests import ListeExportRequested
from schemas.topology import (
    EVENT_EXPORT_STATUS,
    EXCHANGE,
    QUEUE_LISTES,
    QUEUE_PROGRAMS,
    QUEUE_REQUESTS,
    REQUEST_LISTE_EXPORT,
    REQUEST_QUEUES,
    SCREEN_NOTE,
    TOKEN_QUEUES,
    listener_key,
    request_bindings,
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
from worker.messaging.events import EventPublisher
from worker.messaging.middleware import TIME_LIMIT_MS
from worker.messaging.queues import TokenQueues, is_blocked, ping_broker, read_queues
from worker.messaging.reading import ACTORS

EVENT = CloudEvent.wrap(
    ListeExportRequested(commune="13055", requested_by="mairie"), source="/test"
)
OPERATIONS = Path(__file__).parents[2] / "docs" / "operations.md"

Attempt = Callable[[BlockingChannel], object]


def _publish(
    exchange: str,
    routing_key: str,
    user_id: str | None = None,
    headers: Any = None,  # noqa: ANN401 — of AMQP
) -> Attempt:
    properties = pika.BasicProperties(user_id=user_id, headers=headers)
    return lambda channel: channel.basic_publish(exchange, routing_key, b"{}", properties)


def _read(queue: str) -> Attempt:
    return lambda channel: channel.basic_get(queue)


def _declare(queue: str) -> Attempt:
    return lambda channel: channel.queue_declare(queue, durable=True)


def _bind(queue: str, key: str) -> Attempt:
    return lambda channel: channel.queue_bind(queue, EXCHANGE, key)


_OUR_QUEUES = *ACTORS, *map(xq_name, ACTORS)

# What each account reads; it is refused every other queue of ours.
_READ: Mapping[str, set[str]] = {
    "producteur": set(),
    "ecran": set(),
    "requests": {*REQUEST_QUEUES, *map(xq_name, REQUEST_QUEUES)},
    "workers": {*TOKEN_QUEUES},
    # A queue with dead letters is declared by an account that may read it: the sweep declares a queue that is missing.
    "notifier": {*TOKEN_QUEUES},
    "exploitant": {xq_name(it) for it in ACTORS},
}

# What each account declares, besides the queues of listeners.
_DECLARED: Mapping[str, set[str]] = {
    "producteur": set(),
    "ecran": set(),
    "requests": {*REQUEST_QUEUES, *map(xq_name, REQUEST_QUEUES)},
    "workers": {*TOKEN_QUEUES, *map(xq_name, TOKEN_QUEUES)},
    "notifier": {*TOKEN_QUEUES, *map(xq_name, TOKEN_QUEUES)},
    "exploitant": set(),
}

# What each account publishes on the exchange.
_KEYS: Mapping[str, tuple[str, ...]] = {
    "an event": (EVENT_EXPORT_STATUS,),
    "its own request": ("programs.{}.fr.openelec.prefecture.request.liste_export.v1",),
    "its own request as a person": ("people.{}.fr.openelec.prefecture.request.liste_export.v1",),
    "its own note of the screen": tuple(
        f"{it}.{{}}.{SCREEN_NOTE}" for it in ("people", "programs")
    ),
    "a request of another": tuple(
        request_key(it, REQUEST_LISTE_EXPORT) for it in ("mairie", "producteurs", "ecrans")
    ),
    "a request without an account": (REQUEST_LISTE_EXPORT, f"{{}}.{REQUEST_LISTE_EXPORT}"),
}
_PUBLISHED: Mapping[str, set[str]] = {
    "producteur": {"its own request"},
    "ecran": {"its own request", "its own request as a person", "its own note of the screen"},
    "requests": set(),
    "workers": set(),
    "notifier": {"an event"},
    # An event that is put back has the key of its sender.
    "exploitant": {*_KEYS} - {"an event", "a request without an account"},
}

_ELSEWHERE: list[tuple[str, str, Attempt]] = [
    *(
        (who, "publish straight to a queue", _publish("", QUEUE_LISTES))
        for who in ("producteur", "ecran", "workers", "exploitant")
    ),
    (
        "producteur",
        "publish as the screen",
        _publish(EXCHANGE, request_key("ecran", REQUEST_LISTE_EXPORT)),
    ),
    ("producteur", "publish elsewhere", _publish("amq.topic", REQUEST_LISTE_EXPORT)),
    (
        "producteur",
        "add the key of another",
        _publish(
            EXCHANGE,
            request_key("producteur", REQUEST_LISTE_EXPORT),
            headers={"CC": [request_key("ecran", REQUEST_LISTE_EXPORT)]},
        ),
    ),
    ("producteur", "declare an exchange", lambda channel: channel.exchange_declare("mine")),
    ("producteur", "change the exchange", lambda channel: channel.exchange_delete(EXCHANGE)),
    ("producteur", "purge requests", lambda channel: channel.queue_purge(QUEUE_REQUESTS)),
    ("producteur", "delete a queue", lambda channel: channel.queue_delete(QUEUE_REQUESTS)),
    ("producteur", "bind a queue", _bind(QUEUE_REQUESTS, "#")),
    ("requests", "bind to events", _bind(QUEUE_REQUESTS, EVENT_EXPORT_STATUS)),
    ("requests", "bind to everything", _bind(QUEUE_REQUESTS, "#")),
    ("notifier", "bind to requests", _bind(QUEUE_LISTES, request_bindings(QUEUE_REQUESTS)[0])),
    ("exploitant", "bind to requests", _bind(QUEUE_REQUESTS, REQUEST_LISTE_EXPORT)),
    *((who, "declare another queue", _declare("mine")) for who in _READ),
]

REFUSED: list[tuple[str, str, Attempt]] = [
    *(
        (who, f"read {queue}", _read(queue))
        for who, own in _READ.items()
        for queue in _OUR_QUEUES
        if queue not in own
    ),
    *(
        (who, f"declare {queue}", _declare(queue))
        for who, own in _DECLARED.items()
        for queue in _OUR_QUEUES
        if queue not in own
    ),
    *(
        (who, f"publish {what}: {key}", _publish(EXCHANGE, key.format(who)))
        for who, own in _PUBLISHED.items()
        for what, keys in _KEYS.items()
        for key in keys
        if what not in own
    ),
    *_ELSEWHERE,
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
def test_broker_refuses_an_account_what_it_does_not_need(
    deployment: Deployment, account: str, what: str, attempt: Attempt
) -> None:
    assert _try(deployment.amqp_url(account), attempt) == 403


@pytest.fixture
def channel(deployment: Deployment) -> Iterator[BlockingChannel]:
    """The administrator's; the queues of events are empty, and end empty."""
    with pika.BlockingConnection(pika.URLParameters(deployment.broker.url(VHOST))) as connection:
        channel = connection.channel()
        for queue in REQUEST_QUEUES:
            channel.queue_purge(queue)
        yield channel
        for queue in REQUEST_QUEUES:
            channel.queue_purge(queue)


@pytest.mark.usefixtures("channel")
@pytest.mark.parametrize("account", _PUBLISHED)
def test_account_publishes_under_its_own_keys(deployment: Deployment, account: str) -> None:
    url = deployment.amqp_url(account)
    for what in _PUBLISHED[account]:
        for key in _KEYS[what]:
            assert _try(url, _publish(EXCHANGE, key.format(account))) == 0, key


@pytest.mark.usefixtures("channel")
def test_account_names_no_other_as_user_id(deployment: Deployment) -> None:
    url = deployment.amqp_url("producteur")
    key = request_key("producteur", REQUEST_LISTE_EXPORT)
    assert _try(url, _publish(EXCHANGE, key, user_id="producteur")) == 0
    assert _try(url, _publish(EXCHANGE, key, user_id="ecran")) == 406


def test_token_is_believed_from_the_screen_only(
    deployment: Deployment, channel: BlockingChannel
) -> None:
    """The broker does not check `app_id`: of another account, the worker ignores it."""

    def sender(queue: str) -> str:
        method, properties, _ = channel.basic_get(queue, auto_ack=True)
        assert method is not None
        return sender_of(properties, str(method.routing_key))

    with (
        Publisher(deployment.amqp_url("ecran")) as screen,
        Publisher(deployment.amqp_url("producteur")) as other,
    ):
        screen.publish(EVENT, token="jeton compta")
        assert sender(QUEUE_REQUESTS) == "jeton compta"
        screen.publish(EVENT)
        assert sender(QUEUE_REQUESTS) == "ecran"
        with pytest.raises(PublishError, match="n'a pas le droit"):
            other.publish(EVENT, token="jeton compta")
    key = request_key("producteur", REQUEST_LISTE_EXPORT)
    for user_id in ("producteur", None):
        forged = pika.BasicProperties(user_id=user_id, app_id="jeton compta")
        forge: Attempt = lambda it: it.basic_publish(EXCHANGE, key, b"{}", forged)  # noqa: B023, E731
        assert _try(deployment.amqp_url("producteur"), forge) == 0
        assert sender(QUEUE_PROGRAMS) == "producteur"


def test_batch_of_the_screen_waits_with_the_programs(
    deployment: Deployment, channel: BlockingChannel
) -> None:
    batch = EVENT.model_copy(update={"data": EVENT.data | {"bulk": True}})
    with Publisher(deployment.amqp_url("ecran")) as screen:
        screen.publish(batch, EVENT)
    for queue, event in ((QUEUE_PROGRAMS, batch), (QUEUE_REQUESTS, EVENT)):
        assert channel.basic_get(queue, auto_ack=True)[2] == event.to_bytes()


def test_message_beyond_the_limit_closes_the_channel(deployment: Deployment) -> None:
    assert (
        _try(
            deployment.amqp_url("requests"),
            lambda it: it.basic_publish("", "requests", b"x" * 262_145),
        )
        == 406
    )


def test_broker_has_no_other_account(deployment: Deployment) -> None:
    users = {user["name"] for user in deployment.broker.management.request("GET", "/users")}
    assert users == {*_READ, deployment.broker.user}
    with pytest.raises(ProbableAuthenticationError):
        pika.BlockingConnection(pika.URLParameters(deployment.broker.url(VHOST, "guest", "guest")))


@pytest.fixture
def letter(channel: BlockingChannel) -> CloudEvent:
    """An event of `producteur` as the only dead letter of its queue."""
    channel.queue_purge(xq_name(QUEUE_PROGRAMS))
    channel.confirm_delivery()
    # A publisher that invents the record of a dead-lettering changes nothing.
    invented: Any = {
        "exchange": EXCHANGE,
        "routing-keys": [request_key("ecran", REQUEST_LISTE_EXPORT)],
    }
    properties = pika.BasicProperties(headers={"x-death": [invented]})
    key = request_key("producteur", REQUEST_LISTE_EXPORT)
    channel.basic_publish(EXCHANGE, key, EVENT.to_bytes(), properties)
    method, _, _ = channel.basic_get(QUEUE_PROGRAMS)
    assert method is not None
    channel.basic_nack(method.delivery_tag or 0, requeue=False)
    return EVENT


def test_operator_sees_dead_letters_and_leaves_them_there(
    deployment: Deployment, letter: CloudEvent
) -> None:
    operator = Management(
        deployment.broker.management.port, "exploitant", deployment.password("broker_exploitant")
    )
    look = {"count": 10, "ackmode": "ack_requeue_true", "encoding": "auto"}
    for _ in range(2):
        (found,) = operator.request("POST", f"/queues/{VHOST}/requests-programs.XQ/get", look)
        assert found["payload"].encode() == letter.to_bytes()
    with pytest.raises(RuntimeError, match=r"40[13]"):
        operator.request("POST", f"/queues/{VHOST}/listes/get", look)
    with pytest.raises(RuntimeError, match=r"40[13]"):
        operator.request("PUT", f"/queues/{VHOST}/mine", {})


def test_operator_requeues_a_dead_letter_of_its_account(
    commands: Deployment,
    letter: CloudEvent,
    channel: BlockingChannel,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["dead-letters", "list"]) == ExitCode.DONE
    assert "producteur" in capsys.readouterr().out
    assert main(["dead-letters", "requeue", "--all"]) == ExitCode.DONE
    method, properties, body = channel.basic_get(QUEUE_PROGRAMS, auto_ack=True)
    assert method is not None
    assert sender_of(properties, str(method.routing_key)) == "producteur"
    assert body == letter.to_bytes()
    assert main(["dead-letters", "requeue", "--all"]) == ExitCode.DONE
    assert capsys.readouterr().out.endswith("0 lettre remise en file.\n")


@pytest.mark.usefixtures("letter")
def test_operator_drops_a_dead_letter(
    commands: Deployment, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["dead-letters", "drop", "--all", "--yes"]) == ExitCode.DONE
    assert capsys.readouterr().out == "1 lettre supprimée.\n"
    with open_office(commands.amqp_url("exploitant")) as office:
        assert office.count(QUEUE_PROGRAMS) == 0


@pytest.mark.usefixtures("letter")
@pytest.mark.parametrize("account", ["workers", "notifier", "producteur"])
def test_dead_letters_are_closed_to_other_accounts(deployment: Deployment, account: str) -> None:
    with (
        pytest.raises(PrefectureError, match="employez celui de l'exploitant"),
        open_office(deployment.amqp_url(account)) as office,
    ):
        list(office.look(QUEUE_PROGRAMS))


def _topology(deployment: Deployment) -> dict[str, list[str]]:
    found = deployment.broker.management.request("GET", f"/definitions/{VHOST}")
    queues = [it for it in found["queues"] if not it["name"].startswith("listener.")]
    bindings = [it for it in found["bindings"] if it["destination"] in ACTORS]
    parts = {"exchanges": found["exchanges"], "queues": queues, "bindings": bindings}
    return {name: sorted(map(str, part)) for name, part in parts.items()}


_DECLARING = {"requests": REQUEST_QUEUES, "workers": TOKEN_QUEUES, "notifier": TOKEN_QUEUES}


def test_definitions_declare_what_the_code_declares(deployment: Deployment) -> None:
    before = _topology(deployment)
    for account, queues in _DECLARING.items():
        with closing(build_broker(deployment.amqp_url(account))) as broker:
            for queue in queues:
                broker.declare_queue(queue, ensure=True)
    assert _topology(deployment) == before


def test_queue_deleted_by_hand_is_declared_again(
    deployment: Deployment, channel: BlockingChannel
) -> None:
    """The worker of requests declares its own queues, the sweep those of tokens."""
    before = _topology(deployment)
    for queue in (*REQUEST_QUEUES, *TOKEN_QUEUES):
        channel.queue_delete(queue)
    with (
        closing(build_broker(deployment.amqp_url("workers"))) as broker,
        pytest.raises(ConnectionClosed, match="ACCESS_REFUSED"),
    ):
        broker.declare_queue(QUEUE_LISTES, ensure=True)
    with closing(build_broker(deployment.amqp_url("requests"))) as broker:
        for queue in REQUEST_QUEUES:
            broker.declare_queue(queue, ensure=True)
        with pytest.raises(ConnectionClosed, match="ACCESS_REFUSED"):
            TokenQueues(broker).send(QUEUE_LISTES)
        with closing(build_broker(deployment.amqp_url("notifier"))) as sweeping:
            assert [TokenQueues(sweeping).count(queue) for queue in TOKEN_QUEUES] == [0, 0, 0]
        TokenQueues(broker).send(QUEUE_LISTES)
    assert channel.queue_purge(QUEUE_LISTES).method.message_count == 1
    assert _topology(deployment) == before


def test_policies_bound_the_queues(deployment: Deployment) -> None:
    ask = deployment.broker.management.request
    policies = {policy["name"]: policy["definition"] for policy in ask("GET", f"/policies/{VHOST}")}
    queues = {
        queue["name"]: policies[queue["policy"]]
        for queue in ask("GET", f"/queues/{VHOST}")
        if queue.get("policy") and not queue["name"].startswith("listener.")
    }
    assert queues.keys() == {*ACTORS, *map(xq_name, ACTORS)}
    assert min(queues[name]["consumer-timeout"] for name in ACTORS) > 2 * TIME_LIMIT_MS
    for queue in map(xq_name, ACTORS):
        assert {"max-length", "max-length-bytes"} < queues[queue].keys()


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
def test_documented_commands_make_a_producer_for_one_commune(
    commands: Deployment, channel: BlockingChannel
) -> None:
    _run_documented(commands, "runs this")
    limits = {
        it["user"]: it["value"] for it in commands.broker.management.request("GET", "/user-limits")
    }
    assert limits["mairie-13055"] == limits["producteur"] == {"max-connections": 10}
    _expect_producer(commands, channel, "mairie-13055")


@pytest.mark.slow
def test_commands_that_accounts_prints_make_a_producer(
    commands: Deployment, channel: BlockingChannel, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["accounts", "--add", "mairie_1", "--commune", "13055"]) == ExitCode.DONE
    printed = [it.strip() for it in capsys.readouterr().out.splitlines() if "rabbitmqctl" in it]
    commands.broker.rabbitmqctl("add_user", "mairie_1", "p")
    for command in printed:
        commands.broker.rabbitmqctl(*shlex.split(command.replace("VHOST", VHOST))[1:])
    _expect_producer(commands, channel, "mairie_1")


def _expect_producer(deployment: Deployment, channel: BlockingChannel, name: str) -> None:
    url = deployment.broker.url(VHOST, name, "p")
    with Publisher(url) as publisher:
        publisher.publish(EVENT)
        with pytest.raises(PublishError, match="n'a pas le droit"):
            publisher.publish(EVENT.model_copy(update={"type": EVENT_EXPORT_STATUS}))
        unknown = "fr.openelec.prefecture.request.unknown.v1"
        with pytest.raises(PublishError, match="aucune file n'attend"):
            publisher.publish(EVENT.model_copy(update={"type": unknown}))
    method, properties, body = channel.basic_get(QUEUE_PROGRAMS, auto_ack=True)
    assert method is not None
    assert sender_of(properties, str(method.routing_key)) == name
    assert body == EVENT.to_bytes()
    for attempt in (
        _publish(EXCHANGE, request_key("ecran", REQUEST_LISTE_EXPORT)),
        _publish(EXCHANGE, request_key(f"{name}x", REQUEST_LISTE_EXPORT)),
        _read(QUEUE_PROGRAMS),
    ):
        assert _try(url, attempt) == 403


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
def test_listener_reads_its_own_queue_and_does_nothing_else(
    commands: Deployment, capsys: pytest.CaptureFixture[str]
) -> None:
    _run_documented(commands, "runs this too")
    assert (
        main(["accounts", "--kind", "ecoute", "--add", "other", "--account", "mairie-13900"])
        == ExitCode.DONE
    )
    capsys.readouterr()
    publisher = EventPublisher(build_broker(commands.amqp_url("notifier")))
    about = AnsweredRequest(source="/test", id="1", uuid="")
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


def test_queue_of_a_listener_is_bound_unbound_and_deleted(
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
    monkeypatch.setenv("PREFECTURE_AMQP_URL", commands.amqp_url("workers"))
    assert (
        main(["accounts", "--kind", "ecoute", "--add", "agenda", "--commune", "*"])
        == ExitCode.FAILED
    )
    assert "employez celui de l'exploitant" in capsys.readouterr().err
    assert main(["accounts", "--kind", "ecoute"]) == ExitCode.DONE
    assert capsys.readouterr().out == "Aucune écoute : ajoutez-en une avec --kind ecoute --add.\n"


@pytest.mark.slow
def test_account_that_binds_queues_is_confined_to_its_commune(deployment: Deployment) -> None:
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


def test_notifier_counts_dead_letters_that_it_may_not_read(deployment: Deployment) -> None:
    with pika.BlockingConnection(pika.URLParameters(deployment.broker.url(VHOST))) as connection:
        channel = connection.channel()
        channel.queue_purge("listes.XQ")
        channel.confirm_delivery()
        channel.basic_publish("", "listes.XQ", b"poison")
    counted = {
        state.queue: state.dead_letters for state in read_queues(deployment.amqp_url("notifier"))
    }
    assert counted["listes"] == 1


def test_notifier_and_operator_learn_of_an_alarm(deployment: Deployment) -> None:
    accounts = ("notifier", "exploitant")

    def blocked() -> list[bool]:
        return [is_blocked(deployment.amqp_url(it)) for it in accounts]

    deployment.broker.rabbitmqctl("set_vm_memory_high_watermark", "0")
    try:
        wait_until(lambda: all(blocked()), message="the alarm")
    finally:
        deployment.broker.rabbitmqctl("set_vm_memory_high_watermark", "0.6")
    wait_until(lambda: not any(blocked()), message="the end of the alarm")
    assert ping_broker(deployment.amqp_url("workers")).endswith(VHOST), "it publishes nothing"


@pytest.mark.slow
def test_new_password_is_valid_after_a_restart(deployment: Deployment) -> None:
    old = deployment.amqp_url("producteur")
    deployment.renew_password("broker_producteur")
    deployment.broker.restart()
    key = request_key("producteur", REQUEST_LISTE_EXPORT)
    assert _try(deployment.amqp_url("producteur"), _publish(EXCHANGE, key)) == 0
    with pytest.raises(ProbableAuthenticationError):
        _try(old, _publish(EXCHANGE, key))
