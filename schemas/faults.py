"""The faults of a message or a setting, and their places. No value is quoted: faults are safe to log and to return."""

import re
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:  # the child that reads an untrusted file needs no pydantic
    from pydantic import ValidationError
    from pydantic_core import ErrorDetails


class Fault(NamedTuple):
    """One fault: its path from the root of the event (`data.formats.0`), a code for programs, a French message."""

    field: str
    code: str
    message: str

    @property
    def pointer(self) -> str:
        """The path as a JSON Pointer (RFC 6901), as programs get it: `/data/formats/0`."""
        return f"/{self.field.replace('.', '/')}" if self.field else ""


class FieldError(ValueError):
    """A value of the contract is wrong: a code for programs, a French message."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


_SHOWN = 10
_PLAIN = re.compile(r"[A-Za-z0-9_-]{1,60}", re.ASCII)
_A_TIME = "2026-11-25T08:30:00+01:00"
_QUOTED = {"discriminator", "expected_tags"}
"""Values that pydantic puts in quotes."""
_FRENCH = {
    "missing": "champ manquant",
    "extra_forbidden": "champ inconnu",
    "string_type": "un texte est attendu",
    "string_unicode": "texte illisible",
    "string_pattern_mismatch": "un caractère n'est pas admis",
    "string_too_short": "{min_length} caractère au moins",
    "string_too_long": "{max_length} caractères au plus",
    "list_type": "une liste de valeurs est attendue",
    "too_short": "{min_length} valeur au moins",
    "too_long": "{max_length} valeurs au plus",
    "enum": "les valeurs possibles sont {expected}",
    "literal_error": "les valeurs possibles sont {expected}",
    "union_tag_invalid": "les valeurs possibles sont {expected_tags}",
    "union_tag_not_found": "il manque ce qui le distingue : {discriminator}",
    "bool_type": "true ou false est attendu",
    "model_type": "un objet est attendu",
    "model_attributes_type": "un objet est attendu",
    "int_type": "un nombre entier est attendu",
    "int_parsing": "un nombre entier est attendu",
    "float_parsing": "un nombre est attendu",
    "greater_than": "un nombre plus grand que {gt:g} est attendu",
    "greater_than_equal": "un nombre d'au moins {ge:g} est attendu",
    "dict_type": "un objet JSON est attendu",
    "not_an_object": "un objet JSON est attendu : un seul événement par message",
    "no_envelope": "l'enveloppe CloudEvents manque : specversion, id, source, type et, dans data, la demande",
    "attribute_name": "un nom d'attribut n'a que des minuscules sans accent et des chiffres",
    "media_type": "application/json est attendu",
    "data_base64": "data_base64 ne contient pas du JSON en base64",
    "data_twice": "data et data_base64 s'excluent",
    "time_type": f"un texte est attendu, pas un nombre : {_A_TIME}",
    "time_format": f"date, T, heure avec les secondes et décalage attendus (RFC 3339) : {_A_TIME}",
    "ip_any_network": "une adresse IP est attendue, ou un réseau comme 172.18.0.0/16",
    "less_than_equal": "un nombre d'au plus {le} est attendu",
}


def explain(error: "ValidationError") -> str:
    """Return the faults of a request in French, for its sender."""
    return join_faults(list_faults(error))


def join_faults(faults: Iterable[Fault]) -> str:
    """Return the messages of faults, each after its place, if it has one."""
    return " ; ".join(
        f"{fault.field} : {fault.message}" if fault.field else fault.message for fault in faults
    )


def list_faults(
    error: "ValidationError", within: str = "", given: object = None
) -> tuple[Fault, ...]:
    """Return the faults one by one; `within` is the path of the validated object `given` in the event."""
    found = []
    for fault in error.errors(include_url=False, include_input=False)[:_SHOWN]:
        path = [str(part) for part in _drop_kinds(fault["loc"], given)]
        is_plain = all(map(_PLAIN.fullmatch, path))  # an unknown field has a name of the sender
        place = ".".join(filter(None, (within, *(path if is_plain else ()))))
        code = getattr(
            fault.get("ctx", {}).get("error"), "code", fault["type"]
        )  # of a FieldError, its own
        found.append(Fault(place, code, explain_fault(fault)))
    return tuple(found)


def _drop_kinds(loc: Sequence[int | str], given: object) -> Iterator[int | str]:
    """Yield the parts of a path in `given`, without the `kind` that pydantic adds after an object of several kinds."""
    kind: object = None
    for part in loc:
        if kind is not None and part == kind:
            kind = None
            continue
        yield part
        is_there = isinstance(given, dict) or (isinstance(given, list) and isinstance(part, int))
        try:
            given = given[part] if is_there else None  # type: ignore[index]
        except (KeyError, IndexError):
            given = None
        kind = given.get("kind") if isinstance(given, dict) else None


def explain_fault(fault: "ErrorDetails") -> str:
    """Return what is wrong with one value, in French."""
    context = fault.get("ctx", {})
    context |= {name: str(context[name]).replace("'", "") for name in _QUOTED & context.keys()}
    if fault["type"] == "value_error":
        return str(context["error"])
    if isinstance(expected := context.get("expected"), str):
        context = context | {"expected": expected.replace("'", "").replace(" or ", " ou ")}
    return _FRENCH.get(fault["type"], "valeur illisible").format(**context)
