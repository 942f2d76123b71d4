"""Chats, by Apprise and a server that behaves as Mattermost or ntfy does: few lines, sent once, no secret logged."""

import json
import logging

import pytest

from schemas.vocabulary import Channel
from tests.integration.notifier_desk import TEMPLATE, Desk, smtp, work
from tests.parts.mail import Mailbox
from tests.parts.ports import LOOPBACK
from tests.parts.web import WebServer, serving
from worker.notifier.channels.chat import open_chat
from worker.notifier.channels.delivery import DeliveryRefusedError

pytestmark = [pytest.mark.database(TEMPLATE), pytest.mark.desk(opened_by=Desk.open)]

TOKEN = "jetonsecretjetonsecret1234"


@pytest.fixture
def server(server: WebServer) -> WebServer:
    server.status, server.body = 200, b"ok"
    return server


def mattermost(server: WebServer) -> str:
    return f"mmost://{LOOPBACK}:{server.port}/{TOKEN}"


@pytest.mark.slow
def test_a_request_is_one_short_message(desk: Desk, server: WebServer, mailbox: Mailbox) -> None:
    desk.add_recipient(Channel.CHAT, mattermost(server))
    request_id = desk.ask("P.csv", "P.xml=failed", correlation_id="@all <!channel>")
    notifier = desk.notifier(smtp(mailbox), public_url="https://prefecture.example.org/")

    assert work(notifier) == 1

    (post,) = server.posts
    text = json.loads(post.body)["text"]
    assert "1 fichier prêt, 1 en échec — LIBREVILLE (13900)" in text
    assert "Liste P du 25/11/2026 09:30:00 [csv] : prêt à déposer" in text
    assert f"https://prefecture.example.org/demandes/{request_id}" in text
    assert "@all" not in text
    assert "icon_url" not in json.loads(post.body)
    assert (desk.notification(Channel.CHAT).address, desk.notification(Channel.CHAT).kind) == (
        f"mmost://{LOOPBACK}",
        "echec",
    )
    assert work(notifier) == 0
    assert len(server.posts) == 1


def test_a_long_request_is_cut_short(desk: Desk, server: WebServer, mailbox: Mailbox) -> None:
    desk.add_recipient(Channel.CHAT, mattermost(server))
    desk.ask(*(f"P.{number}=cancelled" for number in range(9)))

    work(desk.notifier(smtp(mailbox)))

    text = json.loads(server.posts[0].body)["text"]
    assert text.count("Liste P du") == 6
    assert "… et 3 de plus" in text


@pytest.mark.slow
@pytest.mark.parametrize("status", [500, 502, 429])
def test_a_service_in_trouble_is_tried_again(desk: Desk, server: WebServer, mailbox: Mailbox, status: int) -> None:
    desk.add_recipient(Channel.CHAT, mattermost(server))
    desk.ask("P.csv")
    server.status = status
    notifier = desk.notifier(smtp(mailbox))
    assert work(notifier) == 0
    assert len(mailbox.mails) == 1

    server.status = 200
    desk.make_due()
    assert work(notifier) == 1
    assert desk.notification(Channel.CHAT).attempts == len(server.posts) == 2
    assert len(mailbox.mails) == 1


@pytest.mark.slow
@pytest.mark.parametrize("status", [400, 401, 403, 404])
def test_a_refusal_is_recorded_and_not_tried_again(
    desk: Desk, server: WebServer, mailbox: Mailbox, status: int
) -> None:
    desk.add_recipient(Channel.CHAT, mattermost(server))
    desk.ask("P.csv")
    server.status = status

    assert work(desk.notifier(smtp(mailbox))) == 1
    assert desk.notification(Channel.CHAT).refusal == f"réponse {status}"
    assert len(server.posts) == 1


def test_a_redirection_is_not_followed(desk: Desk, server: WebServer, mailbox: Mailbox) -> None:
    with serving() as elsewhere:
        desk.add_recipient(Channel.CHAT, mattermost(server))
        desk.ask("P.csv")
        server.status, server.headers = 307, {"Location": elsewhere.url()}
        work(desk.notifier(smtp(mailbox)))
        assert elsewhere.posts == []
    assert desk.notification(Channel.CHAT).sent_at is None


@pytest.mark.slow
def test_the_logs_hold_no_address(
    desk: Desk, server: WebServer, mailbox: Mailbox, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    caplog.set_level(logging.DEBUG)
    desk.add_recipient(Channel.CHAT, mattermost(server))
    for status in (200, 500, 404):
        server.status = status
        desk.ask("P.csv", event_id=f"demande-{status}")
        work(desk.notifier(smtp(mailbox)))

    out, err = capfd.readouterr()
    assert "message_sent" in out + err + caplog.text  # earlier tests may have changed the destination of the logs
    assert not any(TOKEN in text for text in (caplog.text, out, err))


def test_ntfy_is_told_by_its_own_words(desk: Desk, server: WebServer, mailbox: Mailbox) -> None:
    desk.add_recipient(Channel.CHAT, f"ntfy://{LOOPBACK}:{server.port}/mairie-libreville")
    server.body = b"{}"
    desk.ask("P.csv")
    assert work(desk.notifier(smtp(mailbox))) == 1
    assert json.loads(server.posts[0].body)["title"].startswith("Fichier prêt — Liste P")


@pytest.mark.parametrize(
    "address",
    [
        *(
            "exec://ls",
            "file:///etc/passwd",
            "dbus://",
            "gnome://",
            "syslog://",
            "json://127.0.0.1/",
            "mailto://a:b@c.fr",
        ),
        *("", "mmosts://", "https://mattermost.example/hooks/x", "slack://", "xml://x", "form://x"),
        *("mmosts://m.example/jeton?verify=no", "mmosts://m.example/jeton?redirect=yes"),
        "workflows://h.example:443/a/b?template=/etc/passwd",
        "matrixs://[",
    ],
)
def test_only_chats_are_let_through_and_their_certificates_are_verified(address: str) -> None:
    with pytest.raises(DeliveryRefusedError):
        open_chat(address)


def test_what_is_wrong_with_an_address_is_not_logged(
    caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(DeliveryRefusedError) as caught:
        open_chat(f"mmosts://m.example/{TOKEN}?mode=secretissime")
    said = "".join((caplog.text, *capfd.readouterr(), str(caught.value)))
    assert not any(word in said for word in (TOKEN, "secretissime"))


@pytest.mark.parametrize(
    "address",
    [
        *(
            "matrixs://compte:mot@matrix.example/#salle",
            "mmosts://m.example/jeton",
            "nctalks://a:b@nuage.example/salle",
        ),
        *("rockets://compte:mot@r.example/%23salle", "ntfys://ntfy.example/sujet", "discord://123456789/abcdef"),
    ],
)
def test_what_town_halls_use_is_understood(address: str) -> None:
    assert open_chat(address)
