"""A tableau made from two exports names the missing dates and motifs: « à compléter » until a clerk enters them."""

from datetime import date
from typing import Any

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session, joinedload

from producers.web.exports.query import AskedFile, read_files, select_made
from schemas.tableaux import Presentation, TypeTableau
from tests.integration.import_desk import COMMUNE, TWO_COMMUNES, MouvementsDesk
from tests.integration.tableau_desk import Made, TableauDesk
from tests.unit.reu_sample import BUREAU, DATE, PRENOMS, electeurs
from worker.exports.models import Export
from worker.notifier.messages.events import file_event
from worker.notifier.messages.request import RequestReport, describe_request
from worker.registre.reu.importer import Intake

pytestmark = pytest.mark.database(TWO_COMMUNES)

FIRST, SECOND = date(2024, 9, 10), date(2025, 3, 20)
VINGT: dict[str, Any] = {"commune": COMMUNE, "reunion": FIRST, "until": SECOND}
VINGT_JOURS = TypeTableau.VINGT_JOURS
BETWEEN = "entre le 10/09/2024 et le 20/03/2025"


@pytest.fixture
def register(register: MouvementsDesk) -> MouvementsDesk:
    """Two exports of the principal list: two electors left, one came, one changed bureau."""
    stay = electeurs(9)
    two = zip(("Partie", "Envolée"), electeurs(11)[9:], strict=True)
    gone = [it | {PRENOMS: prenom, DATE: "03/04/1950"} for prenom, it in two]
    came = [it | {PRENOMS: "Venue", DATE: "05/06/1970"} for it in electeurs(12)[11:]]
    register.load([*stay, *gone], intake=Intake(FIRST))
    register.load([stay[0] | {BUREAU: "0002"}, *stay[1:], *came], intake=Intake(SECOND))
    return register


def _shown(tableaux: TableauDesk, made: Made) -> AskedFile:
    with tableaux.engine.connect() as connection:
        return next(
            it
            for it in read_files(connection, select_made(COMMUNE))
            if it.export_id == made.row["export_id"]
        )


def test_a_tableau_without_dates_and_motifs_is_to_be_completed(tableaux: TableauDesk) -> None:
    made = tableaux.make(VINGT_JOURS, **VINGT)
    missing = [line for line in made.anomalies if line[0] == "à compléter"]
    assert [line[-1] for line in missing] == ["date_et_motif_absents"] * 3, (
        "one line a mouvement; none of who moved"
    )
    assert {line[-2] for line in missing} == {"Date et motif inconnus : les indiquer."}
    assert (made.row["bloquantes"], made.row["a_completer"]) == (0, 3)
    said = "À compléter, à ne publier que par décision motivée : 3 dates, 3 motifs"
    assert all(said in " ".join(page.split()) for page in made.pages)
    assert made.text.count(BETWEEN) == 1, "all lines share the period"
    assert "20/03/2025 " not in made.text.replace(BETWEEN, "").partition("Ce tableau indique")[0]

    file = _shown(tableaux, made)
    assert (file.state.label, file.state.tone, file.missing) == (
        "à compléter",
        "warning",
        "3 dates, 3 motifs",
    )
    assert not file.is_finished
    with Session(tableaux.engine) as session:
        query = (
            select(Export)
            .options(joinedload(Export.request))
            .where(Export.id == made.row["export_id"])
        )
        export = session.scalars(query).one()
        event = file_event(export.request, export)
        assert (event.data["file"]["a_completer"], event.data["file"]["anomalies_bloquantes"]) == (
            3,
            0,
        )
        mail = describe_request(RequestReport(export.request, "LIBREVILLE (13900)"), "")
    assert mail.subject.startswith("Tableau à compléter — ")
    assert "À compléter : 3 dates, 3 motifs" in mail.mail


def test_a_recapitulatif_names_nobody_and_lacks_nothing(tableaux: TableauDesk) -> None:
    made = tableaux.make(VINGT_JOURS, **VINGT, presentations=[Presentation.RECAPITULATIF])
    assert made.row["a_completer"] == 0
    assert _shown(tableaux, made).state.label == "prêt"


def test_a_change_of_bureau_without_a_day_keeps_no_tableau_from_being_ready(
    register: MouvementsDesk, tableaux: TableauDesk
) -> None:
    """R. 13 asks for no day of a change of bureau, and no page asks a clerk to give one."""
    stay = [
        *electeurs(9),
        *(it | {PRENOMS: "Venue", DATE: "05/06/1970"} for it in electeurs(12)[11:]),
    ]
    third = date(2025, 6, 20)
    register.load(
        [stay[0] | {BUREAU: "0002"}, stay[1] | {BUREAU: "0002"}, *stay[2:]], intake=Intake(third)
    )
    asked: dict[str, Any] = {"commune": COMMUNE, "reunion": SECOND}
    made = tableaux.make(VINGT_JOURS, **asked, until=date(2025, 5, 20))
    assert (made.row["bloquantes"], made.row["a_completer"]) == (0, 0), made.anomalies
    assert _shown(tableaux, made).state.label == "prêt"
    listed = tableaux.make(VINGT_JOURS, **asked, until=third)
    assert _shown(tableaux, listed).state.label == "prêt"
    assert listed.text.count("entre le 20/03/2025 et le 20/06/2025") == 1, "it bears its period"
