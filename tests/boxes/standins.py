"""Substitutes for the official images, built from Debian's packages: no registry is asked.

Differences from the official images: Debian's builds of Python, RabbitMQ, PostgreSQL and Prometheus, in Debian's paths,
and entrypoints that implement only the documented features which docker-compose.yml uses.
"""

import shutil
import subprocess
from collections.abc import Iterable
from pathlib import Path

from tests.boxes.engine import Engine

_CONTEXT = Path(__file__).with_name("standins")
_ROOTS = {
    "python-root": ("python3.13", "python3.13-venv", "python3-pip", "ca-certificates", "tzdata"),
    "services-root": ("rabbitmq-server", "postgresql-17", "prometheus", "gosu", "ca-certificates", "procps"),
}
_IMAGES = {
    "python": "python:3.13-slim-trixie",
    "rabbitmq": "rabbitmq:4.0-management",
    "postgres": "postgres:17",
    "prometheus": "prom/prometheus:v2.53.3",
}


def make_standins(engine: Engine, cache: Path, locks: Iterable[Path], folder: Path) -> None:
    """Build them under the names that FROM and `image:` use. Two minutes, none once `cache` has the root file systems.

    The Python image contains the wheels of the lock files, and its pip looks nowhere else.
    """
    cache.mkdir(parents=True, exist_ok=True)
    for name, packages in _ROOTS.items():
        root = cache / f"{name}.tar"
        if not root.exists():
            _run("mmdebstrap", "--quiet", "--variant=minbase", f"--include={','.join(packages)}", "trixie", root)
        engine.run(f"docker import {root} prefecture-standin/{name}")
    context = folder / "standins"
    shutil.copytree(_CONTEXT, context)
    wheels = context / "wheels"
    for lock in locks:
        options = ("--quiet", "--require-hashes", "--only-binary=:all:", "--requirement", lock, "--dest", wheels)
        _run("/usr/bin/python3.13", "-m", "pip", "download", *options)
    for target, tag in _IMAGES.items():
        engine.run(f"docker build --quiet --target {target} --tag {tag} {context}")


def _run(*command: object) -> None:
    done = subprocess.run([*map(str, command)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
