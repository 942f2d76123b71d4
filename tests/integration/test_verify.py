"""`python -m worker verify`: a file that differs from the recorded one is found and reported."""

import json
import os
import re
import time
from collections.abc import Callable
from contextlib import redirect_stdout
from io import StringIO
from pathlib import Path

import pytest
from sqlalchemy import update

from common.cli import ExitCode
from tests.integration.files_desk import DAY, FilesDesk
from tests.integration.notifier_desk import TEMPLATE
from tests.parts.disk import small_disk
from worker.audit import Action
from worker.cli.main import main
from worker.db.types import utc_now
from worker.exports.integrity import FileFault, VerifyScope, verify_files
from worker.exports.models import Export
from worker.exports.storage import SENTINEL, Storage
from worker.housekeeping.housekeeping import remove_temporaries

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


def _remove(path: Path) -> None:
    path.unlink()


def _cut(path: Path) -> None:
    os.truncate(path, path.stat().st_size - 1)


def _flip(path: Path) -> None:
    content = path.read_bytes()
    path.write_bytes(content[:-2] + bytes([content[-2] ^ 1]) + content[-1:])


def _link(path: Path) -> None:
    path.symlink_to(path.rename(path.with_name("elsewhere")).name)


def _replace_by_a_pipe(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


def _show_to_everybody(path: Path) -> None:
    path.chmod(0o644)


def _open_the_directory(path: Path) -> None:
    path.parent.chmod(0o755)


DAMAGES: list[tuple[Callable[[Path], None], FileFault, str]] = [
    (_remove, FileFault.MISSING, "absent du volume"),
    (_cut, FileFault.TRUNCATED, "tronqué"),
    (_flip, FileFault.ALTERED, "altéré : son empreinte n'est plus la bonne"),
    (_link, FileFault.UNREADABLE, "illisible"),
    (_replace_by_a_pipe, FileFault.ALTERED, "altéré : son empreinte n'est plus la bonne"),
    (_show_to_everybody, FileFault.PERMISSIONS, "droits à rétablir : 640 pour le fichier, 2750 pour son dossier"),
    (_open_the_directory, FileFault.PERMISSIONS, "droits à rétablir : 640 pour le fichier, 2750 pour son dossier"),
]


@pytest.mark.parametrize(("damage", "fault", "label"), DAMAGES, ids=[it[0].__name__ for it in DAMAGES])
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
    assert (line["level"], line["event"], line["export_id"]) == ("error", "file_found_wrong", export_id)
    assert NAME not in said.err
    assert desk.export(export_id).verified_at is None
    (noted,) = desk.audit()
    assert (noted.action, noted.export_id, noted.detail) == (Action.FILE_FOUND_WRONG, export_id, f"{NAME} : {label}")

    wrong = desk.run("verify", "--json").document["wrong"]
    request = {"source": "/mairie/13900", "event_id": "demande"}
    assert wrong == [request | {"export_id": export_id, "path": f"13900/{NAME}", "fault": fault}]


def test_a_damaged_report_is_found_beside_its_intact_file(desk: FilesDesk) -> None:
    export_id = desk.make(has_report=True)
    _flip(desk.path(export_id).with_name(REPORT))
    document = desk.run("verify", "--json").document
    (wrong,) = document["wrong"]
    assert (wrong["export_id"], wrong["path"], wrong["fault"]) == (export_id, f"13900/{REPORT}", "altered")
    assert (document["exports"], document["files"]) == (1, 2)


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
    stranger, newcomer = (desk.path(kept).with_name(name) for name in ("vieux.csv", "récent.csv"))
    for path in (stranger, newcomer):
        path.write_bytes(b"anything")
    instant = stranger.stat().st_mtime - 2 * DAY
    os.utime(stranger, (instant, instant))

    said = desk.run("verify")
    assert said.code == ExitCode.FAILED
    assert said.out.splitlines() == [
        f"13900/{report.name} : purgé, et revenu (export {gone}), « python -m worker purge » l'efface",
        "13900/vieux.csv : inconnu de la base, à effacer à la main s'il ne sert pas",
        "1 export vérifié (1 fichier) : tous intacts.",
    ]
    document = desk.run("verify", "--json").document
    assert (document["unknown"], document["came_back"]) == (["13900/vieux.csv"], [f"13900/{report.name}"])


def test_an_absent_volume_is_said_as_such(desk: FilesDesk) -> None:
    desk.make()
    desk.root.rename(desk.root.with_name("elsewhere"))
    away = desk.run("verify")
    assert away.code == ExitCode.AWAY
    assert away.err.startswith("Erreur : Volume des exports vide ou absent")
    assert desk.audit() == []


def test_a_file_that_is_purged_or_made_again_meanwhile_is_not_called_wrong(desk: FilesDesk) -> None:
    purged, remade = desk.make("purgée"), desk.make("refaite")
    paths = [desk.path(export_id) for export_id in (purged, remade)]
    _flip(paths[0])
    _flip(paths[1])

    def meanwhile(_count: int) -> None:
        _change(desk, purged, purged_at=utc_now())
        _change(desk, remade, finished_at=utc_now(1))

    found = list(verify_files(desk.engine, desk.storage, VerifyScope(), actor="test", read=meanwhile))
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
    assert (refused.code, refused.err) == (
        3,
        "Erreur : Volume des exports absent, ou un autre à sa place : prévenez l'exploitant.\n",
    )
    assert "n'est pas le volume de cette installation" in _diagnose()
    assert desk.run("purge", "--older-than", "0", "--yes").code == 3
    assert desk.run("verify", "--accept-volume").code == 0
    assert desk.run("verify").code == 0
    assert "n'est pas le volume" not in _diagnose()


def test_diagnose_does_not_call_a_full_volume_well(
    desk: FilesDesk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PREFECTURE_EXPORTS_DIR", str(tmp_path / "small"))
    with small_disk(tmp_path / "small", "1m") as disk:
        assert desk.run("verify", "--accept-volume").code == 0
        assert "OK     Volume des exports" in _diagnose()
        disk.fill()
        assert re.search(r"small est presque plein \(0.octets libres sur 1,0.Mo\)", _diagnose())


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


def _diagnose() -> str:
    with redirect_stdout(StringIO()) as out:
        main(["diagnose"])
    return out.getvalue()
