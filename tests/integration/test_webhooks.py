"""Webhooks by a real HTTP server, on both databases: signed, told once, tried again, refused where they may not go."""

import json
from collections.abc import Iterator
from functools import partial

import pytest
from sqlalchemy import select, update
from sqlalchemy.orm import Session
from standardwebhooks import Webhook

from schemas.events import ExportEnded, RequestRefused
from schemas.vocabulary import Channel, RequestOutcome
from tests.integration import notifier_desk
from tests.integration.notifier_desk import MAIRIE, TEMPLATE, Desk, Killed, open_desk, smtp, work
from tests.parts.mail import Mailbox
from tests.parts.ports import LOOPBACK
from tests.parts.web import WebServer, serving
from worker.exports.models import Request
from worker.notifier.channels import webhook
from worker.notifier.channels.webhook import WebhookSender
from worker.notifier.models import Notification

pytestmark = [pytest.mark.integration, pytest.mark.database(TEMPLATE), pytest.mark.desk(opened_by=open_desk)]


@pytest.fixture
def server() -> Iterator[WebServer]:
    with serving() as web:
        yield web


def row_of(desk: Desk, recipient: str = "r1") -> Notification:
    with Session(desk.engine) as session:
        return session.scalars(select(Notification).where(Notification.recipient == recipient)).one()


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
    statuses = [ExportEnded.model_validate(event["data"]).status for event in events]
    assert statuses == ["ready", "failed", "cancelled"]
    row = row_of(desk)
    assert (row.request_id, row.kind, row.channel) == (request_id, "echec", "webhook")
    assert row.address == f"http://{LOOPBACK}"
    assert row.sent_at
    assert work(desk.notifier(smtp(mailbox))) == 0
    assert len(server.posts) == len(mailbox.mails) == 1


def test_the_trace_of_the_request_goes_on_in_the_name_of_the_installation(
    desk: Desk, server: WebServer, mailbox: Mailbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    trace = {"traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", "tracestate": "mairie=1"}
    desk.add_recipient(Channel.WEBHOOK, server.url())
    desk.ask("P.csv")
    with Session(desk.engine) as session, session.begin():
        session.execute(update(Request).values(**trace))
    monkeypatch.setattr(notifier_desk, "WebhookSender", partial(WebhookSender, source="/ville"))
    work(desk.notifier(smtp(mailbox)))
    desk.ask("CE.csv", event_id="another")
    work(desk.notifier(smtp(mailbox)))
    traced, other = server.posts
    assert {name: traced.headers[name] for name in trace} == trace
    (event,) = json.loads(traced.body)
    assert event | trace | {"source": "/ville"} == event
    assert "traceparent" not in other.headers
    assert "traceparent" not in other.body.decode()


def test_a_refusal_is_an_event_too(desk: Desk, server: WebServer, mailbox: Mailbox) -> None:
    desk.add_recipient(Channel.WEBHOOK, server.url())
    desk.ask(outcome=RequestOutcome.REFUSED, reason="Aucun registre importé pour 13900.")

    work(desk.notifier(smtp(mailbox)))

    (event,) = json.loads(server.posts[0].body)
    assert RequestRefused.model_validate(event["data"]).reason == "Aucun registre importé pour 13900."
    assert row_of(desk).kind == "refus"


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


@pytest.mark.slow
@pytest.mark.parametrize(
    ("hosts", "refusal"),
    [
        ((), "hôte absent de PREFECTURE_WEBHOOK_HOSTS"),
        (("ailleurs.example",), "hôte absent de PREFECTURE_WEBHOOK_HOSTS"),
        (("127.0.0.2",), "hôte absent de PREFECTURE_WEBHOOK_HOSTS"),
    ],
)
def test_the_list_of_hosts_is_asked_each_time(
    desk: Desk, server: WebServer, mailbox: Mailbox, hosts: tuple[str, ...], refusal: str
) -> None:
    desk.add_recipient(Channel.WEBHOOK, server.url())
    desk.ask("P.csv")

    assert work(desk.notifier(smtp(mailbox), hosts=hosts)) == 1

    assert server.posts == []
    assert row_of(desk).refusal == refusal


def test_a_listed_name_that_leads_to_this_machine_is_refused(desk: Desk, server: WebServer, mailbox: Mailbox) -> None:
    desk.add_recipient(Channel.WEBHOOK, server.url(scheme="https", host="localhost"))
    desk.ask("P.csv")

    assert work(desk.notifier(smtp(mailbox), hosts=("localhost",))) == 1

    assert server.posts == []
    assert row_of(desk).refusal == "hôte du réseau interne, absent de PREFECTURE_WEBHOOK_HOSTS"


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
    assert list(shown[0]) == [
        *("request_id", "code_commune", "subject", "kind", "channel", "address"),
        *("created_at", "sent_at", "refusal", "attempts"),
    ]
