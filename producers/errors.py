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
    """The request breaks the contract, or its event is larger than its type may be; it was not sent."""

    exit_code = ExitCode.USAGE


class PublishError(ProducerError):
    """The broker has not confirmed the event. The subclasses are those that callers tell apart."""


class BrokerRefusesError(PublishError):
    """The broker refuses every event until an operator corrects the account, its rights or the vhost."""


class QueueFullError(PublishError):
    """The queue of this account is full; the queues of other accounts are not."""


class BrokerBlockedError(PublishError):
    """The broker accepts no message for now: memory or disk alarm."""


class UnconfirmedError(PublishError):
    """The message was sent and the broker did not confirm it: the broker may have stored it or not."""


class StateAwayError(ProducerError):
    """The database did not answer, or this account may not read its views."""
