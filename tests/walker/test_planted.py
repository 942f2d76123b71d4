"""Ten faults of the product, put in on purpose: the walker finds each of them.

Six are wrong rows of the table of cures. In the others a page or a record disagrees with the task that leads to it; the
last one is the dead end that began the walker.
"""

from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager
from types import SimpleNamespace
from unittest.mock import patch

import pytest

from schemas.cures import CURES, Todo
from schemas.vocabulary import Nature
from tests.walker.history import WalkError, play
from tests.walker.site import Site
from tests.walker.test_walker import open_site

_Plant = AbstractContextManager[object]


def _cure(code: str, **changes: str) -> _Plant:
    """Change a row of the table of cures."""
    assert isinstance(CURES, dict)
    return patch.dict(CURES, {code: CURES[code]._replace(**changes)})


_PLANTED: Mapping[str, tuple[int, str, _Plant]] = {
    "a task leads to another page": (14799060, "shows 0 things", _cure(Todo.MOTIFS, page="doutes")),
    "a task leads to a part that the page has not": (
        14799060,
        "has no part #exports",
        _cure(Todo.EXPORT, select="#exports"),
    ),
    "a page opens on another list": (
        14799060,
        "does not tick",
        _cure(Todo.LISTES, select="?listes=CM#demander"),
    ),
    "a form opens on another tableau": (
        14799060,
        "answers 422",
        _cure(Todo.ASK, select="?type=cinq_jours_reu#demander"),
    ),
    "a task leads to a page that answers 404": (
        14799060,
        "answers 404",
        _cure(Todo.PUBLISH, page="reponse"),
    ),
    "a task leads to a page without its form": (
        14799060,
        "has no form to /copies",
        _cure(Todo.DOSSIER, page="copies"),
    ),
    "a page does not hold what its task counts": (
        14799060,
        "has no form to /depot",
        patch("producers.web.dossier.pick", return_value=None),
    ),
    "what the clerk notes is not recorded": (
        14799060,
        "the task is the same",
        patch("worker.handlers.declarations.declare.note_motifs"),
    ),
    "a task asks to correct what the platform accepted": (
        14799060,
        "shows no blocking anomaly",
        patch(
            "producers.web.taches._is_to_correct", lambda files: bool(files and files[0].verdict)
        ),
    ),
    "a check asks for the day of a change of bureau, which its page leaves out": (
        14799061,
        "no mouvement is on",
        patch(
            "worker.registre.imports.chain.Nature",
            SimpleNamespace(**{**Nature.__members__, "MODIFICATION": "aucune"}),
        ),
    ),
}
"""By the fault: a history that meets it, what its clerk says, and the fault."""


@pytest.fixture(scope="module")
def site() -> Iterator[Site]:
    with open_site() as opened:
        yield opened


@pytest.mark.slow
@pytest.mark.parametrize("fault", _PLANTED)
def test_the_walker_finds_a_dead_end(site: Site, fault: str) -> None:
    seed, said, plant = _PLANTED[fault]
    with plant, pytest.raises(WalkError, match=said):
        play(site, seed)
