"""Preview: `python -m worker.pdf < tableau.json > tableau.pdf`; what is not understood of the JSON is said."""

import difflib
import json
import sys
from collections.abc import Sequence
from dataclasses import fields, replace

import click
from pydantic import ConfigDict, TypeAdapter, ValidationError

from worker.domain.tableau.model import Bilan, Ligne, Partie, Section, Signatures, Tableau
from worker.errors import RefusedError

_HELP = """Dessine un tableau : lit du JSON sur l’entrée standard, écrit un PDF/A-1b et PDF/UA-1 sur la
sortie standard.

  python -m worker.pdf < tableau.json > tableau.pdf

Le JSON est fait des objets de worker/domain/tableau/model.py, champ pour champ. Ce qui n’est pas compris est dit sur la
sortie d’erreur, avec l’endroit ; le code de retour est alors 1, et 2 si la commande est mal employée."""


def main() -> int:
    """Draw what comes in; the exit code."""
    if sys.argv[1:] == ["--help"]:
        click.echo(_HELP)
        return 0
    if sys.argv[1:] or sys.stdin.isatty() or sys.stdout.isatty():
        click.echo(_HELP, err=True)
        return 2
    from worker.pdf.__main__ import read_tableau
    from worker.pdf.render import render_tableau

    try:
        tableau = read_tableau(sys.stdin.buffer.read())
    except RefusedError as error:
        click.echo(f"Erreur : {error}", err=True)
        return 1
    pages = render_tableau(tableau, sys.stdout.buffer)
    click.echo(f"{pages} page{'s' if pages > 1 else ''}", err=True)
    return 0


_PRESENTATIONS = ("commune", "par_bureau", "recapitulatif")
_FIELDS = [field.name for kind in (Tableau, Section, Partie, Ligne, Bilan, Signatures) for field in fields(kind)]
_EXPECTED = {
    "string_type": "un texte est attendu",
    "int_type": "un nombre entier est attendu",
    "bool_type": "true ou false est attendu",
    "tuple_type": "une liste est attendue",
    "iterable_type": "une liste est attendue",
    "dataclass_type": "un objet est attendu",
    "missing": "champ manquant",
    "unexpected_keyword_argument": "champ inconnu",
}
_CONFIG = ConfigDict(extra="forbid", strict=True)
_TABLEAUX = TypeAdapter(list[Tableau], config=_CONFIG)
"""Of one: a configuration reaches dataclasses that have none of their own only from what holds them."""


def read_tableau(text: str | bytes) -> Tableau:
    """Read a tableau.

    Raises:
        RefusedError: the JSON is not one.
    """
    try:
        content = json.loads(text)
    except UnicodeDecodeError as error:
        raise RefusedError("le fichier n’est pas en UTF-8") from error
    except json.JSONDecodeError as error:
        raise RefusedError(f"ce n’est pas du JSON : ligne {error.lineno}, colonne {error.colno}") from error
    try:
        (tableau,) = _TABLEAUX.validate_json(json.dumps([content]))
    except ValidationError as error:
        raise _refusal(error) from None
    if tableau.presentation not in _PRESENTATIONS:
        raise RefusedError(f"presentation : {', '.join(_PRESENTATIONS)} est attendu")
    sections = tuple(_read_lignes(section, index) for index, section in enumerate(tableau.sections))
    return replace(tableau, sections=sections)


def _read_lignes(section: Section, index: int) -> Section:
    """Lines that may be read again; pydantic makes them while they are read."""
    parties = []
    for number, partie in enumerate(section.parties):
        try:
            parties.append(replace(partie, lignes=tuple(partie.lignes)))
        except ValidationError as error:
            raise _refusal(error, (0, "sections", index, "parties", number, "lignes")) from None
    return replace(section, parties=tuple(parties))


def _refusal(error: ValidationError, before: Sequence[str | int] = ()) -> RefusedError:
    first = error.errors()[0]
    place = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in (*before, *first["loc"])[1:])
    message = _EXPECTED.get(first["type"], first["msg"])
    if first["type"] == "unexpected_keyword_argument":
        close = difflib.get_close_matches(str(first["loc"][-1]), _FIELDS, n=1)
        message += f" ; est-ce « {close[0]} » ?" if close else ""
    return RefusedError(f"{place.removeprefix('.') or 'le fichier'} : {message}")


if __name__ == "__main__":
    sys.exit(main())
