"""Where messages go: one exchange, the routing keys, the queues.

Requests enter by the exchange, into the queues of their account; what the worker says of its files leaves by the same
exchange. The queues of jobs are internal.
"""

import re

EXCHANGE = "prefecture"
"""Durable topic exchange. The routing key of a request is its account, then its type; that of an event is its type."""

SOURCE = "/module-prefecture"
"""Who says our events, where an installation has no name of its own."""

BULK_SUFFIX = ".bulk"
"""Ends the routing key of a request of a batch, which then waits in the account's second queue."""

REQUEST_LISTE_EXPORT = "fr.openelec.prefecture.request.liste_export.v1"
REQUEST_TABLEAUX_RENDER = "fr.openelec.prefecture.request.tableaux_render.v1"
REQUEST_CANCEL = "fr.openelec.prefecture.request.cancel.v1"
REQUEST_RETRY = "fr.openelec.prefecture.request.retry.v1"
REQUEST_DECLARATION = "fr.openelec.prefecture.request.declaration.v1"
REQUEST_REGISTRE_PREVIEW = "fr.openelec.prefecture.request.registre_preview.v1"
REQUEST_REGISTRE_IMPORT = "fr.openelec.prefecture.request.registre_import.v1"
REQUEST_REGISTRE_CORRECTION = "fr.openelec.prefecture.request.registre_correction.v1"

EVENT_REQUEST_STATUS = "fr.openelec.prefecture.event.request_status.v1"
EVENT_EXPORT_STATUS = "fr.openelec.prefecture.event.export_status.v1"
EVENT_REGISTRE_STATUS = "fr.openelec.prefecture.event.registre_status.v1"
EVENT_ECHEANCE_NEAR = "fr.openelec.prefecture.event.echeance_near.v1"

SCREEN_NOTE = "fr.openelec.prefecture.screen.note.v1"
"""What the clerks' screen records of its agents: not part of the contract, and refused from other accounts."""

REQUEST_TYPES = (
    *(REQUEST_LISTE_EXPORT, REQUEST_TABLEAUX_RENDER, REQUEST_CANCEL, REQUEST_RETRY),
    *(REQUEST_REGISTRE_PREVIEW, REQUEST_REGISTRE_IMPORT, REQUEST_REGISTRE_CORRECTION),
    REQUEST_DECLARATION,
)
"""Each is bound by name to the queue of an account, so that an unknown type comes back to its sender as unroutable."""

BULK_TYPES = (REQUEST_LISTE_EXPORT, REQUEST_TABLEAUX_RENDER)
"""Those that may be part of a batch."""


_ACCOUNT = re.compile(r"(?!fr$)[A-Za-z0-9_-]{1,60}", re.ASCII)


def is_account(name: str) -> bool:
    """Whether an account of the broker can have queues of requests.

    Its name is one word of a routing key. It is not `fr`, with which the keys of our own events begin.
    """
    return _ACCOUNT.fullmatch(name) is not None


def request_key(account: str, event_type: str, *, is_bulk: bool = False) -> str:
    """Return the routing key of a request of an account; a request of a batch has another."""
    return f"{account}.{event_type}{BULK_SUFFIX if is_bulk and event_type in BULK_TYPES else ''}"


def account_queue(account: str, *, is_bulk: bool = False) -> str:
    """Return the name of the queue of an account's requests, or of its requests of batches."""
    return f"account-bulk.{account}" if is_bulk else f"account.{account}"


def account_bindings(account: str, *, is_bulk: bool = False) -> list[str]:
    """Return the routing keys that the queue of an account is bound by."""
    return [
        request_key(account, it, is_bulk=is_bulk) for it in (BULK_TYPES if is_bulk else (*REQUEST_TYPES, SCREEN_NOTE))
    ]


EVENT_TYPES = (EVENT_EXPORT_STATUS, EVENT_REQUEST_STATUS, EVENT_REGISTRE_STATUS, EVENT_ECHEANCE_NEAR)

ANY = "*"
"""In a key that a queue is bound by: any one word."""

LISTENER_PREFIX = "listener."
"""Begins the name of the queue of whoever listens to our events; a policy of the broker bounds these queues."""


def event_key(event_type: str, commune: str) -> str:
    """Where an event of ours about a commune goes: last comes the commune, by which a listener can be confined."""
    return f"{event_type}.{commune}"


def account_key(event_type: str, account: str) -> str:
    """Where an event of ours goes for the account whose event it answers; nobody else need hear it."""
    return f"{event_type}.account.{account}"


def listener_key(*, commune: str = "", account: str = "") -> str:
    """What to bind a queue by to hear every event about a commune, `*` for each, or the answers to an account."""
    every = f"fr.openelec.prefecture.event.{ANY}.{ANY}"
    return account_key(every, account) if account else event_key(every, commune)


QUEUE_REQUESTS, QUEUE_REQUESTS_BULK = "requests", "requests-bulk"
"""What the workers call themselves about requests: a retry, an event that is taken up again. Also the names by which
a process reads the queues of all accounts, those of batches apart."""

QUEUE_LISTES, QUEUE_LISTES_BULK = "listes", "listes-bulk"
QUEUE_TABLEAUX, QUEUE_TABLEAUX_BULK = "tableaux", "tableaux-bulk"
"""What belongs to a batch waits in the second of each pair: it never stands before what a single clerk asks for."""

QUEUE_REGISTRE = "registre"
"""Exports of the REU to preview and to import: read by who may write to the register, and by nobody else."""

MAX_EVENT_BYTES = 256 * 1024
"""A larger event is refused before it is sent: past the broker's `max_message_size` it vanishes with its channel."""

CONTENT_TYPE = "application/cloudevents+json; charset=utf-8"
"""Structured mode of CloudEvents 1.0 (JSON event format, section 3)."""
