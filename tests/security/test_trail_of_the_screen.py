"""An agent, or an attacker with their session, who would take a file or search a name without an audit line."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from producers.web.exports.stored_file import Delivery, Download
from schemas.vocabulary import Action, Liste
from tests.integration.export_desk import COMMUNE
from tests.parts.wait import wait_until
from tests.web.files_desk import FilesScreen, words
from worker.audit import record_audit
from worker.cli.main import main

CM = Liste.COMPLEMENTAIRE_MUNICIPALE


def _trail(files: FilesScreen) -> list[tuple[str, int | None, str]]:
    services = files.client.app.state.services  # type: ignore[attr-defined]
    wait_until(lambda: not services.spool.waiting(), message="an empty spool")
    files.work()
    return [(line.action, line.export_id, line.detail) for line in files.desk.audit()]


@pytest.mark.parametrize("name", ["fichier", "rapport"])
def test_to_take_a_file_and_leave_no_line(
    files: FilesScreen, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """The end of the download is not declared, since the connection was cut."""
    made = files.make()
    monkeypatch.setattr(Download, "_note_end", lambda _download, delivery: delivery.close())
    page = {"piece": name} if name == "rapport" else {}
    assert files.get("piece" if page else name, export=made["export_id"], **page).status_code == 200
    piece = made["file_name"] if name == "fichier" else f"{made['file_name']} (rapport)"
    assert _trail(files) == [("download_begun", made["export_id"], piece)]
    assert files.desk.row(made["export_id"])["downloaded_at"] is None
    assert "Téléchargement commencé" in files.read("journal", "cherche=téléchargement commencé")


def test_to_take_a_dossier_and_leave_no_line(
    files: FilesScreen, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = files.make(CM)
    monkeypatch.setattr(Download, "_note_end", lambda _download, delivery: delivery.close())
    assert files.get("dossier_zip", f"CM={made['export_id']}").status_code == 200
    assert _trail(files) == [
        ("download_begun", made["export_id"], f"{made['file_name']} (dossier)")
    ]


def test_the_line_is_on_the_disk_before_the_first_byte(
    files: FilesScreen, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = files.make(CM)
    files.broker.is_away = True
    spool = files.client.app.state.services.spool  # type: ignore[attr-defined]
    seen: list[int] = []
    give = Delivery.__iter__

    def noting(delivery: Delivery) -> Iterator[bytes]:
        seen.append(len(spool.waiting()))
        yield from give(delivery)

    monkeypatch.setattr(Delivery, "__iter__", noting)
    assert files.get("fichier", export=made["export_id"]).status_code == 200
    assert seen == [1]
    files.broker.is_away = False
    assert [action for action, *_ in _trail(files)] == ["download_begun", "file_downloaded"]


def test_to_take_a_file_while_nothing_can_be_written_down(
    files: FilesScreen, tmp_path: Path
) -> None:
    """The disk is full and the broker away: the screen refuses the file rather than send it without a line."""
    made = files.make(CM)
    files.broker.is_away = True
    services = files.client.app.state.services  # type: ignore[attr-defined]
    services.spool._directory = tmp_path / "file" / "spool"  # noqa: SLF001 — a place that is none
    (tmp_path / "file").touch()
    refused = files.get("fichier", export=made["export_id"])
    assert refused.status_code == 503
    assert "ne peut pas être noté" in words(refused)
    refused = files.get("dossier_zip", f"CM={made['export_id']}")
    assert refused.status_code == 503
    assert "rien ne peut être noté en ce moment" in words(refused)
    for _ in range(2):  # nor is a page that names electors shown
        refused = files.get("anomalies", export=made["export_id"])
        assert (refused.status_code, "rien ne peut être noté en ce moment" in words(refused)) == (
            503,
            True,
        )
    files.broker.is_away = False
    assert files.get("fichier", export=made["export_id"]).status_code == 200, (
        "the broker takes what the disk does not"
    )


def test_to_look_for_a_name_and_leave_no_line(files: FilesScreen) -> None:
    made = files.make()
    number = made["export_id"]
    shown = files.get("anomalies", export=number)
    assert shown.status_code == 200
    files.post("anomalies", {"nom": "INVENTE-RECHERCHE"}, export=number)
    found = files.post("anomalies", {"nom": "a"}, export=number)
    assert found.status_code == 200
    for _ in range(2):  # what the script of the page reads again is not counted again
        files.client.get(
            files.path("anomalies", export=number),
            headers={"HX-Request": "true"},
            params={"page": "1"},
        )
    trail = _trail(files)
    assert [action for action, *_ in trail] == ["electeurs_seen"] * 3, (
        "a search without a result records no line"
    )
    said = [detail.partition(" :")[0] for _, _, detail in trail]
    assert said == ["anomalies", "recherche dans les anomalies", "anomalies"]
    assert all(made["file_name"] in detail and export == number for _, export, detail in trail)
    assert "RECHERCHE" not in str(trail)


def test_to_write_to_the_terminal_of_the_operator_and_to_the_page(
    files: FilesScreen, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """What moves the cursor or turns the direction of writing is in the table, and is not shown."""
    about = {"code_commune": COMMUNE, "export_id": files.make(CM)["export_id"]}
    with files.desk.engine.begin() as connection:
        detail = "avant\x1b[31m\x9b2J\u202eapr\u00e8s"
        record_audit(connection, Action.FILE_PURGED, actor="\x1bmairie", detail=detail, **about)
    monkeypatch.setenv(
        "PREFECTURE_DATABASE_URL", files.desk.engine.url.render_as_string(hide_password=False)
    )
    capsys.readouterr()
    assert main(["audit"]) == 0
    for shown in (capsys.readouterr().out, files.read("journal")):
        assert "avant[31m2Japr\u00e8s" in shown
        assert "\x1b" not in shown
