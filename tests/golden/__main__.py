"""`python -m tests.golden write` makes the expected files of every case again; `… write NAME` those of one case.

A person must then read the difference (`git diff tests/golden`) line by line against the arrêté's table of columns:
e-listelec receives such files, and a program that writes its own expectations proves nothing.
"""

import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.golden.cases import Case, produce, read_cases
from tests.golden.tableaux import FOLDER, make_tableaux
from tests.parts.town import prepare_migrated


def main(arguments: list[str]) -> int:
    """Write the files; 2 for a wrong usage."""
    match arguments:
        case ["write", *names]:
            for golden in read_cases():
                if not names or golden.folder.name in names:
                    _write(golden)
            if not names:
                _write_tableaux()
            return 0
        case _:
            sys.stderr.write("usage: python -m tests.golden write [NAME ...]\n")
            return 2


def _write(golden: Case) -> None:
    with _migrated() as (url, folder):
        made = produce(golden, url, folder)
    for stale in golden.expected().keys() - made.keys():
        (golden.folder / stale).unlink()
    for file_name, content in made.items():
        (golden.folder / file_name).write_bytes(content)


def _write_tableaux() -> None:
    with _migrated() as (url, folder):
        for file_name, said in make_tableaux(url, folder):
            (FOLDER / file_name).write_text(said, encoding="utf-8", newline="\n")


@contextmanager
def _migrated() -> Iterator[tuple[str, Path]]:
    with tempfile.TemporaryDirectory() as name:
        url = f"sqlite:///{name}/golden.sqlite3"
        prepare_migrated(url)
        yield url, Path(name)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
