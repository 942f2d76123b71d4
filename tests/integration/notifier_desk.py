"""A database with completed requests of LIBREVILLE, and notifiers that process them, for the tests of the notifier."""

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any, Self

from sqlalchemy import Connection, event, select, update
from sqlalchemy.orm import Session

from schemas.envelope import CloudEvent
from schemas.tableaux import Edition
from schemas.topology import REQUEST_LISTE_EXPORT
from schemas.vocabulary import (
    UNFINISHED,
    Channel,
    ExportKind,
    ExportStatus,
    FileFormat,
    RequestOutcome,
)
from tests.parts.databases import Template
from tests.parts.mail import Mailbox
from tests.parts.ports import LOOPBACK
from worker.access.models import Agent, Recipient
from worker.compose import build_senders
from worker.db.engine import build_engine
from worker.db.migrate import migrate
from worker.db.types import Base, utc_now
from worker.errors import DatabaseAwayError
from worker.exports.models import Export, Recall, Request
from worker.exports.records import settle
from worker.housekeeping.housekeeping import Chore, do_steps, plan_reminders, sweep
from worker.notifier.channels.mail import MailSender, SendMail, SmtpMailer
from worker.notifier.channels.webhook import make_secret
from worker.notifier.models import Notification, Reminder
from worker.notifier.notices import Notices, Today, today_in
from worker.notifier.notify import Notifier, build_pools
from worker.registre.models import Commune
from worker.services import SendTokens
from worker.settings import load_settings
from worker.work.queue import About, NewWork, Work, WorkKind, add, is_open, subject_of

MAIRIE, ADJOINT = "mairie@libreville.example", "adjoint@libreville.example"
SIX = [f"{liste}.{format_}" for liste in ("P", "CE", "CM") for format_ in ("csv", "xml")]
_ASKED_AT = datetime(2026, 11, 25, 8, 30, tzinfo=UTC)
_FAILURE = {"error_code": "disque_plein", "error_message": "Espace disque insuffisant."}


def _prepare(url: str) -> None:
    engine = build_engine(url)
    migrate(engine)
    with Session(engine) as session, session.begin():
        session.add(Commune(code="13900", nom="LIBREVILLE", code_departement="13"))
        session.add(Agent(name="mairie-libreville", code_commune="13900", email=MAIRIE))
        session.add(
            Agent(name="ailleurs", code_commune="13055", email="ailleurs@marseille.example")
        )
    engine.dispose()


TEMPLATE = Template("notifier", _prepare)


class Killed(BaseException):
    """Ends the process as SIGKILL does: no code of ours runs after it."""


class Desk:
    """The database, with the actions of the tests and the results of the notifiers."""

    def __init__(self, url: str) -> None:
        self.engine = build_engine(url)

    @classmethod
    @contextmanager
    def open(cls, url: str, _folder: Path) -> Iterator[Self]:
        desk = cls(url)
        yield desk
        desk.engine.dispose()

    def ask(self, *files: str | Export, event_id: str = "demande", **fields: Any) -> int:  # noqa: ANN401 — columns
        """Record a request with its files: `P.csv` is ready, `P.csv=failed` has that status."""
        exports = [
            file if isinstance(file, Export) else make_export(file, event_id) for file in files
        ]
        values = {
            "source": "/mairie/13900",
            "event_id": event_id,
            "event_type": REQUEST_LISTE_EXPORT,
            "correlation_id": f"clic-{event_id}",
            "code_commune": "13900",
            "requested_by": "mairie-libreville",
            "created_at": _ASKED_AT,
        }
        with Session(self.engine, expire_on_commit=False) as session, session.begin():
            request = Request(**values | fields, exports=exports)
            is_refused = request.outcome == RequestOutcome.REFUSED
            if is_refused:
                request.completed_at = request.created_at
            session.add(request)
            session.flush()
            add(session.connection(), [it for file in exports for it in works_of(file)])
            settle(session.connection(), [request.id])
            if is_refused:
                subject = subject_of(About.REQUEST, request.id)
                add(
                    session.connection(),
                    [NewWork(it, subject) for it in (WorkKind.REPLY, WorkKind.END)],
                )
        return request.id

    def change_file(self, export: Export, **values: Any) -> None:  # noqa: ANN401 — columns
        with self.engine.begin() as connection:
            connection.execute(
                update(Work).where(Work.subject == f"export:{export.id}").values(**values)
            )

    def add_agent(self, name: str, email: str, **fields: str) -> None:
        """Add an agent who receives notifications."""
        with Session(self.engine) as session, session.begin():
            session.add(Agent(name=name, code_commune="13900", email=email, **fields))

    def add_recipient(
        self,
        channel: Channel,
        address: str,
        id_: str = "r1",
        **fields: Any,  # noqa: ANN401
    ) -> Recipient:
        """Add a webhook with a secret."""
        values = {
            "code_commune": "13900",
            "secret": make_secret() if channel is Channel.WEBHOOK else "",
        }
        recipient = Recipient(id=id_, channel=channel, address=address, **values | fields)
        with Session(self.engine, expire_on_commit=False) as session, session.begin():
            session.add(recipient)
        return recipient

    def change(self, table: type[Base], **values: Any) -> None:  # noqa: ANN401 — columns
        """Update every row."""
        with self.engine.begin() as connection:
            connection.execute(update(table).values(**values))

    def request(self, request_id: int) -> Request:
        """The current row."""
        with Session(self.engine) as session:
            return session.get_one(Request, request_id)

    def notifications(self) -> dict[str, Notification]:
        with Session(self.engine) as session:
            return {row.address: row for row in session.scalars(select(Notification))}

    def notification(self, channel: Channel) -> Notification:
        with Session(self.engine) as session:
            return session.scalars(
                select(Notification).where(Notification.channel == channel)
            ).one()

    def make_due(self) -> None:
        self.change(Work, due_at=utc_now(), within_seconds=0)

    def expire(self) -> None:
        """Let the leases expire, as after the death of the notifiers."""
        self.change(Work, due_at=utc_now(-1))

    @contextmanager
    def failing(self, words: str, error: BaseException, times: int = 1) -> Iterator[None]:
        """Raise an error instead of executing the next statements that have these words."""
        left = [error] * times

        def fail(_: Connection, _cursor: object, statement: str, *_others: object) -> None:
            if words in statement and left:
                raise left.pop()

        event.listen(self.engine, "before_cursor_execute", fail)
        try:
            yield
        finally:
            event.remove(self.engine, "before_cursor_execute", fail)
        assert not left, f"no statement had « {words} »"

    @contextmanager
    def losing_the_answer(self, words: str) -> Iterator[None]:
        """Commit the next transaction that has a statement with these words, and lose the answer to the commit."""
        begun, lost = set[int](), list[bool]()

        def notice(connection: Connection, _cursor: object, statement: str, *_: object) -> None:
            if words in statement:
                begun.add(id(connection))

        def lose(connection: Connection) -> None:
            if id(connection) in begun and not lost:
                lost.append(True)
                raw: Any = connection.connection.driver_connection
                raw.commit()
                raise DatabaseAwayError

        event.listen(self.engine, "before_cursor_execute", notice)
        event.listen(self.engine, "commit", lose)
        try:
            yield
        finally:
            event.remove(self.engine, "before_cursor_execute", notice)
            event.remove(self.engine, "commit", lose)
        assert lost, f"no transaction had « {words} »"

    def works(self, **values: Any) -> list[Work]:  # noqa: ANN401 — columns
        """The work rows that have these values."""
        with Session(self.engine) as session:
            return list(session.scalars(select(Work).filter_by(**values).order_by(Work.id)))

    def notifier(
        self,
        send_mail: SendMail,
        publish: Callable[[CloudEvent], None] | None = None,
        *,
        send_tokens: SendTokens = lambda _queue, _number: None,
        lease_seconds: float = 60,
        name: str = "notifier",
        purge: Chore | None = None,
        hosts: Sequence[str] = (LOOPBACK,),
        public_url: str = "",
        today: Today = today_in,
        reminder_days: Sequence[int] = (),
    ) -> Notifier:
        settings = load_settings(
            database_url="sqlite://", public_url=public_url, webhook_hosts=tuple(hosts)
        )
        senders = build_senders(settings) | {
            Channel.MAIL: MailSender(send_mail, "prefecture@example.org")
        }
        publish_to = (lambda event, _account: publish(event)) if publish else None
        chores = [Chore("sweep", lambda: [sweep(self.engine, send_tokens, lambda _queue: 0)], 0.1)]
        if reminder_days:
            chores.append(
                Chore(
                    "reminders",
                    lambda: [plan_reminders(self.engine, self.engine, reminder_days, today)],
                    0,
                )
            )
        if purge:
            chores.append(purge)
        pools = build_pools(
            self.engine,
            Notices(public_url, today, spares_asker=bool(public_url)),
            senders,
            publish_to,
        )
        return Notifier(
            self.engine, pools, partial(do_steps, chores), owner=name, lease_seconds=lease_seconds
        )


def make_export(part: str, event_id: str = "demande", **fields: Any) -> Export:  # noqa: ANN401 — columns
    """A file of LIBREVILLE with the status that `part` names."""
    name, _, status = part.partition("=")
    liste, _, format_ = name.partition(".")
    values = {
        "part": name,
        "code_commune": "13900",
        "liste": liste,
        "format": format_,
        "file_name": f"liste-{liste}-{event_id}.{format_}",
        "label": f"Liste {liste} du 25/11/2026 09:30:00 [{format_}]",
        "status": status or ExportStatus.READY,
        "electeurs": 327,
        "size": 51_233,
        "sha256": "9f" * 32,
        "finished_at": _ASKED_AT,
    }
    return Export(**values | (_FAILURE if status == "failed" else {}) | fields)


def works_of(export: Export) -> list[NewWork]:
    """The work row of a file that is not made yet."""
    if export.status not in UNFINISHED:
        return []
    return [NewWork(WorkKind(export.kind), subject_of(About.EXPORT, export.id))]


def make_tableau(part: str, event_id: str = "demande", **fields: Any) -> Export:  # noqa: ANN401 — columns
    """A tableau of LIBREVILLE with the status that `part` names: `vingt_jours.P.commune=failed`."""
    type_, liste, presentation = part.partition("=")[0].split(".")
    values = {
        "kind": ExportKind.TABLEAU,
        "liste": liste,
        "format": FileFormat.PDF,
        "type_tableau": type_,
        "presentation": presentation,
        "edition": Edition.AFFICHAGE,
        "file_name": f"tableau-{type_}-{liste}-{presentation}-{event_id}.pdf",
        "label": f"Tableau {type_} ({presentation}), liste {liste}, du 25/11/2026 09:30:00",
        "pages": 3,
    }
    return make_export(part, event_id, **values | fields)


def smtp(mailbox: Mailbox) -> SendMail:
    return SmtpMailer(mailbox.host, mailbox.port).send


def work(notifier: Notifier) -> int:
    """Let the notifier do the due work; the number of requests, recalls and reminders that it has finished."""
    before = _notified(notifier)
    notifier.work(threading.Event())
    return len(_notified(notifier) - before)


def _notified(notifier: Notifier) -> set[str]:
    """The notified requests, and the recalls and reminders without any work left."""
    with Session(notifier.engine) as session:
        requests = session.scalars(select(Request.id).where(Request.notified_at.is_not(None)))
        subjects = {subject_of(About.REQUEST, it) for it in requests}
        for about, table in ((About.RECALL, Recall), (About.REMINDER, Reminder)):
            subjects |= {subject_of(about, it) for it in session.scalars(select(table.id))}
        return subjects - set(
            session.scalars(select(Work.subject).where(Work.kind != WorkKind.REPLY, is_open()))
        )


@contextmanager
def running(notifier: Notifier) -> Iterator[None]:
    """Run the notifier's loop in a thread until the end of the block."""
    stop = threading.Event()
    thread = threading.Thread(target=notifier.run, args=(stop,))
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join(timeout=60)
    assert not thread.is_alive()
