"""A form of deposits that is sent twice, by a hand or by a browser, counts once."""

from uuid import uuid4

import pytest

from schemas.vocabulary import Liste
from tests.integration.depots_desk import today
from tests.web.files_desk import FilesScreen

CM = Liste.COMPLEMENTAIRE_MUNICIPALE


@pytest.mark.slow
def test_a_button_that_is_pressed_twice_declares_once(files: FilesScreen) -> None:
    export = files.make(CM)["export_id"]
    deposit = {"export": export, "jour": today().isoformat(), "formulaire": str(uuid4())}
    verdict = {"export": export, "jour": today().isoformat(), "verdict": "accepte", "formulaire": str(uuid4())}
    for name, form, said in (("depot", deposit, "déposé le"), ("verdict", verdict, "accepté le")):
        for _ in range(2):
            assert files.post(name, form).status_code == 303
        assert len({event.id for event in files.broker.events}) == 1
        assert files.read("depot").count(f"Enregistrement en cours : {said}") == 1
        files.work()
        assert files.read("depot").count(f"Enregistré : {said}") == 1
    assert _actions(files) == ["depot_declared", "depot_verdict"]


def test_the_same_form_with_other_words_is_another_declaration(files: FilesScreen) -> None:
    export = files.make(CM)["export_id"]
    form = {"export": export, "jour": today().isoformat(), "formulaire": str(uuid4())}
    for remarque in ("Au guichet.", "Par Zoé."):
        files.post("depot", form | {"remarque": remarque})
    files.work()
    assert files.desk.row(export)["remarque"] == "Par Zoé."
    assert _actions(files) == ["depot_declared"] * 2


def _actions(files: FilesScreen) -> list[str]:
    return [line.action for line in files.desk.audit() if line.action.startswith("depot")]
