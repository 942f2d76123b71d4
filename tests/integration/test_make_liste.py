"""One row becomes one file, recorded as it is on the disk; a file with blocking anomalies is not published."""

import csv
import io
import os
import re
import stat
from datetime import date, datetime
from itertools import product
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import RowMapping

from common.calendrier import civil_day, is_mineur
from schemas.profiles.platform import SHIPPED
from schemas.topology import QUEUE_LISTES
from schemas.vocabulary import Format, Liste
from tests.integration.export_desk import COMMUNE, Desk, before_writing, decoded, replace_writer
from tests.parts.town import LIBREVILLE_TEMPLATE
from tests.unit.reu_sample import COMMUNE as CODE
from tests.unit.reu_sample import electeurs, write_reu
from worker.exports.storage import Storage
from worker.handlers.making import make_liste
from worker.registre.imports.history import undo_import
from worker.registre.reu.importer import Intake, import_file
from worker.writers.electeurs_file import LISTE_FORMATS
from worker.writers.precheck import Census

pytestmark = [pytest.mark.database(LIBREVILLE_TEMPLATE), pytest.mark.desk(opened_by=Desk.open)]

FORMULAS = ("=cmd|' /C calc'!A0", "+33 6 39 98 00 00", "@SOMME(A1)", "-2+3", "\t=1+1", "\r=1+1")
STRICT_SEXE = """<xs:element name="Sexe"><xs:simpleType><xs:restriction base="xs:string">
  <xs:pattern value="[MF]"/></xs:restriction></xs:simpleType></xs:element>"""


@pytest.mark.parametrize(
    ("code", "asked_at", "born", "is_elector"),
    [
        (COMMUNE, "2026-11-26T04:00:00Z", "2008-11-26", True),
        (
            "98735",
            "2026-11-26T04:00:00Z",
            "2008-11-26",
            False,
        ),  # 18 in Paris, 17 in Papeete, on the 25th
        ("98735", "2026-11-26T10:00:00Z", "2008-11-26", True),
        (
            "98818",
            "2026-11-25T20:00:00Z",
            "2008-11-26",
            True,
        ),  # 17 in Paris, 18 in Nouméa, on the 26th
        ("98818", "2026-11-25T12:59:59Z", "2008-11-26", False),
    ],
)
def test_age_and_date_of_the_list_are_of_the_civil_day_of_the_commune(
    desk: Desk, code: str, asked_at: str, born: str, *, is_elector: bool
) -> None:
    for table in ("liste", "electeur"):
        desk.run(f"UPDATE {table} SET code_commune = :code", code=code)  # noqa: S608 — our own names
    young = "nom_naissance = 'FÉVEROLE', date_naissance = :born"
    one = "SELECT min(id) FROM electeur WHERE liste = 'P'"
    desk.run(f"UPDATE electeur SET {young} WHERE id = ({one})", born=born)  # noqa: S608 — our own words
    instant = datetime.fromisoformat(asked_at)
    (export_id,) = desk.ask_all([(Liste.PRINCIPALE, Format.CSV)], instant, code)
    row = desk.process(export_id)
    assert row["status"] == "ready", row["error_message"]
    lines = [line.split(";") for line in desk.read(row).decode().splitlines()[1:]]
    day = civil_day(instant, code)
    assert (any("FÉVEROLE" in line for line in lines), is_mineur(born, day)) == (
        is_elector,
        not is_elector,
    )
    assert {line[2] for line in lines} == {f"{day:%d/%m/%Y}"}
    assert f" du {day:%d/%m/%Y} " in row["label"]


def test_files_are_for_the_group_and_nobody_else(desk: Desk) -> None:
    before = os.umask(0)
    try:
        row = desk.process(desk.ask())
    finally:
        os.umask(before)
    folder = desk.root / COMMUNE
    modes = {path: stat.S_IMODE(path.stat().st_mode) for path in (folder, *folder.iterdir())}
    assert modes == {
        folder: 0o2750,
        folder / row["file_name"]: 0o640,
        folder / row["report_name"]: 0o640,
    }


@pytest.mark.slow
def test_every_byte_then_every_name_is_on_the_disk_before_the_row_is_ready(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    done: list[tuple[str, str]] = []
    sync, rename = os.fsync, os.rename

    def note_sync(descriptor: int) -> None:
        sync(descriptor)
        done.append(("sync", Path(f"/proc/self/fd/{descriptor}").readlink().name))

    def note_rename(source: Path, target: Path, **folders: Any) -> None:  # noqa: ANN401 — as os.rename
        rename(source, target, **folders)
        done.append(("rename", Path(target).name))

    monkeypatch.setattr(os, "fsync", note_sync)
    monkeypatch.setattr(os, "rename", note_rename)
    row = desk.process(desk.ask())
    hidden = {name for action, name in done if action == "sync" and name.endswith(".part")}
    assert len(hidden) == 2
    assert done.index(("sync", desk.root.name)) < done.index(("rename", row["file_name"])), (
        "the commune's own folder"
    )
    for name in (row["file_name"], row["report_name"]):
        (part,) = (it for it in hidden if it.startswith(f".{name}."))
        assert done.index(("sync", part)) < done.index(("rename", name))
    assert done[-1] == ("sync", COMMUNE)


def test_an_elector_changed_meanwhile_is_written_as_she_was(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = desk.process(desk.ask())
    before_writing(monkeypatch, lambda: desk.run("UPDATE electeur SET nom_naissance = 'AUTREMENT'"))
    meanwhile = desk.process(desk.ask())
    assert (meanwhile["status"], meanwhile["sha256"]) == ("ready", before["sha256"])
    assert b"AUTREMENT" in desk.read(desk.process(desk.ask()))


def test_no_cell_of_the_report_can_become_a_formula(desk: Desk) -> None:
    for numero, formula in enumerate(FORMULAS, 5):
        desk.run(
            "UPDATE electeur SET nom_naissance = :nom, prenoms = :nom, date_naissance = :nom, sexe = ''"
            " WHERE liste = 'CM' AND id = (SELECT min(id) + :numero FROM electeur WHERE liste = 'CM')",
            nom=formula,
            numero=numero,
        )
    row = desk.process(desk.ask(Liste.COMPLEMENTAIRE_MUNICIPALE))
    report = (desk.root / COMMUNE / row["report_name"]).read_bytes().decode("utf-8-sig")
    cells = [
        cell for line in csv.reader(io.StringIO(report, newline=""), delimiter=";") for cell in line
    ]
    assert {f"'{formula.strip()}" for formula in FORMULAS} <= set(cells)
    assert [cell for cell in cells if cell.startswith(("=", "+", "-", "@", "\t", "\r", "\n"))] == []


def test_a_token_too_many_does_nothing(desk: Desk) -> None:
    row = desk.process(desk.ask())
    path = desk.root / COMMUNE / row["file_name"]
    before = path.stat()
    desk.take_token(QUEUE_LISTES)
    assert desk.row(row["export_id"]) == row
    assert (path.stat().st_ino, path.stat().st_mtime_ns) == (before.st_ino, before.st_mtime_ns)


@pytest.mark.parametrize("format_", Format)
def test_a_missing_line_fails_the_export(
    desk: Desk, monkeypatch: pytest.MonkeyPatch, format_: Format
) -> None:
    def count_one_more(*arguments: object) -> Census:
        census = take_census(*arguments)  # type: ignore[arg-type]
        census.electeurs += 1
        return census

    take_census = make_liste.take_census  # type: ignore[attr-defined]
    monkeypatch.setattr(make_liste, "take_census", count_one_more)
    row = desk.process(desk.ask(format_=format_))
    assert (row["status"], row["error_code"]) == ("failed", "compte_faux")
    assert row["error_message"] == "327 lignes écrites pour 328 électeurs comptés."
    assert (row["sha256"], row["report_name"]) == (None, None)
    assert desk.files() == []


@pytest.mark.slow
@pytest.mark.parametrize(("written", "read"), [("A ; B", "A , B"), ('A "B"', "A 'B'")])
def test_a_separator_in_a_value_becomes_what_looks_like_it(
    desk: Desk, written: str, read: str
) -> None:
    desk.run(
        "DELETE FROM electeur WHERE facts <> 0"
    )  # an elector with an anomaly is looked at anyway
    desk.run("UPDATE electeur SET complement1 = :written", written=written)
    row = desk.process(desk.ask())
    assert row["status"] == "ready"
    assert {line.count(";") for line in desk.read(row).decode().splitlines()} == {28}
    assert f";{read};".encode() in desk.read(row)


def test_a_separator_that_nobody_announced_stops_the_file(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An unexpected separator or quote would shift the columns of a line: the file fails."""
    write: Any = LISTE_FORMATS[Format.CSV].write
    replace_writer(monkeypatch, lambda *arguments, **_flags: write(*arguments, cleaning=False))
    desk.run("UPDATE electeur SET complement1 = 'Bât \"B\" ; escalier 2'")
    row = desk.process(desk.ask())
    assert (row["status"], row["error_code"]) == ("failed", "export_impossible")
    assert row["error_message"] == (
        "Une valeur contient un séparateur : l'export s'arrête avant de décaler une colonne."
    )
    assert desk.files() == []


def test_an_xml_that_breaks_the_operators_schema_is_not_published(
    desk: Desk, tmp_path: Path
) -> None:
    xsd = tmp_path / "ministere.xsd"
    ours = (SHIPPED.parent / "../liste_electorale.xsd").read_text("utf-8")
    xsd.write_text(ours.replace('<xs:element name="Sexe" type="xs:string"/>', STRICT_SEXE), "utf-8")
    assert xsd.read_text("utf-8") != ours
    desk.use_profile(xsd=xsd)
    row = desk.process(desk.ask(format_=Format.XML))
    assert (row["status"], row["error_code"]) == ("failed", "xsd")
    assert (
        row["error_message"] == "Le fichier XML ne suit pas le schéma ministere.xsd : élément Sexe."
    )
    assert not any(name.endswith((".xml", ".part")) or "-xml-" in name for name in desk.files())


@pytest.mark.slow
@pytest.mark.parametrize("content", [None, b"", b"JJ/MM/AAAA", b"<xs:schema", b"<html/>"])
def test_an_unreadable_schema_is_told(desk: Desk, tmp_path: Path, content: bytes | None) -> None:
    xsd = tmp_path / "ministere.xsd"
    if content is not None:
        xsd.write_bytes(content)
    desk.use_profile(xsd=xsd)
    row = desk.process(desk.ask(format_=Format.XML))
    assert (row["status"], row["error_code"]) == ("failed", "xsd")
    assert re.fullmatch(r"Schéma XSD illisible : .*ministere\.xsd \(\w+\)\.", row["error_message"])
    assert desk.files() == []
    assert desk.process(desk.ask())["status"] == "ready"


@pytest.mark.parametrize(
    "statement", ["DELETE FROM liste", "DELETE FROM commune WHERE code = '13900'"]
)
def test_a_register_that_vanished_since_the_request_is_told(desk: Desk, statement: str) -> None:
    export_id = desk.ask()
    desk.run(statement)
    row = desk.process(export_id)
    assert (row["status"], row["error_code"]) == ("failed", "export_impossible")
    assert (
        row["error_message"]
        == "Le registre de 13900 a disparu depuis la demande : importez-le de nouveau."
    )
    assert desk.files() == []


def _said(row: RowMapping) -> dict[str, tuple[str, list[str]]]:
    """The anomalies of the file as a whole, by code: severity and text."""
    return {
        it["code"]: (it["severity"], it["messages"])
        for it in decoded(row["anomalies"])
        if "messages" in it
    }


@pytest.mark.slow
@pytest.mark.parametrize(
    ("day", "is_old"), [("2026-09-24", False), ("2026-09-23", True), ("2025-04-20", True)]
)
def test_a_list_from_an_old_export_says_so(desk: Desk, day: str, *, is_old: bool) -> None:
    desk.run("UPDATE import SET taken_on = :day", day=date.fromisoformat(day))
    said = _said(desk.process(desk.ask()))
    if not is_old:
        assert said == {}
        return
    severity, (message,) = said["export_ancien"]
    assert severity == "remarque"
    assert message.startswith(
        f"Cette liste vient de l'export du {date.fromisoformat(day):%d/%m/%Y}, qui a plus de deux mois"
    )


@pytest.mark.slow
def test_a_list_that_the_last_export_did_not_hold_says_so(desk: Desk) -> None:
    desk.run("UPDATE import SET taken_on = :day", day=date(2026, 11, 1))
    path = write_reu(desk.root.parent / "reu.csv", electeurs(400, {CODE: COMMUNE}))
    intake = Intake(date(2026, 11, 20))
    import_file(desk.engine, path, imported_by="test", intake=intake, accept_changes=True)
    assert _said(desk.process(desk.ask())) == {}
    severity, (message,) = _said(desk.process(desk.ask(Liste.COMPLEMENTAIRE_EUROPEENNE)))[
        "liste_absente"
    ]
    assert severity == "remarque"
    assert message.startswith("Liste absente du dernier export, du 20/11/2026")
    undo_import(desk.engine)
    assert _said(desk.process(desk.ask(Liste.COMPLEMENTAIRE_EUROPEENNE))) == {}


def test_the_lists_of_an_absorbed_commune_are_not_ready(desk: Desk) -> None:
    """From the answered question of the import until a new export, an emptied list or an undo."""

    def load(code: str, number: int, day: int, **options: Any) -> None:  # noqa: ANN401 — see Intake
        path = write_reu(desk.root.parent / f"{day}.csv", electeurs(number, {CODE: code}))
        intake = Intake(date(2026, 11, day), **options)
        import_file(desk.engine, path, imported_by="test", intake=intake, accept_changes=True)

    def is_absorbed(liste: Liste = Liste.PRINCIPALE) -> bool:
        return "liste_absorbee" in _said(desk.process(desk.ask(liste)))

    desk.run("UPDATE import SET taken_on = :day", day=date(2026, 11, 1))
    load(COMMUNE, 40, 2)
    assert not is_absorbed()
    load("13002", 40, 3)
    severity, (message,) = _said(desk.process(desk.ask()))["liste_absorbee"]
    assert severity == "bloquante"
    assert message.startswith(
        "L'export du 03/11/2026 a mis sur une liste de 13002 la plupart des électeurs d'une liste de cette commune"
    )
    assert is_absorbed(Liste.COMPLEMENTAIRE_EUROPEENNE)
    undo_import(desk.engine)
    assert not is_absorbed()
    load("13002", 40, 4)
    assert is_absorbed()
    load(COMMUNE, 41, 5)
    assert not is_absorbed()
    assert is_absorbed(Liste.COMPLEMENTAIRE_EUROPEENNE)
    load("13002", 40, 4, commune=COMMUNE, empty=[Liste.COMPLEMENTAIRE_EUROPEENNE])
    assert not is_absorbed(Liste.COMPLEMENTAIRE_EUROPEENNE)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("statement", "found"),
    [
        ("DELETE FROM electeur WHERE id = (SELECT max(id) FROM electeur WHERE liste = 'P')", 329),
        (
            "INSERT INTO electeur (code_commune, liste, version) SELECT * FROM liste WHERE liste = 'P'",
            331,
        ),
    ],
    ids=["fewer", "more"],
)
def test_a_register_that_sql_has_changed_since_its_export_blocks_the_list(
    desk: Desk, statement: str, found: int
) -> None:
    desk.run(statement)
    row = desk.process(desk.ask())
    severity, (message,) = _said(row)["registre_modifie"]
    assert severity == "bloquante"
    assert re.match(
        r"Le registre a été modifié hors import : l'export du \d\d/\d\d/\d{4} donnait 330 électeurs, ",
        message,
    )
    assert f"le registre en a {found}." in message


def test_bureaux_that_sql_has_swapped_since_the_export_block_the_list(desk: Desk) -> None:
    """The numbers of electors stay equal: only the rows tell."""
    desk.run(
        "UPDATE electeur SET code_bureau = CASE code_bureau WHEN '0001' THEN '0002' ELSE '0001' END "
        "WHERE liste = 'P' AND numero_ordre = 1"
    )
    severity, (message,) = _said(desk.process(desk.ask()))["registre_modifie"]
    assert severity == "bloquante"
    assert "électeurs ne sont plus ce que donnait l'export" in message


@pytest.mark.slow
def test_a_register_that_a_service_writes_rests_on_no_export(desk: Desk) -> None:
    desk.run("UPDATE electeur SET version = 900 WHERE liste = 'P'")
    desk.run("UPDATE liste SET version = 900 WHERE liste = 'P'")
    row = desk.process(desk.ask())
    assert (decoded(row["rests_on"]), _said(row)) == ([], {})
    assert decoded(row["reconciliation"])["liste_on"] == "2026-11-25"


PATHS = (
    "../../ailleurs",
    "/ailleurs",
    "13900/../ailleurs",
    "..",
    ".",
    "",
    "13900\n",
    "13900 ",
    "１３９００",
    "139000",
    "2C001",
)
PARTS = list(product(Liste, Format))
_NAME = re.compile(r"liste-(P|CE|CM)-\d{5}-(\d{8})-(\d{6})(?:-(\d+))?\.(\w+)")


def _label_of(name: str) -> str:
    match = _NAME.fullmatch(name)
    assert match, name
    liste, day, hour, number, format_ = match.groups()
    moment = datetime.strptime(day + hour, "%Y%m%d%H%M%S")  # noqa: DTZ007
    return (
        f"Liste {liste} du {moment:%d/%m/%Y %H:%M:%S}{f' ({number})' if number else ''} [{format_}]"
    )


def _named(desk: Desk, *asked_at: str, code: str = COMMUNE) -> list[str]:
    """The names of the files of a request at each of these instants, once their labels are checked."""
    rows = [
        desk.row(export_id)
        for at in asked_at
        for export_id in desk.ask_all(PARTS, created_at=datetime.fromisoformat(at), commune=code)
    ]
    assert [row["label"] for row in rows] == [_label_of(row["file_name"]) for row in rows]
    return [row["file_name"] for row in rows]


@pytest.mark.parametrize(
    ("code", "second"),
    [(COMMUNE, "20260715-003005"), ("98735", "20260714-123005"), ("98818", "20260715-093005")],
)
def test_a_file_is_named_for_the_civil_time_of_the_commune(
    desk: Desk, code: str, second: str
) -> None:
    names = _named(desk, "2026-07-14T22:30:05.999Z", code=code)
    assert names == [f"liste-{liste}-{code}-{second}.{format_}" for liste, format_ in PARTS]


def test_requests_of_one_second_have_a_counter(desk: Desk) -> None:
    names = _named(
        desk,
        *(f"2026-11-25T08:30:00.{tenth}00Z" for tenth in range(1, 10)),
        "2026-11-25T08:30:00.950Z",
    )
    assert len(set(names)) == 10 * len(PARTS)
    assert [
        name[-19:] for name in names if name.startswith("liste-P") and name.endswith("csv")
    ] == [
        "20261125-093000.csv",
        *(f"261125-093000-{number}.csv" for number in range(2, 10)),
        "61125-093000-10.csv",
    ]


def test_the_hour_that_comes_twice_in_october_gives_no_name_twice(desk: Desk) -> None:
    summer, winter = "2026-10-25T00:30:00Z", "2026-10-25T01:30:00Z"
    names = _named(desk, summer, winter)
    assert len(set(names)) == 2 * len(PARTS)
    assert {re.split("-P-|-CE-|-CM-", name)[1][:-4] for name in names} == {
        "13900-20261025-023000",
        "13900-20261025-023000-2",
    }
    for export_id in desk.values("SELECT id FROM export ORDER BY id"):
        desk.process(export_id)
    assert set(desk.values("SELECT status FROM export")) == {"ready"}
    assert set(names) <= set(desk.files())


@pytest.mark.parametrize("code", [*PATHS, "13900\0"])
def test_the_volume_knows_communes_only(tmp_path: Path, code: str) -> None:
    storage = Storage(tmp_path)
    with pytest.raises(ValueError, match="code INSEE"):
        storage.path(code, "liste.csv")
    with pytest.raises(ValueError, match="code INSEE"), storage.pending(code, "liste.csv", "owner"):
        pass
    assert list(tmp_path.iterdir()) == []
    assert storage.path(COMMUNE, "liste.csv") == tmp_path / COMMUNE / "liste.csv"
