"""What goes wrong around us and what is concluded from it: one table, for whoever meets an error.

The surroundings (a volume, the database, the broker, a mail server, this machine) come back: their trouble is waited
for, and costs a file none of its starts. What is ours or the event's own does not go away by waiting: it is tried a few
times. docs/operations.md shows the table to operators.
"""

import errno
import os
from collections.abc import Iterator, Sequence
from enum import StrEnum
from smtplib import SMTPException
from typing import NamedTuple

from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError, SQLAlchemyError
from sqlalchemy.exc import TimeoutError as NoConnectionLeftError

from worker.errors import DatabaseAwayError, DiskFullError, ExhaustedError, PrefectureError, TransientError

_FIRST_SECONDS, _GROWTH, _MANY = 1.0, 1.5, 50
_LONGEST_SECONDS = 120.0
"""Between two tries while something is away, at most: what is alone finds out for itself that it is over. Less, and ten
thousand files that wait would keep the workers busy with nothing."""


def until_next_try(tries: int) -> float:
    """Seconds between two tries, after so many that met the same trouble: 1, 1.5, 2.3, 3.4 … 120.

    That is a second and half as long as it was waited for so far: after a short trouble work goes on soon, and a long
    one is asked for seldom.
    """
    return min(_FIRST_SECONDS * _GROWTH ** min(tries, _MANY), _LONGEST_SECONDS)


class Source(StrEnum):
    """Who answers with the codes of a row."""

    SYSTEM = "errno"
    POSTGRESQL = "SQLSTATE"
    SQLITE = "SQLite"
    BROKER = "AMQP"
    MAIL = "SMTP"


class Treatment(StrEnum):
    """What is done about it."""

    WAIT = "waited for"
    LEAVE = "waited for, by another process: this one ends"
    COUNT = "three starts"
    REFUSE = "refused at once"

    @property
    def is_waited_for(self) -> bool:
        """Whether it is the surroundings' trouble: the start does not count, nothing is put aside."""
        return self in {Treatment.WAIT, Treatment.LEAVE}


class Trouble(NamedTuple):
    """A row of the table: `codes` of `source`, of SQLSTATE also the first two characters of a class."""

    source: Source
    codes: Sequence[str]
    meaning: str
    treatment: Treatment
    error: type[PrefectureError]
    said: str
    """What the clerk reads, in French; `{}` stands for the code."""


NO_ANSWER, OTHERS = "no answer", "others"

_FULL = "Volume des exports plein ou sans droit d'écriture ({}) : prévenez l'exploitant."
_AWAY = "Volume des exports injoignable ({}) : prévenez l'exploitant."
_SHORT = "Le serveur manque de ressources ({}) : prévenez l'exploitant."
_DATABASE = "Base de données indisponible ({}) : prévenez l'exploitant."
_BROKER = "Courtier RabbitMQ injoignable ({})."
_MAIL = "Serveur de courriel indisponible ({})."
_BUG = "Erreur interne : prévenez l'exploitant."
_ANSWER = "la réponse du serveur"

_FULL_CODES = ("ENOSPC", "EDQUOT", "EFBIG", "EROFS", "EACCES", "EPERM")
_ABSENT_CODES = ("ENOENT", "ENOTDIR", "EEXIST")
_AWAY_CODES = ("EIO", "ESTALE", "ETIMEDOUT", "ENOTCONN", "EBUSY", "ENODEV", "ENXIO", "EREMOTEIO", "EAGAIN", "EINTR")
_NETWORK_CODES = ("ECONNREFUSED", "ECONNRESET", "ECONNABORTED", "EPIPE", "EHOSTDOWN", "EHOSTUNREACH", "ENETDOWN")
_MORE_NETWORK_CODES = ("ENETUNREACH", "ENETRESET", "ESHUTDOWN", "ENOLINK", "ENOLCK", "EPROTO", "ECOMM")
_SHORT_CODES = ("EMFILE", "ENFILE", "ENOMEM", "ENOBUFS")

_S, _P, _L, _B, _M = Source.SYSTEM, Source.POSTGRESQL, Source.SQLITE, Source.BROKER, Source.MAIL
_WAIT, _LEAVE, _COUNT, _REFUSE = Treatment.WAIT, Treatment.LEAVE, Treatment.COUNT, Treatment.REFUSE

TROUBLES = (
    Trouble(_S, _FULL_CODES, "the volume is full, read-only, or another account's", _WAIT, DiskFullError, _FULL),
    Trouble(_S, _ABSENT_CODES, "the volume is away, or something else is there", _WAIT, DiskFullError, _FULL),
    Trouble(_S, _AWAY_CODES, "the disk, or the server behind it, does not answer", _WAIT, TransientError, _AWAY),
    Trouble(_S, _NETWORK_CODES + _MORE_NETWORK_CODES, "the network is away", _WAIT, TransientError, _AWAY),
    Trouble(_S, _SHORT_CODES, "this process lacks descriptors or memory", _LEAVE, ExhaustedError, _SHORT),
    Trouble(_S, (OTHERS,), "ours", _COUNT, PrefectureError, _BUG),
    Trouble(_P, ("08", NO_ANSWER), "the connection is lost, or cannot be made", _WAIT, DatabaseAwayError, _DATABASE),
    Trouble(_P, ("25006",), "read-only: a standby, as after a failover", _WAIT, DatabaseAwayError, _DATABASE),
    Trouble(_P, ("25P03", "25P04"), "we stood still in a transaction", _WAIT, DatabaseAwayError, _DATABASE),
    Trouble(_P, ("28", "3D000", "42501"), "the account or its rights are wrong", _WAIT, DatabaseAwayError, _DATABASE),
    Trouble(_P, ("40", "55"), "somebody else has the rows: deadlock, lock", _WAIT, DatabaseAwayError, _DATABASE),
    Trouble(_P, ("53",), "the server lacks disk, memory or connections", _WAIT, DatabaseAwayError, _DATABASE),
    Trouble(_P, ("57", "58"), "it stops, starts, cancels, or its disk fails", _WAIT, DatabaseAwayError, _DATABASE),
    Trouble(_P, (OTHERS,), "ours, or the event's own", _COUNT, PrefectureError, _BUG),
    Trouble(_L, ("BUSY", "LOCKED", "INTERRUPT", "PROTOCOL"), "somebody writes", _WAIT, DatabaseAwayError, _DATABASE),
    Trouble(
        _L,
        ("READONLY", "IOERR", "FULL", "CANTOPEN", "NOMEM", "SCHEMA"),
        "its file is full, read-only or away",
        _WAIT,
        DatabaseAwayError,
        _DATABASE,
    ),
    Trouble(_L, (OTHERS,), "ours, or a damaged file", _COUNT, PrefectureError, _BUG),
    Trouble(
        _B,
        (NO_ANSWER, "311", "312", "313", "320", "403", "404", "405", "406", "5xx"),
        "RabbitMQ is away, full or being put right",
        _WAIT,
        TransientError,
        _BROKER,
    ),
    Trouble(_M, (NO_ANSWER, "4xx"), "the mail server is away, or busy", _WAIT, TransientError, _MAIL),
    Trouble(_M, ("5xx, of us",), "it refuses us, as when the password changed", _WAIT, TransientError, _MAIL),
    Trouble(_M, ("5xx, of the recipient",), "it refuses this address", _REFUSE, PrefectureError, _ANSWER),
)
"""In the order in which operators read it."""

_ROWS = {(row.source, code): row for row in TROUBLES for code in row.codes}

_SQLITE_NAMES = {
    5: "BUSY",
    6: "LOCKED",
    7: "NOMEM",
    8: "READONLY",
    9: "INTERRUPT",
    10: "IOERR",
    13: "FULL",
    14: "CANTOPEN",
    15: "PROTOCOL",
    17: "SCHEMA",
}
"""https://www.sqlite.org/rescode.html; the low byte of an extended code."""

_SMTP_PERMANENT = 500
"""Answers from here on are final (RFC 5321, section 4.2.1)."""


class Diagnosis(NamedTuple):
    """A row of the table, and the code that led to it."""

    trouble: Trouble
    code: str

    def to_error(self) -> PrefectureError:
        """What is written on the row of a file."""
        return self.trouble.error(self.trouble.said.format(self.code))


UNKNOWN = Diagnosis(_ROWS[Source.SYSTEM, OTHERS], "")
"""What no row knows is a bug, until the opposite is proven."""


def find_trouble(error: BaseException) -> Diagnosis:
    """What the table says of an error; of one that another one caused, what it says of the cause."""
    chain: BaseException | None = error
    while chain is not None:
        if found := _find(chain):
            return found
        chain = chain.__cause__
    return UNKNOWN


def conclude(error: BaseException) -> PrefectureError:
    """What an error means for whoever meets it: TransientError is waited for, ExhaustedError in another process.

    ExportError and the like are conclusions already.
    """
    return error if isinstance(error, PrefectureError) else find_trouble(error).to_error()


def is_waited_for(error: BaseException) -> bool:
    """Whether it is the surroundings' trouble, and no reason to give up or to put anything aside."""
    return isinstance(conclude(error), TransientError)


def find_answer(code: int, *, of_recipient: bool) -> Diagnosis:
    """What a mail server's answer means, to the address of the recipient or the message, or to ourselves."""
    name = "4xx"
    if code >= _SMTP_PERMANENT:
        name = "5xx, of the recipient" if of_recipient else "5xx, of us"
    return Diagnosis(_ROWS[Source.MAIL, name], str(code))


def lacks_descriptors() -> bool:
    """Whether this process may open nothing more."""
    try:
        os.close(os.open(os.devnull, os.O_RDONLY))
    except OSError as error:
        return isinstance(conclude(error), ExhaustedError)
    return False


def _find(error: BaseException) -> Diagnosis | None:
    if isinstance(error, MemoryError):
        return Diagnosis(_ROWS[Source.SYSTEM, "ENOMEM"], "ENOMEM")
    if isinstance(error, SQLAlchemyError) or hasattr(error, "sqlstate") or hasattr(error, "sqlite_errorcode"):
        return _find_database(error)
    if _is_of_broker(type(error)):
        code = getattr(error, "reply_code", None) or type(error).__name__
        return Diagnosis(_ROWS[Source.BROKER, NO_ANSWER], str(code))
    if isinstance(error, SMTPException):  # an OSError too
        answer = getattr(error, "smtp_code", 0)
        return (
            find_answer(answer, of_recipient=False) if answer else Diagnosis(_ROWS[Source.MAIL, NO_ANSWER], NO_ANSWER)
        )
    return _find_system(error) if isinstance(error, OSError) else None


def _find_system(error: OSError) -> Diagnosis:
    name = errno.errorcode.get(error.errno or 0, "")
    if not name and isinstance(error, TimeoutError | ConnectionError):
        name = "ETIMEDOUT" if isinstance(error, TimeoutError) else "ECONNRESET"
    return Diagnosis(_ROWS.get((Source.SYSTEM, name)) or UNKNOWN.trouble, name)


def _find_database(error: BaseException) -> Diagnosis:
    answer = getattr(error, "orig", None) or error
    if sqlstate := getattr(answer, "sqlstate", None):
        codes: Iterator[str] = iter((sqlstate, sqlstate[:2], OTHERS))
        return Diagnosis(next(row for code in codes if (row := _ROWS.get((Source.POSTGRESQL, code)))), sqlstate)
    if (number := getattr(answer, "sqlite_errorcode", None)) is not None:
        name = _SQLITE_NAMES.get(number & 0xFF, OTHERS)
        return Diagnosis(_ROWS[Source.SQLITE, name], name)
    is_cut = isinstance(error, DBAPIError) and error.connection_invalidated
    named = type(error).__name__ in {"OperationalError", "InterfaceError"}  # the drivers' own, too
    if is_cut or named or isinstance(error, OperationalError | InterfaceError | NoConnectionLeftError):
        return Diagnosis(_ROWS[Source.POSTGRESQL, NO_ANSWER], type(answer).__name__)
    return Diagnosis(_ROWS[Source.POSTGRESQL, OTHERS], "")


def _is_of_broker(kind: type[BaseException]) -> bool:
    """By name: only messaging knows pika and Dramatiq."""
    return kind.__module__.startswith("pika.") or (
        kind.__module__ == "dramatiq.errors" and kind.__name__.startswith("Connection")
    )
