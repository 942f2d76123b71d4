"""The stored comparison of a tableau with the list of the day: counts on the row, names beside the file."""

import json
from datetime import datetime
from typing import Any

import pytest

from schemas.tableaux import TypeTableau
from tests.integration.export_desk import decoded
from tests.integration.import_desk import COMMUNE, TWO_COMMUNES, MouvementsDesk
from tests.integration.tableau_desk import TableauDesk
from tests.integration.test_majorite import (
    ADULTS,
    BEFORE,
    IN_PERIOD,
    LATER,
    MEETING,
    ON_POLL,
    POLL,
    invented,
)
from worker.registre.reu.importer import Intake

pytestmark = [pytest.mark.database(TWO_COMMUNES), pytest.mark.slow]

CAME, LEFT = invented("FURET", "14/03/1962"), invented("FAISAN", "15/04/1963")


@pytest.fixture
def register(register: MouvementsDesk) -> MouvementsDesk:
    register.load([*ADULTS, IN_PERIOD, ON_POLL, LEFT], intake=Intake(BEFORE))
    register.load([*ADULTS, IN_PERIOD, ON_POLL, LEFT], intake=Intake(MEETING), accept_changes=True)
    register.load([*ADULTS, IN_PERIOD, ON_POLL, CAME], intake=Intake(LATER))
    return register


def test_who_differs_is_named_beside_the_tableau_and_nowhere_else(
    tableaux: TableauDesk, capsys: pytest.CaptureFixture[str]
) -> None:
    asked = {"commune": COMMUNE, "scrutin": POLL, "reunion": BEFORE, "until": MEETING}
    created_at = datetime.fromisoformat(f"{LATER}T12:00:00+02:00")
    made = tableaux.make(TypeTableau.VINGT_JOURS, created_at=created_at, **asked)
    record: dict[str, Any] = decoded(made.row["reconciliation"])
    assert record == {
        "liste_on": "2026-10-25",
        "version": 3,
        "electeurs": 23,
        "tableau_on": "2026-09-18",
        "age_on": "2026-10-11",
        "apres": 23,
        "differences": {"came_since": 1, "left_since": 1},
        "unexplained": 0,
    }
    path = made.path.with_name(made.row["proof_name"])
    assert path.name == f"{made.path.stem}-pdf-reconciliation.json"
    named = json.loads(path.read_bytes())["differences"]
    assert [(it["nom_naissance"], it["is_on"], it["message"]) for it in named] == [
        ("FAISAN", "tableau", "radiation entre le 18/09/2026 et le 25/10/2026, après le tableau"),
        ("FURET", "liste", "inscription entre le 18/09/2026 et le 25/10/2026, après le tableau"),
    ]
    captured = capsys.readouterr()
    assert not any(nom in captured.out + captured.err + str(record) for nom in ("FAISAN", "FURET"))
