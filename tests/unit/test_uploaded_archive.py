"""An uploaded ZIP: the clerk gets a message in each case, and this process's memory stays small."""

import io
import tracemalloc
import zipfile

import pytest

from common.file_kind import UnreadableArchiveError
from producers.web.verifier.diagnosis import examine_archive

_EMPTY_ENTRY = 46 + 1
"""Offsets in a central directory's entry (PKWARE APPNOTE 6.3.10, 4.3.12) with a name of one letter."""


def archive(compression: int = zipfile.ZIP_STORED, name: str = "liste.csv", content: bytes = b"A;B\n" * 50) -> bytes:
    into = io.BytesIO()
    with zipfile.ZipFile(into, "w", compression) as file:
        file.writestr(name, content)
    return into.getvalue()


def test_its_files_are_examined_one_by_one() -> None:
    (found,) = examine_archive(io.BytesIO(archive(zipfile.ZIP_DEFLATED, "dossier/liste.csv")))
    assert (found.name, found.size, found.lines) == ("liste.csv", 200, 50)


@pytest.mark.parametrize(
    "content",
    [
        archive().replace(b"A;B\n", b"A;C\n"),
        archive(zipfile.ZIP_DEFLATED).replace(archive(zipfile.ZIP_DEFLATED)[40:45], b"\xff" * 5),
        archive(name="é.csv").replace("é".encode(), b"\xe9\xe9"),
        archive()[:-30],
        b"PK\3\4",
    ],
    ids=["bytes", "deflate", "name", "short", "nothing"],
)
def test_what_is_damaged_is_told(content: bytes) -> None:
    with pytest.raises(UnreadableArchiveError, match="abîmé"):
        list(examine_archive(io.BytesIO(content)))


@pytest.mark.parametrize("method", [zipfile.ZIP_LZMA, zipfile.ZIP_BZIP2])
def test_a_content_that_would_come_out_at_once_is_not_read(method: int) -> None:
    bomb = io.BytesIO(archive(method, content=bytes(1_000_000)))
    tracemalloc.start()
    try:
        with pytest.raises(UnreadableArchiveError, match="refaites-le"):
            list(examine_archive(bomb))
        assert tracemalloc.get_traced_memory()[1] < 10_000_000
    finally:
        tracemalloc.stop()


def test_the_directory_of_a_crowd_of_files_is_not_read() -> None:
    with zipfile.ZipFile(io.BytesIO(archive(name="x", content=b""))) as whole:
        start = whole.start_dir
    one = archive(name="x", content=b"")[start : start + _EMPTY_ENTRY]
    number, size = 300_000, 300_000 * _EMPTY_ENTRY
    counts = (0xFFFF).to_bytes(2, "little") * 2 + size.to_bytes(4, "little") + bytes(4) + bytes(2)
    crowd = io.BytesIO(one * number + b"PK\5\6" + bytes(4) + counts)
    tracemalloc.start()
    try:
        with pytest.raises(UnreadableArchiveError, match="trop de fichiers"):
            list(examine_archive(crowd))
        assert tracemalloc.get_traced_memory()[1] < 10_000_000
    finally:
        tracemalloc.stop()
