"""Where messages go: one exchange, the event types (which are the routing keys), the queues.

Requests enter by the exchange; what the worker says of its files leaves by the same exchange and never comes back to
it. The queues of jobs are internal: nobody else publishes there.
"""

EXCHANGE = "prefecture"
"""Durable topic exchange; a message's routing key is its event type."""

REQUEST_LISTE_EXPORT = "fr.openelec.prefecture.request.liste_export.v1"
REQUEST_TABLEAUX_RENDER = "fr.openelec.prefecture.request.tableaux_render.v1"

EVENT_EXPORT_READY = "fr.openelec.prefecture.event.export_ready.v1"
EVENT_EXPORT_FAILED = "fr.openelec.prefecture.event.export_failed.v1"
EVENT_REQUEST_REFUSED = "fr.openelec.prefecture.event.request_refused.v1"

REQUEST_TYPES = (REQUEST_LISTE_EXPORT, REQUEST_TABLEAUX_RENDER)
"""Each is bound by name to the queue of requests, so that an unknown type comes back to its sender as unroutable."""

EVENT_TYPES = (EVENT_EXPORT_READY, EVENT_EXPORT_FAILED, EVENT_REQUEST_REFUSED)

QUEUE_REQUESTS = "requests"
QUEUE_LISTES = "listes"
QUEUE_TABLEAUX = "tableaux"

MAX_EVENT_BYTES = 256 * 1024
"""A larger event is refused before it is sent: past the broker's `max_message_size` it vanishes with its channel."""

CONTENT_TYPE = "application/cloudevents+json; charset=utf-8"
"""Structured mode of CloudEvents 1.0 (JSON event format, section 3)."""
