"""`python -m bench`: exit code 0 when every target is met, 1 otherwise."""

import signal
import sys
from pathlib import Path

import click

from bench.check import Check
from bench.checks import CHECKS
from bench.report import REGRESSION, compare, format_table, machine_facts, write_json
from bench.stage import VAR, open_stage, tell

_SMALLEST = 1000
_TERMINATED = 128 + signal.SIGTERM


def _parse_only(_context: click.Context, _parameter: click.Parameter, value: str) -> list[str]:
    names = [name.strip().upper() for name in value.split(",")]
    if unknown := [name for name in names if name not in CHECKS]:
        raise click.BadParameter(f"{', '.join(unknown)}; there are {', '.join(CHECKS)}")
    return names


@click.command()
@click.option(
    "--only",
    default=",".join(CHECKS),
    show_default=True,
    callback=_parse_only,
    help="What to measure.",
)
@click.option(
    "--size",
    default=1_000_000,
    show_default=True,
    type=click.IntRange(_SMALLEST),
    help="Electors of the largest list; targets are for the default.",
)
@click.option(
    "--json",
    "json_path",
    default=VAR / "bench.json",
    show_default=True,
    type=click.Path(dir_okay=False, path_type=Path),
    help="Where to write every sample.",
)
@click.option(
    "--compare",
    "earlier",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="The JSON of an earlier run: 1 when a figure became worse by more than a tenth.",
)
def main(only: list[str], size: int, json_path: Path, earlier: Path | None) -> None:
    """Measure how fast files are made and pages shown, beside the targets; `bench/__init__.py` says what each means."""
    signal.signal(
        signal.SIGTERM, lambda *_: sys.exit(_TERMINATED)
    )  # delete hundreds of MB before the exit
    checks: list[Check] = []
    with open_stage(size) as stage:
        facts = machine_facts(stage.postgresql_version)
        for name in only:
            tell(f"{name} …")
            checks += CHECKS[name](stage)
    print(format_table(checks))
    print(
        f"Load average: {facts['load_average']} before, {machine_facts('')['load_average']} after."
    )
    changes = compare(checks, earlier) if earlier else ""
    print(changes)
    write_json(json_path, facts=facts, size=size, checks=checks, imports=stage.imports)
    is_good = all(check.is_met for check in checks) and REGRESSION not in changes
    sys.exit(0 if is_good else 1)


if __name__ == "__main__":
    main()
