"""What the bench asks of the workers, and which registers it asks it of."""

from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy import Connection, func, select

from bench.asking import Asked, ask_many, ask_one, every_liste, liste_principale, tableau
from bench.check import Check, percentile_99, ratio
from bench.checks_queue import require_lines
from bench.departement import communes_for, communes_of, import_departement, import_places, total_of
from bench.departement_query import select_departement, spec_of_all
from bench.measure import Measure
from bench.mouvements import add_few_mouvements
from bench.registers import Task, prepare
from bench.report import format_table
from schemas.topology import REQUEST_LISTE_EXPORT, REQUEST_TABLEAUX_RENDER
from schemas.vocabulary import Format
from worker.db.engine import build_engine, snapshot
from worker.registre.communes import require_commune
from worker.registre.models import Electeur, MouvementRegistre
from worker.settings import load_settings
from worker.writers.csv_file import write_csv


def throughput(two: float) -> Check:
    return ratio("P8", "two / one", [3.2], [two], target=1.6, unit="s", is_floor=True)


@pytest.mark.parametrize(("two", "verdict"), [(2.0, "ok"), (2.1, "below target")])
def test_a_floor_is_met_from_itself_on(two: float, verdict: str) -> None:
    check = throughput(two)
    assert check.is_met is (verdict == "ok")
    line = format_table([check]).splitlines()[-1]
    assert f" {verdict} " in line
    assert "≥ 1.6" in line


@pytest.mark.parametrize(("count", "expected"), [(300, 297), (100, 99), (1, 1)])
def test_one_sample_in_a_hundred_exceeds_the_percentile(count: int, expected: int) -> None:
    check = percentile_99("P9", "wait", list(range(count, 0, -1)), target=150, unit="ms")
    assert (check.value, check.lowest, check.highest) == (expected, 1, count)


def test_a_batch_asks_for_the_three_lists_of_each_commune_under_one_name() -> None:
    order = ask_many(map(every_liste, ["59001", "59002"]))
    assert order.files == 6
    assert {event.correlationid for event in order.events} == {order.batch}
    assert all(event.data["bulk"] for event in order.events)
    assert ask_many([every_liste("59001")]).batch != order.batch


@pytest.mark.parametrize(
    ("asked", "event_type"),
    [
        (liste_principale("59001", Format.XML, bulk=False), REQUEST_LISTE_EXPORT),
        (tableau("59001", bulk=False), REQUEST_TABLEAUX_RENDER),
    ],
)
def test_a_clerk_asks_for_one_file_and_is_no_batch(asked: Asked, event_type: str) -> None:
    order = ask_one(asked)
    (event,) = order.events
    assert (order.files, event.type, event.correlationid) == (1, event_type, order.batch)
    assert not event.data["bulk"]


def test_a_measure_of_less_work_is_none() -> None:
    require_lines([Measure(wall=1, lines=10)] * 2, 10)
    with pytest.raises(RuntimeError, match="lines"):
        require_lines([Measure(wall=1, lines=10), Measure(wall=1, lines=9)], 10)


def test_a_departement_has_all_its_communes_at_full_size_and_two_at_least() -> None:
    full = communes_for(total_of(1_000_000))
    assert total_of(1_000_000) == 1_840_000
    assert full == len(communes_of(None)) >= 640
    assert communes_for(total_of(1_000)) == 2


def register(tmp_path: Path, size: int, communes: int) -> Task:
    task = Task(f"sqlite:///{tmp_path / 'register.sqlite3'}", str(tmp_path), size, communes)
    prepare(task)
    return task


def counts(task: Task) -> dict[tuple[str, str], int]:
    engine = build_engine(task.url)
    query = select(Electeur.code_commune, Electeur.liste, func.count()).group_by(Electeur.code_commune, Electeur.liste)
    with engine.connect() as connection:
        found = {(commune, liste): number for commune, liste, number in connection.execute(query)}
    engine.dispose()
    return found


@pytest.mark.slow
def test_a_departement_has_three_lists_and_all_the_lines(tmp_path: Path) -> None:
    task = register(tmp_path, 2_000, 3)
    assert import_departement(task).lines == 2_000
    found = counts(task)
    assert sum(found.values()) == 2_000
    assert {commune for commune, _ in found} == {code for code, _ in communes_of(3)}
    assert {liste for _, liste in found} == {"P", "CE", "CM"}


class Collected:
    """What a writer wrote."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def write(self, data: bytes) -> None:
        self.lines += data.decode().splitlines()


def lines_of_files(connection: Connection, task: Task) -> list[str]:
    """Below their headers, one list after the other."""
    lines = []
    for code, _ in communes_of(task.communes):
        commune = require_commune(connection, code)
        for liste in sorted(commune.versions):
            file = Collected()
            spec = replace(
                spec_of_all(),
                code_commune=code,
                nom_commune=commune.nom,
                code_departement=commune.code_departement,
                liste=liste,
                version=commune.versions[liste],
                type_liste=load_settings(database_url=task.url).type_liste_codes[liste],
            )
            write_csv(connection, spec, file, lambda _written: None, cleaning=False, separators=False)
            lines += file.lines[1:]
    return lines


@pytest.mark.slow
def test_one_select_has_the_lines_of_all_the_files_of_a_departement(tmp_path: Path) -> None:
    task = register(tmp_path, 2_000, 3)
    import_departement(task)
    engine = build_engine(task.url)
    with snapshot(engine) as connection:
        rows = connection.execute(select_departement(spec_of_all())).all()
        files = lines_of_files(connection, task)
    engine.dispose()
    assert [";".join("" if value is None else str(value) for value in row) for row in rows] == files
    assert len(files) > 1_900


@pytest.mark.slow
def test_places_are_of_one_size_and_one_elector_in_ten_moves(tmp_path: Path) -> None:
    task = register(tmp_path, 300, 3)
    import_places(task)
    assert add_few_mouvements(task).lines == 30
    assert counts(task) == {(code, "P"): 100 for code, _ in communes_of(3)}
    engine = build_engine(task.url)
    with engine.connect() as connection:
        query = select(func.count(MouvementRegistre.id)).group_by(MouvementRegistre.code_commune)
        assert connection.scalars(query).all() == [10, 10, 10]
    engine.dispose()
