"""`python -m worker why`: how far a request came, from its event to the download; where it stopped; what mends it.

It prints accounts, agents and files, no elector.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from datetime import date, datetime, timedelta
from itertools import chain

import click
from sqlalchemy import ColumnElement, Engine, exists, func, or_, select
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import Session

from common.calendrier import jour_a_paris, now
from common.cli import ExitCode
from common.french import count_of, format_moment
from common.texte import without_controls
from schemas.rights import EVERY_COMMUNE
from schemas.vocabulary import FORMATS, ExportStatus, PreviewStatus, RequestOutcome
from worker.access.management import list_senders
from worker.access.models import Agent
from worker.arrivals import Preview
from worker.causes import RENEW, START, Stop, explain_database
from worker.cli.check import find_session_stops
from worker.cli.options import CODE_COMMUNE, JOUR, describe_wishes, start_of, worker_database
from worker.db.sessions import HiddenSessionsError
from worker.errors import PrefectureError
from worker.exports.integrity import find_fault
from worker.exports.models import Export, Recall, Request, main_name
from worker.exports.records import subject_of_file
from worker.exports.storage import Storage
from worker.messaging.dead_letters import QUEUES, open_office
from worker.messaging.queues import LoginRefusedError, QueueState, read_queues
from worker.messaging.reading import INGEST_ACTORS
from worker.notifier.models import Notification
from worker.notifier.recipients import read_addressees
from worker.settings import Settings, load_settings
from worker.work.queue import (
    BATCH,
    QUEUE_OF,
    REST_SECONDS,
    About,
    Work,
    WorkKind,
    WorkState,
    count_before,
    subject_of,
)

_MOST = 20
"""So many requests are shown, the latest first."""


_NOTHING = "rien : attendez"
_ALLOW = "« python -m worker accounts --add COMPTE --commune CODE », puis redemandez"
_IMPORT = "importez l'export du REU de la commune, puis redemandez"
_MENDS = {
    "disque_plein": "libérez de la place sur le volume des exports, ou rendez-le inscriptible",
    "volume_absent": "montez le volume ; s'il est neuf ou restauré : « python -m worker verify --accept-volume »",
    "indisponible": "« python -m worker check » dit ce qui ne répond pas",
    "xsd": "corrigez le profil de la plateforme (« python -m worker profiles »), ou déposez le CSV",
    "export_impossible": _IMPORT,
    "registre_absent": _IMPORT,
    "arrets_repetes": "lisez la fin du journal de ce worker (code 137 : la mémoire lui manque)",
    "compte_faux": "arrêtez les workers de cette file, gardez leur journal et signalez-le",
    "erreur": "gardez le journal (« export_crashed ») et signalez-le",
    "expediteur_inconnu": "le programme doit donner la propriété « user_id »",
    "compte_non_autorise": _ALLOW,
    "acte_non_autorise": "« python -m worker accounts --add COMPTE --commune CODE --act ACTE », puis redemandez",
}
"""What mends a failure or a refusal, by its code."""


@click.command
@click.argument("what", metavar="[QUOI]", default="")
@click.option(
    "--commune",
    type=CODE_COMMUNE,
    metavar="CODE",
    help="Les demandes d'une commune, au lieu de QUOI.",
)
@click.option(
    "--day", type=JOUR, metavar="DATE", help="Avec --commune : ce jour-là, au lieu d'aujourd'hui."
)
@click.pass_context
def why(context: click.Context, *, what: str, commune: str | None, day: date | None) -> None:
    """Dire où une demande s'est arrêtée, et que faire.

    QUOI : l'identifiant d'une demande, le N° ou le nom d'un fichier, ou l'adresse d'une personne à prévenir.
    """
    if bool(what) == bool(commune):
        raise click.UsageError("dites QUOI, ou --commune")
    settings = load_settings()
    with worker_database(settings, hurries=True) as engine:
        try:
            with Session(engine) as session:
                inquiry = Inquiry(session, settings, Storage(settings.exports_dir, engine))
                if commune:
                    inquiry.ask_about_day(commune, day or jour_a_paris(now()))
                elif "@" in what:
                    inquiry.ask_about_address(what)
                else:
                    inquiry.ask_about(what.rpartition("/")[2])
            has_stopped = inquiry.has_stopped
        except OperationalError as error:
            _print_stops([explain_database(error), *_find_blocking(engine)])
            has_stopped = True
    if has_stopped:
        context.exit(ExitCode.FAILED)


def _find_blocking(engine: Engine) -> Sequence[Stop]:
    """Return the sessions that stop a question about tables; none where the database does not answer at all."""
    try:
        with engine.connect() as connection:
            return [*find_session_stops(connection)]
    except (OperationalError, HiddenSessionsError):
        return []


def _print_stops(stops: Iterable[Stop]) -> None:
    for it in stops:
        what, mend = without_controls(it.what), without_controls(it.mend)
        click.echo(f"  Arrêt : {what}\n  À faire : {mend}")


class Inquiry:
    """Looks at each step of requests, and prints what it finds; `has_stopped` once a request has stopped."""

    def __init__(self, session: Session, settings: Settings, storage: Storage) -> None:
        self.has_stopped = False
        self._session = session
        self._storage = storage
        self._amqp_url = settings.amqp_url.get_secret_value()
        self._senders = list_senders(session.connection())
        self._queues: Mapping[str, QueueState] = {}
        try:
            self._queues = {it.queue: it for it in read_queues(self._amqp_url)}
        except LoginRefusedError as error:
            self._stop([Stop(str(error), RENEW)])
        except PrefectureError as error:
            self._stop([Stop(str(error), START)])

    def ask_about(self, what: str) -> None:
        """Print the request with an id, or the request of a file."""
        if not (what.isdecimal() or what.rpartition(".")[2] in FORMATS):
            if not self._show(or_(Request.event_id == what, Request.correlation_id == what)):
                self._stop(self._find_unread(what))
            return
        is_it = Export.id == int(what) if what.isdecimal() else Export.file_name == main_name(what)
        export = self._session.scalars(select(Export).where(is_it)).one_or_none()
        if export is None:
            reason = "jamais produit, effacé par « forget », ou d'une autre installation"
            self._stop(
                [Stop(f"aucun fichier {what} : {reason}", "cherchez par --commune et --day")]
            )
        else:
            self._show(Request.id == export.request_id, export_id=export.id)

    def ask_about_day(self, commune: str, day: date) -> None:
        """Print the requests of a commune that were read on a day in Paris, or why there are none."""
        of_day = (
            Request.created_at >= start_of(day),
            Request.created_at < start_of(day + timedelta(days=1)),
        )
        if self._show(*of_day, Request.code_commune == commune):
            return
        click.echo(f"Aucune demande pour {commune} n'a été lue le {day:%d/%m/%Y}.")
        if not any(it.code_commune in (commune, EVERY_COMMUNE) for it in self._senders):
            self._stop([Stop(f"aucun compte ne peut demander pour {commune}", _ALLOW)])
        unclear = (
            select(func.count()).select_from(Request).where(Request.code_commune == "", *of_day)
        )
        if number := self._session.scalar(unclear):
            said = count_of(number, "demande refusée", "demandes refusées")
            self._stop(
                [
                    Stop(
                        f"{said} sans commune lisible ce jour-là",
                        "la vue « demandes » dit de quel compte",
                    )
                ]
            )
        self._stop(self._find_unread(commune))

    def ask_about_address(self, address: str) -> None:
        """Print the agents who have an address, then the latest requests of their communes."""
        agents = self._session.scalars(
            select(Agent).where(func.lower(Agent.email) == address.lower())
        ).all()
        for agent in agents:
            click.echo(
                f"{agent.name} ({agent.code_commune}) demande : {describe_wishes(agent.kinds)}"
            )
        if not agents:
            self._stop(
                [Stop(f"aucun agent n'a l'adresse {address}", "« python -m worker agents --add »")]
            )
        elif not self._show(Request.code_commune.in_([it.code_commune for it in agents])):
            click.echo("Aucune demande pour ces communes.")

    def _show(self, *which: ColumnElement[bool], export_id: int | None = None) -> bool:
        requests = self._session.scalars(
            select(Request).where(*which).order_by(Request.id.desc()).limit(_MOST)
        ).all()
        for request in requests:
            stops = [*self._read_request(request, export_id)]
            self._stop(stops)
            if not stops:
                click.echo("  Tout s'est fait.")
        return bool(requests)

    def _stop(self, stops: Iterable[Stop]) -> None:
        found = [*stops]
        self.has_stopped = self.has_stopped or bool(found)
        _print_stops(found)

    def _read_request(self, request: Request, export_id: int | None) -> Iterator[Stop]:
        _say(
            f"Demande {request.event_id} ({request.source}, compte {request.sender or '—'})",
            indent="",
        )
        read_at = format_moment(request.created_at, request.code_commune)
        _say(
            f"événement {request.event_type.split('.')[-2]} lu le {read_at}, pour {request.requested_by or '—'}"
        )
        if request.outcome == RequestOutcome.REFUSED:
            mend = _MENDS.get(
                request.code, "corrigez la demande, puis refaites-la sous un autre identifiant"
            )
            yield Stop(f"refusée ({request.code}) : {request.reason}", mend)
        for export in request.exports:
            if export_id in (None, export.id):
                yield from self._read_export(export)
        is_about = or_(Preview.request_id == request.id, Preview.import_request_id == request.id)
        for preview in self._session.scalars(select(Preview).where(is_about)):
            status = PreviewStatus(preview.status)
            _say(f"export du REU {preview.file_name} : {status.label}")
            if status is PreviewStatus.REFUSED:
                yield Stop(preview.reason, "la mairie dépose un autre export")
            elif status.is_asked:
                yield Stop("un agent doit répondre", "la mairie répond sur la page « Le registre »")
            elif status.is_at_work:
                yield from self._read_work(
                    WorkKind.PREVIEW,
                    subject_of(About.PREVIEW, preview.id),
                    "la mairie dépose l'export à nouveau",
                )
        yield from self._read_messages(request)
        if request.notified_at is None:
            with suppress(HiddenSessionsError):  # `check` says so
                yield from find_session_stops(self._session.connection())

    def _read_export(self, export: Export) -> Iterator[Stop]:
        status = ExportStatus(export.status)
        _say(
            f"fichier N° {export.id}, {export.label} : {'produit' if status is ExportStatus.READY else status.label}"
        )
        request, mend = export.request, _MENDS.get(export.error_code, _MENDS["erreur"])
        again = f"« python -m producers retry {request.event_id} --source {request.source} --export {export.id} »"
        if export.status == ExportStatus.FAILED:
            yield Stop(
                f"en échec ({export.error_code}) : {export.error_message}", f"{mend} ; puis {again}"
            )
        elif export.status == ExportStatus.CANCELLED:
            yield Stop("annulé ; « python -m worker audit » dit par qui", again)
        elif export.status == ExportStatus.READY:
            yield from self._read_file(export, again)
        elif export.error_code:
            yield Stop(
                f"attend ({export.error_code}) : {export.error_message}",
                f"{mend} ; il se fait ensuite seul",
            )
        else:
            yield from self._read_work(WorkKind(export.kind), subject_of_file(export.id), again)

    def _read_file(self, export: Export, again: str) -> Iterator[Stop]:
        code = export.code_commune
        if export.purged_at is not None:
            yield Stop(f"effacé le {format_moment(export.purged_at, code)}, après son délai", again)
            return
        try:
            self._storage.require_own(may_mark=False)
        except PrefectureError as error:
            yield Stop(str(error), _MENDS[error.code])
            return
        if fault := find_fault(
            self._storage.path(code, export.file_name), export.size or 0, export.sha256 or ""
        ):
            yield Stop(f"{export.file_name} : {fault.label}", again)
        else:
            _say(f"sur le volume, entier : {export.file_name}")
        taken_at = export.downloaded_at and format_moment(export.downloaded_at, code)
        _say(
            f"téléchargé le {taken_at} par {export.downloaded_by}"
            if taken_at
            else "jamais téléchargé"
        )
        if export.recall_id is not None and (recall := self._session.get(Recall, export.recall_id)):
            yield Stop(f"à refaire : {recall.because}", again)
        if export.provisoire_until is not None:
            day = f"{export.provisoire_until:%d/%m/%Y}"
            yield Stop("provisoire", f"la mairie le redemande à partir du {day}")
        if export.bloquantes:
            said = count_of(export.bloquantes, "anomalie bloquante", "anomalies bloquantes")
            yield Stop(
                f"{said} : la plateforme le rejetterait",
                "la mairie fait ce que dit chaque anomalie, puis redemande",
            )
        if export.a_completer:
            said = count_of(export.a_completer, "mouvement")
            yield Stop(
                f"{said} sans date ou motif",
                "la mairie les complète sur la page « Dates et motifs »",
            )

    def _read_work(self, kind: WorkKind, subject: str, again: str) -> Iterator[Stop]:
        is_it = Work.kind == kind, Work.subject == subject
        work = self._session.scalars(select(Work).where(*is_it)).one_or_none()
        queue = QUEUE_OF[kind]
        state = self._queues.get(queue)
        if work is None:
            yield Stop("aucun travail n'est plus prévu pour lui", again)
        elif work.state == WorkState.DEAD:
            yield Stop(f"abandonné : {work.error}", "« python -m worker work retry »")
        elif work.state == WorkState.HELD and _is_ahead(work.due_at):
            yield Stop(
                f"en cours, par {work.owner}",
                f"{_NOTHING} ; après deux minutes sans avancer, il est rendu",
            )
        elif work.state == WorkState.HELD:
            rest = REST_SECONDS.get(work.starts)
            said = f" ; après {work.starts} arrêts, il attend {rest // 60} min" if rest else ""
            yield Stop(
                f"son worker ({work.owner}) ne répond plus{said}",
                f"workers de la file {queue} : {START}",
            )
        elif state and not state.consumers:
            yield Stop(f"aucun worker ne lit la file {queue}", f"workers de cette file : {START}")
        elif _is_ahead(work.due_at):
            yield Stop(
                f"attend un nouvel essai : {work.error or 'sans erreur'}", _MENDS["indisponible"]
            )
        elif work.lane == BATCH and not self._is_batch_made(kind):
            what = f"attend son tour dans la file {queue}, où aucun fichier de lot n'est en cours"
            mend = f"worker-{queue}, qui fait les lots, et notifier : {START}"
            yield Stop(what, f"{mend} ; ou ajoutez des workers")
        elif state and not state.messages:
            yield Stop(f"la file {queue} n'a aucun jeton pour lui", f"notifier : {START}")
        else:
            before = count_before(self._session.connection(), kind, subject)
            what = f"attend son tour dans la file {queue}, {before} avant lui"
            yield Stop(what, f"{_NOTHING}, ou ajoutez des workers")

    def _is_batch_made(self, kind: WorkKind) -> bool:
        is_batch = Work.kind == kind, Work.lane == BATCH, Work.state == WorkState.HELD
        return self._session.scalar(select(exists().where(*is_batch))) or False

    def _read_messages(self, request: Request) -> Iterator[Stop]:
        told = (
            select(Notification)
            .where(Notification.request_id == request.id)
            .order_by(Notification.id)
        )
        rows = {it.recipient: it for it in self._session.scalars(told)}
        for row in rows.values():
            if row.sent_at:
                _say(
                    f"{row.channel} à {row.address} : envoyé le {format_moment(row.sent_at, request.code_commune)}"
                )
            elif row.refusal:
                mend = "corrigez l'adresse : « python -m worker agents »"
                yield Stop(f"{row.channel} à {row.address} refusé : {row.refusal}", mend)
        subject = f"{About.REQUEST}:{request.id}"
        works = self._session.scalars(
            select(Work).where(Work.subject == subject).order_by(Work.id)
        ).all()
        for work in works:
            if work.part not in rows or not rows[work.part].refusal:
                yield _explain_message(work, rows.get(work.part))
        code = request.code_commune
        has_files = request.completed_at and request.exports
        if has_files and not read_addressees(self._session.connection(), code):
            mend = f"« python -m worker agents --add NOM --commune {code} --email ADRESSE »"
            yield Stop("personne n'est à prévenir pour cette commune", mend)

    def _find_unread(self, words: str) -> Iterator[Stop]:
        stops = 0
        with open_office(self._amqp_url) as office:
            for letter in chain.from_iterable(map(office.look, QUEUES)):
                if words in letter.text or words == letter.message_id:
                    stops += 1
                    said = f"mis de côté ({letter.reason}) dans {letter.queue}, compte {letter.sender or '—'}"
                    again = f"« python -m worker dead-letters requeue {letter.name} »"
                    yield Stop(
                        said,
                        f"corrigez la cause, puis {again} ; ou drop, et le programme redemande",
                    )
        for state in self._queues.values():
            if state.queue in INGEST_ACTORS and state.messages:
                stops += 1
                said = f"{count_of(state.messages, 'message')} à lire dans la file {state.queue}"
                mend = (
                    f"{_NOTHING}, ou ajoutez des workers"
                    if state.consumers
                    else f"workers : {START}"
                )
                yield Stop(f"{said}, {count_of(state.consumers, 'lecteur')}", mend)
        if not stops:
            never = "son programme ne l'a pas publié, ou RabbitMQ ne l'a pas pris : le journal du programme le dit"
            yield Stop(f"aucun événement « {words} » n'est arrivé", never)


def _explain_message(work: Work, row: Notification | None) -> Stop:
    what = WorkKind(work.kind).label + (f" à {row.address}" if row else "")
    if work.state == WorkState.DEAD:
        return Stop(f"{what}, abandonné : {work.error}", "« python -m worker work retry »")
    if work.error:
        where = "le serveur de courriel" if work.kind == WorkKind.MAIL else "ce qui ne répond pas"
        return Stop(
            f"{what}, retardé : {work.error}", f"rétablissez {where} ; il part ensuite seul"
        )
    if work.kind == WorkKind.SUMMARY:
        return Stop(
            f"{what} : qui le reçoit a choisi un courriel par jour, à sept heures", _NOTHING
        )
    if _is_ahead(work.due_at):
        return Stop(
            f"{what} : qui a demandé a dix minutes pour télécharger avant de le recevoir", _NOTHING
        )
    return Stop(f"{what}, pas encore parti", f"{_NOTHING} une minute ; puis notifier : {START}")


def _is_ahead(moment: datetime | None) -> bool:
    return moment is not None and moment > now()


def _say(line: str, indent: str = "  ") -> None:
    click.echo(indent + without_controls(line))
