"""A tableau made from two exports names the missing dates and motifs: « à compléter » until a clerk enters them."""

from datetime import date
from typing import Any

import pytest
from sqlalchemy import select, text
from sqlalchemy.orm import Session, joinedload

from producers.web.exports.query import AskedFile, read_files, select_made
from schemas.declarations import CompletedMotif, MotifsCompleted
from schemas.tableaux import Presentation, TypeTableau
from tests.integration.import_desk import COMMUNE, TWO_COMMUNES, MouvementsDesk
from tests.integration.tableau_desk import Made, TableauDesk
from tests.unit.reu_sample import BUREAU, DATE, PRENOMS, electeurs
from worker.audit import Actor
from worker.exports.models import Export
from worker.handlers.declarations.declare import declare
from worker.notifier.messages.events import file_event
from worker.notifier.messages.request import RequestReport, describe_request
from worker.registre.reu.importer import Intake

pytestmark = pytest.mark.database(TWO_COMMUNES)

FIRST, SECOND, SCRUTIN = date(2024, 9, 10), date(2025, 3, 20), date(2025, 4, 13)
VINGT: dict[str, Any] = {"commune": COMMUNE, "reunion": FIRST, "until": SECOND}
VINGT_JOURS, CINQ_JOURS = TypeTableau.VINGT_JOURS, TypeTableau.CINQ_JOURS_REU
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


def _complete(tableaux: TableauDesk, **said: Any) -> None:  # noqa: ANN401 — any field
    """Enter date and motif of each inscription and radiation, with the category of its nature."""
    of = {"inscription": "inscription_volontaire", "radiation": "radiation_deces"}
    with tableaux.engine.begin() as connection:
        rows = connection.execute(text("SELECT id, nature FROM mouvement WHERE nature <> 'modification'")).all()
        completed = [CompletedMotif(mouvement=row.id, **{"categorie": of[row.nature]} | said) for row in rows]
        declare(connection, COMMUNE, MotifsCompleted(motifs=completed), by=Actor("moi"))


def _shown(tableaux: TableauDesk, made: Made) -> AskedFile:
    with tableaux.engine.connect() as connection:
        return next(it for it in read_files(connection, select_made(COMMUNE)) if it.export_id == made.row["export_id"])


def test_a_tableau_without_dates_and_motifs_is_to_be_completed(tableaux: TableauDesk) -> None:
    made = tableaux.make(VINGT_JOURS, **VINGT)
    missing = [line for line in made.anomalies if line[0] == "à compléter"]
    assert [line[-1] for line in missing] == ["date_et_motif_absents"] * 3, "one line a mouvement; none of who moved"
    assert {line[-2] for line in missing} == {"Date et motif inconnus : les indiquer (page « Dates et motifs »)."}
    assert (made.row["bloquantes"], made.row["a_completer"]) == (0, 3)
    said = "À compléter, à ne publier que par décision motivée : 3 dates, 3 motifs"
    assert all(said in " ".join(page.split()) for page in made.pages)
    assert made.text.count(BETWEEN) == 4
    assert "20/03/2025 " not in made.text.replace(BETWEEN, "").partition("Ce tableau indique")[0]

    file = _shown(tableaux, made)
    assert (file.state.label, file.state.tone, file.missing) == ("à compléter", "warning", "3 dates, 3 motifs")
    assert not file.is_finished
    with Session(tableaux.engine) as session:
        query = select(Export).options(joinedload(Export.request)).where(Export.id == made.row["export_id"])
        export = session.scalars(query).one()
        event = file_event(export.request, export)
        assert (event.data["file"]["a_completer"], event.data["file"]["anomalies_bloquantes"]) == (3, 0)
        mail = describe_request(RequestReport(export.request, "LIBREVILLE (13900)"), "")
    assert mail.subject.startswith("Tableau à compléter — ")
    assert "À compléter : 3 dates, 3 motifs" in mail.mail


def test_once_completed_and_made_again_it_is_ready(tableaux: TableauDesk) -> None:
    before = tableaux.make(VINGT_JOURS, **VINGT)
    _complete(tableaux)
    assert _shown(tableaux, before).state.label == "à refaire"
    half = tableaux.make(VINGT_JOURS, **VINGT)
    assert _shown(tableaux, half).missing == "3 dates"
    _complete(tableaux, jour=date(2024, 12, 1))
    made = tableaux.make(VINGT_JOURS, **VINGT)
    assert _shown(tableaux, made).state.label == "prêt"
    assert made.text.count("01/12/2024") == 3
    assert made.text.count(BETWEEN) == 1, "the change of bureau"
    assert "À compléter" not in made.text


def test_a_recapitulatif_names_nobody_and_lacks_nothing(tableaux: TableauDesk) -> None:
    made = tableaux.make(VINGT_JOURS, **VINGT, presentations=[Presentation.RECAPITULATIF])
    assert made.row["a_completer"] == 0
    assert _shown(tableaux, made).state.label == "prêt"


@pytest.mark.parametrize("presentation", [Presentation.COMMUNE, Presentation.RECAPITULATIF])
def test_the_five_days_show_article_l_30_and_say_what_they_do_not_know(
    tableaux: TableauDesk, presentation: Presentation
) -> None:
    asked: dict[str, Any] = {"commune": COMMUNE, "reunion": FIRST, "scrutin": SCRUTIN, "presentations": [presentation]}
    made = tableaux.make(CINQ_JOURS, **asked)
    found = [line[-1] for line in made.anomalies if line[0] == "à compléter"]
    is_nominative = presentation is Presentation.COMMUNE
    assert found == [*["motif_absent"] * 2 * is_nominative, "categorie_absente"]
    assert "1 inscription sans catégorie" in _shown(tableaux, made).missing
    assert made.row["electeurs"] == 2, "two radiations: neither the inscription nor the change of bureau"
    if is_nominative:
        assert "Venue" not in made.text
        assert "Autres mouvements, non portés à ce tableau + 1 Électeurs après = 10" in made.text

    _complete(tableaux)
    assert _shown(tableaux, made).state.label == "à refaire"
    said = tableaux.make(CINQ_JOURS, **asked)
    assert _shown(tableaux, said).missing == ""
    assert said.row["electeurs"] == 2
    with tableaux.engine.begin() as connection:
        connection.execute(text("UPDATE mouvement SET categorie = 'inscription_l30' WHERE nature = 'inscription'"))
    late = tableaux.make(CINQ_JOURS, **asked)
    assert late.row["electeurs"] == 3
    if is_nominative:
        assert "Inscription au titre de l’article L. 30" in late.text
        assert "Autres mouvements" not in late.text
