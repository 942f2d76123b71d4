"""Names and labels of files: unique, in the civil time of the commune, and never a path from outside."""

import re
from collections.abc import Iterator
from datetime import datetime
from itertools import product
from pathlib import Path

import pytest

from schemas.vocabulary import Format, Liste
from tests.integration.export_desk import COMMUNE, Desk, open_desk
from tests.parts.town import LIBREVILLE_TEMPLATE
from worker.exports.storage import Storage

pytestmark = [pytest.mark.integration, pytest.mark.database(LIBREVILLE_TEMPLATE)]

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
_NAME = re.compile(r"liste-(P|CE|CM)-\d{5}-(\d{8})-(\d{6})(?:-(\d+))?\.(csv|xml)")


@pytest.fixture
def desk(database_url: str, tmp_path: Path) -> Iterator[Desk]:
    with open_desk(database_url, tmp_path / "volume") as desk:
        yield desk


def _label_of(name: str) -> str:
    """The label that a file's name calls for."""
    match = _NAME.fullmatch(name)
    assert match, name
    liste, day, hour, number, format_ = match.groups()
    moment = datetime.strptime(day + hour, "%Y%m%d%H%M%S")  # noqa: DTZ007
    return f"Liste {liste} du {moment:%d/%m/%Y %H:%M:%S}{f' ({number})' if number else ''} [{format_}]"


def _named(desk: Desk, *asked_at: str, code: str = COMMUNE) -> list[str]:
    """The names given to the parts of a request at each of these instants, after their labels have been compared."""
    rows = [
        desk.row(export_id)
        for at in asked_at
        for export_id in desk.ask_all(PARTS, created_at=datetime.fromisoformat(at), commune=code)
    ]
    assert [row["label"] for row in rows] == [_label_of(row["file_name"]) for row in rows]
    return [row["file_name"] for row in rows]


@pytest.mark.parametrize(
    ("code", "second"), [(COMMUNE, "20260715-003005"), ("98735", "20260714-123005"), ("98818", "20260715-093005")]
)
def test_a_file_is_named_for_the_civil_time_of_the_commune(desk: Desk, code: str, second: str) -> None:
    names = _named(desk, "2026-07-14T22:30:05.999Z", code=code)
    assert names == [f"liste-{liste}-{code}-{second}.{format_}" for liste, format_ in PARTS]


def test_requests_of_one_second_have_a_counter(desk: Desk) -> None:
    names = _named(desk, *(f"2026-11-25T08:30:00.{tenth}00Z" for tenth in range(1, 10)), "2026-11-25T08:30:00.950Z")
    assert len(set(names)) == 10 * len(PARTS)
    assert [name[-19:] for name in names if name.startswith("liste-P") and name.endswith("csv")] == [
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
    rows = [desk.ring(desk.ask(created_at=datetime.fromisoformat(at))) for at in (summer, winter)]
    assert [row["status"] for row in rows] == ["ready", "ready"]
    assert {row["file_name"] for row in rows} <= set(desk.files())


@pytest.mark.slow
@pytest.mark.parametrize("code", PATHS)
def test_a_path_in_a_commune_code_reaches_no_file(desk: Desk, code: str, tmp_path: Path) -> None:
    before = sorted(tmp_path.rglob("*"))
    export_id = desk.ask()
    desk.run("INSERT INTO commune (code, nom, code_departement) VALUES (:code, 'AILLEURS', '13')", code=code)
    desk.run("INSERT INTO liste (code_commune, liste, version) VALUES (:code, 'P', 1)", code=code)
    desk.run("UPDATE export SET code_commune = :code", code=code)
    row = desk.ring(export_id)
    assert row["status"] == "queued"
    assert (row["error_code"], row["sha256"]) == ("erreur", None)
    assert [path for path in tmp_path.rglob("*") if path not in before and "sqlite" not in path.name] == []
    assert not Path("/ailleurs").exists()


@pytest.mark.parametrize("code", [*PATHS, "13900\0"])
def test_the_volume_knows_communes_only(tmp_path: Path, code: str) -> None:
    storage = Storage(tmp_path)
    with pytest.raises(ValueError, match="code INSEE"):
        storage.path(code, "liste.csv")
    with pytest.raises(ValueError, match="code INSEE"), storage.pending(code, "liste.csv", "owner"):
        pass
    assert list(tmp_path.iterdir()) == []
    assert storage.path(COMMUNE, "liste.csv") == tmp_path / COMMUNE / "liste.csv"
