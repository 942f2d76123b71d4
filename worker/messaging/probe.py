"""Whether the broker answers."""

import pika
from pika.exceptions import AMQPError

from worker.errors import TransientError
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
        raise TransientError(f"{place} ({type(error).__name__})") from None
    return place
