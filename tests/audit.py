"""`make audit`: known vulnerabilities of the locked packages, and secrets in the git history.

Insecure code is found by ruff (its rules S, bandit's) at each `make check`.
"""

import json
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import click

from tests.parts.packages import GITLEAKS, MissingPartError, provide

ROOT = Path(__file__).parents[1]
ALLOWED = ROOT / "tests" / "gitleaks.toml"


class Audited(NamedTuple):
    """The service's answer about the packages of one lock file."""

    known: list[str]
    """Vulnerabilities, one a line: package, version, identifier, fixed versions."""
    asked: int
    """Packages that the answer covers."""
    unknown: int
    """Packages that the answer does not cover."""


def audit(report: str) -> Audited:
    """Read pip-audit's JSON."""
    packages = json.loads(report)["dependencies"]
    known = [
        f"{it['name']} {it['version']} : {found['id']}, corrigé en {', '.join(found['fix_versions']) or '—'}"
        for it in packages
        for found in it.get("vulns", ())
    ]
    unknown = sum("skip_reason" in it for it in packages)
    return Audited(known, len(packages) - unknown, unknown)


def main() -> int:
    """Print what is known; 1 when something is, or when a secret stands in the history."""
    found = _audit_lock("requirements.lock")
    for line in found.known:
        click.echo(line)
    click.echo(f"requirements.lock: {found.asked} packages asked about, {len(found.known)} vulnerabilities known.")
    if found.unknown:
        click.echo(f"The service does not answer about {found.unknown} packages from here: nothing is known of them.")
    try:
        provide(GITLEAKS)
    except MissingPartError as error:
        click.echo(f"History not looked at. {error}", err=True)
        return 1
    leaks = subprocess.run(
        [GITLEAKS.program("gitleaks"), "detect", "--no-banner", "--redact", "--verbose", f"--config={ALLOWED}"],
        cwd=ROOT,
        check=False,
    )
    click.echo("History: no secret." if leaks.returncode == 0 else "History: see above.")
    return 1 if found.known or leaks.returncode else 0


def _audit_lock(name: str) -> Audited:
    command = [sys.executable, "-m", "pip_audit", "--requirement", name, "--disable-pip", "--require-hashes"]
    done = subprocess.run([*command, "--format", "json"], cwd=ROOT, capture_output=True, text=True, check=False)
    try:
        return audit(done.stdout)
    except json.JSONDecodeError:
        click.echo(f"pip-audit: {done.stderr.strip()[-500:]}", err=True)
        return Audited([], 0, (ROOT / name).read_text("utf-8").count("=="))


if __name__ == "__main__":
    sys.exit(main())
