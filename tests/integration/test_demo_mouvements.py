"""LIBREVILLE's demonstration of the tableaux: two exports, a file of mouvements, and something in each tableau."""

from collections import Counter
from collections.abc import Iterator
from datetime import UTC, date, datetime, time
from pathlib import Path

import pytest

from schemas.tableaux import TypeTableau
from schemas.vocabulary import Categorie, Liste, Nature
from tests.integration.import_desk import TWO_COMMUNES
from tests.integration.mouvements_desk import MouvementsDesk, open_desk
from tests.unit.mouvements_samples import Mouvements
from worker.demo.libreville import (
    FEVRIER,
    JANVIER,
    LIBREVILLE,
    SCRUTIN_2018,
    demo_calendrier,
    write_mouvements,
    write_reu,
    write_second_reu,
)
from worker.demo.load import set_demo_calendrier
from worker.domain.tableau.controles import check_tableau
from worker.domain.tableau.demande import Demande, is_perhaps_l30
from worker.registre.communes import read_commune
from worker.registre.mouvements.queries import identity_keys, select_bureaux
from worker.registre.reu.importer import Intake
from worker.registre.scrutins import select_reunions, select_scrutins

pytestmark = [pytest.mark.integration, pytest.mark.database(TWO_COMMUNES), pytest.mark.slow]

TODAY = date(2026, 11, 25)
DECREED = date(2026, 3, 15)
"""The poll that comes with the module, by the decree that fixed it."""


@pytest.fixture
def libreville(database_url: str, tmp_path: Path) -> Iterator[MouvementsDesk]:
    with open_desk(database_url, tmp_path) as desk:
        _load(desk, TODAY)
        yield desk


def _load(desk: MouvementsDesk, today: date) -> None:
    reu = desk.folder / "reu.csv"
    write_reu(reu, today=today)
    desk.load_file(reu, intake=Intake(today))
    write_mouvements(desk.folder / "mouvements.csv", today)
    desk.load_mouvements(desk.folder / "mouvements.csv")
    write_second_reu(reu, today)
    desk.load_file(reu, intake=Intake(today))
    for _ in range(2):
        with desk.engine.begin() as connection:
            set_demo_calendrier(connection, today)


def _demandes(today: date) -> list[Demande]:
    days = demo_calendrier(today)
    of_type = {
        TypeTableau.PREMIER_RECTIFICATIF: {"date_tableau": JANVIER},
        TypeTableau.SECOND_RECTIFICATIF: {"date_tableau": FEVRIER},
        TypeTableau.ADDITIONS: {"scrutin": SCRUTIN_2018},
        TypeTableau.CINQ_JOURS: {"scrutin": SCRUTIN_2018},
        TypeTableau.VINGT_JOURS: {"reunion": days.reunion_precedente, "until": days.reunion},
        TypeTableau.CINQ_JOURS_REU: {"scrutin": days.scrutin, "reunion": days.reunion},
    }
    noon = datetime.combine(today, time(12), UTC)
    return [Demande(type=type_, requested_at=noon, **dates) for type_, dates in of_type.items()]  # type: ignore[arg-type]


def test_each_tableau_has_something_to_show(libreville: MouvementsDesk) -> None:
    source = Mouvements(libreville.mouvements(commune=LIBREVILLE.code))
    for demande in _demandes(TODAY):
        natures = Counter(it.nature for it in source.shown(demande))
        only = {TypeTableau.ADDITIONS: Nature.INSCRIPTION, TypeTableau.CINQ_JOURS_REU: Nature.RADIATION}
        expected = {only[demande.type]} if demande.type in only else {Nature.INSCRIPTION, Nature.RADIATION}
        assert expected <= set(natures), demande.type


@pytest.mark.parametrize("liste", Liste)
def test_nothing_is_wrong_but_the_motifs_that_an_export_does_not_say(libreville: MouvementsDesk, liste: Liste) -> None:
    mouvements = libreville.mouvements(liste, LIBREVILLE.code)
    with libreville.engine.connect() as connection:
        commune = read_commune(connection, LIBREVILLE.code)
        assert commune is not None
        version = commune.versions[liste]
        known = select_bureaux(connection, LIBREVILLE.code, liste, version, (date.max, date.max))
        bureaux = {bureau.code for bureau in known}
        inscrits = identity_keys(connection, LIBREVILLE.code, liste, version)
    without = [it for it in mouvements if it.categorie is Categorie.NON_PRECISEE]
    assert 0 < len(without) < len(mouvements)
    cinq_jours = _demandes(TODAY)[-1]
    unsaid = {("categorie_absente" if is_perhaps_l30(it, cinq_jours) else "motif_absent", it.id) for it in without}
    source = Mouvements(mouvements)
    found = [it for demande in _demandes(TODAY) for it in check_tableau(demande, source, inscrits, bureaux)]
    assert {(it.code, it.mouvement.id) for it in found} == unsaid


def test_the_second_export_shows_every_kind_of_change(libreville: MouvementsDesk) -> None:
    query = "SELECT nature, count(*) FROM mouvement WHERE import_id = 3 GROUP BY nature ORDER BY nature"
    assert libreville.rows(query) == [("inscription", 15), ("modification", 12), ("radiation", 12)]
    assert [line.rpartition(";")[2] for line in libreville.comparison_report] == [
        "orthographe changée, même électeur : même adresse, même bureau, même numéro",
        "homonyme : même adresse, même bureau, même numéro",
        "homonyme : sans correspondant avant, compté en inscription",
        "homonyme : même adresse, même bureau, même numéro",
        "homonyme : autre adresse, autre numéro, à vérifier",
    ]


def test_the_calendar_is_written_once(libreville: MouvementsDesk) -> None:
    days = demo_calendrier(TODAY)
    with libreville.engine.connect() as connection:
        polls = [it.date for it in select_scrutins(connection, LIBREVILLE.code)]
        meetings = [it.date for it in select_reunions(connection, LIBREVILLE.code)]
    assert polls == sorted({DECREED, days.scrutin})
    assert meetings == [days.reunion_precedente, days.reunion]
