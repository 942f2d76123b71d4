"""Webhooks by a real HTTP server, on both databases: signed, sent once, retried, refused, never logged."""

import json
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session
from standardwebhooks import Webhook

from schemas.events import FileStatus
from schemas.vocabulary import Action, Channel
from tests.integration.notifier_desk import MAIRIE, TEMPLATE, Desk, Killed, smtp, work
from tests.parts.certificates import Authority
from tests.parts.mail import Mailbox
from tests.parts.ports import LOOPBACK
from tests.parts.web import WebServer, serving
from worker.access.models import Recipient
from worker.audit import Audit
from worker.db.types import utc_now
from worker.exports.models import Request
from worker.notifier.channels import webhook
from worker.notifier.channels.delivery import Addressee, DeliveryDelayedError, DeliveryRefusedError
from worker.notifier.channels.hosts import Hosts
from worker.notifier.channels.webhook import WebhookSender, make_secret
from worker.notifier.models import Notification
from worker.notifier.sending import try_recipient
from worker.work.queue import Work

pytestmark = [pytest.mark.database(TEMPLATE), pytest.mark.desk(opened_by=Desk.open)]


@pytest.mark.slow
def test_the_events_of_a_request_come_in_one_post_that_its_signature_proves(
    desk: Desk, server: WebServer, mailbox: Mailbox
) -> None:
    recipient = desk.add_recipient(Channel.WEBHOOK, server.url("/a/b?c=d"))
    request_id = desk.ask("P.csv", "P.xml=failed", "CE.csv=cancelled")

    assert work(desk.notifier(smtp(mailbox))) == 1

    (post,) = server.posts
    assert (post.method, post.path) == ("POST", "/a/b?c=d")
    assert post.headers["content-type"] == "application/cloudevents-batch+json; charset=utf-8"
    events = Webhook(recipient.secret).verify(post.body, dict(post.headers))
    assert [event["data"]["export_id"] for event in events] == [1, 2, 3]
    assert {event["correlationid"] for event in events} == {"clic-demande"}
    statuses = [FileStatus.model_validate(event["data"]).status for event in events]
    assert statuses == ["ready", "failed", "cancelled"]
    row = desk.notification(Channel.WEBHOOK)
    assert (row.request_id, row.kind, row.channel) == (request_id, "echec", "webhook")
    assert row.address == f"http://{LOOPBACK}"
    assert row.sent_at
    assert work(desk.notifier(smtp(mailbox))) == 0
    assert len(server.posts) == len(mailbox.mails) == 1


def test_the_trace_of_the_request_goes_on_in_the_name_of_the_installation(
    desk: Desk, server: WebServer, mailbox: Mailbox
) -> None:
    trace = {
        "traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
        "tracestate": "mairie=1",
    }
    desk.add_recipient(Channel.WEBHOOK, server.url())
    desk.ask("P.csv")
    desk.change(Request, **trace)
    work(desk.notifier(smtp(mailbox), public_url="https://ville.example"))
    desk.ask("CE.csv", event_id="another")
    work(desk.notifier(smtp(mailbox)))
    traced, other = server.posts
    assert {name: traced.headers[name] for name in trace} == trace
    (event,) = json.loads(traced.body)
    assert event | trace | {"source": "https://ville.example"} == event
    assert "traceparent" not in other.headers
    assert "traceparent" not in other.body.decode()


def test_a_recipient_of_every_commune_is_told_of_each_and_another_communes_is_not(
    desk: Desk, server: WebServer, mailbox: Mailbox
) -> None:
    desk.add_recipient(Channel.WEBHOOK, server.url("/all"), "all", code_commune="*")
    desk.add_recipient(Channel.WEBHOOK, server.url("/other"), "other", code_commune="13055")
    desk.ask("P.csv")

    work(desk.notifier(smtp(mailbox)))

    assert [post.path for post in server.posts] == ["/all"]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("kinds", "files", "is_told"),
    [
        ("pret", ["P.csv"], True),
        ("echec,echeance", ["P.csv"], False),
        ("echec", ["P.csv", "P.xml=failed"], True),
        ("pret", ["P.csv", "P.xml=failed"], True),
        ("pret", ["P.csv=failed"], False),
        ("echec", ["P.csv=cancelled"], True),
        ("", ["P.csv"], False),
    ],
)
def test_each_is_told_of_what_it_wants(
    desk: Desk, server: WebServer, mailbox: Mailbox, kinds: str, files: list[str], *, is_told: bool
) -> None:
    desk.add_recipient(Channel.WEBHOOK, server.url(), kinds=kinds)
    desk.add_agent("adjoint", "adjoint@libreville.example", kinds=kinds)
    desk.ask(*files)

    assert work(desk.notifier(smtp(mailbox))) == 1

    assert len(server.posts) == is_told
    assert len(mailbox.mails) == 1 + is_told


def test_one_that_dies_before_recording_is_followed_by_the_same_id(
    desk: Desk, server: WebServer, mailbox: Mailbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk.add_recipient(Channel.WEBHOOK, server.url())
    desk.ask("P.csv")

    def die(*_: object) -> None:
        raise Killed

    with monkeypatch.context() as patched:
        patched.setattr(webhook, "_judge", die)
        with pytest.raises(Killed):
            work(desk.notifier(smtp(mailbox), lease_seconds=-1))

    assert work(desk.notifier(smtp(mailbox))) == 1
    first, second = server.posts
    assert first.headers["webhook-id"] == second.headers["webhook-id"]
    assert first.body == second.body
    assert len(mailbox.mails) == 1


@pytest.mark.parametrize(
    ("scheme", "host", "hosts", "refusal"),
    [
        ("http", LOOPBACK, (), "hôte absent de PREFECTURE_WEBHOOK_HOSTS"),
        (
            "https",
            "localhost",
            ("localhost",),
            "hôte du réseau interne, absent de PREFECTURE_WEBHOOK_HOSTS",
        ),
    ],
)
def test_the_list_of_hosts_is_asked_each_time(
    desk: Desk,
    server: WebServer,
    mailbox: Mailbox,
    *,
    scheme: str,
    host: str,
    hosts: tuple[str, ...],
    refusal: str,
) -> None:
    desk.add_recipient(Channel.WEBHOOK, server.url(scheme=scheme, host=host))
    desk.ask("P.csv")
    assert work(desk.notifier(smtp(mailbox), hosts=hosts)) == 1
    assert server.posts == []
    assert desk.notification(Channel.WEBHOOK).refusal == refusal


def test_the_screen_is_shown_no_secret(desk: Desk, server: WebServer, mailbox: Mailbox) -> None:
    recipient = desk.add_recipient(Channel.WEBHOOK, server.url("/mot-de-passe"))
    desk.ask("P.csv")
    work(desk.notifier(smtp(mailbox)))

    with desk.engine.connect() as connection:
        shown = connection.exec_driver_sql("SELECT * FROM envois ORDER BY channel").mappings().all()

    assert [row["address"] for row in shown] == [MAIRIE, f"http://{LOOPBACK}"]
    assert {row["subject"] for row in shown} == {
        "Fichier prêt — Liste P du 25/11/2026 09:30:00 [csv] — LIBREVILLE (13900)"
    }
    assert not any(word in str(shown) for word in ("mot-de-passe", recipient.secret))


@contextmanager
def tried_again_after(desk: Desk, seconds: float, *, within: float = 0.01) -> Iterator[None]:
    """The work tried in the block fails, and is due again this many seconds later, by the database's clock."""
    began = now_of(desk)
    yield
    (due,) = (one.due_at for one in desk.works())
    margin = timedelta(seconds=within)
    assert began - margin <= due - timedelta(seconds=seconds) <= now_of(desk) + margin


def now_of(desk: Desk) -> datetime:
    with desk.engine.connect() as connection:
        now: datetime = connection.execute(select(utc_now())).scalar_one()
        return now


@pytest.mark.slow
@pytest.mark.parametrize("status", [500, 503, 429, 408])
def test_a_server_in_trouble_is_tried_again_and_delays_nobody(
    desk: Desk, server: WebServer, mailbox: Mailbox, status: int
) -> None:
    desk.add_recipient(Channel.WEBHOOK, server.url())
    request_id = desk.ask("P.csv")
    server.status = status
    notifier = desk.notifier(smtp(mailbox))

    with tried_again_after(desk, 10):
        assert work(notifier) == 0
    assert len(mailbox.mails) == 1
    assert work(notifier) == 0  # not yet due
    assert len(server.posts) == 1
    desk.make_due()
    with tried_again_after(desk, 20):
        assert work(notifier) == 0

    server.status = 200
    desk.make_due()
    assert work(notifier) == 1
    assert len(server.posts) == 3
    assert len({post.headers.get("webhook-id") for post in server.posts}) == 1
    assert len(mailbox.mails) == 1
    assert desk.notification(Channel.WEBHOOK).attempts == 3
    assert desk.request(request_id).notified_at


IN_AN_HOUR = "a date in an hour"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("retry_after", "seconds"),
    [
        ("25", 25),
        ("120", 120),
        (IN_AN_HOUR, 3600),
        ("3", 10),
        ("soon", 10),
        ("9" * 30, 86_400),
        ("-1", 10),
    ],
)
def test_retry_after_is_respected_within_reason(
    desk: Desk, server: WebServer, mailbox: Mailbox, retry_after: str, seconds: int
) -> None:
    desk.add_recipient(Channel.WEBHOOK, server.url())
    desk.ask("P.csv")
    within = 0.01
    if retry_after == IN_AN_HOUR:
        within = 1  # HTTP counts in seconds
        retry_after = format_datetime(datetime.now(UTC) + timedelta(hours=1), usegmt=True)
    server.status, server.headers = 503, {"Retry-After": retry_after}
    with tried_again_after(desk, seconds, within=within):
        work(desk.notifier(smtp(mailbox)))
    if retry_after == "25":  # and not the pause after so many tries
        desk.change(Work, starts=5)
        desk.make_due()
        with tried_again_after(desk, seconds):
            work(desk.notifier(smtp(mailbox)))


def test_a_connection_that_fails_is_no_attempt(desk: Desk, mailbox: Mailbox) -> None:
    with serving() as closed:
        address = closed.url()
    desk.add_recipient(Channel.WEBHOOK, address)
    desk.ask("P.csv")
    assert work(desk.notifier(smtp(mailbox))) == 0
    assert desk.notification(Channel.WEBHOOK).attempts == 0


@pytest.mark.parametrize("status", [400, 401, 403, 404, 422])
def test_what_is_refused_is_not_tried_again(
    desk: Desk, server: WebServer, mailbox: Mailbox, status: int
) -> None:
    desk.add_recipient(Channel.WEBHOOK, server.url())
    desk.ask("P.csv")
    server.status = status

    assert work(desk.notifier(smtp(mailbox))) == 1

    row = desk.notification(Channel.WEBHOOK)
    assert (row.refusal, row.sent_at) == (f"réponse {status}", None)
    assert row.ended_at
    assert len(server.posts) == 1


def test_a_recipient_that_is_gone_is_told_nothing_any_more(
    desk: Desk, server: WebServer, mailbox: Mailbox
) -> None:
    desk.add_recipient(Channel.WEBHOOK, server.url())
    server.status = 410
    for number in range(3):
        desk.ask("P.csv", event_id=f"demande-{number}")

    assert work(desk.notifier(smtp(mailbox))) == 3

    assert len(server.posts) == 1
    with Session(desk.engine) as session:
        refusals = (
            select(Notification.refusal)
            .where(Notification.recipient == "r1")
            .order_by(Notification.id)
        )
        assert session.scalars(refusals).all() == ["réponse 410"]
        assert session.get_one(Recipient, "r1").disabled_at
        assert session.scalars(select(Audit.action)).all() == [Action.RECIPIENT_DISABLED]


def test_a_redirection_is_not_followed(desk: Desk, server: WebServer, mailbox: Mailbox) -> None:
    with serving() as elsewhere:
        desk.add_recipient(Channel.WEBHOOK, server.url())
        desk.ask("P.csv")
        server.status, server.headers = 307, {"Location": elsewhere.url()}
        work(desk.notifier(smtp(mailbox)))
        assert elsewhere.posts == []
    row = desk.notification(Channel.WEBHOOK)
    assert row.sent_at is None
    assert row.refusal == "réponse 307 : les redirections ne sont pas suivies"


def test_a_removed_recipient_holds_nothing_up(
    desk: Desk, server: WebServer, mailbox: Mailbox
) -> None:
    desk.add_recipient(Channel.WEBHOOK, server.url())
    desk.ask("P.csv")
    server.status = 500
    notifier = desk.notifier(smtp(mailbox))
    work(notifier)
    desk.change(Recipient, code_commune="13055")
    desk.make_due()

    assert work(notifier) == 1
    assert desk.notification(Channel.WEBHOOK).refusal == "destinataire retiré"


def send(url: str, *hosts: str) -> None:
    addressee = Addressee("r1", Channel.WEBHOOK, url, frozenset(), make_secret())
    try_recipient({Channel.WEBHOOK: WebhookSender(Hosts.parse(hosts))}, addressee, lieu="13900")


def test_the_host_must_prove_its_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    authority = Authority(tmp_path, "autorite")
    with serving(authority.sign("localhost")) as server:
        url = server.url(scheme="https", host="localhost")
        with pytest.raises(DeliveryDelayedError, match="SSLCertVerificationError"):
            send(url, "localhost", LOOPBACK, "::1")
        assert server.posts == []
        monkeypatch.setenv("SSL_CERT_FILE", str(authority.root))
        send(url, "localhost", LOOPBACK, "::1")
        assert server.posts[0].body == b"[]"
        with pytest.raises(DeliveryDelayedError, match="SSLCertVerificationError"):
            send(server.url(scheme="https"), LOOPBACK)


def test_a_server_that_says_nothing_is_left_in_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(webhook, "TIMEOUT_SECONDS", 0.2)
    with socket.create_server((LOOPBACK, 0)) as silent:
        url = f"http://{LOOPBACK}:{silent.getsockname()[1]}/"
        with pytest.raises(DeliveryDelayedError, match="TimeoutError"):
            send(url, LOOPBACK)


def test_a_server_that_says_little_for_long_is_left_in_time(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(webhook, "WHOLE_SECONDS", 0.5)
    with socket.create_server((LOOPBACK, 0)) as slow:
        stop = threading.Event()
        thread = threading.Thread(target=_drip, args=(slow, stop))
        thread.start()
        try:
            with pytest.raises(DeliveryDelayedError):
                send(f"http://{LOOPBACK}:{slow.getsockname()[1]}/", LOOPBACK)
        finally:
            stop.set()
            slow.shutdown(socket.SHUT_RDWR)
            thread.join(timeout=60)
    assert not thread.is_alive()


def _drip(listener: socket.socket, stop: threading.Event) -> None:
    with suppress(OSError):
        connection, _ = listener.accept()
        with connection:
            while not stop.wait(0.05):
                connection.sendall(b"H")


def test_a_delay_without_sense_is_no_delay(server: WebServer) -> None:
    server.headers = {"Retry-After": "Mon, 01 Jan 99999999999999999999 00:00:00 GMT"}
    send(server.url(), LOOPBACK)
    server.status = 503
    with pytest.raises(DeliveryDelayedError, match="503"):
        send(server.url(), LOOPBACK)


def test_without_tls_nothing_leaves_this_machine() -> None:
    with pytest.raises(DeliveryRefusedError, match="sans TLS"):
        send("http://hooks.example.org/", "hooks.example.org")
