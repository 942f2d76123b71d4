"""`python -m tests.golden write` makes the expected files of every case again; `… write NAME` those of one case.

A human must then read the difference (`git diff tests/golden`) line by line against the arrêté's table of columns:
these files are what e-listelec receives, and a program that writes its own expectations proves nothing.
"""

import sys
import tempfile
from pathlib import Path

from tests.golden.cases import Case, produce, read_cases
from worker.db.engine import build_engine
from worker.db.migrate import migrate


def main(arguments: list[str]) -> int:
    """Write the files; 2 for a wrong usage."""
    match arguments:
        case ["write", *names]:
            for golden in read_cases():
                if not names or golden.folder.name in names:
                    _write(golden)
            return 0
        case _:
            sys.stderr.write("usage: python -m tests.golden write [NAME ...]\n")
            return 2


def _write(golden: Case) -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        url = f"sqlite:///{folder / 'golden.sqlite3'}"
        engine = build_engine(url)
        migrate(engine)
        engine.dispose()
        made = produce(golden, url, folder)
    for stale in golden.expected().keys() - made.keys():
        (golden.folder / stale).unlink()
    for file_name, content in made.items():
        (golden.folder / file_name).write_bytes(content)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
