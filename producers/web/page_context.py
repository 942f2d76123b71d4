"""What a page is given: the parts of the application, who comes, for which commune, with which form."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import IO, Any, Protocol

from starlette.datastructures import FormData
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.templating import Jinja2Templates

from common.calendrier import civil_day, now
from producers.errors import BrokerBlockedError, QueueFullError, UnconfirmedError
from producers.state import State
from producers.web.exports.query import AskedFile
from producers.web.exports.spool import Spool
from producers.web.forms import read_number
from producers.web.security import AgentCommune, AuthorizedAgent, Identity
from producers.web.security.limits import RateLimits, Turns
from producers.web.security.session import ReturnAddresses, csrf_token, is_partial
from producers.web.settings import WebSettings
from producers.web.suivi.live_updates import LiveUpdates
from schemas.declarations import DeclarationNoted, FileDownloaded
from schemas.envelope import CloudEvent, Data, Publish
from schemas.screen_notes import DownloadBegun, ElecteursSeen, ScreenNoted
from schemas.vocabulary import Piece, SeenPage

SEE_OTHER, NOT_FOUND, CONFLICT, GONE, UNPROCESSABLE, BROKEN, AWAY = 303, 404, 409, 410, 422, 500, 503


class BackupError(Exception):
    """A backup cannot be made, or not be put back; the message is for the clerk."""


@dataclass(frozen=True)
class Holding:
    """What a computer keeps, or its backup; `lost` of its files are not what they were made."""

    communes: tuple[str, ...]
    electeurs: int
    taken_on: date | None
    """The day of the last export of the REU."""
    files: int
    agents: tuple[str, ...]
    lost: int = 0
    saved_at: datetime | None = None
    """None: it is what there is now."""
    unsaved: int = 0
    """Acts on record of what there is now that the backup which was checked does not know."""


class Backups(Protocol):
    """Saving and putting back all that this computer keeps. Each may raise `BackupError`."""

    def describe(self) -> Holding:
        """Return what the computer keeps now."""

    def save(self, passphrase: str, *, agent: str) -> IO[bytes]:
        """All of it in one file, encrypted; whoever closes it erases it."""

    def check(self, file: IO[bytes], passphrase: str) -> None:
        """Open a backup beside what there is, in place of the one that was checked before."""

    def checked(self) -> tuple[str, Holding] | None:
        """The backup that may be put back, and a word for it; None when none was checked."""

    def replace(self, word: str, *, agent: str) -> None:
        """Put exactly that one in place of what there is, for this agent of it: the screen opens again by itself."""

    def leave(self) -> None:
        """Forget the backup that was checked."""


@dataclass(frozen=True)
class WebServices:
    settings: WebSettings
    state: State
    publish: Publish
    identity: Identity
    templates: Jinja2Templates
    returns: ReturnAddresses
    rates: RateLimits
    live: LiveUpdates
    spool: Spool
    reaches_broker: Callable[[], bool] | None = None
    """Whether the broker answers; None where there is none."""
    backups: Backups | None = None
    """None where an operator saves the database and the volume."""
    mails_kept_at: str = ""
    """The folder of this computer where mails stay, since no mail server is set; empty where they leave."""
    clock: Callable[[], datetime] = now
    turns: Turns = field(default_factory=Turns)


@dataclass(frozen=True)
class PageContext:
    request: Request
    services: WebServices
    agent: AuthorizedAgent
    commune: AgentCommune
    form: FormData = field(default_factory=FormData)

    @property
    def query(self) -> Mapping[str, str]:
        return self.request.query_params

    @property
    def today(self) -> date:
        return civil_day(self.services.clock(), self.commune.code)

    def number(self, name: str) -> int:
        """A number of the path; 404 when it is that of no row."""
        number = read_number(self.request.path_params[name])
        if number is None:
            raise HTTPException(NOT_FOUND)
        return number

    def render(self, template: str, status_code: int = 200, **values: Any) -> Response:  # noqa: ANN401 — for the template
        known = self._known_to_templates()
        return self.services.templates.TemplateResponse(self.request, template, known | values, status_code=status_code)

    def render_part(self, template: str, **values: Any) -> str:  # noqa: ANN401 — for the template
        """A part of a page, as it is sent to one that is open."""
        known = self._known_to_templates() | {"request": self.request}
        return self.services.templates.get_template(template).render(known | values)

    def redirect(self, page: str, fragment: str = "", **path: Any) -> Response:  # noqa: ANN401 — parameters of the path
        """Send the browser to another page of the commune, or to a place of it."""
        return RedirectResponse(f"{self.url(page, **path)}{fragment and '#'}{fragment}", SEE_OTHER)

    def url(self, page: str, **path: Any) -> str:  # noqa: ANN401 — parameters of the path
        """The address of a page of this commune, without host: proxies may change that."""
        return str(self.request.app.url_path_for(page, commune=self.commune.code, **path))

    def record_seen(self, page: SeenPage, electeurs: int, export: int | None = None) -> None:
        """Say to the trail that a page which names electors is shown; what a page asks by itself counts once."""
        if electeurs and not is_partial(self.request):
            note = ElecteursSeen(page=page, electeurs=electeurs, export=export)
            data = ScreenNoted(commune=self.commune.code, note=note, requested_by=self.agent.name)
            self.services.spool.send(CloudEvent.wrap(data, source=self.services.settings.source))

    def publish(self, event: CloudEvent) -> None:
        """Send what she asks or declares; the line of log of this request bears its correlation id.

        What a full queue or a broker in alarm refuses is kept, and so is what may have left or not: it is sent under
        its id when there is room. What her commune says meanwhile waits behind it: no verdict leaves before its
        deposit. A broker that is away, or an account that it refuses, is told to her instead: that is mended by an
        operator, nobody knows when, and what leaves days later may not be what she wants any more.

        Raises:
            ProducerError: it was not taken, nor kept; the message is for the clerk.
        """
        self.request.state.correlation_id = event.correlationid
        spool, commune = self.services.spool, self.commune.code
        if spool.keeps(commune) and spool.keep(event, commune):
            return
        try:
            self.services.publish(event)
        except (BrokerBlockedError, QueueFullError, UnconfirmedError):
            if not spool.keep(event, commune):
                raise

    def _known_to_templates(self) -> dict[str, Any]:
        return {
            "agent": self.agent,
            "commune": self.commune,
            "backup": self.url("sauvegarde") if self.services.backups else "",
            "logout": str(self.request.app.url_path_for("deconnexion")) if self.services.identity.has_login else "",
            "csrf_token": csrf_token(self.request),
            "now": self.services.clock(),
            "settings": self.services.settings,
            "mails_kept_at": self.services.mails_kept_at,
        }


def attachment(name: str, size: int) -> dict[str, str]:
    """Return the headers of a file that a browser saves."""
    return {
        "Content-Disposition": f'attachment; filename="{name}"',
        "Content-Length": str(size),
        "Accept-Ranges": "none",
    }


def note_begun(services: WebServices, who: str, piece: Piece, *files: AskedFile) -> bool:
    """Write down who takes files, before the first byte leaves; False when it could not be, and nothing is to leave."""
    events = []
    for file in files:
        note = DownloadBegun(export=file.export_id, piece=piece)
        data = ScreenNoted(commune=file.code_commune, note=note, requested_by=who)
        events.append(_about(services, file, data))
    return services.spool.send(*events)


def note_downloaded(services: WebServices, who: str, piece: Piece, *files: AskedFile) -> None:
    """Say who took files, once the last byte has left."""
    for file in files:
        note, commune = FileDownloaded(piece=piece), file.code_commune
        data = DeclarationNoted(commune=commune, exports=[file.export_id], note=note, requested_by=who)
        services.spool.send(_about(services, file, data))


def _about(services: WebServices, file: AskedFile, data: Data) -> CloudEvent:
    return CloudEvent.wrap(data, source=services.settings.source, correlationid=file.correlation_id)
