"""The expected files of the golden tests; `GOLDEN=write pytest tests/golden tests/unit/test_mails.py` writes them.

A person must then read the difference (`git diff tests/golden`) line by line against the arrêté's table of columns:
e-listelec receives such files, and a program that writes its own expectations proves nothing.
"""

import os
from collections.abc import Mapping
from pathlib import Path

IS_WRITTEN = os.environ.get("GOLDEN") == "write"


def check_files(made: Mapping[str, bytes], expected: Mapping[str, Path], folder: Path) -> None:
    """Compare made files with the expected ones of a folder, or replace those."""
    if IS_WRITTEN:
        for path in expected.values():
            path.unlink(missing_ok=True)
        for name, content in made.items():
            (folder / name).write_bytes(content)
        return
    assert sorted(made) == sorted(expected)
    for name in sorted(made):
        assert made[name].decode().split("\n") == expected[name].read_bytes().decode().split(
            "\n"
        ), name
