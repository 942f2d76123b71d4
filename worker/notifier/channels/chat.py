"""Messages to a chat through Apprise: Tchap and others of Matrix, Mattermost, Rocket.Chat, Nextcloud Talk, Slack.

Only the services below are allowed: other addresses of Apprise run a program or write a file on this host.
"""

import io
import json
import logging
import os
import re
from collections.abc import Iterator
from http import HTTPStatus
from typing import IO, TYPE_CHECKING

from common.apart import Budget, ChildFailedError, TooMuchWorkError, run_apart
from worker.notifier.channels.delivery import (
    LATER,
    Addressee,
    DeliveryDelayedError,
    DeliveryRefusedError,
    Message,
)

if TYPE_CHECKING:
    from apprise import NotifyBase

SCHEMES = (
    *("matrixs", "mmosts", "rockets", "nctalks", "ntfys", "slack", "discord", "workflows"),
    *(
        "matrix",
        "mmost",
        "rocket",
        "nctalk",
        "ntfy",
    ),  # without TLS: for a service on the same host or network
)

WHOLE_SECONDS = 30
"""The time for one message: Apprise itself waits as long as a service sends a byte now and then."""


class ChatSender:
    """Sends through Apprise, in a child process, without its configuration files, its plugins or its storage."""

    def send(self, message: Message, addressee: Addressee) -> None:
        """Send the message, as described in `ChannelSender`."""
        text = message.text()
        status = _run(addressee.address, text.chat, text.subject)
        if status in range(400, 500) and status not in LATER:
            raise DeliveryRefusedError(f"réponse {status}")
        if status != HTTPStatus.OK:
            raise DeliveryDelayedError(f"réponse {status}" if status else "service injoignable")

    def check(self, address: str) -> None:
        """Check an address, as described in `ChannelSender`."""
        _run(address)


def _run(address: str, *text: str) -> int:
    network = {
        name: os.environ[name]
        for name in os.environ
        if name.lower().endswith(("_proxy", "_ca_bundle"))
    }
    # Apprise reads replies whole. It needs 0.7 s and 75 MB; four children and the notifier have 512 MB.
    budget = Budget(10, 128 << 20, WHOLE_SECONDS, 1 << 10)
    try:
        with os.fdopen(
            os.memfd_create("chat"), "w+b"
        ) as stream:  # `ps` shows arguments, and the address is a secret
            stream.write(json.dumps([network, address, *text]).encode())
            stream.seek(0)
            (status,) = run_apart(notify, [stream], budget, refusals=[DeliveryRefusedError])
            return int(status)
    except (TooMuchWorkError, ChildFailedError) as error:
        raise DeliveryDelayedError(f"envoi interrompu : {error}") from None


def notify(stream: IO[bytes]) -> Iterator[int]:
    """Check an address, and send the text and its title, if any; runs in the child process.

    Yields 200, or the HTTP status of the failure, or 0 without one.
    """
    network, address, *text = json.load(stream)
    os.environ.update(network)
    service, heard = open_chat(address), io.StringIO()
    logging.basicConfig(stream=heard)  # the HTTP status is in the log lines of Apprise only
    is_sent = not text or service.notify(*text, body_format="text")
    yield (
        HTTPStatus.OK
        if is_sent
        else int([0, *re.findall(r"\berror[=: ]+(\d{3})\b", heard.getvalue())][-1])
    )


def open_chat(address: str) -> "NotifyBase":
    """Return the service of an address; nothing is sent.

    Raises:
        DeliveryRefusedError: Apprise does not accept the address, or its service is not allowed.
    """
    if not address.lower().startswith(tuple(f"{scheme}://" for scheme in SCHEMES)):
        raise DeliveryRefusedError(f"service inconnu : l'adresse commence par {', '.join(SCHEMES)}")
    from apprise import Apprise, AppriseAsset  # only the child process needs its memory

    asset = AppriseAsset(
        storage_mode="memory",
        http_redirects=False,
        app_id="Module Prefecture",  # also a header, in which an accent may be refused
        image_url_mask="",  # no icon of another host
    )
    try:
        service = Apprise.instantiate(address, asset)
    except Exception:  # noqa: BLE001 — whatever the error, its text may quote the address
        service = None
    if service is None:
        raise DeliveryRefusedError(
            "adresse que ce service n'admet pas ; voyez la documentation d'Apprise"
        )
    if not service.verify_certificate or service.redirects or getattr(service, "template", None):
        raise DeliveryRefusedError(
            "« verify=no », « redirect=yes » et « template » ne sont pas admis"
        )
    return service
