"""The table that maps each error of the system, the databases, the broker and the mail server to one of our errors.

Errors of the surroundings (a volume, the database, the broker, a mail server, this machine) end by themselves. Such an
error becomes a TransientError: the row waits, and the start is not counted. If this machine lacks memory, it becomes an
ExhaustedError: this process ends, and another one has the row at once. Any other error is a bug or a fault of the
event, and the row has three starts.
"""

import errno
import os
from collections.abc import Iterator, Sequence
from enum import StrEnum
from smtplib import SMTPException
from typing import NamedTuple

from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError, SQLAlchemyError
from sqlalchemy.exc import TimeoutError as NoConnectionLeftError

from worker.errors import (
    DatabaseAwayError,
    DiskFullError,
    ExhaustedError,
    PrefectureError,
    TransientError,
)

_FIRST_SECONDS, _GROWTH, _MANY = 1.0, 1.5, 50
# With the pause of a worker after a full volume (TROUBLE_SECONDS in make_export.py) and the sweep,
# a file goes on within ten seconds once the volume has room.
_LONGEST_SECONDS = 8.0


def until_next_try(tries: int) -> float:
    """Return the seconds before the next retry, after `tries` retries that met the same error: 1, 1.5, 2.3, 3.4 … 8.

    Each wait is half of the time waited so far and a second more, eight seconds at most.
    """
    return min(_FIRST_SECONDS * _GROWTH ** min(tries, _MANY), _LONGEST_SECONDS)


class Source(StrEnum):
    """The system that defines the codes of a row."""

    SYSTEM = "errno"
    POSTGRESQL = "SQLSTATE"
    SQLITE = "SQLite"
    BROKER = "AMQP"
    MAIL = "SMTP"


class ErrorPolicy(NamedTuple):
    """A row of the table. A code of `source` may be a class: the first two characters of an SQLSTATE."""

    source: Source
    codes: Sequence[str]
    error: type[PrefectureError]
    said: str
    """The French text for the clerk; `{}` is replaced by the code."""


NO_ANSWER, OTHERS = "no answer", "others"
"""The code of a system that did not answer, and of all that the broker or a mail server says; any other code."""

_FULL_CODES = ("ENOSPC", "EDQUOT", "EFBIG", "EROFS", "EACCES", "EPERM")
_ABSENT_CODES = ("ENOENT", "ENOTDIR", "EEXIST")
_DISK_CODES = (
    "EIO",
    "ESTALE",
    "ETIMEDOUT",
    "ENOTCONN",
    "EBUSY",
    "ENODEV",
    "ENXIO",
    "EREMOTEIO",
    "EAGAIN",
    "EINTR",
)
_DAMAGED_CODES = (
    "EUCLEAN",
    "EBADMSG",
    "ENOKEY",
    "EKEYEXPIRED",
    "EKEYREVOKED",
    "EKEYREJECTED",
    "ENOTSUP",
)
_NETWORK_CODES = (
    "ECONNREFUSED",
    "ECONNRESET",
    "ECONNABORTED",
    "EPIPE",
    "EHOSTDOWN",
    "EHOSTUNREACH",
    "ENETDOWN",
)
_MORE_NETWORK_CODES = (
    "ENETUNREACH",
    "ENETRESET",
    "ESHUTDOWN",
    "ENOLINK",
    "ENOLCK",
    "EPROTO",
    "ECOMM",
)
_AWAY_CODES = _ABSENT_CODES + _DISK_CODES + _DAMAGED_CODES + _NETWORK_CODES + _MORE_NETWORK_CODES
_SHORT_CODES = ("EMFILE", "ENFILE", "ENOMEM", "ENOBUFS")
_POSTGRESQL_CODES = (
    "08",
    "25006",
    "25P03",
    "25P04",
    "28",
    "3D000",
    "40",
    "42501",
    "53",
    "55",
    "57",
    "58",
)
_SQLITE_LOCK_CODES = ("BUSY", "LOCKED", "INTERRUPT", "PROTOCOL")
_SQLITE_FILE_CODES = ("READONLY", "IOERR", "FULL", "CANTOPEN", "NOMEM", "SCHEMA")

_FULL = (
    DiskFullError,
    "Volume des exports plein ou sans droit d'écriture ({}) : prévenez l'exploitant.",
)
_AWAY = TransientError, "Volume des exports injoignable ({}) : prévenez l'exploitant."
_SHORT = ExhaustedError, "Le serveur manque de ressources ({}) : prévenez l'exploitant."
_DATABASE = DatabaseAwayError, "Base de données indisponible ({}) : prévenez l'exploitant."
_BUG = PrefectureError, "Erreur interne : prévenez l'exploitant."

_S, _P, _L, _B, _M = Source.SYSTEM, Source.POSTGRESQL, Source.SQLITE, Source.BROKER, Source.MAIL

ERROR_POLICIES = (
    ErrorPolicy(_S, _FULL_CODES, *_FULL),
    ErrorPolicy(_S, _AWAY_CODES, *_AWAY),
    ErrorPolicy(_S, _SHORT_CODES, *_SHORT),
    ErrorPolicy(_S, (OTHERS,), *_BUG),
    ErrorPolicy(_P, (NO_ANSWER, *_POSTGRESQL_CODES), *_DATABASE),
    ErrorPolicy(_P, (OTHERS,), *_BUG),
    ErrorPolicy(_L, _SQLITE_LOCK_CODES + _SQLITE_FILE_CODES, *_DATABASE),
    ErrorPolicy(_L, (OTHERS,), *_BUG),
    ErrorPolicy(_B, (NO_ANSWER,), TransientError, "Courtier RabbitMQ injoignable ({})."),
    ErrorPolicy(_M, (NO_ANSWER,), TransientError, "Serveur de courriel indisponible ({})."),
)

_ROWS = {(row.source, code): row for row in ERROR_POLICIES for code in row.codes}


class Diagnosis(NamedTuple):
    """The row of the table that an error belongs to, and its code."""

    policy: ErrorPolicy
    code: str

    def to_error(self) -> PrefectureError:
        """Return the error to record on the row of the file."""
        return self.policy.error(self.policy.said.format(self.code))


UNKNOWN = Diagnosis(_ROWS[Source.SYSTEM, OTHERS], "")


def find_policy(error: BaseException) -> Diagnosis:
    """Return the row for an error, or for the first of its causes that the table lists; else UNKNOWN."""
    chain: BaseException | None = error
    while chain is not None:
        if found := _find(chain):
            return found
        chain = chain.__cause__
    return UNKNOWN


def conclude(error: BaseException) -> PrefectureError:
    """Translate an error into one of worker/errors.py: TransientError is retried, ExhaustedError ends the process.

    A PrefectureError is returned as it is.
    """
    return error if isinstance(error, PrefectureError) else find_policy(error).to_error()


def is_waited_for(error: BaseException) -> bool:
    """Whether the error is of the surroundings: the row or the message is retried without counting."""
    return isinstance(conclude(error), TransientError)


def lacks_descriptors() -> bool:
    """Whether this process can open no more files."""
    try:
        os.close(os.open(os.devnull, os.O_RDONLY))
    except OSError as error:
        return isinstance(conclude(error), ExhaustedError)
    return False


def _find(error: BaseException) -> Diagnosis | None:
    cannot_start = isinstance(error, RuntimeError) and "can't start new thread" in str(error)
    if cannot_start or isinstance(error, MemoryError | ImportError):
        return Diagnosis(_ROWS[Source.SYSTEM, "ENOMEM"], "ENOMEM")
    if (
        isinstance(error, SQLAlchemyError)
        or hasattr(error, "sqlstate")
        or hasattr(error, "sqlite_errorname")
    ):
        return _find_database(error)
    kind = type(error)  # by name: only worker/messaging imports pika and Dramatiq
    is_of_dramatiq = kind.__module__ == "dramatiq.errors" and kind.__name__.startswith("Connection")
    if is_of_dramatiq or kind.__module__.startswith("pika."):
        code = getattr(error, "reply_code", None) or type(error).__name__
        return Diagnosis(_ROWS[Source.BROKER, NO_ANSWER], str(code))
    if isinstance(error, SMTPException):  # SMTPException is an OSError too
        code = getattr(error, "smtp_code", 0) or NO_ANSWER
        return Diagnosis(_ROWS[Source.MAIL, NO_ANSWER], str(code))
    return _find_system(error) if isinstance(error, OSError) else None


def _find_system(error: OSError) -> Diagnosis:
    name = errno.errorcode.get(error.errno or 0, "")
    if not name and isinstance(error, TimeoutError | ConnectionError):
        name = "ETIMEDOUT" if isinstance(error, TimeoutError) else "ECONNRESET"
    return Diagnosis(_ROWS.get((Source.SYSTEM, name)) or UNKNOWN.policy, name)


def _find_database(error: BaseException) -> Diagnosis:
    answer = getattr(error, "orig", None) or error
    if sqlstate := getattr(answer, "sqlstate", None):
        codes: Iterator[str] = iter((sqlstate, sqlstate[:2], OTHERS))
        return Diagnosis(
            next(row for code in codes if (row := _ROWS.get((Source.POSTGRESQL, code)))), sqlstate
        )
    if extended := getattr(answer, "sqlite_errorname", None):  # as SQLITE_BUSY_SNAPSHOT
        name = extended.split("_")[1]
        name = name if (Source.SQLITE, name) in _ROWS else OTHERS
        return Diagnosis(_ROWS[Source.SQLITE, name], name)
    is_cut = isinstance(error, DBAPIError) and error.connection_invalidated
    named = type(error).__name__ in {"OperationalError", "InterfaceError"}  # the drivers' own, too
    if (
        is_cut
        or named
        or isinstance(error, OperationalError | InterfaceError | NoConnectionLeftError)
    ):
        return Diagnosis(_ROWS[Source.POSTGRESQL, NO_ANSWER], type(answer).__name__)
    return Diagnosis(_ROWS[Source.POSTGRESQL, OTHERS], "")
