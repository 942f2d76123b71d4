"""Where messages go: one exchange, the event types (which are the routing keys), the queues.

Requests enter by the exchange; what the worker says of its files leaves by the same exchange and never comes back to
it. The queues of jobs are internal: nobody else publishes there.
"""

EXCHANGE = "prefecture"
"""Durable topic exchange; a message's routing key is its event type, which a request of a batch may lengthen."""

BULK_SUFFIX = ".bulk"
"""Ends the routing key of a request of a batch, which then waits in a queue of its own."""

REQUEST_LISTE_EXPORT = "fr.openelec.prefecture.request.liste_export.v1"
REQUEST_TABLEAUX_RENDER = "fr.openelec.prefecture.request.tableaux_render.v1"
REQUEST_CANCEL = "fr.openelec.prefecture.request.cancel.v1"
REQUEST_RETRY = "fr.openelec.prefecture.request.retry.v1"
REQUEST_FILE_DOWNLOADED = "fr.openelec.prefecture.request.file_downloaded.v1"
REQUEST_DEPOT_DECLARE = "fr.openelec.prefecture.request.depot_declare.v1"
REQUEST_DEPOT_VERDICT = "fr.openelec.prefecture.request.depot_verdict.v1"
REQUEST_DOUBT_DECIDE = "fr.openelec.prefecture.request.doubt_decide.v1"

EVENT_REQUEST_ACCEPTED = "fr.openelec.prefecture.event.request_accepted.v1"
EVENT_REQUEST_SETTLED = "fr.openelec.prefecture.event.request_settled.v1"
EVENT_EXPORT_READY = "fr.openelec.prefecture.event.export_ready.v1"
EVENT_EXPORT_FAILED = "fr.openelec.prefecture.event.export_failed.v1"
EVENT_EXPORT_CANCELLED = "fr.openelec.prefecture.event.export_cancelled.v1"
EVENT_EXPORT_RECALLED = "fr.openelec.prefecture.event.export_recalled.v1"
EVENT_REQUEST_REFUSED = "fr.openelec.prefecture.event.request_refused.v1"
EVENT_ECHEANCE_NEAR = "fr.openelec.prefecture.event.echeance_near.v1"

DECLARATION_TYPES = (REQUEST_FILE_DOWNLOADED, REQUEST_DEPOT_DECLARE, REQUEST_DEPOT_VERDICT, REQUEST_DOUBT_DECIDE)
"""What a person did with a file, or says of a doubt: they ask for nothing, and nobody is mailed about them."""

REQUEST_TYPES = (
    *(REQUEST_LISTE_EXPORT, REQUEST_TABLEAUX_RENDER, REQUEST_CANCEL, REQUEST_RETRY),
    *DECLARATION_TYPES,
)
"""Each is bound by name to the queue of requests, so that an unknown type comes back to its sender as unroutable."""

BULK_TYPES = (REQUEST_LISTE_EXPORT, REQUEST_TABLEAUX_RENDER)
"""Those that may be part of a batch."""

EVENT_TYPES = (
    *(EVENT_EXPORT_READY, EVENT_EXPORT_FAILED, EVENT_EXPORT_CANCELLED, EVENT_EXPORT_RECALLED, EVENT_REQUEST_REFUSED),
    *(EVENT_REQUEST_ACCEPTED, EVENT_REQUEST_SETTLED, EVENT_ECHEANCE_NEAR),
)

QUEUE_REQUESTS, QUEUE_REQUESTS_BULK = "requests", "requests-bulk"
QUEUE_LISTES, QUEUE_LISTES_BULK = "listes", "listes-bulk"
QUEUE_TABLEAUX, QUEUE_TABLEAUX_BULK = "tableaux", "tableaux-bulk"
"""What belongs to a batch waits in the second of each pair: it never stands before what a single clerk asks for."""

MAX_EVENT_BYTES = 256 * 1024
"""A larger event is refused before it is sent: past the broker's `max_message_size` it vanishes with its channel."""

CONTENT_TYPE = "application/cloudevents+json; charset=utf-8"
"""Structured mode of CloudEvents 1.0 (JSON event format, section 3)."""
