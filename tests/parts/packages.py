"""The programs that the tests need from the system: found, or installed where this is allowed."""

import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import click
import pytest

_APT_GET = ("apt-get", "-y", "--no-install-recommends", "-o", "DPkg::Lock::Timeout=300")

_POLICY = Path("/usr/sbin/policy-rc.d")
_NO_SERVICE = "#!/bin/sh\n# Written by tests.parts.packages for the time of one apt-get; may be removed.\nexit 101\n"


class MissingPartError(Exception):
    """A part is missing and cannot be installed; the text tells what to do."""


@dataclass(frozen=True)
class Part:
    """Software of the system, under its Debian name."""

    name: str
    package: str
    programs: tuple[str, ...]
    places: tuple[str, ...] = ()

    def find(self, program: str) -> Path | None:
        """The program in one of the part's own directories (the highest version first), else on PATH."""
        folders = [folder for place in self.places for folder in Path("/").glob(place.lstrip("/"))]
        for folder in sorted(
            folders, key=lambda it: [int(n) for n in re.findall(r"\d+", str(it))], reverse=True
        ):
            if os.access(folder / program, os.X_OK):
                return folder / program
        found = shutil.which(program)
        return Path(found) if found else None

    def missing(self) -> list[str]:
        return [program for program in self.programs if self.find(program) is None]

    def program(self, program: str) -> Path:
        """The program's path.

        Raises:
            MissingPartError: it does not exist.
        """
        if (found := self.find(program)) is None:
            raise MissingPartError(f"{self.name}: the program {program} is missing. {self.remedy}")
        return found

    @property
    def remedy(self) -> str:
        """Instructions for a person when the part is missing."""
        return f"As root: apt-get install --no-install-recommends {self.package}"


class Files(Part):
    """Software whose files are read, not run."""

    def find(self, program: str) -> Path | None:
        """The file, in one of the part's own directories."""
        for place in self.places:
            if os.access(found := Path(place) / program, os.R_OK):
                return found
        return None


RABBITMQ = Part(
    "RabbitMQ",
    "rabbitmq-server",
    ("rabbitmq-server", "rabbitmqctl", "epmd"),
    ("/usr/lib/rabbitmq/bin",),
)
POSTGRESQL = Part(
    "PostgreSQL", "postgresql", ("initdb", "postgres", "psql"), ("/usr/lib/postgresql/*/bin",)
)
COMPOSE = Part("Docker Compose", "docker-compose", ("docker-compose",))
OPENSSL = Part("OpenSSL", "openssl", ("openssl",))
PROMETHEUS = Part("Prometheus", "prometheus", ("prometheus", "promtool"))
ALERTMANAGER = Part("Alertmanager", "prometheus-alertmanager", ("amtool",))
AGE = Part("age", "age", ("age", "age-keygen"))
NGINX = Part("nginx", "nginx-light", ("nginx",), ("/usr/sbin",))
CADDY = Part("Caddy", "caddy", ("caddy",))
KUSTOMIZE = Part("Kustomize", "kustomize", ("kustomize",))
GITLEAKS = Part("Gitleaks", "gitleaks", ("gitleaks",))
SHELLCHECK = Part("ShellCheck", "shellcheck", ("shellcheck",))
CHROMIUM = Part("Chromium", "chromium", ("chromium",))
FRENCH_CHROMIUM = Files(
    "French Chromium", "chromium-l10n", ("fr.pak",), ("/usr/lib/chromium/locales",)
)
JQ = Part("jq", "jq", ("jq",))

_CHECKERS = (ALERTMANAGER, AGE, KUSTOMIZE, GITLEAKS, SHELLCHECK, JQ)
PARTS = (RABBITMQ, POSTGRESQL, COMPOSE, OPENSSL, PROMETHEUS, CHROMIUM, NGINX, CADDY, *_CHECKERS)


def require(part: Part) -> None:
    """Make sure that a test can use the part: install it; else skip the test, or fail it in CI."""
    try:
        provide(part)
    except MissingPartError as error:
        if os.environ.get("CI"):
            pytest.fail(str(error), pytrace=False)
        pytest.skip(str(error))


def provide_for_command(*parts: Part) -> None:
    """Install the missing parts.

    Raises:
        ClickException: one cannot be installed.
    """
    try:
        for part in parts:
            provide(part)
    except MissingPartError as error:
        raise click.ClickException(str(error)) from None


def provide(part: Part) -> None:
    """Install the part if it is missing, with a message on stderr.

    Raises:
        MissingPartError: it cannot be installed.
    """
    if not (missing := part.missing()):
        return
    want = f"{part.name} is missing ({', '.join(missing)})"
    if os.geteuid() != 0 or shutil.which("apt-get") is None:
        raise MissingPartError(f"{want}. {part.remedy}")
    click.echo(f"{want}: installing the package {part.package} by apt-get", err=True)
    with _without_services():
        failure = _apt("install", part.package)
        if failure is not None:
            failure = _apt("update") or _apt("install", part.package)
    if failure is not None:
        raise MissingPartError(f"{want}, and apt-get failed: {failure} {part.remedy}")
    if missing := part.missing():
        raise MissingPartError(
            f"{part.package} is installed, yet {', '.join(missing)} cannot be found"
        )


def _apt(*arguments: str) -> str | None:
    """Run apt-get; None, or the end of its output after an error."""
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    done = subprocess.run(
        [*_APT_GET, *arguments], env=environment, capture_output=True, text=True, check=False
    )
    return (
        None
        if done.returncode == 0
        else (done.stderr or done.stdout or "no message").strip()[-500:]
    )


@contextmanager
def _without_services() -> Iterator[None]:
    """Keep Debian from starting the installed services: the tests run servers of their own."""
    if _POLICY.exists():
        yield
        return
    _POLICY.write_text(_NO_SERVICE)
    _POLICY.chmod(0o755)
    try:
        yield
    finally:
        _POLICY.unlink(missing_ok=True)
