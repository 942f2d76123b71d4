"""`why`: each planted break is named, with what mends it; a request that is done has none."""

import hashlib
import re
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import date
from functools import partial
from pathlib import Path
from typing import Any

import pika
import pytest
from sqlalchemy import text
from sqlalchemy.orm import Session

from schemas.topology import QUEUE_LISTES, QUEUE_PROGRAMS, QUEUE_REQUESTS
from schemas.vocabulary import Channel, PreviewStatus, RequestOutcome
from tests.integration.notifier_desk import MAIRIE, TEMPLATE, Desk, make_export
from worker.access.models import Agent, Sender
from worker.arrivals import Preview
from worker.db import sessions
from worker.db.engine import snapshot
from worker.db.types import utc_now
from worker.exports.models import Recall
from worker.exports.storage import DIRECTORY_MODE, FILE_MODE, Storage
from worker.messaging.broker import build_broker
from worker.messaging.encoder import ACTORS
from worker.messaging.queues import TokenQueues
from worker.notifier.models import Notification
from worker.work.queue import BATCH, PEOPLE, REST_SECONDS, NewWork, Work, WorkKind, WorkState, add

pytestmark = pytest.mark.database(TEMPLATE)
Run = Callable[..., Any]
CONTENT = b"ligne inventee\n"
MADE: dict[str, Any] = {"size": len(CONTENT), "sha256": hashlib.sha256(CONTENT).hexdigest()}


class Planter:
    """LIBREVILLE with a broker whose queues are read, and a volume with the file that `ask` makes."""

    def __init__(
        self,
        desk: Desk,
        amqp_url: str,
        volume: Path,
        channel: pika.adapters.blocking_connection.BlockingChannel,
    ) -> None:
        self.desk = desk
        self.amqp_url = amqp_url
        self.file = volume / "13900" / "liste-P-demande.csv"
        self.channel = channel

    def make(self, **fields: Any) -> int:  # noqa: ANN401 — columns
        """A request whose file is made and intact."""
        self.file.parent.mkdir(mode=DIRECTORY_MODE, exist_ok=True)
        self.file.parent.chmod(DIRECTORY_MODE)
        self.file.write_bytes(CONTENT)
        self.file.chmod(FILE_MODE)
        return self.desk.ask(make_export("P.csv", **MADE | fields))

    def finish(self) -> None:
        """Nothing of the request is left to do: its agent was told."""
        self.desk.change(Work, state=WorkState.DEAD)
        with Session(self.desk.engine) as session, session.begin():
            session.query(Work).delete()

    def tell(self, request_id: int, **fields: Any) -> None:  # noqa: ANN401 — columns
        """The message to the agent."""
        values = {
            "recipient": f"courriel:{MAIRIE}",
            "code_commune": "13900",
            "kind": "pret",
            "address": MAIRIE,
        }
        with Session(self.desk.engine) as session, session.begin():
            session.add(
                Notification(request_id=request_id, channel=Channel.MAIL, **values | fields)
            )


@pytest.fixture
def planter(
    database_url: str, amqp_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Planter]:
    monkeypatch.setenv("PREFECTURE_AMQP_URL", amqp_url)
    monkeypatch.setenv("PREFECTURE_EXPORTS_DIR", str(tmp_path / "exports"))
    (tmp_path / "exports").mkdir()
    with Desk.open(database_url, tmp_path) as desk, closing(build_broker(amqp_url)) as broker:
        for queue in ACTORS:
            broker.declare_queue(queue, ensure=True)
        TokenQueues(broker).send(QUEUE_LISTES, 2)  # one for the reader, and one that waits
        Storage(tmp_path / "exports", desk.engine).mark()
        with Session(desk.engine) as session, session.begin():
            session.add(Sender(name="prog", code_commune="13900"))
        with closing(pika.BlockingConnection(pika.URLParameters(amqp_url))) as connection:
            channel = connection.channel()
            channel.basic_qos(prefetch_count=1)
            for queue in ACTORS:
                channel.basic_consume(queue, lambda *_: None)
            yield Planter(desk, amqp_url, tmp_path / "exports", channel)


@pytest.fixture
def run_why(planter: Planter, run: Run) -> Run:
    return partial(run, "why")


def _done(plant: Planter, **fields: Any) -> int:  # noqa: ANN401 — columns
    request_id = plant.make(**fields)
    plant.finish()
    plant.tell(request_id, sent_at=utc_now(), ended_at=utc_now())
    return request_id


def _waiting(plant: Planter, **values: Any) -> None:  # noqa: ANN401 — columns
    plant.desk.ask("P.csv=queued")
    plant.desk.change(Work, **{"lane": PEOPLE} | values)


def _unread(plant: Planter) -> None:
    _waiting(plant)
    plant.channel.close()


def _take_tokens(plant: Planter) -> None:
    """The notifier is stopped: it sends no token for the one that was lost."""
    _waiting(plant)
    plant.channel.queue_purge(QUEUE_LISTES)


def _remove_agents(plant: Planter) -> None:
    _done(plant)
    with Session(plant.desk.engine) as session, session.begin():
        session.query(Notification).delete()
        session.query(Agent).delete()


def _recall(plant: Planter) -> None:
    with Session(plant.desk.engine) as session, session.begin():
        session.add(
            Recall(
                id=7, code_commune="13900", because="l'import 3 a été annulé", recalled_by="essai"
            )
        )
    _done(plant, recall_id=7)


def _damage(plant: Planter, damage: Callable[[Path], object]) -> None:
    _done(plant)
    damage(plant.file)


def _bury_message(plant: Planter) -> None:
    _done(plant)
    with plant.desk.engine.begin() as connection:
        add(connection, [NewWork(WorkKind.END, "request:1")])
    plant.desk.change(Work, state=WorkState.DEAD, error="abandonné après 3 jours")


def _delay_mail(plant: Planter) -> None:
    plant.make()
    plant.finish()
    with plant.desk.engine.begin() as connection:
        add(connection, [NewWork(WorkKind.MAIL, "request:1", f"courriel:{MAIRIE}")])
    plant.desk.change(Work, error="452 boîte pleine", due_at=utc_now(60))


def _preview(plant: Planter, status: PreviewStatus, reason: str = "") -> None:
    request_id = plant.desk.ask()
    values = {"sha256": "9f" * 32, "file_name": "reu.csv", "taken_on": date(2026, 11, 24)}
    with Session(plant.desk.engine) as session, session.begin():
        session.add(
            Preview(
                request_id=request_id,
                code_commune="13900",
                requested_by="m",
                status=status,
                reason=reason,
                **values,
            )
        )


def _no_work(plant: Planter) -> None:
    plant.desk.ask("P.csv=queued")
    plant.finish()


def _refuse_mail(plant: Planter) -> None:
    request_id = plant.make()
    plant.finish()
    plant.tell(request_id, refusal="550 adresse inconnue", ended_at=utc_now())


REFUSED = {
    "outcome": RequestOutcome.REFUSED,
    "code": "compte_non_autorise",
    "reason": "Le compte ne peut pas.",
}
HELD: dict[str, Any] = {"state": WorkState.HELD, "owner": "hote-41/0"}
BREAKS: dict[str, tuple[Callable[[Planter], object], str, str]] = {
    "refused": (
        lambda it: it.desk.ask(**REFUSED),
        "refusée (compte_non_autorise)",
        "accounts --add",
    ),
    "its queue has no reader": (_unread, "aucun worker ne lit la file listes", "docker compose up"),
    "no token": (_take_tokens, "la file listes n'a aucun jeton pour lui", "notifier : « docker"),
    "its turn": (_waiting, "attend son tour dans la file listes, 0 avant lui", "attendez"),
    "a batch that no worker makes": (
        partial(_waiting, lane=BATCH),
        "file listes, où aucun fichier de lot n'est en cours",
        "worker-listes, qui fait les lots",
    ),
    "at work": (
        partial(_waiting, due_at=utc_now(30), within_seconds=30, **HELD),
        "en cours, par hote-41/0",
        "attendez",
    ),
    "its worker died": (
        partial(_waiting, due_at=utc_now(-30), starts=1, **HELD),
        "ne répond plus",
        "file listes",
    ),
    **{
        f"it rests after {starts} deaths": (
            partial(_waiting, due_at=utc_now(-1), starts=starts, **HELD),
            f"ne répond plus ; après {starts} arrêts, il attend {seconds // 60} min",
            "file listes",
        )
        for starts, seconds in REST_SECONDS.items()
    },
    "a full disk": (
        lambda it: it.desk.ask(
            make_export("P.csv=queued", error_code="disque_plein", error_message="Plein.")
        ),
        "attend (disque_plein) : Plein.",
        "libérez de la place",
    ),
    "failed": (
        lambda it: it.desk.ask(make_export("P.csv=failed", error_code="arrets_repetes")),
        "en échec (arrets_repetes)",
        "retry demande --source /mairie/13900 --export 1",
    ),
    "cancelled": (lambda it: it.desk.ask("P.csv=cancelled"), "annulé", "retry"),
    "nothing will make it": (_no_work, "aucun travail n'est plus prévu", "retry"),
    "purged": (partial(_done, purged_at=utc_now()), "après son délai", "retry"),
    "gone": (partial(_damage, damage=Path.unlink), "absent du volume", "retry"),
    "altered": (
        partial(_damage, damage=lambda file: file.write_bytes(CONTENT.upper())),
        "altéré",
        "retry",
    ),
    "another volume": (
        partial(_damage, damage=lambda file: (file.parents[1] / ".prefecture").unlink()),
        "Volume des exports absent",
        "--accept-volume",
    ),
    "recalled": (_recall, "à refaire : l'import 3 a été annulé", "retry"),
    "anomalies": (
        partial(_done, bloquantes=2),
        "2 anomalies bloquantes",
        "fait ce que dit chaque anomalie",
    ),
    "provisional": (
        partial(_done, provisoire_until=date(2026, 12, 1)),
        "provisoire",
        "à partir du 01/12/2026",
    ),
    "motifs": (partial(_done, a_completer=3), "3 mouvements sans date ou motif", "Dates et motifs"),
    "the mail server": (_delay_mail, "courriel, retardé : 452 boîte pleine", "serveur de courriel"),
    "a refused mail": (_refuse_mail, "refusé : 550 adresse inconnue", "agents"),
    "no agent": (_remove_agents, "personne n'est à prévenir", "agents --add"),
    "an event given up": (_bury_message, "annonce de la fin, abandonné", "work retry"),
    "an export to answer": (
        partial(_preview, status=PreviewStatus.READY),
        "un agent doit répondre",
        "Le registre",
    ),
    "an export refused": (
        partial(_preview, status=PreviewStatus.REFUSED, reason="Ce n'est pas un export."),
        "Ce n'est pas un export.",
        "dépose un autre",
    ),
}


@pytest.mark.parametrize("name", BREAKS)
def test_each_break_is_named_with_what_mends_it(planter: Planter, run_why: Run, name: str) -> None:
    plant, what, mend = BREAKS[name]
    plant(planter)
    for asked in (("demande",), ("--commune", "13900", "--day", "2026-11-25")):
        ran = run_why(*asked)
        assert ran.code == 1, ran.out
        stop, advice = re.findall(r"Arrêt : (.+)\n +À faire : (.+)", ran.out)[0]
        assert what in stop
        assert mend in advice


def test_a_request_that_is_done_has_no_break(planter: Planter, run_why: Run) -> None:
    _done(planter, downloaded_at=utc_now(), downloaded_by="mairie-libreville")
    for asked in (
        "demande",
        "1",
        "liste-P-demande.csv",
        "/exports/13900/liste-P-demande.csv",
        MAIRIE,
    ):
        ran = run_why(asked)
        assert (ran.code, ran.err) == (0, "")
        for step in (
            "événement liste_export lu le",
            "produit",
            "sur le volume, entier",
            "téléchargé le",
            "envoyé le",
        ):
            assert step in ran.out, (asked, step)
        assert ran.out.endswith("Tout s'est fait.\n")


def test_an_event_that_never_arrived_is_looked_for_in_the_broker(
    planter: Planter, run_why: Run
) -> None:
    assert "aucun événement « clic-9 » n'est arrivé" in run_why("clic-9").out
    properties = pika.BasicProperties(message_id="clic-9", delivery_mode=2)
    planter.channel.basic_publish("", f"{QUEUE_REQUESTS}.XQ", b"{}", properties)
    assert "dead-letters requeue" in run_why("clic-9").out
    for _ in range(2):  # the reader has one of them
        planter.channel.basic_publish(
            "", QUEUE_PROGRAMS, b"{}", pika.BasicProperties(delivery_mode=2)
        )
    said = f"1 message à lire dans la file {QUEUE_PROGRAMS}, 1 lecteur"
    assert said in run_why("--commune", "13900").out
    assert "aucun fichier 404" in run_why("404").out


def test_a_commune_without_an_account_and_an_unknown_address(
    planter: Planter, run_why: Run
) -> None:
    assert "aucun compte ne peut demander pour 13055" in run_why("--commune", "13055").out
    planter.desk.ask(
        code_commune="",
        outcome=RequestOutcome.REFUSED,
        code="evenement_illisible",
        reason="Illisible.",
    )
    assert (
        "1 demande refusée sans commune" in run_why("--commune", "13900", "--day", "25/11/2026").out
    )
    assert (
        "aucun agent n'a l'adresse inconnu@mairie.example" in run_why("inconnu@mairie.example").out
    )


def test_without_a_broker_the_record_still_answers(
    planter: Planter, run_why: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    _done(planter)
    monkeypatch.setenv("PREFECTURE_AMQP_URL", "amqp://guest:guest@127.0.0.1:1/%2F")
    ran = run_why("demande")
    assert "injoignable" in ran.out
    assert "sur le volume, entier" in ran.out


@pytest.mark.parametrize("asked", [(), ("demande", "--commune", "13900"), ("--commune", "1390")])
def test_a_question_that_is_none(run_why: Run, asked: tuple[str, ...]) -> None:
    assert run_why(*asked).code == 2


def test_a_transaction_that_slows_the_database_is_named_while_a_request_is_not_done(
    planter: Planter, run_why: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    if planter.desk.engine.dialect.name == "sqlite":
        pytest.skip("SQLite has no sessions")
    monkeypatch.setattr(sessions, "OLD_SECONDS", 0)
    _waiting(planter)
    with snapshot(planter.desk.engine) as connection:
        pid = connection.scalar(text("SELECT pg_backend_pid()"))
        ran = run_why("demande")
        assert f"la session {pid} (postgres, prefecture, inactive) a une transaction" in ran.out
        assert f"pg_terminate_backend({pid})" in ran.out
    assert "transaction" not in run_why("demande").out
