"""Install the system packages that the tests need: `python -m tests.parts.install`."""

import sys

import click

from tests.parts import pdf
from tests.parts.packages import PARTS, MissingPartError, provide


def main() -> int:
    """Provide every part; 0 when all are there, 1 when one is missing and cannot be installed."""
    status = 0
    for part in (*PARTS, *pdf.PARTS):
        try:
            provide(part)
        except MissingPartError as error:
            click.echo(f"error: {error}", err=True)
            status = 1
        else:
            click.echo(f"{part.name}: {part.program(part.programs[0])}")
    return status


if __name__ == "__main__":
    sys.exit(main())
