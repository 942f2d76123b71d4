"""The ZIP that leaves as it is written: its size is announced, and what changed meanwhile does not pass."""

import io
import zipfile
from datetime import datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from producers.web.dossier.assembly import (
    LARGEST,
    ArchiveEntry,
    ArchiveTooLargeError,
    ContentChangedError,
    archive_size,
    write_archive,
)

AT = datetime.fromisoformat("2026-11-25T10:04:07+01:00")
_NAMES = st.text("abcdefghijklmnopqrstuvwxyz-_/.0123456789", min_size=1, max_size=40)


@given(st.dictionaries(_NAMES, st.binary(max_size=5000), max_size=6))
def test_what_is_written_is_read_back_and_is_as_long_as_announced(files: dict[str, bytes]) -> None:
    entries = [ArchiveEntry.of_text(path, content, AT) for path, content in files.items()]
    written = b"".join(write_archive(entries))
    assert len(written) == archive_size(entries)
    with zipfile.ZipFile(io.BytesIO(written)) as archive:
        assert archive.testzip() is None
        assert {name: archive.read(name) for name in archive.namelist()} == files


def test_an_entry_bears_its_date_and_the_rights_of_a_plain_file() -> None:
    written = b"".join(write_archive([ArchiveEntry.of_text("LISEZ-MOI.txt", b"bonjour", AT)]))
    (entry,) = zipfile.ZipFile(io.BytesIO(written)).infolist()
    assert entry.date_time == (2026, 11, 25, 10, 4, 6)
    assert entry.external_attr >> 16 == 0o100644
    assert (entry.extra, entry.comment, entry.compress_type) == (b"", b"", zipfile.ZIP_STORED)


@pytest.mark.parametrize("found", [b"bonjouR", b"bonjour!", b"bonjou", b""])
def test_a_content_that_changed_ends_the_archive_before_its_directory(found: bytes) -> None:
    honest = ArchiveEntry.of_text("liste.csv", b"bonjour", AT)
    left: list[bytes] = []
    with pytest.raises(ContentChangedError):
        left.extend(write_archive([ArchiveEntry(honest.path, honest.size, honest.crc, AT, [found])]))
    assert b"PK\1\2" not in b"".join(left)


def test_an_archive_that_would_be_too_large_is_refused() -> None:
    fits = ArchiveEntry("a", LARGEST - 200, 0, AT, [])
    assert archive_size([fits]) < LARGEST
    with pytest.raises(ArchiveTooLargeError):
        archive_size([fits, ArchiveEntry("b", 200, 0, AT, [])])
