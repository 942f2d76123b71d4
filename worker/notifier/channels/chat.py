"""Messages to a chat through Apprise: Tchap and others of Matrix, Mattermost, Rocket.Chat, Nextcloud Talk, Slack.

Only the services below are allowed: other addresses of Apprise run a program or write a file on this host.
"""

import logging
import re
import threading
from dataclasses import dataclass, field
from logging.handlers import BufferingHandler
from typing import TYPE_CHECKING

from worker.notifier.channels.delivery import LATER, Addressee, DeliveryDelayedError, DeliveryRefusedError, Message

if TYPE_CHECKING:
    from apprise import NotifyBase

SCHEMES = (
    *("matrixs", "mmosts", "rockets", "nctalks", "ntfys", "slack", "discord", "workflows"),
    *("matrix", "mmost", "rocket", "nctalk", "ntfy"),  # without TLS: for a service on the same host or network
)

WHOLE_SECONDS = 30
"""The time for one message: Apprise itself waits as long as a service sends a byte now and then."""

_APPRISE = logging.getLogger("apprise")
_APPRISE.addHandler(logging.NullHandler())
_SILENT, _MOST_LINES = logging.CRITICAL + 1, 1000
_STATUS = re.compile(r"\berror[=: ]+(\d{3})\b")


@dataclass
class ChatSender:
    """Sends through Apprise, in this process, without its configuration files, its plugins or its storage."""

    _sending: dict[str, threading.Thread] = field(default_factory=dict, init=False)
    """By address, the last message: a service that did not answer in time gets no other one meanwhile."""

    def send(self, message: Message, addressee: Addressee) -> None:
        """Send the message, as described in `ChannelSender`."""
        service, text = open_chat(addressee.address), message.text()
        heard = BufferingHandler(_MOST_LINES)  # the HTTP status is in the log lines of Apprise only
        answers: list[bool | str] = []

        def notify() -> None:
            try:
                answers.append(bool(service.notify(title=text.subject, body=text.chat, body_format="text")))
            except Exception as error:  # noqa: BLE001 — the error of a service may quote its address
                answers.append(type(error).__name__)

        last = self._sending.get(addressee.address)
        if last and last.is_alive():
            raise DeliveryDelayedError("service trop lent")
        sending = self._sending[addressee.address] = threading.Thread(target=notify, daemon=True)
        heard.addFilter(lambda record: record.thread == sending.ident)
        _APPRISE.addHandler(heard)
        _APPRISE.setLevel(logging.WARNING)
        sending.start()
        sending.join(WHOLE_SECONDS)
        _APPRISE.removeHandler(heard)
        match [*answers]:
            case [True]:
                return
            case [str(error)]:
                raise DeliveryDelayedError(error)
            case []:
                raise DeliveryDelayedError("service trop lent")
        said = "\n".join(record.getMessage() for record in heard.buffer)
        status = int([0, *_STATUS.findall(said)][-1])
        if status in range(400, 500) and status not in LATER:
            raise DeliveryRefusedError(f"réponse {status}")
        raise DeliveryDelayedError(f"réponse {status}" if status else "service injoignable")

    def check(self, address: str) -> None:
        """Check an address, as described in `ChannelSender`."""
        open_chat(address)


def open_chat(address: str) -> "NotifyBase":
    """Return the service of an address; nothing is sent.

    Raises:
        DeliveryRefusedError: Apprise does not accept the address, or its service is not allowed.
    """
    if not address.lower().startswith(tuple(f"{scheme}://" for scheme in SCHEMES)):
        raise DeliveryRefusedError(f"service inconnu : l'adresse commence par {', '.join(SCHEMES)}")
    from apprise import Apprise, AppriseAsset  # a notifier without chats does without

    _APPRISE.propagate = False  # keeps addresses, which are secrets, out of our logs
    _APPRISE.setLevel(_SILENT)
    logging.getLogger("urllib3").setLevel(_SILENT)
    asset = AppriseAsset(
        storage_mode="memory",
        http_redirects=False,
        secure_logging=True,
        app_id="Module Prefecture",  # also a header, in which an accent may be refused
        image_url_mask="",  # no icon of another host
    )
    try:
        service = Apprise.instantiate(address, asset)
    except Exception:  # noqa: BLE001 — whatever the error, its text may quote the address
        service = None
    if service is None:
        raise DeliveryRefusedError("adresse que ce service n'admet pas ; voyez la documentation d'Apprise")
    if not service.verify_certificate or service.redirects or getattr(service, "template", None):
        raise DeliveryRefusedError("« verify=no », « redirect=yes » et « template » ne sont pas admis")
    return service
