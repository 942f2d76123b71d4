"""What runs side by side: files that share a dear fixture are named where they are."""

from pathlib import Path

import pytest

from tests.parts.scheduling import SHARED

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("files", [files for group in SHARED.values() for files in group])
def test_a_shared_fixture_is_that_of_files_that_exist(files: str) -> None:
    assert list(ROOT.glob(files))
