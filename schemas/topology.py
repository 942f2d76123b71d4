"""The exchange, the routing keys and the queues.

Requests enter by the exchange, into the queues of their account; the worker publishes its events on the same exchange.
The queues of jobs are internal.
"""

import re

EXCHANGE = "prefecture"
"""Durable topic exchange. Routing key of a request: its account, then its type; of an event: its type first."""

SOURCE = "/module-prefecture"
"""Default `source` of published events."""

BULK_SUFFIX = ".bulk"
"""Suffix of the routing key of a request of a batch, which goes to the account's second queue."""

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
"""Notes that the clerks' screen records about its agents: not part of the contract, refused from other accounts."""

REQUEST_TYPES = (
    *(REQUEST_LISTE_EXPORT, REQUEST_TABLEAUX_RENDER, REQUEST_CANCEL, REQUEST_RETRY),
    *(REQUEST_REGISTRE_PREVIEW, REQUEST_REGISTRE_IMPORT, REQUEST_REGISTRE_CORRECTION),
    REQUEST_DECLARATION,
)
"""The queue of an account has a binding per type, so that the broker returns an unknown type as unroutable."""

SHORT_TYPES = {*REQUEST_TYPES, SCREEN_NOTE} - {REQUEST_DECLARATION}
"""The types whose events have MAX_SHORT_BYTES at most."""

BULK_TYPES = (REQUEST_LISTE_EXPORT, REQUEST_TABLEAUX_RENDER)
"""The request types that a batch may contain."""


_ACCOUNT = re.compile(r"(?!fr$)[A-Za-z0-9_-]{1,60}", re.ASCII)


def is_account(name: str) -> bool:
    """Whether an account of the broker can have queues of requests.

    The account is one word of a routing key, but not `fr`, the first word of the keys of published events.
    """
    return _ACCOUNT.fullmatch(name) is not None


def request_key(account: str, event_type: str, *, is_bulk: bool = False) -> str:
    """Return the routing key of a request of an account; a request of a batch has another."""
    return f"{account}.{event_type}{BULK_SUFFIX if is_bulk and event_type in BULK_TYPES else ''}"


def account_queue(account: str, *, is_bulk: bool = False) -> str:
    """Return the name of the queue of an account's requests, or of its requests of batches."""
    return f"account-bulk.{account}" if is_bulk else f"account.{account}"


def account_bindings(account: str, *, is_bulk: bool = False) -> list[str]:
    """Return the routing keys that bind the queue of an account."""
    return [
        request_key(account, it, is_bulk=is_bulk)
        for it in (BULK_TYPES if is_bulk else (*REQUEST_TYPES, SCREEN_NOTE))
    ]


EVENT_TYPES = (
    EVENT_EXPORT_STATUS,
    EVENT_REQUEST_STATUS,
    EVENT_REGISTRE_STATUS,
    EVENT_ECHEANCE_NEAR,
)

ANY = "*"
"""Wildcard of a binding key: any one word."""

LISTENER_PREFIX = "listener."
"""Prefix of the queues of event listeners; a policy of the broker limits these queues."""


def event_key(event_type: str, commune: str) -> str:
    """Return the routing key of an event about a commune, which comes last so that a listener can be confined to it."""
    return f"{event_type}.{commune}"


def account_key(event_type: str, account: str) -> str:
    """Return the routing key of a copy of an event for the account of the request."""
    return f"{event_type}.account.{account}"


def listener_key(*, commune: str = "", account: str = "") -> str:
    """Return the binding key for all events about a commune (`*` for every commune) or for one account's requests."""
    every = f"fr.openelec.prefecture.event.{ANY}.{ANY}"
    return account_key(every, account) if account else event_key(every, commune)


SCREEN_ACCOUNT = "ecran"
"""The account of the screen in `deploy/`: it acts for its agents unless an operator changes that."""

QUEUE_REQUESTS, QUEUE_REQUESTS_BULK = "requests", "requests-bulk"
"""Requests that the workers enqueue for themselves: retries, deferred events. Also the names by which a process
consumes the queues of all accounts, those of batches apart."""
QUEUE_LISTES, QUEUE_LISTES_BULK = "listes", "listes-bulk"
QUEUE_TABLEAUX, QUEUE_TABLEAUX_BULK = "tableaux", "tableaux-bulk"
"""The second queue of each pair holds jobs of batches, so that they never delay the request of a single clerk."""

QUEUE_REGISTRE = "registre"
"""Previews and imports of REU exports: consumed only by workers that may write to the register."""

MAX_EVENT_BYTES, MAX_SHORT_BYTES = 256 * 1024, 16 * 1024
"""Of a declaration, which may contain an answer of the platform or a thousand motifs; of any other request.

A larger event is refused before publishing: above `max_message_size`, the broker closes the channel and loses it.
"""

CONTENT_TYPE = "application/cloudevents+json; charset=utf-8"
"""Structured mode of CloudEvents 1.0 (JSON event format, section 3)."""
