"""Errors of producers. The French messages state the cause, the place and the remedy, and hold no secret."""

from typing import ClassVar

from common.cli import ExitCode


class ProducerError(Exception):
    """Base of the errors; the message is for people."""

    exit_code: ClassVar[ExitCode] = ExitCode.AWAY


class ProducerConfigurationError(ProducerError):
    """An environment variable is unknown, missing or invalid."""

    exit_code = ExitCode.USAGE


class InvalidRequestError(ProducerError):
    """The request breaks the contract; it was not sent."""

    exit_code = ExitCode.USAGE


class EventTooLargeError(ProducerError):
    """The event is larger than its type may be; it was not sent."""

    exit_code = ExitCode.USAGE


class PublishError(ProducerError):
    """The broker has not confirmed the event."""

    text: ClassVar[str]

    def __init__(self, place: str, detail: str = "") -> None:
        super().__init__(self.text.format(place=f"RabbitMQ ({place})", detail=detail))


class BrokerAwayError(PublishError):
    """The connection failed, or broke at each attempt."""

    text = "{place} est injoignable : {detail}. Vérifiez qu'il est démarré et que PREFECTURE_AMQP_URL est juste"


class CredentialsRefusedError(PublishError):
    """The broker refuses the account or the password."""

    text = "{place} refuse le compte ou le mot de passe : corrigez PREFECTURE_AMQP_URL"


class VhostRefusedError(PublishError):
    """The virtual host does not exist, or this account may not use it."""

    text = "{place} n'a pas de vhost « {detail} », ou le refuse à ce compte : corrigez PREFECTURE_AMQP_URL"


class NotPermittedError(PublishError):
    """The account may not publish this type of event on the exchange."""

    text = "{place} : ce compte n'a pas le droit de publier « {detail} » ; voyez docs/producers.md, « Permissions »"


class ExchangeMissingError(PublishError):
    """The exchange does not exist on this virtual host: no worker has declared it yet."""

    text = "{place} : l'échange « {detail} » n'existe pas. Le worker a-t-il déjà démarré ?"


class UnroutableError(PublishError):
    """The account has no queue, or none for this type of event."""

    text = (
        "{place} : aucune file n'attend « {detail} ». L'exploitant a-t-il déclaré ce compte "
        "(« python -m worker accounts --add ») ?"
    )


class NotTakenError(PublishError):
    """The broker rejected the message, usually because a queue is full."""

    text = "{place} n'a pas pris la demande : {detail}. Réessayez plus tard"


class QueueFullError(NotTakenError):
    """The queue of this account is full; the queues of other accounts are not."""

    text = "{place} n'a pas pris la demande : {detail}. Réessayez dans une minute"


class BrokerBlockedError(PublishError):
    """The broker accepts no message for now: memory or disk alarm."""

    text = (
        "{place} ne prend plus de messages (alarme de mémoire ou de disque). La demande passera peut-être quand il se "
        "libérera : regardez les derniers exports avant de la refaire"
    )


class UnconfirmedError(PublishError):
    """The message was sent and the broker did not confirm it: the broker may have stored it or not."""

    text = (
        "{place} n'a pas confirmé la demande : elle est peut-être partie. Regardez les derniers exports avant de la "
        "refaire"
    )


class StateAwayError(ProducerError):
    """The database did not answer, or this account may not read its views."""
