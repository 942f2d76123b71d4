"""Files of the volume are opened without links, by the record, and checked; a sheet for a clerk has no formula."""

import csv
import hashlib
import io
import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from common.files import (
    NotRegularError,
    SheetWriter,
    disarm,
    keep_files_private,
    open_beneath,
    open_regular,
    rearm,
)
from producers.records import PieceFile
from producers.web.exports import stored_file
from producers.web.exports.stored_file import FileAlteredError, FileGoneError, open_file


def test_a_file_is_read_by_its_path_and_beneath_a_root(tmp_path: Path) -> None:
    (tmp_path / "13900").mkdir()
    (tmp_path / "13900" / "liste.csv").write_bytes(b"LANTERNE")
    with open_regular(tmp_path / "13900" / "liste.csv") as file:
        assert file.read() == b"LANTERNE"
    with open_beneath(tmp_path, "13900", "liste.csv") as file:
        assert file.read() == b"LANTERNE"


def test_the_root_may_be_a_link_what_is_beneath_may_not(tmp_path: Path) -> None:
    volume = tmp_path / "volume"
    (volume / "13900").mkdir(parents=True)
    (volume / "13900" / "liste.csv").touch()
    (volume / "13900" / "link.csv").symlink_to("liste.csv")
    (volume / "13901").symlink_to("13900")
    (tmp_path / "mount").symlink_to(volume)
    open_beneath(tmp_path / "mount", "13900", "liste.csv").close()
    for steps in (("13900", "link.csv"), ("13901", "liste.csv")):
        with pytest.raises(OSError, match=r"."):
            open_beneath(volume, *steps)


def _count_descriptors() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


def test_open_beneath_leaves_one_descriptor_open_and_none_after_a_failure(tmp_path: Path) -> None:
    (tmp_path / "13900" / "2026").mkdir(parents=True)
    (tmp_path / "13900" / "2026" / "liste.csv").touch()
    before = _count_descriptors()
    with open_beneath(tmp_path, "13900", "2026", "liste.csv"):
        assert _count_descriptors() == before + 1
    for steps in (("13900", "2026", "absent.csv"), ("13900", "absent", "liste.csv")):
        with pytest.raises(FileNotFoundError):
            open_beneath(tmp_path, *steps)
    assert _count_descriptors() == before


def test_what_is_no_file_is_told_from_one_and_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(NotRegularError):
        open_regular(tmp_path / "pipe")
    with pytest.raises(IsADirectoryError):
        open_regular(tmp_path)
    with pytest.raises(FileNotFoundError):
        open_regular(tmp_path / "nothing")


def test_files_are_private_to_their_group() -> None:
    before = os.umask(0)
    try:
        keep_files_private()
        assert os.umask(0) == 0o027
    finally:
        os.umask(before)


STARTS = ("=", "+", "-", "@", "\t", "\r", "\n", "\uff1d", "\uff0b", "\uff0d", "\uff20")


@pytest.mark.parametrize("start", STARTS)
def test_no_cell_becomes_a_formula(start: str) -> None:
    text = io.StringIO(newline="")
    SheetWriter(text).write([f"{start}1+1", "Lys-Haut", f"Lys{start}Haut"])
    (cells,) = csv.reader(io.StringIO(text.getvalue(), newline=""), delimiter=";")
    assert cells == [f"'{start}1+1", "Lys-Haut", f"Lys{start}Haut"]


def test_a_number_is_a_number() -> None:
    text = io.StringIO(newline="")
    SheetWriter(text).write([-3, "-3", None])
    assert text.getvalue() == "-3;'-3;\r\n"


@given(st.text(st.sampled_from(["'", *STARTS, "a", " "]), max_size=5))
def test_a_value_is_harmless_and_can_be_read_back(value: str) -> None:
    assert not disarm(value).startswith(STARTS)
    assert rearm(disarm(value)) == value


CONTENT = b"Nom;Prenoms\nINVENTE;Zoe\n" * 50


def put(root: Path, name: str = "liste.csv", content: bytes = CONTENT) -> PieceFile:
    """A file on the volume, and its record."""
    (root / "13900").mkdir(exist_ok=True)
    (root / "13900" / name).write_bytes(content)
    return PieceFile(name, len(content), hashlib.sha256(content).hexdigest())


def test_the_bytes_come_in_pieces_and_the_end_is_known(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stored_file, "CHUNK", 100)
    delivery = open_file(tmp_path, "13900", put(tmp_path))
    pieces = iter(delivery)
    first = next(pieces)
    assert (len(first), delivery.is_complete) == (100, False)
    assert first + b"".join(pieces) == CONTENT
    assert delivery.is_complete
    assert delivery.file.closed


def test_who_leaves_in_the_middle_has_not_taken_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stored_file, "CHUNK", 100)
    delivery = open_file(tmp_path, "13900", put(tmp_path))
    next(iter(delivery))
    delivery.close()
    assert not delivery.is_complete
    assert delivery.file.closed


def test_a_file_that_is_cut_meanwhile_was_not_taken(tmp_path: Path) -> None:
    """Another process truncated the very file that is open."""
    whole = CONTENT * 1000
    delivery = open_file(tmp_path, "13900", put(tmp_path, content=whole))
    (tmp_path / "13900" / "liste.csv").write_bytes(b"")
    assert len(b"".join(delivery)) < len(whole)
    assert not delivery.is_complete


def test_a_file_that_is_replaced_meanwhile_changes_nothing(tmp_path: Path) -> None:
    delivery = open_file(tmp_path, "13900", put(tmp_path))
    other = tmp_path / "13900" / "other"
    other.write_bytes(b"x" * len(CONTENT))
    other.replace(tmp_path / "13900" / "liste.csv")
    assert b"".join(delivery) == CONTENT


@pytest.mark.parametrize("content", [b"", CONTENT[:-1], CONTENT + b"\n", CONTENT[:-1] + b"X"])
def test_other_bytes_are_refused(tmp_path: Path, content: bytes) -> None:
    recorded = put(tmp_path)
    (tmp_path / "13900" / "liste.csv").write_bytes(content)
    with pytest.raises(FileAlteredError):
        open_file(tmp_path, "13900", recorded)


def test_a_link_is_refused_be_it_the_file_or_its_directory(tmp_path: Path) -> None:
    recorded = put(tmp_path)
    path = tmp_path / "13900" / "liste.csv"
    path.rename(tmp_path / "outside")
    path.symlink_to(tmp_path / "outside")
    with pytest.raises(FileAlteredError):
        open_file(tmp_path, "13900", recorded)
    path.unlink()
    (tmp_path / "outside").rename(path)
    (tmp_path / "13900").rename(tmp_path / "moved")
    (tmp_path / "13900").symlink_to(tmp_path / "moved")
    with pytest.raises(FileGoneError):
        open_file(tmp_path, "13900", recorded)


@pytest.mark.parametrize(
    "name", ["", ".", "..", ".liste.csv", "../13900/liste.csv", "/etc/passwd", "a/b", "a\0b"]
)
def test_a_name_that_is_no_plain_name_is_not_looked_for(tmp_path: Path, name: str) -> None:
    recorded = put(tmp_path)
    with pytest.raises(FileGoneError):
        open_file(tmp_path, "13900", recorded._replace(file_name=name))
