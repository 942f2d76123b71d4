"""Webhooks: the events of a request in one POST, signed as the Standard Webhooks specification requires (1.0.0).

The connection is ours and not that of an HTTP client: it goes to the checked address, follows no redirect, uses no
proxy, and ends in time whatever the other side does.
"""

import base64
import http.client
import json
import secrets
import ssl
import time
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from http import HTTPStatus

from standardwebhooks import Webhook

from schemas.envelope import CloudEvent
from schemas.events import RequestStage
from schemas.topology import SOURCE
from worker.error_policy import conclude
from worker.errors import ExhaustedError
from worker.notifier.channels.delivery import (
    LATER,
    Addressee,
    DeliveryDelayedError,
    DeliveryRefusedError,
    Message,
    cut_after,
    dial,
    digest,
)
from worker.notifier.channels.hosts import Hosts

TIMEOUT_SECONDS, WHOLE_SECONDS = 5, 15
"""For each answer; for all attempts to connect, and again for the exchange: a byte now and then does not prolong it."""

SECRET_PREFIX = "whsec_"  # noqa: S105 — the beginning of every secret of the specification


@dataclass
class WebhookSender:
    """Sends to the hosts of the list only; `source` is the source of the events."""

    hosts: Hosts
    source: str = SOURCE

    def send(self, message: Message, addressee: Addressee) -> None:
        """Send the events, as described in `ChannelSender`."""
        parts = self.hosts.check(addressee.address)
        # one event for each file: the program has the whole request, and needs no event of its end
        events = [it for it, _ in message.events() if it.data.get("status") != RequestStage.SETTLED]
        body = encode(events, self.source)
        headers = _headers(message, addressee, body)
        for event in events[:1]:  # all events of a request have one trace (W3C Trace Context)
            trace = {"traceparent": event.traceparent, "tracestate": event.tracestate}
            headers |= {name: value for name, value in trace.items() if value}
        host, is_tls, is_away = parts.hostname or "", parts.scheme == "https", True
        try:
            connection, port = (
                http.client.HTTPConnection(host, parts.port),
                parts.port or (443 if is_tls else 80),
            )
            sock = connection.sock = dial(self.hosts.resolve(parts), port, WHOLE_SECONDS)
            with closing(connection), cut_after(WHOLE_SECONDS, sock):
                sock.settimeout(TIMEOUT_SECONDS)
                if is_tls:  # the other side may delay the handshake
                    connection.sock = ssl.create_default_context().wrap_socket(
                        sock, server_hostname=host
                    )
                is_away = False
                query = f"?{parts.query}" if parts.query else ""
                connection.request("POST", f"{parts.path or '/'}{query}", body.encode(), headers)
                answer = connection.getresponse()
        except (OSError, http.client.HTTPException) as trouble:
            if isinstance(conclude(trouble), ExhaustedError):
                raise
            raise DeliveryDelayedError(type(trouble).__name__, is_away=is_away) from None
        _judge(answer.status, answer.headers.get("Retry-After", ""))

    def check(self, address: str) -> None:
        """Check an address and its host, as described in `ChannelSender`."""
        self.hosts.resolve(self.hosts.check(address))


def encode(events: Sequence[CloudEvent], source: str = SOURCE) -> str:
    """Return the body: a JSON array of CloudEvents with this `source`."""
    said = [
        event.model_dump(mode="json", exclude_none=True) | {"source": source} for event in events
    ]
    return json.dumps(said, ensure_ascii=False, separators=(",", ":"))


def make_secret() -> str:
    """Return a new secret of 32 random bytes: the specification asks for 24 to 64."""
    return SECRET_PREFIX + base64.b64encode(secrets.token_bytes(32)).decode()


def check_secret(secret: str) -> str:
    """Return the secret, after checking it.

    Raises:
        DeliveryRefusedError: it does not follow the specification.
    """
    try:
        size = len(base64.b64decode(secret.removeprefix(SECRET_PREFIX), validate=True))
    except ValueError:
        size = 0
    if not secret.startswith(SECRET_PREFIX) or size not in range(24, 65):
        raise DeliveryRefusedError(
            "ce n'est pas un secret de Standard Webhooks : whsec_ et 24 à 64 octets en base64"
        )
    return secret


def _headers(message: Message, addressee: Addressee, body: str) -> dict[str, str]:
    """Return the headers; a copy of a message has the same `webhook-id`, by which the receiver recognises it."""
    message_id, now = f"msg_{digest(message.about)}{digest(addressee.key)}", datetime.now(UTC)
    return {
        "Content-Type": "application/cloudevents-batch+json; charset=utf-8",  # CloudEvents 1.0, HTTP binding
        "User-Agent": "module-prefecture",
        "webhook-id": message_id,
        "webhook-timestamp": str(int(now.timestamp())),
        "webhook-signature": " ".join(
            Webhook(key).sign(message_id, now, body) for key in addressee.secret.split()
        ),
    }


def _judge(status: int, retry_after: str) -> None:
    if status in range(200, 300):
        return
    if status in LATER or status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        raise DeliveryDelayedError(f"réponse {status}", retry_after=_seconds(retry_after))
    if status in range(300, 400):
        raise DeliveryRefusedError(f"réponse {status} : les redirections ne sont pas suivies")
    raise DeliveryRefusedError(f"réponse {status}", is_gone=status == HTTPStatus.GONE)


def _seconds(retry_after: str) -> float:
    """Parse seconds, or a date (RFC 9110, section 10.2.3)."""
    if retry_after.isascii() and retry_after.isdigit():
        return float(retry_after[:9])
    try:
        when = parsedate_to_datetime(retry_after)
    except (ValueError, OverflowError):
        return 0
    return max(0.0, (when if when.tzinfo else when.replace(tzinfo=UTC)).timestamp() - time.time())
