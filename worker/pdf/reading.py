"""A Tableau from JSON: the dataclasses as plain objects. What is wrong is said in French, with its place."""

import difflib
import json
from dataclasses import MISSING, fields, is_dataclass
from types import NoneType
from typing import Any, get_args, get_type_hints

from worker.domain.tableau import Tableau
from worker.errors import RefusedError

_PRESENTATIONS = ("commune", "par_bureau", "recapitulatif")
_NAMES = {str: "un texte", int: "un nombre entier", bool: "true ou false", NoneType: "null"}


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
    tableau: Tableau = _read(Tableau, content, "")
    if tableau.presentation not in _PRESENTATIONS:
        raise RefusedError(f"presentation : {', '.join(_PRESENTATIONS)} est attendu")
    return tableau


def _read(kind: Any, value: Any, place: str) -> Any:  # noqa: ANN401 — any field of the dataclasses
    if is_dataclass(kind):
        return _read_object(kind, value, place)
    kinds = get_args(kind)
    if NoneType in kinds:
        return None if value is None else _read(kinds[0], value, place)
    if kinds:
        if not isinstance(value, list):
            raise RefusedError(f"{place} : une liste est attendue")
        return tuple(_read(kinds[0], item, f"{place}[{index}]") for index, item in enumerate(value))
    if type(value) is not kind:
        raise RefusedError(f"{place} : {_NAMES[kind]} est attendu")
    return value


def _read_object(kind: Any, value: Any, place: str) -> Any:  # noqa: ANN401 — a dataclass
    if not isinstance(value, dict):
        raise RefusedError(f"{place or 'le fichier'} : un objet est attendu")
    hints = get_type_hints(kind)
    for name in value:
        if name not in hints:
            close = difflib.get_close_matches(name, hints, n=1)
            hint = f" ; est-ce « {close[0]} » ?" if close else ""
            raise RefusedError(f"{_at(place, name)} : champ inconnu{hint}")
    for field in fields(kind):
        if field.name not in value and field.default is MISSING:
            raise RefusedError(f"{_at(place, field.name)} : champ manquant")
    return kind(**{name: _read(hints[name], item, _at(place, name)) for name, item in value.items()})


def _at(place: str, name: str) -> str:
    return f"{place}.{name}" if place else name
