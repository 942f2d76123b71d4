"""Files of the volume are opened without following links; a sheet that a clerk opens contains no formula."""

import csv
import io
import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from common.files import NotRegularError, SheetWriter, disarm, keep_files_private, open_beneath, open_regular, rearm


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
