"""The order of the tests: each process of pytest-xdist takes whole files, the slowest kinds first.

Every process has servers of its own, since a test may stop them; more expensive fixtures are made in one process only.
"""

from collections.abc import Sequence
from pathlib import Path

import pytest
from xdist.scheduler import LoadScopeScheduling  # type: ignore[import-untyped]

_KINDS = (
    "boxes",
    "faults",
    "web",
    "oracle",
    "walker",
    "integration",
    "security",
    "ruined",
    "golden",
    "contract",
    "unit",
)
_EACH_DAY = ("boxes", "nemesis")
SHARED = {
    "a whole installation": ("tests/web/test_browser_*.py",),
    "the accounts of deploy/": ("tests/integration/test_*permissions.py",),
}


class WholeFiles(LoadScopeScheduling):  # type: ignore[misc]
    """The tests of a file run one after the other, in one process; so do files that share an expensive fixture."""

    def __init__(self, config: pytest.Config, log: object = None) -> None:
        config.option.loadscopereorder = (
            False  # our order is better: the slowest first, not the most numerous
        )
        super().__init__(config, log)

    def _split_scope(self, nodeid: str) -> str:
        path = Path(nodeid.partition("::")[0])
        return next(
            (group for group, files in SHARED.items() if any(map(path.match, files))), str(path)
        )


def seventh(items: Sequence[pytest.Item], day: int) -> list[pytest.Item]:
    """Of the slow tests the files of a seventh, another one each day of the week; all other tests each day."""
    shared = [
        it for it in items if it.get_closest_marker("slow") and it.path.parent.name not in _EACH_DAY
    ]
    left_out = {
        path for at, path in enumerate(sorted({it.path for it in shared})) if at % 7 != day % 7
    }
    return [it for it in items if it not in shared or it.path not in left_out]


def slowest_first(items: Sequence[pytest.Item]) -> list[pytest.Item]:
    """Sort the tests by kind, stable otherwise: a long file that began last would delay the end."""
    root = Path(__file__).parents[1]
    return sorted(items, key=lambda item: _KINDS.index(item.path.relative_to(root).parts[0]))
