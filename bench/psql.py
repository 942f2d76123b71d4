r"""The reference of all measures: `psql \copy (SELECT …) TO file`."""

import os
import subprocess
import time
from collections.abc import Mapping
from pathlib import Path

from sqlalchemy.engine import make_url

from bench.measure import Measure
from tests.parts.packages import POSTGRESQL


def copy_to(path: Path, url: str, query: str, planner: Mapping[str, str], *, null: str = "") -> Measure:
    r"""Time one `\copy`, from the start of psql to its end, and delete the file."""
    wall = _run(url, f"\\copy ({query}) to '{path}' with (format csv, delimiter ';', null '{null}')", planner)
    size = path.stat().st_size
    path.unlink()
    return Measure(wall, size=size)


def copy_from(path: Path, url: str, columns: int) -> Measure:
    r"""Time one `\copy` of a file into a plain table of texts, from the start of psql to its end."""
    table = ", ".join(f"c{number} text" for number in range(columns))
    _run(url, f"DROP TABLE IF EXISTS plain; CREATE TABLE plain ({table})", {})
    return Measure(_run(url, f"\\copy plain from '{path}' with (format csv, delimiter ';', header)", {}))


def _run(url: str, command: str, planner: Mapping[str, str]) -> float:
    address = make_url(url)
    environment = {
        "PATH": os.environ.get("PATH", os.defpath),
        "PGCLIENTENCODING": "UTF8",
        "PGHOST": str(address.host),
        "PGPORT": str(address.port),
        "PGUSER": str(address.username),
        "PGPASSWORD": str(address.password),
        "PGDATABASE": str(address.database),
        "PGOPTIONS": " ".join(f"-c {name}={value}" for name, value in planner.items()),
    }
    begun = time.perf_counter()
    subprocess.run(  # noqa: S603 — Debian's psql, our statement
        [POSTGRESQL.program("psql"), "--no-psqlrc", "--quiet", "--command", command], env=environment, check=True
    )
    return time.perf_counter() - begun
