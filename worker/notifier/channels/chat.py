"""Messages to a chat, by Apprise: Tchap and others of Matrix, Mattermost, Rocket.Chat, Nextcloud Talk, Slack.

Only the services below: Apprise also knows addresses that run a program or write a file of this machine.
"""

import logging
import re
import threading
from dataclasses import dataclass, field
from importlib import import_module
from typing import TYPE_CHECKING, Any, Self
from urllib.parse import urlsplit

from worker.notifier.channels.delivery import Addressee, DeliveryDelayedError, DeliveryRefusedError, Message, digest
from worker.notifier.messages.render import render_chat

if TYPE_CHECKING:
    from apprise import NotifyBase

_SERVICES = {
    "matrix": ("matrix", "NotifyMatrix"),
    "mmost": ("mattermost", "NotifyMattermost"),
    "rocket": ("rocketchat", "NotifyRocketChat"),
    "nctalk": ("nextcloudtalk", "NotifyNextcloudTalk"),
    "ntfy": ("ntfy", "NotifyNtfy"),
    "slack": ("slack", "NotifySlack"),
    "discord": ("discord", "NotifyDiscord"),
    "workflows": ("workflows", "NotifyWorkflows"),
}
"""By scheme: the module of Apprise, and its class. No other module of it is ever loaded."""

SCHEMES = (
    *("matrixs", "mmosts", "rockets", "nctalks", "ntfys", "slack", "discord", "workflows"),
    *("matrix", "mmost", "rocket", "nctalk", "ntfy"),  # without TLS: for a service on the same machine or network
)

_APPRISE = logging.getLogger("apprise")
_SILENT = logging.CRITICAL + 1
_STATUS = re.compile(r"\berror[=: ]+(\d{3})\b")
_PERMANENT = range(400, 500)
_LATER = frozenset({408, 425, 429})


@dataclass
class ChatSender:
    """Sends by Apprise, in this process, without its configuration files, its plugins or its storage."""

    _lock: threading.Lock = field(default_factory=threading.Lock, init=False)

    def identify(self, message: Message, addressee: Addressee) -> str:
        """No chat reads it: it names the message in our own table."""
        return f"chat_{digest(message.about)}{digest(addressee.key)}"

    def send(self, message: Message, addressee: Addressee, message_id: str) -> None:
        """Hand the message over, as `ChannelSender` says."""
        del message_id
        service = open_chat(addressee.address)
        with self._lock, _Hearing() as heard:
            try:
                is_sent = service.notify(
                    title=message.content.subject, body=render_chat(message.content), body_format="text"
                )
            except Exception as error:  # noqa: BLE001 — what a service raises may quote its address
                raise DeliveryDelayedError(type(error).__name__) from None
        if is_sent:
            return
        status = heard.status
        if status in _PERMANENT and status not in _LATER:
            raise DeliveryRefusedError(f"réponse {status}")
        raise DeliveryDelayedError(f"réponse {status}" if status else "service injoignable")


def open_chat(address: str) -> "NotifyBase":
    """The service that an address leads to; nothing is sent.

    Raises:
        DeliveryRefusedError: Apprise does not understand it, or it is none of those that are let through.
    """
    scheme = _scheme(address)
    if scheme not in SCHEMES:
        raise DeliveryRefusedError(f"service inconnu : l'adresse commence par {', '.join(SCHEMES)}")
    service = _instantiate(*_SERVICES[scheme if scheme in _SERVICES else scheme.removesuffix("s")], address)
    if not service.verify_certificate or service.redirects or getattr(service, "template", None):
        raise DeliveryRefusedError("« verify=no », « redirect=yes » et « template » ne sont pas admis")
    return service  # type: ignore[no-any-return]


def _instantiate(module: str, name: str, address: str) -> Any:  # noqa: ANN401 — each service has its own attributes
    from apprise import AppriseAsset

    _hush()
    kind = getattr(import_module(f"apprise.plugins.{module}"), name)
    asset = AppriseAsset(
        storage_mode="memory",
        http_redirects=False,
        secure_logging=True,
        app_id="Module Prefecture",  # also a header, where an accent may be refused
        image_url_mask="",  # no icon from elsewhere
    )
    try:
        if parts := kind.parse_url(address):
            return kind(**parts | {"asset": asset})
    except Exception:  # noqa: BLE001, S110 — whatever it dislikes, its words may quote the address
        pass
    raise DeliveryRefusedError("adresse que ce service n'admet pas ; voyez la documentation d'Apprise")


def _scheme(address: str) -> str:
    try:
        return urlsplit(address).scheme.lower()
    except ValueError:
        return ""


class _Hearing(logging.Handler):
    """Hears what Apprise says while it sends: the status is said nowhere else."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.status = 0

    def emit(self, record: logging.LogRecord) -> None:
        """Keep the last status."""
        if found := _STATUS.search(record.getMessage()):
            self.status = int(found[1])

    def __enter__(self) -> Self:
        _APPRISE.addHandler(self)
        _APPRISE.setLevel(logging.WARNING)
        return self

    def __exit__(self, *_: object) -> None:
        _APPRISE.setLevel(_SILENT)
        _APPRISE.removeHandler(self)


def _hush() -> None:
    """Keep addresses, which are secrets, out of our logs."""
    _APPRISE.propagate = False
    _APPRISE.setLevel(_SILENT)
    logging.getLogger("urllib3").setLevel(_SILENT)
