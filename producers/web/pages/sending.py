"""What every page that asks for something does: send, remember, and say what to do when nobody takes it."""

from collections.abc import Callable
from dataclasses import dataclass

from starlette.responses import RedirectResponse, Response

from producers.errors import ProducerError
from producers.web.sent import remember
from producers.web.visit import SEE_OTHER, Visit
from schemas.envelope import CloudEvent

UNPROCESSABLE, AWAY = 422, 503


@dataclass(frozen=True)
class Trouble:
    """Why nothing was sent, for her administrator; the page says to her what to do."""

    detail: str


def send(visit: Visit, event: CloudEvent, words: str, *, page: str, retry: Callable[[Trouble], Response]) -> Response:
    """Publish, then show it among the requests of that tab; `retry` gives the page again when nobody takes it."""
    try:
        visit.publish(event)
    except ProducerError as error:
        return retry(Trouble(str(error)))
    remember(visit.request, event, words, visit.commune.code)
    return RedirectResponse(f"{visit.url(page)}#demandes", SEE_OTHER)
