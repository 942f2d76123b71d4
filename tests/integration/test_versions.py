"""Versions of the register that no import can restore: the notifier's process deletes them, and reads no elector."""

from pathlib import Path
from threading import Thread

import pytest
from sqlalchemy import delete, func, select, text, update

from schemas.requests import UNDO_DAYS
from tests.integration.import_desk import COMMUNE, TWO_COMMUNES, Desk
from tests.integration.notifier_desk import work
from tests.parts.deployment import Deployment
from tests.parts.wait import wait_until
from tests.unit.reu_sample import electeurs
from worker.audit import NOTIFIER, Action, Actor, note_removed, read_audit
from worker.compose import build_notifier
from worker.db.engine import build_engine
from worker.db.types import utc_now
from worker.registre import versions
from worker.registre.communes import add_commune
from worker.registre.imports import history
from worker.registre.imports.history import undo_import
from worker.registre.models import Commune, Electeur, Import, ImportListe, ListeCommunale, MouvementRegistre
from worker.settings import load_settings

pytestmark = [pytest.mark.database(TWO_COMMUNES), pytest.mark.desk(opened_by=Desk.open)]

P = (COMMUNE, "P")
BY = note_removed(Actor("test"))
DEAD = """
INSERT INTO import (id, file_name, sha256, imported_by, lines_read, lines_kept, lines_rejected, values_cleaned,
                    bureaux_before) VALUES (99, '', '', 'test', 0, 0, 0, 0, '[]')
"""
ONE_MORE = "INSERT INTO electeur (code_commune, liste, version) VALUES ('13055', 'P', {})"
WAITS = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted"


def _purge(desk: Desk) -> list[int]:
    return list(history.purge_versions(desk.engine, BY))


def _run(desk: Desk, *statements: str) -> None:
    with desk.engine.begin() as connection:
        for statement in statements:
            connection.execute(text(statement))


def _said(desk: Desk) -> list[str]:
    with desk.engine.connect() as connection:
        lines = [it.detail for it in read_audit(connection, limit=9_999) if it.action == Action.VERSIONS_PURGED]
    return lines[::-1]


@pytest.mark.slow
def test_what_no_import_brings_back_leaves_and_nothing_else(desk: Desk) -> None:
    desk.load(electeurs(3))
    desk.load(electeurs(4))
    _run(desk, ONE_MORE.format(1234))
    desk.age_imports(UNDO_DAYS - 1)
    assert _purge(desk) == [], "it can be undone"
    assert desk.stored() == 3 + 4 + 1
    desk.age_imports(UNDO_DAYS + 1)
    assert _purge(desk) == [3]
    assert (desk.counts(), desk.stored()) == ({P: 4}, 4 + 1), "what another service wrote is its own"
    assert _said(desk) == ["3 lignes d'électeur"]
    desk.load(electeurs(5))
    assert _purge(desk) == []
    undo_import(desk.engine)
    assert (desk.counts(), _purge(desk)) == ({P: 4}, [5])


@pytest.mark.slow
def test_a_step_is_bounded_and_is_a_line(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(history, "_STEP", 5)
    monkeypatch.setattr(versions, "BATCH", 5)
    for number in (7, 6, 4):
        desk.load(electeurs(number), accept_changes=True)
    desk.age_imports(UNDO_DAYS + 1)
    assert _purge(desk) == [5, 5, 3]
    assert _said(desk) == ["5 lignes d'électeur", "5 lignes d'électeur", "3 lignes d'électeur"]
    assert (desk.counts(), desk.stored()) == ({P: 4}, 4)


@pytest.mark.slow
def test_what_an_import_left_that_died_leaves_too_but_not_while_one_is_at_work(desk: Desk) -> None:
    _run(desk, DEAD, ONE_MORE.format(99))
    seen: list[tuple[list[int], int]] = []
    with history.importing(desk.engine):
        seen.append((_purge(desk), desk.stored()))
    assert seen == [([], 1)]
    assert _purge(desk) == [1]
    assert desk.stored() == 0
    assert desk.imports() == []
    desk.load(electeurs(3), progress=lambda _lines, _share: seen.append((_purge(desk), 0)))
    assert seen[1:] == [([], 0)] * len(seen[1:]) != []
    assert desk.counts() == {P: 3}


def test_an_import_waits_for_the_end_of_a_step(
    postgres_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(history, "_PATIENCE_SECONDS", 60)
    with Desk.open(postgres_url, tmp_path) as desk:
        with desk.engine.begin() as connection:
            connection.execute(text("SELECT purge_versions(1)"))
            importing = Thread(target=desk.load, args=[electeurs(3)])
            importing.start()
            wait_until(lambda: desk.rows(WAITS) == [(1,)], message="an import that waits")
        importing.join(60)
        assert desk.counts() == {P: 3}


def test_the_notifier_of_a_deployment_removes_them(
    deployment: Deployment, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PREFECTURE_DATABASE_URL", deployment.database_url("notifier"))
    monkeypatch.setenv("PREFECTURE_EXPORTS_DIR", str(tmp_path / "exports"))
    with Desk.open(deployment.database_url("owner"), tmp_path) as desk:
        with desk.engine.begin() as connection:
            if not connection.scalar(select(Commune.nom).where(Commune.code == COMMUNE)):
                add_commune(connection, COMMUNE, "Marseille")
        ours = [
            desk.load(electeurs(number)).import_id for number in (8, 9)
        ]  # no file that another test has imported here
        with desk.engine.begin() as connection:
            connection.execute(
                update(Import).where(Import.id.in_(ours)).values(finished_at=utc_now(-(UNDO_DAYS + 1) * 86_400))
            )
        account = build_engine(deployment.database_url("notifier"))
        settings = load_settings(home=tmp_path)
        work(build_notifier(settings, account, enqueue=lambda _: None, publish=None))
        account.dispose()
        try:
            assert desk.counts()[P] == 9
            with desk.engine.connect() as connection:
                of_ours = select(func.count()).where(Electeur.code_commune == COMMUNE)
                assert connection.scalar(of_ours) == 9
                line = next(it for it in read_audit(connection, limit=99) if it.action == Action.VERSIONS_PURGED)
            assert (line.actor, line.detail) == (NOTIFIER, "8 lignes d'électeur")
        finally:
            with desk.engine.begin() as connection:  # other tests count the rows of this database
                for model in (Electeur, ListeCommunale, MouvementRegistre, ImportListe):
                    connection.execute(delete(model).where(model.code_commune == COMMUNE))
                connection.execute(delete(Import).where(Import.id.in_(ours)))
