"""`verify` finds files that differ from the record; `purge` and the notifier delete old ones, whatever fails."""

import getpass
import json
import os
import re
import time
from collections.abc import Callable, Iterator, Sequence
from datetime import timedelta
from pathlib import Path
from threading import Event
from typing import BinaryIO

import pytest
from dramatiq.brokers.stub import StubBroker
from sqlalchemy import func, literal, select, update
from structlog.testing import capture_logs

from common.cli import ExitCode
from common.files import hash_file
from producers.state import State
from schemas.vocabulary import Action, ExportStatus, RequestOutcome
from tests.integration.files_desk import DAY, FilesDesk
from tests.integration.notifier_desk import TEMPLATE, Killed, running, smtp, work
from tests.parts.disk import small_disk
from tests.parts.mail import Mailbox
from tests.parts.wait import wait_until
from worker.audit import NOTIFIER, record_audit
from worker.compose import build_notifier
from worker.db.types import utc_now
from worker.exports import integrity
from worker.exports.integrity import SKIPPED_IDS, FileFault, verify_files
from worker.exports.models import Export, Request
from worker.exports.purge import purge_files
from worker.exports.storage import SENTINEL, Storage
from worker.housekeeping.housekeeping import Chore, purge, purge_refused, remove_temporaries
from worker.messaging.queues import TokenQueues
from worker.notifier.models import Answer, Notification
from worker.settings import load_settings
from worker.work.queue import WorkKind

pytestmark = [pytest.mark.database(TEMPLATE), pytest.mark.desk(opened_by=FilesDesk.open)]

NAME = "liste-P-demande.csv"
REPORT = "liste-P-demande-csv-anomalies.csv"
HOUR = 3600


def test_intact_files_are_said_and_dated(desk: FilesDesk) -> None:
    first, second = desk.make("une", has_report=True), desk.make("deux")
    said = desk.run("verify")
    assert (said.code, said.err) == (ExitCode.DONE, "")
    assert said.out == "2 exports vérifiés (3 fichiers) : tous intacts.\n"
    assert all(desk.export(export_id).verified_at is not None for export_id in (first, second))
    assert desk.audit() == []


def _flip(path: Path) -> None:
    content = path.read_bytes()
    path.write_bytes(content[:-2] + bytes([content[-2] ^ 1]) + content[-1:])


def _replace_by_a_pipe(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


DAMAGES: list[tuple[Callable[[Path], None], FileFault, str]] = [
    (Path.unlink, FileFault.MISSING, "absent du volume"),
    (lambda path: os.truncate(path, path.stat().st_size - 1), FileFault.TRUNCATED, "tronqué"),
    (_flip, FileFault.ALTERED, "altéré : son empreinte n'est plus la bonne"),
    (
        lambda path: path.symlink_to(path.rename(path.with_name("elsewhere")).name),
        FileFault.UNREADABLE,
        "illisible",
    ),
    (_replace_by_a_pipe, FileFault.ALTERED, "altéré : son empreinte n'est plus la bonne"),
    (
        lambda path: path.chmod(0o644),
        FileFault.PERMISSIONS,
        "droits à rétablir : fichier 640, dossier 2750",
    ),
    (
        lambda path: path.parent.chmod(0o755),
        FileFault.PERMISSIONS,
        "droits à rétablir : fichier 640, dossier 2750",
    ),
]


@pytest.mark.parametrize(("damage", "fault", "label"), DAMAGES, ids=[it[1] for it in DAMAGES])
def test_a_damaged_file_is_found_and_said(
    desk: FilesDesk, damage: Callable[[Path], None], fault: FileFault, label: str
) -> None:
    export_id = desk.make()
    damage(desk.path(export_id))

    said = desk.run("verify")
    assert said.code == ExitCode.FAILED
    assert said.out.startswith(f"13900/{NAME} (export {export_id}) : {label}\n")
    remade = (
        "Ne déposez pas, n'affichez pas ces fichiers. Redemandez-les, ou faites-les refaire :\n"
        f"    python -m producers retry demande --source /mairie/13900 --export {export_id}\n"
    )
    assert (remade in said.out) is (fault is not FileFault.PERMISSIONS)
    assert said.out.endswith("1 export vérifié (1 fichier) : 1 fichier en défaut.\n")
    lines = map(json.loads, said.err.splitlines())
    (line,) = (line for line in lines if line["event"] != "audit")  # the copy in the audit trail
    assert (line["level"], line["event"], line["export_id"]) == (
        "error",
        "file_found_wrong",
        export_id,
    )
    assert NAME not in said.err
    assert desk.export(export_id).verified_at is None
    assert desk.export(export_id).fault == ("" if fault is FileFault.PERMISSIONS else fault)
    (noted,) = desk.audit()
    assert (noted.action, noted.export_id, noted.detail) == (
        Action.FILE_FOUND_WRONG,
        export_id,
        f"{NAME} : {label}",
    )

    wrong = desk.run("verify", "--json").document["wrong"]
    request = {"source": "/mairie/13900", "event_id": "demande"}
    assert wrong == [request | {"export_id": export_id, "path": f"13900/{NAME}", "fault": fault}]


def test_a_damaged_report_is_found_beside_its_intact_file(desk: FilesDesk) -> None:
    export_id = desk.make(has_report=True)
    _flip(desk.path(export_id).with_name(REPORT))
    document = desk.run("verify", "--json").document
    (wrong,) = document["wrong"]
    assert (wrong["export_id"], wrong["path"], wrong["fault"]) == (
        export_id,
        f"13900/{REPORT}",
        "altered",
    )
    assert (document["exports"], document["files"]) == (1, 2)
    with desk.engine.begin() as connection:
        connection.execute(update(Request).values(source="/mairie\u202e"))
    assert "\u202e" not in desk.run("verify").out


def test_one_export_or_one_commune_may_be_verified(desk: FilesDesk) -> None:
    wrong, right = desk.make("fausse"), desk.make("juste")
    _flip(desk.path(wrong))
    assert desk.run("verify", "--export", str(right)).code == ExitCode.DONE
    assert desk.run("verify", "--export", str(wrong)).code == ExitCode.FAILED
    assert desk.run("verify", "--commune", "13900").code == ExitCode.FAILED
    assert desk.run("verify", "--commune", "2a004").out == "Aucun fichier à vérifier.\n"
    unknown = desk.run("verify", "--export", "999999")
    assert unknown.code == ExitCode.FAILED
    assert unknown.err == (
        "Erreur : l'export 999999 n'a pas de fichier à vérifier : inconnu, pas encore prêt, ou purgé\n"
    )
    for wrong_option in (["--export", "x"], ["--commune", "../13900"], ["--commune", "*"]):
        assert desk.run("verify", *wrong_option).code == ExitCode.USAGE


def test_strangers_in_the_volume_are_told(desk: FilesDesk) -> None:
    gone, kept = desk.make("purgée", days=31, has_report=True), desk.make("gardée")
    report = desk.path(gone).with_name("liste-P-purgée-csv-anomalies.csv")
    saved = report.read_bytes()
    desk.run("purge")
    report.write_bytes(saved)
    _write(desk.path(kept).with_name("vieux.csv"), days=2)
    _write(desk.path(kept).with_name("récent.csv"), days=0)

    said = desk.run("verify")
    assert said.code == ExitCode.FAILED
    assert said.out.splitlines() == [
        f"13900/{report.name} : purgé, et revenu (export {gone}), « python -m worker purge » l'efface",
        "13900/vieux.csv : inconnu de la base, à effacer à la main s'il ne sert pas",
        "1 export vérifié (1 fichier) : tous intacts.",
    ]
    document = desk.run("verify", "--json").document
    assert (document["unknown"], document["came_back"]) == (
        ["13900/vieux.csv"],
        [f"13900/{report.name}"],
    )


def test_a_file_that_is_purged_or_made_again_meanwhile_is_not_called_wrong(
    desk: FilesDesk, monkeypatch: pytest.MonkeyPatch
) -> None:
    purged, remade = desk.make("purgée"), desk.make("refaite")
    _flip(desk.path(purged))
    _flip(desk.path(remade))

    def meanwhile(file: BinaryIO) -> tuple[int, str]:
        _change(desk, purged, purged_at=utc_now())
        _change(desk, remade, finished_at=utc_now(1))
        return hash_file(file)

    monkeypatch.setattr(integrity, "hash_file", meanwhile)
    found = list(verify_files(desk.engine, desk.storage, actor="test"))
    assert (found, desk.audit()) == ([], [])
    assert desk.export(remade).verified_at is None


def _change(desk: FilesDesk, export_id: int, **values: object) -> None:
    with desk.engine.begin() as connection:
        connection.execute(update(Export).where(Export.id == export_id).values(**values))


def test_a_new_volume_is_accepted_by_the_operator(desk: FilesDesk) -> None:
    desk.make()
    Storage(desk.root, desk.engine).mark()
    assert desk.run("verify").code == 0
    (desk.root / SENTINEL).unlink()
    refused = desk.run("verify")
    assert refused.code == 3
    assert (
        refused.err
        == "Erreur : Volume des exports absent, ou un autre à sa place : prévenez l'exploitant.\n"
    )
    assert "n'est pas le volume de cette installation" in desk.run("check").out
    assert desk.run("purge", "--older-than", "0", "--yes").code == 3
    assert desk.run("verify", "--accept-volume").code == 0
    assert desk.run("verify").code == 0
    assert "n'est pas le volume" not in desk.run("check").out


def test_two_restores_of_one_backup_give_no_id_twice(
    desk: FilesDesk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What the first restore gave in ten hours is lost by the second."""
    with desk.engine.begin() as connection:
        record_audit(connection, Action.FILE_PURGED, actor="root")
        in_ten_hours = connection.execute(select(utc_now())).scalar_one() + timedelta(hours=10)
    before = desk.make("avant")
    monkeypatch.setattr(integrity, "utc_now", lambda: literal(in_ten_hours))
    integrity.skip_ids(desk.engine)
    assert desk.make("après") > before + (
        11 * SKIPPED_IDS if desk.engine.dialect.name == "postgresql" else 0
    )


def test_after_a_restore_no_id_is_given_again_and_lost_files_are_named_at_once(
    desk: FilesDesk,
) -> None:
    """A copy of the database that lacks its last seconds is promoted: a file that it knew nothing of stays behind."""
    last = desk.make("connue")
    Storage(desk.root, desk.engine).mark()
    stray = desk.path(last).with_name("liste-P-13900-20261125-093001.csv")
    stray.write_text("Nom;Prénoms\n")
    (desk.root / SENTINEL).unlink()
    named = desk.run("verify", "--restored")
    assert (named.code, f"13900/{stray.name} : inconnu de la base" in named.out) == (1, True)
    after = desk.make("après")
    assert after > last + (SKIPPED_IDS if desk.engine.dialect.name == "postgresql" else 0)
    kept = desk.run("verify", "--remove-unknown", typed="n\n")
    assert (kept.code, stray.exists()) == (130, True)
    removed = desk.run("verify", "--remove-unknown", typed="o\n")
    assert (removed.code, stray.exists()) == (0, False)
    assert [(it.action, it.detail) for it in desk.audit()][-1] == (
        "file_purged",
        f"{stray.name}, inconnu de la base",
    )


def test_check_does_not_call_a_full_volume_well(
    desk: FilesDesk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PREFECTURE_EXPORTS_DIR", str(tmp_path / "small"))
    with small_disk(tmp_path / "small", "1m") as disk:
        assert desk.run("verify", "--accept-volume").code == 0
        assert "OK     Volume des exports" in desk.run("check").out
        disk.fill()
        assert re.search(
            r"small est presque plein \(0.octets libres sur 1,0.Mo\)", desk.run("check").out
        )


def test_what_a_dead_worker_left_of_a_cancelled_row_goes_after_an_hour(desk: FilesDesk) -> None:
    """It stayed, with all its electors, until a worker was restarted; and so did the mark of the next start."""
    kept = desk.path(desk.make("gardee"))
    stale, fresh = (kept.with_name(f".{name}.csv.mort.part") for name in ("annulee", "en-cours"))
    mark = desk.root / f".{SENTINEL}.mort.part"
    for path, age in ((stale, 2 * HOUR), (mark, 2 * HOUR), (fresh, HOUR / 2)):
        path.write_text("Nom;Prénoms\n")
        os.utime(path, (time.time() - age,) * 2)
    assert list(remove_temporaries(desk.storage)) == [2]
    assert desk.files() == sorted([fresh.name, kept.name])
    assert not mark.exists()


@pytest.mark.slow
def test_old_files_and_their_reports_leave_and_their_rows_stay(desk: FilesDesk) -> None:
    old, recent = (
        desk.make("ancienne", days=30.01, has_report=True),
        desk.make("récente", days=29.98),
    )

    done = desk.run("purge")

    assert done.code == ExitCode.DONE
    assert done.out == "1 export purgé (2 fichiers effacés, 45\u00a0octets) : plus de 30 jours.\n"
    assert desk.files() == [desk.path(recent).name]
    row = desk.export(old)
    assert (row.status, row.electeurs, row.sha256 is not None) == ("ready", 327, True)
    assert row.purged_at is not None
    assert desk.export(recent).purged_at is None
    (line,) = desk.audit()
    assert (line.action, line.actor, line.code_commune, line.export_id, line.detail) == (
        *(Action.FILE_PURGED, getpass.getuser(), "13900", old),
        "liste-P-ancienne.csv",
    )
    assert desk.run("purge").out.startswith("0 export purgé (0 fichier effacé")
    with State(desk.engine.url.render_as_string(hide_password=False)) as state:
        assert {export.export_id: export.is_available for export in state.latest()[0]} == {
            old: False,
            recent: True,
        }


@pytest.mark.slow
def test_the_delay_is_a_setting_or_an_option(
    desk: FilesDesk, monkeypatch: pytest.MonkeyPatch
) -> None:
    for days in (3, 10, 40):
        desk.make(f"de {days} jours", days=days)
    monkeypatch.setenv("PREFECTURE_RETENTION_DAYS", "7")
    assert desk.run("purge", "--json").document["purged"]["exports"] == 2
    assert desk.run("purge", "--older-than", "2", "--json").document["purged"]["exports"] == 1
    desk.make("d'aujourd'hui")
    for delay in ("1", "999999999999"):
        assert desk.run("purge", "--older-than", delay, "--json").document["purged"]["exports"] == 0
    assert (
        desk.run("purge", "--older-than", "0", "--yes", "--json").document["purged"]["exports"] == 1
    )


def test_for_ever_means_for_ever(desk: FilesDesk, monkeypatch: pytest.MonkeyPatch) -> None:
    export_id = desk.make(days=10_000)
    monkeypatch.setenv("PREFECTURE_RETENTION_DAYS", "0")
    refused = desk.run("purge")
    assert (refused.code, desk.path(export_id).exists()) == (ExitCode.USAGE, True)
    assert refused.err.startswith(
        "Erreur : PREFECTURE_RETENTION_DAYS vaut 0, rien n'est purgé : donnez --older-than"
    )
    for wrong in ("-1", "trente", "1.5"):
        assert desk.run("purge", "--older-than", wrong).code == ExitCode.USAGE


def test_files_wait_until_somebody_was_told_of_them(desk: FilesDesk) -> None:
    export_id = desk.make(days=31, told=False)
    assert (
        "Plus anciens, mais gardés tant que personne n'en est prévenu : 1 export."
        in desk.run("purge").out
    )
    assert desk.path(export_id).exists()
    desk.change(Request, notified_at=utc_now())
    assert desk.run("purge").out.startswith("1 export purgé")
    assert not desk.path(export_id).exists()


def test_what_is_removed_is_gone_for_good(desk: FilesDesk, monkeypatch: pytest.MonkeyPatch) -> None:
    """Even after a power cut: the purge syncs the folder after the removal of its files."""
    left: list[list[str]] = []
    sync = os.fsync

    def note(descriptor: int) -> None:
        sync(descriptor)
        left.append(desk.files())

    desk.make(days=31, has_report=True)
    monkeypatch.setattr(os, "fsync", note)
    desk.run("purge")
    assert left == [[]]


def test_a_file_that_is_already_missing_is_no_error(desk: FilesDesk) -> None:
    export_id = desk.make(days=31)
    desk.path(export_id).unlink()
    done = desk.run("purge")
    assert done.code == ExitCode.DONE
    assert "Fichier déjà absent du volume : 1 export." in done.out
    assert desk.export(export_id).purged_at is not None
    assert [line.detail for line in desk.audit()] == ["liste-P-demande.csv : déjà absent"]


@pytest.mark.slow
@pytest.mark.parametrize("removed", [0, 1, 2])
def test_killed_at_any_point_the_next_purge_finishes(
    desk: FilesDesk, monkeypatch: pytest.MonkeyPatch, removed: int
) -> None:
    ids = [desk.make(f"demande-{number}", days=31, has_report=True) for number in range(3)]
    with monkeypatch.context() as patch:
        _kill_after(removed, patch)
        with pytest.raises(Killed):
            desk.run("purge")
    assert desk.files() != []
    assert [desk.export(export_id).purged_at for export_id in ids] == [None] * 3

    assert desk.run("purge").code == ExitCode.DONE
    assert all(desk.export(export_id).purged_at for export_id in ids)
    assert desk.files() == []
    assert sorted(line.export_id or 0 for line in desk.audit()) == ids


@pytest.mark.slow
def test_a_file_that_is_made_again_meanwhile_is_not_removed(desk: FilesDesk) -> None:
    ids = [desk.make(f"demande-{number}", days=31) for number in range(22)]
    steps = purge_files(desk.engine, desk.storage, days=30, actor="test")
    assert next(steps).exports == 20
    _change(desk, ids[20], status=ExportStatus.QUEUED)
    _change(desk, ids[21], finished_at=utc_now())
    assert next(steps).exports == 0
    assert [desk.path(export_id).exists() for export_id in ids[20:]] == [True, True]


def test_an_absent_volume_is_not_taken_for_an_empty_one(desk: FilesDesk) -> None:
    export_id = desk.make(days=31)
    elsewhere = desk.root.rename(desk.root.with_name("elsewhere"))
    for root_is_there in (False, True):
        if root_is_there:
            desk.root.mkdir()
        for command in ("verify", "purge"):
            away = desk.run(command)
            assert (away.code, away.out) == (ExitCode.AWAY, "")
            assert away.err.startswith("Erreur : Volume des exports vide ou absent")
        assert desk.export(export_id).purged_at is None
    desk.root.rmdir()
    elsewhere.rename(desk.root)
    assert desk.run("purge").code == ExitCode.DONE
    assert (desk.files(), len(desk.audit())) == ([], 1)


@pytest.mark.slow
def test_a_file_that_the_system_keeps_stops_no_other_and_is_tried_again(desk: FilesDesk) -> None:
    stuck, other = desk.make("tenace", days=32), desk.make("autre", days=31)
    path = desk.path(stuck)
    path.unlink()
    path.mkdir()  # a directory, which cannot be unlinked

    failed = desk.run("purge")
    assert failed.code == ExitCode.FAILED
    assert (
        "Échec : le volume refuse d'effacer les fichiers de 1 export ; voyez le journal."
        in failed.err
    )
    assert f'"export_id": {stuck}' in failed.err
    assert [line.export_id for line in desk.audit()] == [other]
    assert desk.export(stuck).purged_at is None

    path.rmdir()
    assert desk.run("purge").code == ExitCode.DONE
    assert [line.export_id for line in desk.audit()] == [other, stuck]


def test_a_dry_run_says_what_would_be_done_and_does_nothing(desk: FilesDesk) -> None:
    export_id = desk.make("ancienne", days=31, has_report=True)
    directory = desk.path(export_id).parent
    _write(directory / "copie de Mme Lefèvre.csv", days=2)
    _write(directory / "liste-P-inconnue.csv", days=0)
    _write(directory / ".liste-P-ancienne.csv.owner.part", days=2)
    before = desk.files()

    said = desk.run("purge", "--dry-run")
    assert said.code == ExitCode.DONE
    assert said.out == (
        "Seraient purgés : 1 export (45\u00a0octets) de plus de 30 jours.\n"
        "Inconnu de la base, à effacer à la main s'il ne sert pas : 13900/copie de Mme Lefèvre.csv\n"
    )
    assert (desk.files(), desk.audit(), desk.export(export_id).purged_at) == (before, [], None)

    done = desk.run("purge", "--json").document
    assert done["unknown"] == ["13900/copie de Mme Lefèvre.csv"]
    assert desk.files() == [
        name for name in before if "ancienne" not in name or name.startswith(".")
    ]


def _kill_after(number: int, patch: pytest.MonkeyPatch) -> None:
    """Make the purge die after it has removed the files of this many exports."""
    real, done = Storage.remove, list[str]()

    def remove(storage: Storage, code_commune: str, names: Sequence[str]) -> list[int]:
        if len(done) == number:
            raise Killed
        done.append(names[0])
        return real(storage, code_commune, names)

    patch.setattr(Storage, "remove", remove)


def _write(path: Path, *, days: float) -> None:
    path.write_bytes(b"anything")
    instant = path.stat().st_mtime - days * DAY
    os.utime(path, (instant, instant))


def _purge(desk: FilesDesk, seconds: float) -> Chore:
    return Chore("purge", lambda: purge(desk.engine, desk.storage, 30), seconds)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("retention", "left"), [("30", ["récente"]), ("0", ["ancienne", "récente"])]
)
def test_the_notifier_of_an_installation_purges(
    desk: FilesDesk,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    retention: str,
    left: list[str],
) -> None:
    desk.make("ancienne", days=31)
    desk.make("récente", days=29)
    monkeypatch.setenv("PREFECTURE_RETENTION_DAYS", retention)
    settings = load_settings(home=tmp_path)
    work(
        build_notifier(
            settings, desk.engine, tokens=TokenQueues(StubBroker(middleware=[])), publish=None
        )
    )
    assert desk.files() == [f"liste-P-{name}.csv" for name in left]
    assert {line.actor for line in desk.audit()} <= {NOTIFIER}


@pytest.mark.slow
def test_who_waits_for_a_mail_gets_it_while_a_purge_lasts(
    desk: FilesDesk, mailbox: Mailbox
) -> None:
    begun, mail_seen = Event(), Event()

    def purge() -> Iterator[int]:
        begun.set()
        mail_seen.wait(60)
        yield 1

    with running(desk.notifier(smtp(mailbox), purge=Chore("purge", purge, 3600))):
        assert begun.wait(60)
        desk.make("nouvelle", told=False)
        mailbox.wait_for(1)
        mail_seen.set()


@pytest.mark.slow
def test_a_purge_goes_on_a_few_files_at_a_time_and_ends(desk: FilesDesk, mailbox: Mailbox) -> None:
    for number in range(45):
        desk.make(f"ancienne-{number}", days=31)
    notifier = desk.notifier(smtp(mailbox), purge=_purge(desk, 3600))
    work(notifier)
    assert len(desk.files()) == 25
    with running(notifier):
        wait_until(lambda: not desk.files(), message="the end of the purge")


def test_a_volume_that_is_away_keeps_nobody_from_being_told(
    desk: FilesDesk, mailbox: Mailbox
) -> None:
    old = desk.make("ancienne", days=31)
    elsewhere = desk.root.rename(desk.root.with_name("elsewhere"))
    desk.ask("P.csv=failed", event_id="à annoncer")
    notifier = desk.notifier(smtp(mailbox), purge=_purge(desk, 0))
    with capture_logs() as logs:
        assert work(notifier) == 1
        work(notifier)
    mailbox.wait_for(1)
    assert [line["what"] for line in logs if line["event"] == "outage"] == ["purge"]
    assert desk.export(old).purged_at is None

    elsewhere.rename(desk.root)
    with capture_logs() as logs:
        work(notifier)
    assert [it["event"] for it in logs if it["event"] != "audit"] == ["chore_step", "outage_over"]
    assert desk.files() == []


def test_a_refusal_that_a_mail_of_the_day_will_tell_is_kept(
    desk: FilesDesk, mailbox: Mailbox
) -> None:
    desk.add_agent("adjoint", "adjoint@libreville.example", kinds="echec,resume")
    _refuse(desk, "refused", "big")
    work(desk.notifier(smtp(mailbox), lambda _event: None))
    assert [it.kind for it in desk.works()] == [WorkKind.SUMMARY]
    assert purge_refused(desk.engine, most=0) == 0


@pytest.mark.slow
@pytest.mark.parametrize(
    ("bounds", "left"),
    [
        ({"most": 3}, {"big-4", "big-5", "clerk-0", "clerk-1"}),
        ({"most_bytes": 2500}, {"big-5", "clerk-0", "clerk-1"}),
        ({"days": -1}, set()),
    ],
)
def test_what_is_refused_of_one_account_is_bounded_and_takes_no_room_of_another(
    desk: FilesDesk, mailbox: Mailbox, bounds: dict[str, int], left: set[str]
) -> None:
    for account, number in (("big", 6), ("clerk", 2)):
        for index in range(number):
            _refuse(desk, f"{account}-{index}", account)
    assert purge_refused(desk.engine, most=0) == 0, "no recipient was notified yet"
    notifier = desk.notifier(smtp(mailbox), lambda _event: None)
    assert work(notifier) == 8
    desk.ask("P.csv", event_id="served", sender="big")
    _refuse(desk, "untold", "big")
    removed = purge_refused(desk.engine, **bounds)
    with desk.engine.connect() as connection:
        answers = connection.scalar(select(func.count()).select_from(Answer))
        names = set(connection.scalars(select(Request.event_id)))
        sendings = connection.scalar(select(func.count()).select_from(Notification))
    assert names == left | {"served", "untold"}, (
        "a request without a notification counts, and stays"
    )
    assert sendings == 8 - removed
    assert answers == 8 - removed, "an event in the feed is of a request that is known"


def _refuse(desk: FilesDesk, event_id: str, account: str) -> None:
    reason = "Type de demande inconnu. " * 40
    desk.ask(
        event_id=event_id,
        outcome=RequestOutcome.REFUSED,
        code="type_inconnu",
        reason=reason,
        sender=account,
    )
