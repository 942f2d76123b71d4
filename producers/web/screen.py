"""What the pages are given: settings, the database, a way to publish, templates. Composed once, by `app`."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from starlette.templating import Jinja2Templates

from common.clock import now
from producers.state import State
from producers.web.live import Live
from producers.web.security.identity import Identity
from producers.web.security.rates import Rates
from producers.web.security.returns import Returns
from producers.web.settings import WebSettings
from producers.web.spool import Spool
from schemas.envelope import CloudEvent

Publish = Callable[[CloudEvent], None]
"""Returns once the event is kept, by the broker or by the database; raises `ProducerError` when it is not."""


@dataclass(frozen=True)
class Screen:
    """The parts of the screen."""

    settings: WebSettings
    state: State
    publish: Publish
    identity: Identity
    templates: Jinja2Templates
    returns: Returns
    rates: Rates
    live: Live
    spool: Spool
    reaches_broker: Callable[[], bool] | None = None
    """Whether the broker answers; None where there is none."""
    clock: Callable[[], datetime] = now
