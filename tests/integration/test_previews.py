"""An arriving export: previewed, then imported exactly as previewed, or not at all; its file is always deleted."""

import hashlib
import os
import shutil
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from datetime import date
from pathlib import Path
from typing import Any, NoReturn
from uuid import uuid4

import pytest
from sqlalchemy import update
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import Session

from common.calendrier import jour_a_paris, now
from schemas.envelope import CloudEvent, Data
from schemas.requests import CancelRequested, RegistreImportRequested, RegistrePreviewRequested
from schemas.topology import QUEUE_REGISTRE
from tests.integration import export_desk, import_desk
from tests.integration.import_desk import COMMUNE, TWO_COMMUNES, VOISINE
from tests.integration.notifier_desk import Killed
from tests.parts.wait import wait_until
from tests.unit.reu_sample import (
    BUREAU,
    DATE,
    ELECTEUR,
    EUROPEENNE,
    NOM,
    NUMERO,
    PRENOMS,
    VOIE,
    electeurs,
    format_reu,
)
from tests.unit.reu_sample import COMMUNE as CODE
from tests.unit.test_apart import doze
from worker import arrivals
from worker.access.models import Sender
from worker.arrivals import DAY_SECONDS, Arrivals, Preview, expire
from worker.db.types import utc_now
from worker.errors import DatabaseAwayError, ExhaustedError
from worker.exports import lease
from worker.handlers import handle_preview as handler
from worker.handlers.next_work import do_next_work
from worker.handlers.requests.ingest_request import ingest_request
from worker.housekeeping.housekeeping import erase_arrivals, sweep
from worker.registre.checks import facts
from worker.registre.checks.rules import TWICE
from worker.registre.imports import file as imported_file
from worker.registre.imports.history import importing
from worker.registre.reu import importer
from worker.services import Services
from worker.work.queue import MOST_STARTS, Work, WorkKind, count_due

AGENT, COLLEAGUE = "mairie-marseille", "collegue"
TAKEN_ON = date(2026, 11, 20)


@dataclass
class Desk:
    """A register and the arrivals folder."""

    register: import_desk.Desk
    folder: Path
    services: Services = field(init=False)

    def __post_init__(self) -> None:
        self.folder.mkdir()
        services = export_desk.Desk(self.register.engine, self.folder.parent / "exports").services
        self.services = replace(services, arrivals=Arrivals(self.folder))

    def upload(
        self, content: str | bytes | Iterable[Mapping[str, str]], name: str = ""
    ) -> tuple[str, str]:
        """Write a file to the folder, as the screen does; its name there, and its SHA-256."""
        data = (
            content
            if isinstance(content, bytes)
            else content
            if isinstance(content, str)
            else format_reu(content)
        )
        written = data.encode() if isinstance(data, str) else data
        name = name or f"{uuid4().hex}.csv"
        (self.folder / name).write_bytes(written)
        return name, hashlib.sha256(written).hexdigest()

    def ask_preview(self, content: Any, sender: str = "", **fields: Any) -> str:  # noqa: ANN401 — see `upload`, the event
        """Upload an export and request its preview; the id of the event."""
        arrival, sha256 = self.upload(content)
        asked = {
            "commune": COMMUNE,
            "taken_on": TAKEN_ON,
            "file_name": "liste.csv",
            "requested_by": AGENT,
        }
        return self.send(
            RegistrePreviewRequested.model_validate(
                asked | {"arrival": arrival, "sha256": sha256} | fields
            ),
            sender,
        )

    def preview(self, content: Any, **fields: Any) -> dict[str, Any]:  # noqa: ANN401 — see `ask_preview`
        self.ask_preview(content, **fields)
        self.work()
        return self.last()

    def ask_import(self, preview: Mapping[str, Any], **fields: Any) -> str:  # noqa: ANN401 — fields of the event
        """Accept a preview; the id of the event."""
        asked = {
            "commune": COMMUNE,
            "preview": preview["id"],
            "sha256": preview["sha256"],
            "requested_by": AGENT,
        }
        return self.send(RegistreImportRequested.model_validate(asked | fields))

    def import_export(self, content: Any, **fields: Any) -> dict[str, Any]:  # noqa: ANN401 — see `upload`, the event
        """Upload, preview, accept and import an export; the row of its preview."""
        preview = self.preview(content)
        self.ask_import(preview, **fields)
        self.work()
        return self.row(preview["id"])

    def send(self, asked: Data, sender: str = "") -> str:
        """Ingest an event; its id."""
        event = CloudEvent.wrap(asked, source="/test")
        ingest_request(event, self.services, sender=sender)
        return event.id

    def work(self) -> None:
        """Do all due works, as a worker does."""
        while self.count_due():
            self.take_token()

    def take_token(self) -> None:
        """Do the first due work, if there is one."""
        do_next_work(QUEUE_REGISTRE, self.services)

    def count_due(self) -> int:
        with self.register.engine.connect() as connection:
            return count_due(connection, QUEUE_REGISTRE)

    def sweep(self) -> int:
        """Run the sweep, as the notifier does; the number of tokens that it sends."""
        expire(self.register.engine)
        return sweep(self.register.engine, lambda _queue, _number: None, lambda _queue: 0)

    def refusal(self, event_id: str) -> str:
        query = "SELECT reason FROM request WHERE event_id = :id AND outcome = 'refused'"
        return str(self.register.rows(query, id=event_id)[0][0])

    def last(self) -> dict[str, Any]:
        return self.row(self.register.rows("SELECT max(id) FROM preview")[0][0])

    def row(self, preview_id: int) -> dict[str, Any]:
        with Session(self.register.engine) as session:
            preview = session.get_one(Preview, preview_id)
            return {
                column.name: getattr(preview, column.key) for column in Preview.__table__.columns
            }

    def change(self, **values: Any) -> None:  # noqa: ANN401 — columns
        """Update every row."""
        with self.register.engine.begin() as connection:
            connection.execute(update(Preview).values(**values))

    def change_work(self, **values: Any) -> None:  # noqa: ANN401 — columns
        with self.register.engine.begin() as connection:
            connection.execute(update(Work).where(Work.kind == WorkKind.PREVIEW).values(**values))

    def starts(self) -> list[tuple[Any, ...]]:
        """Starts and owner of each open work."""
        query = "SELECT starts, owner FROM work WHERE kind = 'preview'"
        return self.register.rows(query)

    def files(self) -> list[str]:
        return sorted(path.name for path in self.folder.iterdir())

    def trail(self) -> list[tuple[Any, ...]]:
        """Actor, action and commune of each audit line."""
        return self.register.rows("SELECT actor, action, code_commune FROM audit ORDER BY id")


@contextmanager
def open_desk(url: str, folder: Path) -> Iterator[Desk]:
    with import_desk.Desk.open(url, folder) as register:
        yield Desk(register, folder / "arrivals")


pytestmark = [pytest.mark.database(TWO_COMMUNES), pytest.mark.desk(opened_by=open_desk)]


@pytest.mark.slow
def test_a_preview_tells_what_would_change_and_changes_nothing(desk: Desk) -> None:
    first = desk.import_export([*electeurs(30), ELECTEUR | EUROPEENNE])
    assert (first["status"], first["found"]["comparison"]["listes"]) == ("imported", 0)
    before, imports = desk.register.shown(), desk.register.imports()
    rows = electeurs(30)
    rows[3] |= {BUREAU: "0002"}
    rows[4:6] = []
    rows += [
        ELECTEUR | {PRENOMS: "Ursule", NUMERO: "99"},
        ELECTEUR | {PRENOMS: "Ode", DATE: "le 3 mai", NUMERO: "98"},
    ]
    preview = desk.preview(rows, taken_on=date(2026, 11, 24))

    assert (preview["status"], preview["reason"]) == ("ready", "")
    found = preview["found"]
    assert found["listes"] == [{"liste": "P", "electeurs": 29, "before": 30}]
    assert found["kept"] == [{"liste": "CE", "electeurs": 1}]
    changes = {
        name: found["comparison"][name] for name in ("inscriptions", "radiations", "changements")
    }
    assert changes == {"inscriptions": 1, "radiations": 2, "changements": 1}
    assert (found["lines_read"], found["lines_kept"], found["lines_rejected"]) == (30, 29, 1)
    assert found["reasons"] == {"date de naissance illisible": 1}
    assert found["rejections"] == [[31, "date de naissance", "date de naissance illisible"]]
    assert (desk.register.shown(), desk.register.imports(), desk.register.stored()) == (
        before,
        imports,
        31,
    )
    assert desk.register.rows("SELECT count(*) FROM mouvement") == [(0,)]
    assert len(desk.files()) == 1
    assert "Ursule" not in str(found)


@pytest.mark.slow
def test_what_was_previewed_enters_the_register_and_its_file_goes(desk: Desk) -> None:
    desk.import_export(electeurs(30))
    rows = [*electeurs(28), ELECTEUR | {PRENOMS: "Ursule", NUMERO: "99"}]
    preview = desk.preview(rows, taken_on=date(2026, 11, 24))
    desk.ask_import(preview, requested_by=COLLEAGUE)
    desk.work()

    row = desk.row(preview["id"])
    assert (row["status"], row["erased_at"] is not None) == ("imported", True)
    assert desk.files() == []
    assert desk.register.counts() == {(COMMUNE, "P"): 29}
    natures = desk.register.rows("SELECT nature, date_mouvement FROM mouvement ORDER BY nature, id")
    assert [(nature, str(day)) for nature, day in natures] == [
        ("inscription", "2026-11-24"),
        ("radiation", "2026-11-24"),
        ("radiation", "2026-11-24"),
    ]
    said = "SELECT file_name, sha256, imported_by, is_dated FROM import WHERE id = :id"
    known = desk.register.rows(said, id=row["import_id"])
    assert known == [("liste.csv", preview["sha256"], COLLEAGUE, True)]
    assert desk.trail() == [
        *(
            (AGENT, action, COMMUNE)
            for action in ("arrival_received", "registre_imported", "arrival_received")
        ),
        (COLLEAGUE, "registre_imported", COMMUNE),
    ]


REFUSED: list[tuple[str | bytes, str]] = [
    (
        "<!DOCTYPE html><html><body>Votre session a expiré</body></html>",
        "liste.csv : c'est une page",
    ),
    (b"", "liste.csv : le fichier est vide"),
    (
        "nom;prenom\nBANJO;Ode\n",
        "liste.csv : ce n'est pas un export « Liste des électeurs actifs » du REU",
    ),
    (format_reu([]), "Le fichier ne contient aucun électeur ; vérifiez le téléchargement."),
    (
        format_reu([*electeurs(2), ELECTEUR | {CODE: VOISINE}]),
        f"Ce fichier a des électeurs de Libreville ({VOISINE})",
    ),
    (format_reu(electeurs(2, {CODE: "98999"})), "Ce fichier a des électeurs de 98999 et non de"),
    (
        format_reu(electeurs(2, {DATE: "hier"})),
        "2 lignes rejetées sur 2 : date de naissance illisible (2). Corrig",
    ),
    (
        format_reu(electeurs(2, {DATE: "23456"})),
        "2 lignes rejetées sur 2 : date de naissance en nombre de jours",
    ),
]


@pytest.mark.parametrize(("content", "said"), REFUSED)
def test_what_cannot_enter_is_refused_in_words_for_the_screen(
    desk: Desk, content: str, said: str
) -> None:
    preview = desk.preview(content)
    assert preview["status"] == "refused"
    assert preview["reason"].startswith(said)
    assert not any(words in preview["reason"] for words in ("--", "python", str(desk.folder)))
    assert (desk.files(), desk.register.imports(), desk.register.stored()) == ([], [], 0)


def test_a_mapping_names_columns_of_its_file_and_the_trail_none(desk: Desk) -> None:
    desk.preview(format_reu(electeurs(3), titles={NOM: "VERQUOBA"}))
    mapping = {"nom_naissance": {"titles": ["Verquoba"]}}
    free = {"libelle": {"titles": ["OBAVERQU Ursule, née le 12/03/1962"]}}
    split = {"titles": ["OBAVERQU Ursule"], "shape": "NOM Prénoms"}
    for fields in ({"mapping": {"fields": mapping | free, "splits": [split]}}, {}):
        desk.ask_import(desk.last(), **fields)
        desk.work()
    assert (desk.last()["status"], desk.trail()[-1][1]) == ("imported", "file_matched")
    assert "verquoba" not in str(desk.register.rows("SELECT detail FROM audit")).casefold()
    (mapped,) = desk.register.rows("SELECT mapping FROM commune WHERE mapping IS NOT NULL")
    assert ("Verquoba" in str(mapped), "OBAVERQU" in str(mapped)) == (True, False)


def test_a_file_of_another_hash_is_refused_before_and_after_the_preview(desk: Desk) -> None:
    assert "n'est plus le fichier" in desk.preview(electeurs(3), sha256="0" * 64)["reason"]
    preview = desk.preview(electeurs(3))
    desk.upload(electeurs(4), preview["arrival"])
    desk.ask_import(preview)
    desk.work()
    assert desk.last()["status"] == "refused"
    assert "n'est plus le fichier qui a été déposé" in desk.last()["reason"]
    assert (desk.register.counts(), desk.files()) == ({}, [])


def test_a_link_or_a_missing_file_is_not_read(desk: Desk, tmp_path: Path) -> None:
    elsewhere = tmp_path / "ailleurs.csv"
    elsewhere.write_text(format_reu(electeurs(3)))
    (desk.folder / "lien.csv").symlink_to(elsewhere)
    for arrival in ("lien.csv", "absent.csv"):
        preview = desk.preview(electeurs(3), arrival=arrival)
        assert "n'est plus dans le dossier des arrivées" in preview["reason"]
    assert elsewhere.exists()


@pytest.mark.slow
def test_the_register_must_be_the_one_that_was_previewed(desk: Desk) -> None:
    mine, hers = desk.preview(electeurs(30)), desk.preview(electeurs(29))
    desk.ask_import(mine)
    desk.ask_import(hers, requested_by=COLLEAGUE)
    desk.work()
    assert desk.row(mine["id"])["status"] == "imported"
    assert (
        desk.row(hers["id"])["reason"]
        == "Le registre a changé depuis l'aperçu ; déposez de nouveau le fichier."
    )
    assert (desk.register.counts(), desk.files()) == ({(COMMUNE, "P"): 30}, [])


@pytest.mark.slow
def test_the_same_preview_is_imported_once(desk: Desk) -> None:
    preview = desk.preview(electeurs(30))
    first, second = desk.ask_import(preview), desk.ask_import(preview, requested_by=COLLEAGUE)
    desk.work()
    assert desk.refusal(second) == "Cet export ne se reprend pas, ou plus : reprise en attente."
    assert "repris" in desk.refusal(desk.ask_import(preview, requested_by="tiers"))
    assert desk.register.rows("SELECT event_id FROM request WHERE outcome = 'accepted'")[-1] == (
        first,
    )
    assert [kept for _, kept, *_ in desk.register.imports()] == [30]


def test_the_same_file_again_has_nothing_to_change(desk: Desk) -> None:
    desk.import_export(electeurs(30))
    preview = desk.preview(electeurs(30))
    assert preview["reason"] == (
        "Ce fichier est déjà dans le registre (export du 20/11/2026) : il n'y a rien à reprendre."
    )
    assert desk.files() == []


def test_a_preview_counts_the_electors_whom_the_list_holds_twice(desk: Desk) -> None:
    """At one address they are one person twice, and block the list; at two they are homonyms."""
    there = ELECTEUR | {NOM: "DEUX FOIS"}
    rows = [
        *electeurs(20),
        there | {NUMERO: "90"},
        there | {NUMERO: "91", NOM: "DEUX-FOIS"},
        there | {NUMERO: "92", VOIE: "Rue de l'Homonyme"},
    ]
    preview = desk.preview(rows)
    assert preview["status"] == "ready"
    assert preview["found"]["blocking"] == {TWICE.message: 2}


@pytest.mark.slow
def test_rejected_lines_and_losses_are_accepted_or_the_register_stays(desk: Desk) -> None:
    desk.import_export(electeurs(30))
    rows = [*electeurs(10), ELECTEUR | {PRENOMS: "Ode", DATE: "hier", NUMERO: "98"}]
    preview = desk.preview(rows, taken_on=date(2026, 11, 24))
    (question,) = preview["found"]["questions"]
    assert (question["kind"], question["liste"]) == ("cut_end", "P")
    assert "1 ligne rejetée" in desk.refusal(desk.ask_import(preview))
    assert "perdrait 20 électeurs connus sur 30, dont ses 20 derniers" in desk.refusal(
        desk.ask_import(preview, accept_rejects=True)
    )
    desk.ask_import(preview, accept_rejects=True, accept_changes=True)
    desk.work()
    assert desk.register.counts() == {(COMMUNE, "P"): 10}
    (detail,) = desk.register.rows(
        "SELECT detail FROM audit WHERE action = 'registre_imported' ORDER BY id DESC"
    )[0]
    assert " ; confirmé : fin de liste absente (liste P de 13055), " in detail


@pytest.mark.slow
def test_a_list_that_is_absent_is_emptied_on_purpose(desk: Desk) -> None:
    desk.import_export([*electeurs(30), ELECTEUR | EUROPEENNE])
    preview = desk.preview(electeurs(30), taken_on=date(2026, 11, 24))
    assert "ne se vide pas" in desk.refusal(desk.ask_import(preview, empty=["CM"]))
    desk.ask_import(preview, empty=["CE"])
    desk.work()
    assert desk.register.counts() == {(COMMUNE, "P"): 30, (COMMUNE, "CE"): 0}


@pytest.mark.slow
def test_an_import_at_work_is_waited_for(desk: Desk) -> None:
    preview = desk.preview(electeurs(30))
    desk.ask_import(preview)
    with importing(desk.register.engine):
        desk.work()
    row = desk.row(preview["id"])
    assert (row["status"], desk.starts()) == ("accepted", [(0, None)])
    desk.change_work(due_at=utc_now())
    assert desk.sweep() == 1
    desk.work()
    assert desk.row(preview["id"])["status"] == "imported"


def _die_after(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    real: Callable[..., Any] = getattr(importer, name)

    def die(*arguments: Any, **options: Any) -> Any:  # noqa: ANN401 — passed on
        real(*arguments, **options)
        monkeypatch.setattr(importer, name, real)
        raise Killed

    monkeypatch.setattr(importer, name, die)


@pytest.mark.slow
@pytest.mark.parametrize(
    "step", ["open_reu", "_write_electeurs", "_count", "find_facts", "_record"]
)
def test_a_worker_that_dies_leaves_the_old_register_or_the_new_one(
    desk: Desk, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    desk.import_export(electeurs(30))
    preview = desk.preview([*electeurs(29)], taken_on=date(2026, 11, 24))
    desk.ask_import(preview)
    _die_after(monkeypatch, step)
    with suppress(Killed):
        desk.work()
    is_over = step == "_record"
    assert desk.register.counts() == {(COMMUNE, "P"): 29 if is_over else 30}
    assert desk.row(preview["id"])["status"] == ("imported" if is_over else "importing")

    desk.change_work(due_at=utc_now(-1))
    assert desk.sweep() == 1
    desk.work()
    assert desk.register.counts() == {(COMMUNE, "P"): 29}
    assert sum(done for *_, done, _ in desk.register.imports()) == 2
    assert desk.register.rows("SELECT count(*) FROM mouvement") == [(1,)]
    assert desk.files() == []


@pytest.mark.parametrize("error", [Killed, MemoryError])
def test_what_kills_its_workers_is_given_up(
    desk: Desk, monkeypatch: pytest.MonkeyPatch, error: type[BaseException]
) -> None:
    desk.ask_preview(electeurs(3))

    def die(*_: object, **__: object) -> None:
        raise error

    monkeypatch.setattr(handler, "preview_file", die)
    for _ in range(MOST_STARTS):
        with suppress(error, ExhaustedError):
            desk.work()
        desk.change_work(due_at=utc_now(-1000))  # past the lease and any rest
    desk.work()
    assert (
        desk.last()["reason"]
        == "La lecture s'est arrêtée 6 fois avant la fin : prévenez votre administrateur."
    )
    assert desk.files() == []


@pytest.mark.slow
def test_a_bug_is_tried_again_then_said(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    desk.ask_preview(electeurs(3))
    monkeypatch.setattr(handler, "preview_file", lambda *_, **__: 1 / 0)
    for _ in range(3):
        desk.work()
        desk.change_work(due_at=utc_now())
        desk.sweep()
    assert desk.last()["status"] == "refused"
    assert "prévenez votre administrateur" in desk.last()["reason"]


def test_an_import_is_given_back_as_soon_as_its_database_is_back(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The worker used to wait until the lease expired; a start that the database ended costs none."""
    refused: list[bool] = []
    real = handler.release  # type: ignore[attr-defined]

    def cut(*_: object, **__: object) -> NoReturn:
        raise OperationalError("SELECT 1", {}, OSError("cut"), connection_invalidated=True)

    def release(*arguments: Any, **options: Any) -> None:  # noqa: ANN401 — passed on
        if len(refused) < 3:
            refused.append(True)
            cut()
        real(*arguments, **options)

    desk.ask_preview(electeurs(3))
    with monkeypatch.context() as patch:
        patch.setattr(handler, "release", release)
        patch.setattr(handler, "preview_file", cut)
        patch.setattr(lease, "REPEAT_SECONDS", 0.01)
        with pytest.raises(DatabaseAwayError):
            desk.work()
        wait_until(lambda: desk.last()["status"] == "queued", message="the row given back")
    assert (desk.starts(), len(refused)) == ([(0, None)], 3)


@pytest.mark.slow
def test_a_worker_that_lost_its_row_imports_nothing(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    preview = desk.preview(electeurs(30))
    desk.ask_import(preview)
    real = facts.find_facts

    def lose(*arguments: Any) -> None:  # noqa: ANN401 — passed on
        desk.change_work(owner="another")
        real(*arguments)

    monkeypatch.setattr(importer, "find_facts", lose)
    desk.work()
    assert desk.register.counts() == {}
    assert desk.row(preview["id"])["status"] == "importing"


@pytest.mark.slow
def test_who_does_not_want_it_has_it_erased(desk: Desk) -> None:
    event_id = desk.ask_preview(electeurs(30))
    desk.work()
    cancel = CancelRequested.model_validate(
        {"request": {"source": "/test", "id": event_id}, "requested_by": COLLEAGUE}
    )
    desk.send(cancel)
    desk.work()
    assert (desk.last()["status"], desk.files()) == ("dropped", [])
    assert desk.trail()[-1] == (COLLEAGUE, "arrival_dropped", COMMUNE)
    assert "Rien à annuler" in desk.refusal(desk.send(cancel))
    assert "non repris" in desk.refusal(desk.ask_import(desk.last()))


def test_the_imports_of_communes_take_turns(desk: Desk) -> None:
    for _ in range(3):
        desk.ask_preview(electeurs(3))
    desk.ask_preview(electeurs(3, {CODE: VOISINE}), commune=VOISINE)
    order: list[str] = []
    while desk.count_due():
        desk.take_token()
        ready = desk.register.rows("SELECT code_commune FROM preview WHERE status = 'ready'")
        order += [*(Counter(code for (code,) in ready) - Counter(order))]
    assert order == [COMMUNE, VOISINE, COMMUNE, COMMUNE]


def test_after_some_refused_exports_an_agent_waits_a_minute(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(arrivals, "_MOST_REFUSED", 2)
    assert [desk.preview([])["status"] for _ in range(2)] == ["refused", "refused"]
    assert desk.preview(electeurs(3), requested_by=COLLEAGUE)["status"] == "ready", (
        "a colleague does not wait"
    )
    assert (desk.preview(electeurs(3))["status"], desk.sweep()) == ("queued", 0)
    desk.change(finished_at=utc_now(-61))
    desk.change_work(due_at=utc_now())
    assert desk.sweep() == 1
    desk.work()
    assert desk.last()["status"] == "ready"


@pytest.mark.parametrize("step", ["find_titles", "split_file"])
def test_who_does_not_want_it_ends_its_reading(
    desk: Desk, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    monkeypatch.setattr(imported_file, step, doze)
    event_id = desk.ask_preview(format_reu(electeurs(3), titles={PRENOMS: "Champ 6"}))
    with ThreadPoolExecutor() as pool:
        reading = pool.submit(desk.take_token)
        wait_until(_list_readers, message="a process reads the file")
        request = {"source": "/test", "id": event_id}
        desk.send(CancelRequested.model_validate({"request": request, "requested_by": AGENT}))
        reading.result(60)
    assert _list_readers() == []
    desk.work()
    assert (desk.last()["status"], desk.files()) == ("dropped", [])


def _list_readers() -> list[str]:
    pids = " ".join(path.read_text() for path in Path("/proc/self/task").glob("*/children")).split()
    return [pid for pid in pids if b"common.apart" in Path(f"/proc/{pid}/cmdline").read_bytes()]


@pytest.mark.slow
def test_after_a_day_an_export_that_nobody_wanted_is_erased(desk: Desk) -> None:
    desk.preview(electeurs(30))
    assert (desk.sweep(), len(desk.files())) == (0, 1)
    desk.change(created_at=utc_now(-DAY_SECONDS))
    assert desk.sweep() == 1
    desk.work()
    assert (desk.last()["status"], desk.files()) == ("expired", [])


@pytest.mark.slow
def test_a_file_that_no_row_speaks_of_is_erased_after_a_day(desk: Desk) -> None:
    awaited = desk.preview(electeurs(3))["arrival"]
    old, new = desk.upload("x", "old.csv")[0], desk.upload("y", "new.csv")[0]
    yesterday = time.time() - DAY_SECONDS - 1
    for name in (awaited, old):
        os.utime(desk.folder / name, (yesterday, yesterday))
    assert len(list(erase_arrivals(desk.register.engine, desk.services.arrivals))) > 0
    assert desk.files() == sorted([awaited, new])
    shutil.rmtree(desk.folder)
    assert list(erase_arrivals(desk.register.engine, desk.services.arrivals)) == []
    desk.folder.mkdir()


@pytest.mark.slow
def test_an_account_imports_for_its_communes_only(desk: Desk) -> None:
    desk.services = replace(desk.services, is_embedded=False)
    with Session(desk.register.engine) as session, session.begin():
        session.add(Sender(name="logiciel", code_commune=COMMUNE))
    said = desk.refusal(desk.ask_preview(electeurs(3), sender="autre"))
    assert said.startswith("Le compte « autre » ne peut pas demander de fichiers")
    desk.ask_preview(electeurs(3), sender="logiciel")
    desk.work()
    assert desk.last()["status"] == "ready"
    assert "Le compte" in desk.refusal(
        desk.ask_preview(electeurs(3), sender="logiciel", commune=VOISINE)
    )


def test_a_preview_of_another_commune_is_not_found(desk: Desk) -> None:
    preview = desk.preview(electeurs(3))
    assert desk.refusal(desk.ask_import(preview, commune=VOISINE)).startswith("Aperçu inconnu")
    assert desk.refusal(desk.ask_import(preview, sha256="0" * 64)).startswith(
        "L'aperçu est celui d'un autre fichier"
    )
    assert desk.last()["status"] == "ready"


def test_nobody_takes_an_export_of_tomorrow(desk: Desk) -> None:
    tomorrow = date.fromordinal(jour_a_paris(now()).toordinal() + 2)
    assert "n'est pas encore venu" in desk.refusal(
        desk.ask_preview(electeurs(3), taken_on=tomorrow)
    )


def test_a_register_kept_elsewhere_is_not_fed_here(desk: Desk) -> None:
    other = import_desk.Desk("sqlite://", desk.folder.parent / "other")
    desk.services = replace(desk.services, registre=other.engine)
    assert desk.refusal(desk.ask_preview(electeurs(3))).startswith(
        "Le registre est tenu par un autre logiciel"
    )
    other.engine.dispose()
