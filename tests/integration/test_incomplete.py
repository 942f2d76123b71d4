"""A tableau made from two exports names the missing dates and motifs: it is « à compléter » until they are given."""

from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select, text
from sqlalchemy.orm import Session, joinedload

from producers.web.exports.query import AskedFile, read_files, select_made
from schemas.declarations import CompletedMotif, MotifsCompleted
from schemas.tableaux import Presentation, TypeTableau
from tests.integration.import_desk import COMMUNE, TWO_COMMUNES
from tests.integration.mouvements_desk import MouvementsDesk
from tests.integration.mouvements_desk import open_desk as open_register
from tests.integration.tableau_desk import Made, TableauDesk
from tests.unit.reu_sample import BUREAU, DATE, PRENOMS, electeurs
from worker.audit import Actor
from worker.exports.models import Export
from worker.handlers.declarations.declare import declare
from worker.notifier.messages.content import Tone
from worker.notifier.messages.events import file_event
from worker.notifier.messages.request import RequestReport, describe_request
from worker.registre.reu.importer import Intake

pytestmark = [pytest.mark.integration, pytest.mark.database(TWO_COMMUNES)]

FIRST, SECOND, SCRUTIN = date(2024, 9, 10), date(2025, 3, 20), date(2025, 4, 13)
VINGT: dict[str, Any] = {"commune": COMMUNE, "reunion": FIRST, "until": SECOND}
VINGT_JOURS, CINQ_JOURS = TypeTableau.VINGT_JOURS, TypeTableau.CINQ_JOURS_REU
BETWEEN = "entre le 10/09/2024 et le 20/03/2025"


@pytest.fixture
def register(database_url: str, tmp_path: Path) -> Iterator[MouvementsDesk]:
    """Two exports of the principal list: two electors left, one came, one votes elsewhere."""
    with open_register(database_url, tmp_path) as desk:
        stay = electeurs(9)
        two = zip(("Partie", "Envolée"), electeurs(11)[9:], strict=True)
        gone = [it | {PRENOMS: prenom, DATE: "03/04/1950"} for prenom, it in two]
        came = [it | {PRENOMS: "Venue", DATE: "05/06/1970"} for it in electeurs(12)[11:]]
        desk.load([*stay, *gone], intake=Intake(FIRST))
        desk.load([stay[0] | {BUREAU: "0002"}, *stay[1:], *came], intake=Intake(SECOND))
        yield desk


@pytest.fixture
def desk(register: MouvementsDesk, tmp_path: Path) -> TableauDesk:
    return TableauDesk(register.engine, tmp_path / "exports")


def _complete(desk: TableauDesk, **said: Any) -> None:  # noqa: ANN401 — any field
    """Say it of each inscription and radiation, with the category of its nature."""
    of = {"inscription": "inscription_volontaire", "radiation": "radiation_deces"}
    with desk.engine.begin() as connection:
        rows = connection.execute(text("SELECT id, nature FROM mouvement WHERE nature <> 'modification'")).all()
        completed = [CompletedMotif(mouvement=row.id, **{"categorie": of[row.nature]} | said) for row in rows]
        declare(connection, COMMUNE, MotifsCompleted(motifs=completed), by=Actor("moi"))


def _shown(desk: TableauDesk, made: Made) -> AskedFile:
    """As the screen reads it."""
    with desk.engine.connect() as connection:
        return next(it for it in read_files(connection, select_made(COMMUNE)) if it.export_id == made.row["export_id"])


def _export(session: Session, made: Made) -> Export:
    query = select(Export).options(joinedload(Export.request)).where(Export.id == made.row["export_id"])
    return session.scalars(query).one()


def test_a_tableau_without_dates_and_motifs_is_to_be_completed(desk: TableauDesk) -> None:
    made = desk.make(VINGT_JOURS, **VINGT)
    missing = [line for line in made.anomalies if line[0] == "à compléter"]
    assert [line[-1] for line in missing] == ["date_et_motif_absents"] * 3, "one line a mouvement; none of who moved"
    assert {line[-2] for line in missing} == {"Date et motif inconnus : les indiquer (page « Dates et motifs »)."}
    assert (made.row["bloquantes"], made.row["a_completer"]) == (0, 3)
    assert all("À compléter, ne pas publier : 3 dates, 3 motifs" in " ".join(page.split()) for page in made.pages)
    assert made.text.count(BETWEEN) == 4
    assert "20/03/2025 " not in made.text.replace(BETWEEN, "").partition("Ce tableau indique")[0]

    file = _shown(desk, made)
    assert (file.state.label, file.state.tone, file.missing) == ("à compléter", "warning", "3 dates, 3 motifs")
    assert not file.is_finished
    with Session(desk.engine) as session:
        export = _export(session, made)
        event = file_event(export.request, export)
        assert (event.data["file"]["a_completer"], event.data["file"]["anomalies_bloquantes"]) == (3, 0)
        mail = describe_request(RequestReport(export.request, "LIBREVILLE"), "")
    assert mail.tone is Tone.WARNING
    assert mail.subject.startswith("Tableau à compléter — ")
    assert ("À compléter", "3 dates, 3 motifs") in mail.items[0].facts


def test_once_completed_and_made_again_it_is_ready(desk: TableauDesk) -> None:
    before = desk.make(VINGT_JOURS, **VINGT)
    _complete(desk)
    assert _shown(desk, before).state.label == "à refaire"
    half = desk.make(VINGT_JOURS, **VINGT)
    assert _shown(desk, half).missing == "3 dates"
    _complete(desk, jour=date(2024, 12, 1))
    made = desk.make(VINGT_JOURS, **VINGT)
    assert _shown(desk, made).state.label == "prêt"
    assert made.text.count("01/12/2024") == 3
    assert made.text.count(BETWEEN) == 1, "the change of bureau"
    assert "À compléter" not in made.text


def test_a_recapitulatif_names_nobody_and_lacks_nothing(desk: TableauDesk) -> None:
    made = desk.make(VINGT_JOURS, **VINGT, presentations=[Presentation.RECAPITULATIF])
    assert made.row["a_completer"] == 0
    assert _shown(desk, made).state.label == "prêt"


def test_a_date_that_moves_a_mouvement_out_of_a_recapitulatif_recalls_it(desk: TableauDesk) -> None:
    shorter = VINGT | {"until": date(2025, 3, 1), "presentations": [Presentation.RECAPITULATIF]}
    short = desk.make(VINGT_JOURS, **shorter)
    whole = desk.make(VINGT_JOURS, **VINGT, presentations=[Presentation.RECAPITULATIF])
    assert [line[-1] for line in short.anomalies] == ["couverture_date"], "what was before 1 March is not known"
    _complete(desk, jour=date(2025, 2, 1))
    assert [_shown(desk, it).state.label for it in (short, whole)] == ["à refaire", "prêt"]
    assert desk.make(VINGT_JOURS, **shorter).row["electeurs"] == 3
    with desk.engine.begin() as connection:
        connection.execute(text("UPDATE mouvement SET is_dated = true WHERE nature = 'modification'"))
    assert desk.make(VINGT_JOURS, **shorter).anomalies == [], "all that is of the period is dated"


@pytest.mark.parametrize("presentation", [Presentation.COMMUNE, Presentation.RECAPITULATIF])
def test_the_five_days_show_article_l_30_and_say_what_they_do_not_know(
    desk: TableauDesk, presentation: Presentation
) -> None:
    asked: dict[str, Any] = {"commune": COMMUNE, "reunion": FIRST, "scrutin": SCRUTIN, "presentations": [presentation]}
    made = desk.make(CINQ_JOURS, **asked)
    found = [line[-1] for line in made.anomalies if line[0] == "à compléter"]
    is_nominative = presentation is Presentation.COMMUNE
    assert found == [*["motif_absent"] * 2 * is_nominative, "categorie_absente"]
    assert "1 inscription sans catégorie" in _shown(desk, made).missing
    assert made.row["electeurs"] == 2, "two radiations: neither the inscription nor the change of bureau"
    if is_nominative:
        assert "Venue" not in made.text
        assert "Autres mouvements, non portés à ce tableau + 1 Électeurs après = 10" in made.text

    _complete(desk)
    assert _shown(desk, made).state.label == "à refaire"
    said = desk.make(CINQ_JOURS, **asked)
    assert _shown(desk, said).missing == ""
    assert said.row["electeurs"] == 2
    with desk.engine.begin() as connection:
        connection.execute(text("UPDATE mouvement SET categorie = 'inscription_l30' WHERE nature = 'inscription'"))
    late = desk.make(CINQ_JOURS, **asked)
    assert late.row["electeurs"] == 3
    if is_nominative:
        assert "Inscription au titre de l’article L. 30" in late.text
        assert "Autres mouvements" not in late.text


def test_the_posted_paper_tells_a_citizen_who_may_contest_it(desk: TableauDesk) -> None:
    text_ = desk.make(VINGT_JOURS, **VINGT).text
    for said in (
        "Ce tableau indique les inscriptions et les radiations intervenues depuis le 11/09/2024, jusqu’au 20/03/2025.",
        "Publié le ____________. Consultable jusqu’au ____________. Retiré le ____________.",
        "Ce tableau se consulte en mairie ; il n’en est pas remis de copie.",
        "sept jours à compter de la publication ; le représentant de l’État aussi (code électoral, art. L. 20, I).",
        "Il statue jusqu’au jour du scrutin (art. L. 20, II).",
        "Le tribunal compétent est le tribunal judiciaire de ____________________.",
    ):
        assert said in text_
    assert "tribunal" not in desk.make(VINGT_JOURS, **VINGT, edition="commission").text
