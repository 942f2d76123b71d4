"""`docker compose`, for the commands of docs/operations.md: what they run in a container runs here.

The environment is the container's: PGHOST and so on for the database's, PREFECTURE_… for ours.
"""

import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from tests.parts.deployment import DEPLOY
from tests.parts.packages import POSTGRESQL

_ROOT = Path(__file__).parents[2]


def install(folder: Path) -> Path:
    """Write a program `docker` into a folder for PATH, and return the folder."""
    folder.mkdir()
    program = folder / "docker"
    program.write_text(f'#!/bin/sh\nPYTHONPATH={_ROOT} exec {sys.executable} -m tests.parts.docker "$@"\n')
    program.chmod(0o755)
    return folder


def _run(program: str | Path, arguments: Sequence[str]) -> int:
    places = {
        "/var/lib/prefecture/exports": os.environ["PREFECTURE_EXPORTS_DIR"],
        "/docker-entrypoint-initdb.d": str(DEPLOY / "database"),
    }
    for theirs, ours in places.items():
        arguments = [argument.replace(theirs, ours) for argument in arguments]
    return subprocess.run([program, *arguments], check=False).returncode


def main(arguments: Sequence[str]) -> int:
    """Do what `docker compose` would."""
    match arguments:
        case ["compose", "down"] | ["compose", "up", "--detach", *_]:
            return 0
        case ["compose", "exec", "-T", "database", program, *rest]:
            return _run(POSTGRESQL.program(program), rest)
        case ["compose", "run", "--rm", "-T", "--no-deps", "--entrypoint", program, "command", *rest]:
            return _run(program, rest)
        case ["compose", "run", "--rm", "--no-deps", "command", *rest]:
            return _run(sys.executable, ["-m", "worker", *rest])
        case _:
            raise SystemExit(f"not known here: docker {' '.join(arguments)}")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
