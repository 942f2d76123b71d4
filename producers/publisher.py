"""Publishing on RabbitMQ: `publish` returns once the broker has confirmed the events, or raises an error.

It drives pika's SelectConnection step by step. BlockingConnection has no timeout for a confirm, and waits without limit
when a quorum queue has lost its majority.
"""

from __future__ import annotations

import socket
import ssl
import threading
import time
from collections.abc import Sequence
from contextlib import AbstractContextManager
from typing import NamedTuple

from pika import BasicProperties, DeliveryMode, SelectConnection, URLParameters, exceptions, spec
from pika.adapters.select_connection import IOLoop
from pika.channel import Channel
from pika.frame import Method

from common.database import explain_tls
from producers import errors
from schemas.envelope import CloudEvent, InvalidEventError, shorten
from schemas.topology import CONTENT_TYPE, EXCHANGE, SCREEN_ACCOUNT, request_key

HEARTBEAT_SECONDS = 60
"""Also the maximum idle time of a reused connection: a firewall or the broker may have dropped an older one."""


class _Message(NamedTuple):
    routing_key: str
    body: bytes
    properties: BasicProperties


class Publisher(AbstractContextManager["Publisher"]):
    """A connection to the broker, opened at the first event and again after each loss; thread-safe.

    It tries `attempts` connections within about `patience` seconds, then waits `confirm_seconds` for the confirm. After
    a lost connection, an event is sent again with the same id, and counts once; after a silence it is not.

    Raises:
        ProducerConfigurationError: `amqp_url` is not an AMQP address.
    """

    def __init__(
        self,
        amqp_url: str,
        *,
        attempts: int = 3,
        patience: float = 5.0,
        confirm_seconds: float = 10.0,
    ) -> None:
        self._parameters = _parameters(amqp_url, patience)
        self._account = getattr(self._parameters.credentials, "username", "")
        self._place = f"RabbitMQ ({self._parameters.host}:{self._parameters.port})"
        self._attempts = attempts
        self._patience = patience
        self._confirm_seconds = confirm_seconds
        self._lock = threading.Lock()
        self._link: _Link | None = None
        self._used_at = 0.0

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the connection, if it is open; the next event opens another."""
        with self._lock:
            self._drop()

    def publish(self, event: CloudEvent, *others: CloudEvent, token: str = "") -> None:
        """Publish events to the exchange, routed by account and type, persistent, mandatory and confirmed.

        Several events (about a hundred) are sent at once and confirmed together, which makes a batch fast. The worker
        takes `token` for the sender if the account is the screen's; of another account, nothing is sent.

        Raises:
            InvalidRequestError: an event is too large; nothing was sent.
            PublishError: its subclass gives the remedy; some of several events may have been stored.
        """
        try:
            messages = [self._message(it, token) for it in (event, *others)]
        except InvalidEventError as error:
            raise errors.InvalidRequestError(
                f"demande trop grande, rien n'a été envoyé : {error}"
            ) from None
        if token and self._account != SCREEN_ACCOUNT:
            raise _not_permitted(self._place, messages[0].routing_key)
        with self._lock:
            try:
                self._send(messages)
            except errors.PublishError:
                self._drop()
                raise

    def _send(self, messages: Sequence[_Message]) -> None:
        if time.monotonic() - self._used_at > HEARTBEAT_SECONDS:
            self._drop()
        give_up_at = time.monotonic() + self._patience
        for attempt in range(1, self._attempts + 1):
            try:
                if self._link is None:
                    self._link = _Link(self._parameters, max(0.5, give_up_at - time.monotonic()))
                    give_up_at = time.monotonic() + self._patience
                self._link.publish(messages, self._confirm_seconds)
            except (exceptions.AMQPError, OSError) as error:
                if failure := _permanent(
                    error, self._place, messages[0].routing_key, self._parameters.virtual_host
                ):
                    raise failure from None
                self._drop()
                pause = min(0.25 * 4 ** (attempt - 1), 1.0)
                if attempt == self._attempts or time.monotonic() + pause >= give_up_at:
                    advice = "Vérifiez qu'il est démarré et que PREFECTURE_AMQP_URL est juste"
                    raise errors.PublishError(
                        f"{self._place} est injoignable : {_reason(error)}. {advice}"
                    ) from None
                time.sleep(pause)
            else:
                self._used_at = time.monotonic()
                return

    def _message(self, event: CloudEvent, token: str) -> _Message:
        key = request_key(self._account, event.type, is_bulk=event.data.get("bulk") is True)
        properties = BasicProperties(
            content_type=CONTENT_TYPE,
            delivery_mode=DeliveryMode.Persistent,
            message_id=shorten(event.id),
            correlation_id=shorten(event.correlationid),
            type=event.type,
            timestamp=int(event.time.timestamp()),
            user_id=self._account,
            app_id=token or None,
        )
        return _Message(key, event.to_bytes(), properties)

    def _drop(self) -> None:
        link, self._link = self._link, None
        if link is not None:
            link.close()


class _Link:
    """One connection and its channel in confirm mode; every wait ends with a result or a timeout."""

    def __init__(self, parameters: URLParameters, seconds: float) -> None:
        self._ioloop = IOLoop()
        self._outcome: BaseException | None = None
        self._returned = False
        self._sent = 0
        self._unconfirmed: set[int] = set()
        self._channel: Channel | None = None
        self._connection = SelectConnection(
            parameters,
            on_open_callback=lambda connection: connection.channel(
                on_open_callback=self._on_channel
            ),
            on_open_error_callback=lambda _, error: self._settle(_root(error)),
            on_close_callback=lambda _, error: self._settle(error),
            custom_ioloop=self._ioloop,
        )
        try:
            self._wait(seconds, TimeoutError("pas de réponse"))
        except Exception:
            self.close()
            raise

    def publish(self, messages: Sequence[_Message], seconds: float) -> None:
        if self._channel is None or not self._channel.is_open:
            raise exceptions.ChannelWrongStateError
        self._returned = False
        for routing_key, body, properties in messages:
            self._channel.basic_publish(EXCHANGE, routing_key, body, properties, mandatory=True)
            self._sent += 1
            self._unconfirmed.add(self._sent)
        self._wait(seconds, _SilenceError())

    def close(self) -> None:
        if not self._connection.is_closed:
            if not self._connection.is_closing:
                self._connection.close()
            self._run(1.0)
        self._ioloop.close()

    def _wait(self, seconds: float, too_late: Exception) -> None:
        self._outcome = too_late
        self._run(seconds)
        if self._outcome is not None:
            raise self._outcome

    def _run(self, seconds: float) -> None:
        timer = self._ioloop.call_later(seconds, self._ioloop.stop)
        self._ioloop.start()
        self._ioloop.remove_timeout(timer)

    def _settle(self, outcome: BaseException | None) -> None:
        self._outcome = outcome
        self._ioloop.stop()

    def _on_channel(self, channel: Channel) -> None:
        self._channel = channel
        channel.add_on_close_callback(self._on_channel_closed)
        channel.add_on_return_callback(self._on_return)
        channel.confirm_delivery(self._on_confirm, callback=lambda _: self._settle(None))

    def _on_channel_closed(self, _: Channel, error: Exception) -> None:
        if not self._connection.is_closing:
            self._settle(error)

    def _on_return(self, *_: object) -> None:
        self._returned = True

    def _on_confirm(self, frame: Method[spec.Basic.Ack | spec.Basic.Nack]) -> None:
        if isinstance(frame.method, spec.Basic.Nack):
            self._settle(exceptions.NackError([]))
            return
        tag, several = frame.method.delivery_tag, frame.method.multiple
        self._unconfirmed = {
            other for other in self._unconfirmed if other > tag or (other < tag and not several)
        }
        if not self._unconfirmed:
            self._settle(exceptions.UnroutableError([]) if self._returned else None)


class _SilenceError(exceptions.AMQPError):
    """The broker did not confirm in time."""


def _parameters(amqp_url: str, patience: float) -> URLParameters:
    try:
        parameters = (
            URLParameters(amqp_url) if amqp_url.startswith(("amqp://", "amqps://")) else None
        )
    except (ValueError, TypeError):
        parameters = None
    if parameters is None:
        raise errors.ProducerConfigurationError(
            "PREFECTURE_AMQP_URL n'est pas une adresse AMQP : amqp://compte:mot-de-passe@hôte:5672/vhost est attendu "
            "(amqps:// pour TLS)"
        )
    parameters.heartbeat = HEARTBEAT_SECONDS
    parameters.connection_attempts = 1
    parameters.socket_timeout = parameters.stack_timeout = parameters.blocked_connection_timeout = (
        patience
    )
    parameters.client_properties = {"connection_name": "prefecture producer"}
    return parameters


def _not_permitted(place: str, routing_key: str) -> errors.PublishError:
    said = f"ce compte n'a pas le droit de publier « {routing_key} » ; voyez docs/producers.md, « Over AMQP »"
    return errors.BrokerRefusesError(f"{place} : {said}")


def _permanent(
    error: Exception, place: str, routing_key: str, vhost: str
) -> errors.PublishError | None:
    """Return the error that a retry would not fix, or None for a transient error."""
    look_first = "Regardez les derniers exports avant de la refaire"
    refused = ""
    kind: type[errors.PublishError] = errors.PublishError
    match error:
        case exceptions.ProbableAuthenticationError() | exceptions.AuthenticationError():
            kind = errors.BrokerRefusesError
            refused = " refuse le compte ou le mot de passe : corrigez PREFECTURE_AMQP_URL"
        case (
            exceptions.ProbableAccessDeniedError()
            | exceptions.ConnectionClosedByBroker(reply_code=530)
        ):
            kind = errors.BrokerRefusesError
            refused = f" n'a pas de vhost « {vhost} », ou le refuse à ce compte : corrigez PREFECTURE_AMQP_URL"
        case exceptions.ConnectionBlockedTimeout():
            kind = errors.BrokerBlockedError
            refused = (
                " ne prend plus de messages (alarme de mémoire ou de disque). La demande passera peut-être quand il se "
                f"libérera. {look_first}"
            )
        case exceptions.ChannelClosedByBroker(reply_code=404):
            refused = f" : l'échange « {EXCHANGE} » n'existe pas. Le worker a-t-il déjà démarré ?"
        case exceptions.ChannelClosedByBroker(reply_code=403):
            return _not_permitted(place, routing_key)
        case exceptions.ChannelClosedByBroker():
            refused = f" n'a pas pris la demande : {error.reply_text}. Réessayez plus tard"
        case exceptions.UnroutableError():
            refused = (
                f" : aucune file n'attend « {routing_key} ». Le type de la demande est inconnu, ou aucun worker n'a "
                "encore démarré"
            )
        case exceptions.NackError():
            kind = errors.QueueFullError
            refused = " n'a pas pris la demande : la file des demandes est pleine. Réessayez dans une minute"
        case _SilenceError():
            kind = errors.UnconfirmedError
            refused = f" n'a pas confirmé la demande : elle est peut-être partie. {look_first}"
    return kind(f"{place}{refused}") if refused else None


def _root(error: str | BaseException) -> Exception:
    """Return the error that pika wrapped: of the socket, or the broker's refusal."""
    while isinstance(error, BaseException):
        inner = (
            getattr(error, "exception", None)
            or (getattr(error, "exceptions", None) or error.args or [None])[-1]
        )
        if not isinstance(inner, BaseException):
            break
        error = inner
    return (
        error
        if isinstance(error, exceptions.AMQPError | OSError)
        else exceptions.AMQPConnectionError(str(error))
    )


def _reason(error: Exception) -> str:
    match error:
        case ConnectionRefusedError():
            return "connexion refusée"
        case TimeoutError():
            return "pas de réponse"
        case socket.gaierror():
            return "hôte inconnu"
        case ssl.SSLError():
            return f"TLS impossible ({explain_tls(error)})"
        case OSError():
            return error.strerror or str(error)
        case _:
            return "la connexion s'est coupée"
