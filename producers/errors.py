"""Errors of producers. The French messages state the cause, the place and the remedy, and hold no secret."""

from typing import ClassVar

from common.cli import ExitCode


class ProducerError(Exception):
    """Base of the errors; `code` is a stable word for programs, the message is for people."""

    code: ClassVar[str] = "erreur"
    exit_code: ClassVar[ExitCode] = ExitCode.AWAY


class ProducerConfigurationError(ProducerError):
    """An environment variable is unknown, missing or invalid."""

    code = "configuration"
    exit_code = ExitCode.USAGE


class InvalidRequestError(ProducerError):
    """The request breaks the contract; it was not sent."""

    code = "demande_invalide"
    exit_code = ExitCode.USAGE


class EventTooLargeError(ProducerError):
    """The event is larger than MAX_EVENT_BYTES; it was not sent."""

    code = "trop_grand"
    exit_code = ExitCode.USAGE


class PublishError(ProducerError):
    """The broker has not confirmed the event."""

    code = "publication"
    text: ClassVar[str]

    def __init__(self, place: str, detail: str = "") -> None:
        super().__init__(self.text.format(place=f"RabbitMQ ({place})", detail=detail))


class BrokerAwayError(PublishError):
    """The connection failed, or broke at each attempt."""

    code = "broker_injoignable"
    text = "{place} est injoignable : {detail}. Vérifiez qu'il est démarré et que PREFECTURE_AMQP_URL est juste"


class CredentialsRefusedError(PublishError):
    """The broker refuses the account or the password."""

    code = "acces_refuse"
    text = "{place} refuse le compte ou le mot de passe : corrigez PREFECTURE_AMQP_URL"


class VhostRefusedError(PublishError):
    """The virtual host does not exist, or this account may not use it."""

    code = "vhost_refuse"
    text = "{place} n'a pas de vhost « {detail} », ou le refuse à ce compte : corrigez PREFECTURE_AMQP_URL"


class NotPermittedError(PublishError):
    """The account may not publish this type of event on the exchange."""

    code = "droit_manquant"
    text = "{place} : ce compte n'a pas le droit de publier « {detail} » ; voyez docs/producers.md, « Permissions »"


class ExchangeMissingError(PublishError):
    """The exchange does not exist on this virtual host: no worker has declared it yet."""

    code = "echange_absent"
    text = "{place} : l'échange « {detail} » n'existe pas. Le worker a-t-il déjà démarré ?"


class UnroutableError(PublishError):
    """The account has no queue, or none for this type of event."""

    code = "non_routable"
    text = (
        "{place} : aucune file n'attend « {detail} ». L'exploitant a-t-il déclaré ce compte "
        "(« python -m worker accounts --add ») ?"
    )


class NotTakenError(PublishError):
    """The broker rejected the message, usually because a queue is full."""

    code = "non_pris"
    text = "{place} n'a pas pris la demande : {detail}. Réessayez plus tard"


class QueueFullError(NotTakenError):
    """The queue holds its maximum number of messages."""


class BrokerBlockedError(PublishError):
    """The broker accepts no message for now: memory or disk alarm."""

    code = "broker_bloque"
    text = (
        "{place} ne prend plus de messages (alarme de mémoire ou de disque). La demande passera peut-être quand il se "
        "libérera : regardez les derniers exports avant de la refaire"
    )


class UnconfirmedError(PublishError):
    """The message was sent and the broker did not confirm it: the broker may have stored it or not."""

    code = "sans_confirmation"
    text = (
        "{place} n'a pas confirmé la demande : elle est peut-être partie. Regardez les derniers exports avant de la "
        "refaire"
    )


class StateAwayError(ProducerError):
    """The database did not answer, or this account may not read its views."""

    code = "base_injoignable"
