"""The exchange, the routing keys and the queues.

Requests enter by the exchange, into one of two queues; the worker publishes its events on the same
exchange.
The queues of tokens are internal.
"""

import re

EXCHANGE = "prefecture"
"""Durable topic exchange. A request has the key `people.ACCOUNT.TYPE` or `programs.ACCOUNT.TYPE`, an
event of ours its type first."""

SOURCE = "/module-prefecture"
"""Default `source` of published events."""

PEOPLE, PROGRAMS = "people", "programs"
"""The first word of the key of a request, which chooses its queue."""

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
"""The queues of requests have a binding for each type: the broker returns an unknown type as unroutable."""

SHORT_TYPES = {*REQUEST_TYPES, SCREEN_NOTE} - {REQUEST_DECLARATION}
"""The types whose events have MAX_SHORT_BYTES at most."""


_ACCOUNT = re.compile(r"[A-Za-z0-9_-]{1,60}", re.ASCII)


def is_account(name: str) -> bool:
    """Whether a name can be the account of a routing key: one word of letters, digits, - and _."""
    return _ACCOUNT.fullmatch(name) is not None


def request_key(account: str, event_type: str, *, is_bulk: bool = False) -> str:
    """Return the routing key of a request: the lane of its queue, its account, its type.

    Requests of the screen are for people, except those of a batch; all others are of programs.
    """
    is_of_people = account == SCREEN_ACCOUNT and not is_bulk
    return f"{PEOPLE if is_of_people else PROGRAMS}.{account}.{event_type}"


def account_of(routing_key: str) -> str:
    """Return the account that a routing key of a request names; empty when it names none.

    The topic permission of an account lets it publish under its own name only (deploy/broker), so
    that the broker has checked the name.
    """
    first, _, rest = routing_key.partition(".")
    return rest.partition(".")[0] if first in {PEOPLE, PROGRAMS} else ""


def type_of(routing_key: str) -> str:
    """Return the type of event that a routing key of a request names."""
    return routing_key.split(".", 2)[-1]


def request_bindings(queue: str) -> list[str]:
    """Return the binding keys of a queue of requests: one for each type, of any account."""
    first = {QUEUE_REQUESTS: PEOPLE, QUEUE_PROGRAMS: PROGRAMS}[queue]
    return [f"{first}.{ANY}.{event_type}" for event_type in (*REQUEST_TYPES, SCREEN_NOTE)]


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

QUEUE_REQUESTS, QUEUE_PROGRAMS = "requests", "requests-programs"
"""Requests of people (the screen, and programs over HTTP), and those of programs of the house and batches.

Each has one active consumer, which handles one event at a time: events of a queue are handled in order.
"""

REQUEST_QUEUES = QUEUE_REQUESTS, QUEUE_PROGRAMS

QUEUE_LISTES, QUEUE_TABLEAUX, QUEUE_REGISTRE = "listes", "tableaux", "registre"
"""Tokens for workers. A token names no row; it says "look at this queue". Only workers of `registre` may
write to the register."""

TOKEN_QUEUES = QUEUE_LISTES, QUEUE_TABLEAUX, QUEUE_REGISTRE

MOST_TOKENS = 500
"""The bound of a queue of tokens; the broker refuses further ones, which is no error."""

MAX_EVENT_BYTES, MAX_SHORT_BYTES = 256 * 1024, 16 * 1024
"""Of a declaration, which may contain an answer of the platform or a thousand motifs; of any other request.

A larger event is refused before publishing: above `max_message_size`, the broker closes the channel and loses it.
"""

CONTENT_TYPE = "application/cloudevents+json; charset=utf-8"
"""Structured mode of CloudEvents 1.0 (JSON event format, section 3)."""
