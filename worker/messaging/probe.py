"""Whether the broker answers, and is who it should be."""

import socket
import ssl

import pika
from pika.exceptions import AMQPError

from common.tls import explain_tls
from worker.errors import ConfigurationError, TransientError
from worker.messaging.broker import connection_parameters

_TIMEOUT_SECONDS = 5


def ping_broker(url: str) -> str:
    """Connect and leave; gives « host:port/vhost », never the account's password.

    Raises:
        TransientError: nobody answers there, or the account is refused.
    """
    try:
        parameters = connection_parameters(url)
    except (ValueError, TypeError):
        raise TransientError("l'adresse n'a pas la forme amqp://compte:mot-de-passe@hôte:5672/vhost") from None
    place = f"{parameters.host}:{parameters.port}/{parameters.virtual_host}"
    parameters.socket_timeout = parameters.stack_timeout = _TIMEOUT_SECONDS
    try:
        pika.BlockingConnection(parameters).close()
    except (AMQPError, OSError) as error:
        reason = f"TLS impossible : {explain_tls(error)}" if isinstance(error, ssl.SSLError) else type(error).__name__
        raise TransientError(f"{place} ({reason})") from None
    return place


def require_trusted(url: str) -> None:
    """Refuse to start when the broker is not who it should be; one that is away is waited for.

    Raises:
        ConfigurationError: its certificate is refused.
    """
    parameters = connection_parameters(url)
    if (tls := parameters.ssl_options) is None:
        return
    try:
        with (
            socket.create_connection((parameters.host, parameters.port), _TIMEOUT_SECONDS) as connection,
            tls.context.wrap_socket(connection, server_hostname=tls.server_hostname or parameters.host),
        ):
            return
    except ssl.SSLCertVerificationError as error:
        raise ConfigurationError(
            f"RabbitMQ ({parameters.host}:{parameters.port}) est refusé : TLS impossible ({explain_tls(error)}) ; "
            "corrigez PREFECTURE_AMQP_URL ou SSL_CERT_FILE"
        ) from None
    except OSError:
        return
