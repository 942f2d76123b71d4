"""Preview: `python -m worker.pdf < tableau.json > tableau.pdf`."""

import sys

import click

from worker.errors import RefusedError

_HELP = """Dessine un tableau : lit du JSON sur l’entrée standard, écrit un PDF/A-1b et PDF/UA-1 sur la
sortie standard.

  python -m worker.pdf < tableau.json > tableau.pdf

Le JSON est fait des objets de worker/domain/tableau.py, champ pour champ. Ce qui n’est pas compris est dit sur la
sortie d’erreur, avec l’endroit ; le code de retour est alors 1, et 2 si la commande est mal employée."""


def main() -> int:
    """Draw what comes in; the exit code."""
    if sys.argv[1:] == ["--help"]:
        click.echo(_HELP)
        return 0
    if sys.argv[1:] or sys.stdin.isatty() or sys.stdout.isatty():
        click.echo(_HELP, err=True)
        return 2
    from worker.pdf.reading import read_tableau
    from worker.pdf.render import render_tableau

    try:
        tableau = read_tableau(sys.stdin.buffer.read())
    except RefusedError as error:
        click.echo(f"Erreur : {error}", err=True)
        return 1
    pages = render_tableau(tableau, sys.stdout.buffer)
    click.echo(f"{pages} page{'s' if pages > 1 else ''}", err=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
