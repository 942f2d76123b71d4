"""Archives that clerks upload: how many files they may have."""

import zipfile
from io import BytesIO

import pytest

from common.file_kind import UnreadableArchiveError, list_files, open_archive


def _zip(files: int) -> BytesIO:
    archive = BytesIO()
    with zipfile.ZipFile(archive, "w") as written:
        for number in range(files):
            written.writestr(f"liste-{number}.csv", "")
    return archive


def test_open_archive_takes_200_files_and_refuses_201() -> None:
    with open_archive(_zip(200), 1) as archive:
        assert len(list_files(archive)) == 200
    with (
        pytest.raises(UnreadableArchiveError, match="trop de fichiers"),
        open_archive(_zip(201), 1),
    ):
        pass
