"""`python -m worker purge`: old files are deleted from the volume, their rows stay, whatever fails in between."""

import getpass
import os
from collections.abc import Sequence
from pathlib import Path

import pytest
from sqlalchemy import update

from common.cli import ExitCode
from producers.state import State
from schemas.vocabulary import ExportStatus
from tests.integration.files_desk import DAY, FilesDesk
from tests.integration.notifier_desk import TEMPLATE, Killed
from worker.audit import Action
from worker.db.types import utc_now
from worker.exports.models import Export, Request
from worker.exports.purge import purge_files
from worker.exports.storage import Storage

pytestmark = [pytest.mark.database(TEMPLATE), pytest.mark.desk(opened_by=FilesDesk.open)]


@pytest.mark.slow
def test_old_files_and_their_reports_leave_and_their_rows_stay(desk: FilesDesk) -> None:
    old, recent = desk.make("ancienne", days=30.01, has_report=True), desk.make("récente", days=29.98)

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
        assert {export.export_id: export.is_available for export in state.latest()} == {old: False, recent: True}


@pytest.mark.slow
def test_the_delay_is_a_setting_or_an_option(desk: FilesDesk, monkeypatch: pytest.MonkeyPatch) -> None:
    for days in (3, 10, 40):
        desk.make(f"de {days} jours", days=days)
    monkeypatch.setenv("PREFECTURE_RETENTION_DAYS", "7")
    assert desk.run("purge", "--json").document["purged"]["exports"] == 2
    assert desk.run("purge", "--older-than", "2", "--json").document["purged"]["exports"] == 1
    desk.make("d'aujourd'hui")
    for delay in ("1", "999999999999"):
        assert desk.run("purge", "--older-than", delay, "--json").document["purged"]["exports"] == 0
    assert desk.run("purge", "--older-than", "0", "--yes", "--json").document["purged"]["exports"] == 1


def test_for_ever_means_for_ever(desk: FilesDesk, monkeypatch: pytest.MonkeyPatch) -> None:
    export_id = desk.make(days=10_000)
    monkeypatch.setenv("PREFECTURE_RETENTION_DAYS", "0")
    refused = desk.run("purge")
    assert (refused.code, desk.path(export_id).exists()) == (ExitCode.USAGE, True)
    assert refused.err.startswith("Erreur : PREFECTURE_RETENTION_DAYS vaut 0, rien n'est purgé : donnez --older-than")
    for wrong in ("-1", "trente", "1.5"):
        assert desk.run("purge", "--older-than", wrong).code == ExitCode.USAGE


def test_files_wait_until_somebody_was_told_of_them(desk: FilesDesk) -> None:
    export_id = desk.make(days=31, told=False)
    assert "Plus anciens, mais gardés tant que personne n'en est prévenu : 1 export." in desk.run("purge").out
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
        away = desk.run("purge")
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
    assert "Échec : le volume refuse d'effacer les fichiers de 1 export ; voyez le journal." in failed.err
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
    assert desk.files() == [name for name in before if "ancienne" not in name or name.startswith(".")]


def _kill_after(number: int, patch: pytest.MonkeyPatch) -> None:
    """Make the purge die after it has removed the files of this many exports."""
    real, done = Storage.remove, list[str]()

    def remove(storage: Storage, code_commune: str, names: Sequence[str]) -> list[int]:
        if len(done) == number:
            raise Killed
        done.append(names[0])
        return real(storage, code_commune, names)

    patch.setattr(Storage, "remove", remove)


def _change(desk: FilesDesk, export_id: int, **values: object) -> None:
    with desk.engine.begin() as connection:
        connection.execute(update(Export).where(Export.id == export_id).values(**values))


def _write(path: Path, *, days: float) -> None:
    path.write_bytes(b"anything")
    instant = path.stat().st_mtime - days * DAY
    os.utime(path, (instant, instant))
