"""`python -m tests.journeys`: the number of files that each journey enters; `--files` lists them."""

import tempfile
from collections.abc import Sequence
from pathlib import Path

import click

from tests.journeys.walks import JOURNEYS, trace


@click.command()
@click.argument("journeys", nargs=-1, type=click.Choice(list(JOURNEYS)))
@click.option("--files", "with_files", is_flag=True, help="List the files, in order of first entry.")
def main(journeys: Sequence[str], *, with_files: bool) -> None:
    """Trace the JOURNEYS through the product's files; all three when none is named."""
    for name in journeys or JOURNEYS:
        with tempfile.TemporaryDirectory() as folder:
            files = trace(name, Path(folder))
        click.echo(f"{name}: {len(files)} files")
        for place, file in enumerate(files if with_files else (), 1):
            click.echo(f"  {place:3} {file}")


if __name__ == "__main__":
    main()
