"""Minors registered in advance, from exports of the REU to the list file and the tableaux: inscribed once."""

import re
from datetime import date, datetime

import pytest

from common.calendrier import CalendarReunion, CalendarScrutin
from schemas.tableaux import TypeTableau
from schemas.vocabulary import Format, Liste
from tests.integration.import_desk import COMMUNE, TWO_COMMUNES, MouvementsDesk
from tests.integration.tableau_desk import Made, TableauDesk
from tests.unit.reu_sample import BUREAU, DATE, NOM, NUMERO, PRENOMS, VOIE, electeurs
from worker.registre.reu.importer import Intake
from worker.registre.scrutins import NATIONAL, add_reunion, remove_scrutin, set_scrutin

pytestmark = [pytest.mark.database(TWO_COMMUNES), pytest.mark.slow]

BEFORE, MEETING = date(2026, 3, 20), date(2026, 9, 18)
POLL, SECOND_ROUND = date(2026, 10, 11), date(2026, 10, 18)
LATER = date(2026, 10, 25)
_BILAN = re.compile(
    r"Électeurs avant (\d+) Inscriptions \+ (\d+) Radiations − (\d+) Électeurs après = (\d+)"
)


def invented(nom: str, birth: str, bureau: str = "0001") -> dict[str, str]:
    """An elector unlike all others, so that the import raises no doubt."""
    its_own = {
        PRENOMS: f"Zoé {nom}",
        VOIE: f"Rue {nom}",
        NUMERO: str(100 + len(nom) * 7 + ord(nom[1]) + ord(nom[-2])),
    }
    return electeurs(1, {NOM: nom, DATE: birth, BUREAU: bureau})[0] | its_own


ADULTS = electeurs(20)
GROWN = invented("GERBOISE", "01/12/2007")  # of age when the first export was taken
IN_PERIOD = invented("GERFAUT", "30/06/2008")
ON_POLL = invented("GRIVE", "11/10/2008", "0002")
BETWEEN_ROUNDS = invented("GRÈBE", "18/10/2008")
NEVER = invented("GIBBON", "19/10/2008")
LEAVES = invented("GAZELLE", "01/05/2008")
COMES = invented(
    "GENETTE", "29/02/2008"
)  # no birthday in 2026: of age on 1 March, before the first export with this name
COMES_EARLY = invented("GLOUTON", "01/10/2008")
FIRST = [*ADULTS, GROWN, IN_PERIOD, ON_POLL, BETWEEN_ROUNDS, NEVER, LEAVES]
YOUNG = {"GERBOISE", "GERFAUT", "GRIVE", "GRÈBE", "GIBBON", "GAZELLE", "GENETTE", "GLOUTON"}
SECOND = [*ADULTS, GROWN, IN_PERIOD, ON_POLL, BETWEEN_ROUNDS, NEVER, COMES, COMES_EARLY]


@pytest.fixture
def register(register: MouvementsDesk) -> MouvementsDesk:
    register.load(FIRST, intake=Intake(BEFORE))
    register.load(SECOND, intake=Intake(MEETING))
    register.load(
        [*SECOND[:-3], *SECOND[-2:]], intake=Intake(LATER)
    )  # the elector who was never of age is absent
    with register.engine.begin() as connection:
        for meeting in (BEFORE, MEETING):
            add_reunion(connection, COMMUNE, CalendarReunion(meeting))
    return register


def _make(tableaux: TableauDesk, type_: TypeTableau, **fields: object) -> Made:
    return tableaux.make(type_, commune=COMMUNE, **({"scrutin": POLL} | fields))


def _figures(made: Made) -> list[int]:
    (figures,) = _BILAN.findall(made.text)
    return [int(figure) for figure in figures]


def _shown(made: Made) -> set[str]:
    return {nom for nom in YOUNG if nom in made.text}


def _name_poll(tableaux: TableauDesk, libelle: str) -> None:
    with tableaux.engine.begin() as connection:
        set_scrutin(connection, CalendarScrutin(POLL, libelle))


def test_of_age_for_the_poll_or_its_second_round(tableaux: TableauDesk) -> None:
    _name_poll(tableaux, "Élections municipales, 1er tour")
    vingt = _make(tableaux, TypeTableau.VINGT_JOURS)
    assert _shown(vingt) == YOUNG - {"GERBOISE", "GIBBON"}
    assert _figures(vingt) == [21, 6, 1, 26], "she who left had come of age before"
    assert "Inscription d’office" not in vingt.text, "nobody has confirmed one"
    assert [(line[0], line[-1]) for line in vingt.anomalies if line[0] == "à compléter"]
    assert "le 18/10/2026 au plus tard (Code électoral, art. L. 11, II, 1°)" in vingt.text
    assert not [line for line in vingt.anomalies if line[0] == "bloquante"]
    cinq = _make(tableaux, TypeTableau.CINQ_JOURS_REU)
    assert not _shown(cinq)
    assert _figures(cinq) == [26, 0, 0, 26]
    created_at = datetime.fromisoformat(f"{SECOND_ROUND}T12:00:00+02:00")
    (export_id,) = tableaux.ask_all([(Liste.PRINCIPALE, Format.CSV)], created_at, COMMUNE)
    assert tableaux.process(export_id)["electeurs"] == 26


def test_whoever_comes_of_age_for_a_poll_that_was_not_known_is_counted(
    tableaux: TableauDesk,
) -> None:
    """The tableau of the meeting was made before the poll was called: it counts age on the day of the meeting."""
    first: dict[str, object] = {"scrutin": None, "reunion": BEFORE, "until": MEETING}
    _make(tableaux, TypeTableau.VINGT_JOURS, **first)
    _name_poll(tableaux, "Élections municipales")
    cinq = _make(tableaux, TypeTableau.CINQ_JOURS_REU)
    (line,) = [line for line in cinq.anomalies if line[-1] == "majorite_entre_tableaux"]
    assert line[0] == "remarque"
    assert line[-2] == (
        "3 électeurs ont dix-huit ans du 19/09/2026 au 18/10/2026 et ne sont ni dans ce tableau ni dans celui d'avant, "
        "qui compte l'âge au 18/09/2026 d'après les scrutins connus alors. Redemander celui d'avant, puis celui-ci."
    )
    _make(tableaux, TypeTableau.VINGT_JOURS, **first)
    again = _make(tableaux, TypeTableau.CINQ_JOURS_REU)
    assert "majorite_entre_tableaux" not in [line[-1] for line in again.anomalies], (
        "the one before counts for the poll"
    )
    with tableaux.engine.begin() as connection:
        remove_scrutin(connection, NATIONAL, POLL)
    late = _make(tableaux, TypeTableau.VINGT_JOURS, scrutin=None, reunion=MEETING, until=LATER)
    (said,) = [line[-2] for line in late.anomalies if line[-1] == "majorite_entre_tableaux"]
    assert said.startswith(
        "3 électeurs ont dix-huit ans du 19/09/2026 au 18/10/2026 et étaient déjà dans celui d'avant, qui "
    )
