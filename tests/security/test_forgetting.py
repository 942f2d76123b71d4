"""After a deletion, none of 1,000 unique names of electors is found on the disk."""

import json
import re
from collections.abc import Iterable, Iterator
from contextlib import closing
from datetime import date
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import pika
import pytest
from sqlalchemy import Engine, insert, inspect, select, text, update

from common.cli import ExitCode
from producers.errors import PublishError
from producers.web.exports.spool import Spool
from schemas.declarations import DeclarationNoted
from schemas.envelope import CloudEvent, Data
from schemas.profiles.platform import read_shipped
from schemas.requests import CancelRequested, ListeExportRequested
from schemas.topology import QUEUE_REQUESTS
from schemas.vocabulary import Action, ExportKind, Format, Liste, Piece, PreviewStatus
from tests.integration.depots_desk import DepotsDesk, today
from tests.integration.files_desk import Ran, run_command
from tests.parts.notes import note_file
from tests.parts.town import AGENT, MIGRATED_TEMPLATE, queue_messages
from tests.unit.reu_sample import (
    BUREAU,
    COMMUNE,
    DATE,
    ELECTEUR,
    NOM,
    NUMERO,
    PRENOMS,
    VOIE,
    write_reu,
)
from worker.access.models import Agent, Sender
from worker.arrivals import Arrivals, Preview
from worker.audit import Detail, WordKind, Words, read_audit, record_audit
from worker.db.types import utc_now
from worker.exports.models import EarlyCancel, Export, Recall, Request, piece_name
from worker.handlers.requests.ingest_request import ingest_request
from worker.messaging.broker import build_broker
from worker.notifier.models import Notification
from worker.registre.communes import add_commune
from worker.registre.models import (
    Commune,
    Homonym,
    Import,
    ImportListe,
    MouvementRegistre,
    Protection,
)
from worker.registre.reu.importer import import_file

pytestmark = [pytest.mark.database(MIGRATED_TEMPLATE), pytest.mark.desk(opened_by=DepotsDesk.open)]

HERE, ELSEWHERE = "13900", "13055"
MANY = 1_000
TOKEN = re.compile(rb"VERQUOBA[A-J]{3}", re.IGNORECASE)
"""No other name in the tests contains it."""


def _nom(number: int) -> str:
    return f"VERQUOBA{number:03}".translate(str.maketrans("0123456789", "ABCDEFGHIJ"))


def _elector(number: int, commune: str = HERE, **changes: str) -> dict[str, str]:
    said = {
        COMMUNE: commune,
        NOM: _nom(number),
        PRENOMS: "Ursule Zélie",
        DATE: "14/03/1962",
        NUMERO: str(number + 1),
    }
    return ELECTEUR | said | {BUREAU: "0001", VOIE: f"Rue {_nom(number)}"} | changes


OTHERS = [_elector(0, ELSEWHERE, **{NOM: "RESTANTE", VOIE: "Rue qui reste"})]
WHO_STAYS = [_elector(0, **{NOM: "DEMEURANTE", VOIE: "Rue qui demeure"})]


class Town:
    """A commune with names in every possible place."""

    def __init__(self, desk: DepotsDesk, folder: Path) -> None:
        self.desk, self.folder = desk, folder
        self.arrivals = folder / "arrivals"
        self.arrivals.mkdir(exist_ok=True)
        desk.configure(arrivals=Arrivals(self.arrivals))
        self.spool = folder / "spool"
        with desk.engine.begin() as connection:
            for code, nom in ((HERE, "LIBREVILLE"), (ELSEWHERE, "MARSEILLE")):
                add_commune(connection, code, nom)
            mails = [
                {"name": AGENT, "code_commune": code, "email": f"elections@{code}.example"}
                for code in (HERE, ELSEWHERE)
            ]
            connection.execute(insert(Agent), mails)

    def load(self, rows: Iterable[dict[str, str]], **options: Any) -> None:  # noqa: ANN401 — of import_file
        """Import an export; the file itself is deleted, since it belongs to the operator."""
        path = write_reu(self.folder / "reu.csv", [*rows, *OTHERS])
        import_file(self.desk.engine, path, imported_by="test", accept_changes=True, **options)
        path.unlink()

    def forget(self, *arguments: str, typed: str = "") -> Ran:
        """Run the operator's command."""
        return run_command("forget", "--commune", HERE, *arguments, typed=typed)

    def names(self) -> set[bytes]:
        """The names found in all stored data."""
        found: set[bytes] = set()
        for name, content in self._contents():
            tokens = {it.upper() for it in TOKEN.findall(content)}
            if tokens:
                print(f"{name}: {len(tokens)} names")  # noqa: T201 — where, when the test fails
            found |= tokens
        return found

    def _contents(self) -> Iterator[tuple[str, bytes]]:
        for folder in (self.desk.root, self.arrivals, self.spool):
            for path in folder.rglob("*"):
                if path.is_file():
                    yield str(path), path.read_bytes()
        engine = self.desk.engine
        if engine.dialect.name == "sqlite":
            for path in Path(str(engine.url.database)).parent.glob("*.sqlite3*"):
                yield str(path), path.read_bytes()
        else:
            yield from _read_server(engine)
        with engine.connect() as connection:
            for table in inspect(engine).get_table_names():
                rows = connection.execute(text(f'SELECT * FROM "{table}"')).all()  # noqa: S608 — our own names
                yield table, "\n".join(map(str, rows)).encode()


def _read_server(engine: Engine) -> Iterator[tuple[str, bytes]]:
    """Every byte of the database's files, once dead rows are removed: tables, indexes, statistics."""
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text("VACUUM (FULL)"))
        connection.execute(text("CHECKPOINT"))
        data = connection.scalar(text("SHOW data_directory"))
        number = connection.scalar(
            text("SELECT oid FROM pg_database WHERE datname = current_database()")
        )
        nodes = connection.execute(
            text("SELECT pg_relation_filenode(oid) AS node, relname FROM pg_class")
        )
        names = {row.node: row.relname for row in nodes}
    for path in Path(str(data), "base", str(number)).iterdir():
        node = path.name.partition(".")[0].partition("_")[0]
        yield f"{names.get(int(node)) if node.isdigit() else ''} {path.name}", path.read_bytes()


@pytest.fixture
def town(desk: DepotsDesk, tmp_path: Path, amqp_url: str, monkeypatch: pytest.MonkeyPatch) -> Town:
    monkeypatch.setenv(
        "PREFECTURE_DATABASE_URL", desk.engine.url.render_as_string(hide_password=False)
    )
    monkeypatch.setenv("PREFECTURE_EXPORTS_DIR", str(desk.root))
    monkeypatch.setenv("PREFECTURE_HOME", str(tmp_path))
    monkeypatch.setenv("PREFECTURE_AMQP_URL", amqp_url)
    with closing(build_broker(amqp_url)) as broker:
        broker.declare_queue(QUEUE_REQUESTS, ensure=True)
    return Town(desk, tmp_path)


def _bury(amqp_url: str, body: bytes) -> None:
    with pika.BlockingConnection(pika.URLParameters(amqp_url)) as connection:
        channel = connection.channel()
        channel.confirm_delivery()
        channel.basic_publish("", f"{QUEUE_REQUESTS}.XQ", body, mandatory=True)


def _write_everywhere(town: Town, numbers: Iterable[int]) -> None:
    """Write data about each of these electors wherever people and programs store some."""
    desk, said = town.desk, [f"Mme {_nom(number).title()}, adresse absente" for number in numbers]
    every = " ; ".join(said)
    made = desk.make(days_ago=1)
    desk.make(Format.XML, days_ago=1)
    assert TOKEN.search(desk.read(made))
    with desk.engine.begin() as connection:
        connection.execute(update(Export).values(finished_at=utc_now(-3600)))
    export_id = made["export_id"]
    (town.desk.root / HERE / piece_name(made["file_name"], Piece.RAPPORT)).write_text(
        f"Nom;Prénoms;Né\n{every.upper()};Ursule Zélie;14/03/1962\n"
    )
    away = Spool(
        town.spool, Mock(side_effect=PublishError("RabbitMQ (127.0.0.1:5672) est injoignable"))
    )
    away.send(CloudEvent.wrap(_deposit(export_id, said[0]), source="/ecran"))
    assert len(away.waiting()) == 1
    assert not away.drain()
    back = Spool(town.spool, lambda event: ingest_request(event, desk.services))
    assert back.drain()
    desk.answer(export_id, verdict="rejete", answer=every)
    with desk.engine.begin() as connection:
        request_id = connection.scalar(select(Export.request_id).where(Export.id == export_id))
        connection.execute(
            update(Request)
            .where(Request.id == request_id)
            .values(reason=said[0], faults=[{"message": every}])
        )
        recall = {
            "because": "un import",
            "reason": said[0],
            "recalled_by": "test",
            "code_commune": HERE,
        }
        connection.execute(insert(Recall).values(recall))
        early = {"sender": "ecran", "source": "/ecran", "event_id": said[0]}
        connection.execute(insert(EarlyCancel).values(early | {"requested_by": said[0]}))
        import_id = connection.scalar(select(Import.id).order_by(Import.id.desc()).limit(1))
        connection.execute(
            update(Import).where(Import.id == import_id).values(file_name=f"{_nom(0)}.csv")
        )
        of_import = ImportListe.import_id == import_id
        connection.execute(
            update(ImportListe).where(of_import).values(not_compared_because=said[0])
        )
        for number in numbers:
            who = {
                "code_commune": HERE,
                "nom_naissance": _nom(number),
                "prenoms": "Ursule Zélie",
                "date_naissance": "1962-03-14",
            }
            connection.execute(insert(Homonym).values(who | {"import_id": import_id, "liste": "P"}))
            connection.execute(insert(Protection).values(who))
        preview: dict[str, Any] = {
            "request_id": request_id,
            "code_commune": HERE,
            "arrival": "arrivee.csv",
            "sha256": "0" * 64,
        }
        preview |= {
            "file_name": f"{_nom(0)}.csv",
            "taken_on": today(),
            "requested_by": AGENT,
            "reason": said[0],
        }
        preview["found"] = {"notes": [f"colonnes inconnues, ignorées : Mme\n{_nom(0)}"]}
        mapping = {"fields": {"libelle": {"titles": [said[0]]}}}
        noted = update(Commune).where(Commune.code == HERE)
        connection.execute(
            noted.values(mapping=mapping, mairie={"signataire": f"{_nom(0)}, maire"})
        )
        connection.execute(insert(Preview).values(preview | {"status": PreviewStatus.READY.value}))
        told: dict[str, Any] = {
            "request_id": request_id,
            "recipient": "courriel:elections@13900.example",
            "code_commune": HERE,
        }
        told |= {"kind": "pret", "channel": "courriel", "address": "elections@13900.example"}
        connection.execute(insert(Notification).values(told | {"ended_at": utc_now()}))
    with desk.engine.begin() as connection:
        connection.execute(text("ANALYZE"))  # as autovacuum does: the statistics contain names
    (town.arrivals / "arrivee.csv").write_text(every)
    (town.desk.root / HERE / f".{made['file_name']}.tué.part").write_text(every)
    (town.desk.root / HERE / "inconnu.csv").write_text(f"{every.upper()};Ursule Zélie;14/03/1962\n")


def _post(town: Town, name: str, import_id: int) -> None:
    """Post a tableau that rests on that import; its pages cannot be searched."""
    with town.desk.engine.begin() as connection:
        columns: dict[str, Any] = {
            "code_commune": HERE,
            "liste": "P",
            "format": "pdf",
            "label": name,
            "status": "ready",
            "part": name,
        }
        columns |= {
            "request_id": connection.scalar(select(Request.id).limit(1)),
            "kind": ExportKind.TABLEAU.value,
        }
        rests_on = [{"import_id": import_id, "taken_on": None}]
        connection.execute(
            insert(Export).values(columns | {"file_name": name, "rests_on": rests_on})
        )
    (town.desk.root / HERE / name).write_bytes(b"%PDF-1.7")


def _deposit(export_id: int, remarque: str) -> DeclarationNoted:
    return note_file("deposited", export_id, commune=HERE, deposited_on=today(), remarque=remarque)


def _event_about(commune: str, remarque: str) -> bytes:
    event = CloudEvent.wrap(
        ListeExportRequested(commune=commune, requested_by="mairie"), source="/mairie"
    )
    document = json.loads(event.to_bytes())
    document["data"]["remarque"] = remarque
    return json.dumps(document).encode()


@pytest.mark.slow
def test_to_find_one_of_a_thousand_names_of_a_commune_that_left(town: Town, amqp_url: str) -> None:
    """Half of them were removed from the list before: mouvements have their names, and the version kept for an undo."""
    many = [_elector(number) for number in range(MANY)]
    town.load(many)
    town.load([*many[: MANY // 2], *WHO_STAYS])
    _write_everywhere(town, range(20))
    _bury(amqp_url, _event_about(HERE, f"Mme {_nom(1)}"))
    _bury(amqp_url, b"unreadable, of " + HERE.encode())
    _bury(amqp_url, _event_about(ELSEWHERE, "autre"))
    for note in (
        {
            "kind": "scrutin",
            "jour": "2027-06-13",
            "libelle": f"Élection de {_nom(3)}",
            "texte": _nom(4),
        },
        {"kind": "bureaux", "bureaux": [{"bureau": "0001", "libelle_canton": _nom(5)}]},
        {"kind": "mairie", "signataire": f"{_nom(6)}, maire"},
    ):
        data = DeclarationNoted.model_validate(
            {"commune": HERE, "note": note, "requested_by": AGENT}
        )
        ingest_request(CloudEvent.wrap(data, source="/ecran"), town.desk.services)
    assert [it.action for it in town.desk.audit()[-3:]] == [
        Action.SCRUTIN_CHANGED,
        Action.BUREAU_DESCRIBED,
        Action.MAIRIE_DESCRIBED,
    ]
    assert len(town.names()) == MANY

    done = town.forget("--yes")

    assert (done.code, done.err) == (ExitCode.DONE, "")
    assert town.names() == set()
    assert not list((town.desk.root / HERE).iterdir())
    letters = [body for _, body in queue_messages(amqp_url, f"{QUEUE_REQUESTS}.XQ")]
    assert [json.loads(body)["data"]["commune"] for body in letters] == [ELSEWHERE]
    with town.desk.engine.connect() as connection:
        assert set(connection.scalars(text("SELECT nom_naissance FROM electeur"))) == {"RESTANTE"}
        assert connection.scalars(select(Agent.code_commune)).all() == [ELSEWHERE]
        assert "13900.example" not in str(connection.execute(select(Notification.__table__)).all())
        lines = [it for it in read_audit(connection, limit=100) if it.action == Action.FORGOTTEN]
    said = [line.detail.partition(" : ")[0] for line in lines]
    assert said == ["toute la commune"] * 2
    assert "fichiers 6" in lines[0].detail
    assert town.forget("--yes").code == ExitCode.DONE, "a second time there is nothing left"


@pytest.mark.slow
def test_to_find_an_elector_who_was_forgotten(town: Town, amqp_url: str) -> None:
    """Others of the commune stay, with their files; an elector who is on the list cannot be deleted."""
    some = [_elector(number) for number in range(3)]
    town.load([*some, *WHO_STAYS])
    former = [town.desk.make(format_, days_ago=2) for format_ in (Format.CSV, Format.XML)]
    town.desk.use_profile(form=read_shipped().form.model_copy(update={"encoding": "cp1252"}))
    former.append(town.desk.make(days_ago=2))
    assert "Zélie".encode("cp1252") in town.desk.read(former[2])
    town.desk.use_profile()
    town.load([*some[1:], *WHO_STAYS])
    with town.desk.engine.begin() as connection:
        connection.execute(update(MouvementRegistre).values(date_tableau=date(2026, 1, 10)))
        imports = connection.scalars(select(Import.id).order_by(Import.id)).all()
    _write_everywhere(town, range(1))
    for number, import_id in enumerate(imports):
        _post(town, f"tableau-{number}.pdf", import_id)
    _bury(amqp_url, _event_about(HERE, f"Mme {_nom(0)}"))
    _bury(amqp_url, _event_about(HERE, f"Mme {_nom(1)}"))
    listed = town.forget(
        "--electeur", "--yes", typed=f"{_nom(1).title()}\nursule-zelie\n14/03/1962\n"
    )
    assert listed.code == ExitCode.FAILED
    assert "inscrite sur la liste P : la loi l'y garde" in listed.err
    assert len(town.names()) == 3

    done = town.forget(
        "--electeur",
        "--liste",
        "P",
        "--yes",
        typed=f"{_nom(0).title()}\nursule-zelie\n14/03/1962\n",
    )

    assert done.code == ExitCode.DONE, done.err
    assert _nom(0) not in done.out.upper()
    assert town.names() == {_nom(1).encode(), _nom(2).encode()}
    left = {path.name for path in (town.desk.root / HERE).iterdir()}
    assert left.isdisjoint({row["file_name"] for row in former})
    assert "tableau-1.pdf" not in left, "it rests on the import that brought her radiation"
    left.remove("tableau-0.pdf")
    assert {"xml" in name for name in left} == {True}, (
        "the CSV of today had a report that named her beside it"
    )
    assert [
        json.loads(body)["data"]["remarque"]
        for _, body in queue_messages(amqp_url, f"{QUEUE_REQUESTS}.XQ")
    ] == [f"Mme {_nom(1)}"]
    with town.desk.engine.connect() as connection:
        noms = connection.scalars(
            text(
                "SELECT nom_naissance FROM electeur JOIN liste USING (code_commune, liste, version)"
            )
        )
        assert sorted(noms) == ["DEMEURANTE", "RESTANTE", _nom(1), _nom(2)]
        mouvements = connection.execute(select(MouvementRegistre.__table__)).all()
        assert {(it.nom_naissance, it.date_naissance) for it in mouvements} == {
            ("EFFACÉ", "1962-00-00")
        }
        lines = [it for it in read_audit(connection, limit=100) if it.action == Action.FORGOTTEN]
    assert [line.detail.partition(" : ")[0] for line in lines] == ["un électeur, liste P"] * 2


@pytest.mark.slow
def test_what_the_law_publishes_stays_until_it_is_published(town: Town) -> None:
    town.load([_elector(0), *WHO_STAYS])
    town.load(WHO_STAYS)
    with town.desk.engine.begin() as connection:
        connection.execute(update(MouvementRegistre).values(date_tableau=date(2999, 1, 10)))

    done = town.forget("--electeur", "--yes", typed=f"{_nom(0)}\nUrsule Zélie\n14/03/1962\n")

    assert done.code == ExitCode.DONE
    assert "recommencez après le 10/01/2999" in done.out
    with town.desk.engine.connect() as connection:
        assert connection.scalars(select(MouvementRegistre.nom_naissance)).all() == [_nom(0)]


def test_nobody_is_forgotten_by_a_slip_of_the_hand_or_while_files_are_made(town: Town) -> None:
    town.load(WHO_STAYS)
    assert town.forget(typed="non\n").code == ExitCode.INTERRUPTED
    town.desk.ask(Liste.PRINCIPALE)
    busy = town.forget("--yes")
    assert busy.code == ExitCode.FAILED
    assert "attendez qu'ils soient finis" in busy.err
    assert town.desk.audit() == []


def test_to_find_an_elector_in_what_a_program_calls_its_requests(town: Town) -> None:
    """Of a served request, of one that names no commune of its account, and of a cancellation that waits."""
    town.load(WHO_STAYS)
    town.desk.configure(is_embedded=False)
    with town.desk.engine.begin() as connection:
        connection.execute(insert(Sender).values(name="mairie", code_commune=HERE))
    cancel = {"request": {"source": "/mairie", "id": _nom(0)}, "requested_by": "mairie"}
    sent: list[Data] = [
        ListeExportRequested(commune=code, requested_by="mairie")
        for code in (HERE, HERE, ELSEWHERE)
    ]
    for number, data in enumerate([*sent, CancelRequested.model_validate(cancel)]):
        said = {"id": f"{_nom(1)}-{number}", "correlationid": _nom(2), "tracestate": f"v={_nom(3)}"}
        event = CloudEvent.wrap(data, source=f"/{_nom(4)}").model_copy(update=said)
        ingest_request(event, town.desk.services, sender="mairie")
    town.desk.run("UPDATE export SET status = 'cancelled'")
    stored = (
        "SELECT r.*, c.event_id AS early FROM request r LEFT JOIN early_cancel c ON r.id = 1 "
        "ORDER BY r.id"
    )
    codes = [(it["code_commune"], it["code"]) for it in town.desk.rows(stored)]
    assert codes == [(HERE, ""), (HERE, ""), ("", "compte_non_autorise"), ("", "")]
    town.desk.announce()
    assert "VERQUOBA" in str(town.desk.rows("SELECT event FROM answer"))
    assert town.forget("--yes").code == ExitCode.DONE
    assert "VERQUOBA" not in str(town.desk.rows(stored))
    assert "VERQUOBA" not in str(town.desk.rows("SELECT event FROM answer"))
    assert [it["event_id"] for it in town.desk.rows(stored)] == [
        "[effacé] 1",
        "[effacé] 2",
        "[effacé] 3",
        "[effacé] 4",
    ]
    assert "textes 0," in town.forget("--yes").out


def test_an_agent_is_forgotten_before_the_first_import(town: Town) -> None:
    with town.desk.engine.begin() as connection:
        record_audit(connection, Action.FILE_PURGED, actor=AGENT)
    assert run_command("agents", "--remove", AGENT).code == ExitCode.DONE
    done = run_command("forget", "--agent", AGENT, "--yes")
    assert (done.code, done.err) == (ExitCode.DONE, "")


def test_to_find_the_address_of_an_agent_who_left(town: Town) -> None:
    """In the messages sent to that agent; the remaining agents are still told apart there."""
    with town.desk.engine.begin() as connection:
        for address in (f"Elections@{HERE}.example", f"elections@{ELSEWHERE}.example"):
            told = {
                "recipient": f"courriel:{address.casefold()}",
                "address": address,
                "code_commune": HERE,
            }
            told |= {"kind": "pret", "channel": "courriel"}
            connection.execute(insert(Notification).values(told | {"ended_at": utc_now()}))
    assert run_command("agents", "--remove", AGENT, "--commune", HERE).code == ExitCode.DONE
    with town.desk.engine.connect() as connection:
        rows = connection.execute(
            select(Notification.address, Notification.recipient).order_by(Notification.id)
        ).all()
    assert [row.address for row in rows] == ["[effacé]", f"elections@{ELSEWHERE}.example"]
    assert "courriel:" not in rows[0].recipient


@pytest.mark.slow
def test_to_find_an_agent_who_was_forgotten_in_what_she_did(town: Town) -> None:
    """The trail stays complete: a key replaces the agent's name, and a line records the deletion."""
    agent = _nom(7)
    with town.desk.engine.begin() as connection:
        connection.execute(
            insert(Agent).values(name=agent, code_commune=HERE, email="a@13900.example")
        )
    town.load(WHO_STAYS)
    made = town.desk.make()
    event = CloudEvent.wrap(
        ListeExportRequested.model_validate(
            {"commune": HERE, "listes": ["P"], "requested_by": agent}
        ),
        source="/ecran",
    )
    ingest_request(event, town.desk.services)
    asked = {"request": {"source": "/ecran", "id": event.id}, "requested_by": agent}
    cancel = CloudEvent.wrap(CancelRequested.model_validate(asked), source="/ecran")
    ingest_request(cancel, town.desk.services)
    deposit = note_file(
        "deposited", made["export_id"], commune=HERE, requested_by=agent, deposited_on=today()
    )
    deposited = CloudEvent.wrap(deposit, source="/ecran")
    ingest_request(deposited, town.desk.services)
    lines = town.desk.audit()
    assert agent in {line.actor for line in lines}
    still = run_command("forget", "--agent", agent, "--yes")
    assert "est encore inscrit" in still.err
    assert run_command("agents", "--remove", agent).code == ExitCode.DONE
    assert town.names() == {agent.encode()}

    done = run_command("forget", "--agent", agent, "--yes")

    assert (done.code, done.err) == (ExitCode.DONE, "")
    assert town.names() == set()
    after = town.desk.audit()
    assert len(after) == len(lines) + 2
    assert after[-1].action == Action.FORGOTTEN
    sign = after[-1].detail.removeprefix("un agent : ")
    assert sign in {line.actor for line in after}
    assert (
        "rien de ce qui est gardé ne nomme" in run_command("forget", "--agent", agent, "--yes").err
    )


@pytest.mark.slow
def test_to_find_an_elector_in_a_reason_of_the_trail(town: Town) -> None:
    with town.desk.engine.begin() as connection:
        for number in range(2):
            why: Detail = [
                "import annulé : ",
                Words(WordKind.TEXTE, f"Mme {_nom(number).title()} y manquait"),
            ]
            record_audit(
                connection, Action.IMPORT_UNDONE, actor="root", code_commune=HERE, detail=why
            )
    town.load(WHO_STAYS)
    done = town.forget("--electeur", "--yes", typed=f"{_nom(0)}\nUrsule Zélie\n14/03/1962\n")
    assert done.code == ExitCode.DONE, done.err
    assert town.names() == {_nom(1).encode()}
    assert town.forget("--yes").code == ExitCode.DONE
    assert town.names() == set()


@pytest.mark.slow
def test_to_find_electors_whom_no_import_brings_back_any_more(town: Town) -> None:
    town.load([_elector(0), *WHO_STAYS])
    town.load(WHO_STAYS)
    assert run_command("purge").code == ExitCode.DONE
    count = text("SELECT count(*) FROM electeur WHERE nom_naissance = :nom")
    for days, left in ((29, 1), (31, 0)):
        with town.desk.engine.begin() as connection:
            connection.execute(update(Import).values(finished_at=utc_now(-days * 86_400)))
        assert run_command("purge").code == ExitCode.DONE
        with town.desk.engine.connect() as connection:
            assert connection.scalar(count, {"nom": _nom(0)}) == left
            lines = [
                it.detail
                for it in read_audit(connection, limit=9)
                if it.action == Action.VERSIONS_PURGED
            ]
    assert lines == ["3 lignes d'électeur"]
