"""The proof that the lists and the tableaux of a dossier agree, elector by elector: for a program, and for a person.

The worker held each tableau against the list of the day it was asked for, in one snapshot of the register. Here that is
held against the list file of the dossier, which must be of the same day and of the same register.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from datetime import date
from enum import StrEnum
from textwrap import wrap
from typing import Any, NamedTuple

from common.french import count_of, format_number, short_date, typo
from producers.web.exports.query import AskedFile
from schemas.vocabulary import Liste

VERSION = 1
JSON_NAME, TEXT_NAME = "reconciliation.json", "RAPPROCHEMENT.txt"

_WIDTH = 88


class Reconciled(StrEnum):
    """What is known of a tableau and of the list of its dossier."""

    AGREES = "agrees"
    EXPLAINED = "explained"
    CONTRADICTS = "contradicts"
    OTHER_DAY = "other_day"
    OTHER_REGISTER = "other_register"
    NO_LISTE = "no_liste"
    NOT_RECONCILED = "not_reconciled"

    @property
    def is_proved(self) -> bool:
        """Whether the list file and the tableau agree to the elector."""
        return self in {Reconciled.AGREES, Reconciled.EXPLAINED}


_SAID = {
    Reconciled.AGREES: "La liste et le tableau comptent les mêmes électeurs.",
    Reconciled.EXPLAINED: "La liste et le tableau s'accordent à l'électeur près : ceux qui diffèrent sont nommés ici.",
    Reconciled.CONTRADICTS: (
        "ATTENTION : la liste et le tableau se contredisent. Vérifiez les mouvements, puis redemandez les deux."
    ),
    Reconciled.OTHER_DAY: (
        "NON RAPPROCHÉ : la liste de ce dossier est d'un autre jour. Redemandez la liste et le tableau le même jour."
    ),
    Reconciled.OTHER_REGISTER: (
        "NON RAPPROCHÉ : un import a eu lieu entre la liste et le tableau. Redemandez celui qui a été préparé d'abord."
    ),
    Reconciled.NO_LISTE: "Ce dossier n'a pas la liste : le tableau est rapproché du registre de son jour.",
    Reconciled.NOT_RECONCILED: (
        "NON RAPPROCHÉ : tableau de la révision annuelle, ou préparé avant que le module sache le faire."
    ),
}


class Sealed(NamedTuple):
    """A file of the dossier: where it stands, its record, who differs from the list of the day."""

    path: str
    file: AskedFile
    differences: Sequence[Mapping[str, Any]] = ()


def judge(tableau: AskedFile, liste: AskedFile | None) -> Reconciled:
    """What the record of a tableau says, and that of the list beside it."""
    known, other = tableau.reconciliation, liste.reconciliation if liste else None
    if known is None or (liste is not None and other is None):
        return Reconciled.NOT_RECONCILED
    failing = {
        Reconciled.CONTRADICTS: bool(known["unexplained"]),
        Reconciled.NO_LISTE: other is None,
        Reconciled.OTHER_REGISTER: other is not None and other["version"] != known["version"],
        Reconciled.OTHER_DAY: other is not None and other["liste_on"] != known["liste_on"],
    }
    if found := next((verdict for verdict, fails in failing.items() if fails), None):
        return found
    if other is not None and other["electeurs"] != known["electeurs"]:
        return Reconciled.CONTRADICTS
    return Reconciled.EXPLAINED if known["differences"] else Reconciled.AGREES


def write_reconciliation(commune: str, nom: str, files: Sequence[Sealed]) -> tuple[bytes, bytes]:
    """The document for a program, and the page for a person. Both name electors, as the files of the dossier do."""
    listes = {it.file.liste: it for it in files if not it.file.is_tableau}
    tableaux = [(it, judge(it.file, _file(listes.get(it.file.liste)))) for it in files if it.file.is_tableau]
    document = {
        "version": VERSION,
        "commune": {"code": commune, "nom": nom},
        "is_proved": all(verdict.is_proved for _, verdict in tableaux),
        "listes": [
            {"path": it.path, "liste": it.file.liste, **(it.file.reconciliation or {})} for it in listes.values()
        ],
        "tableaux": [
            {
                "path": it.path,
                "liste": it.file.liste,
                "verdict": verdict.value,
                **(it.file.reconciliation or {}),
                "differences": [dict(one) for one in it.differences],
            }
            for it, verdict in tableaux
        ],
    }
    lines = [f"Rapprochement des listes et des tableaux – {nom} ({commune})", ""]
    for it in listes.values():
        lines += [*_describe_liste(it), ""]
    for it, verdict in tableaux:
        lines += [*_describe_tableau(it, verdict), ""]
    page = "\ufeff".encode() + "\r\n".join(lines).encode()
    return f"{json.dumps(document, ensure_ascii=False, indent=2)}\n".encode(), page


def _file(sealed: Sealed | None) -> AskedFile | None:
    return sealed.file if sealed else None


def _describe_liste(it: Sealed) -> Iterator[str]:
    yield it.path
    known = it.file.reconciliation
    on = f" le {_day(known['liste_on'])}" if known else ""
    yield f"    {Liste(it.file.liste).label} : {count_of(it.file.electeurs or 0, 'électeur')}{on}"


def _describe_tableau(it: Sealed, verdict: Reconciled) -> Iterator[str]:
    yield it.path
    yield f"    {it.file.label}"
    if known := it.file.reconciliation:
        yield from _indent(
            f"{count_of(known['apres'], 'électeur')} après ce tableau, arrêté au {_day(known['tableau_on'])} (âge "
            f"compté au {_day(known['age_on'])}) ; {count_of(known['electeurs'], 'électeur')} sur la liste du "
            f"{_day(known['liste_on'])}."
        )
    yield from _indent(_SAID[verdict])
    for one in it.differences:
        sign = "+" if one["is_on"] == "liste" else "−"
        who = f"{one['nom_naissance']} {one['prenoms']}".strip()
        born = "/".join(reversed(one["date_naissance"].split("-")))
        yield from _indent(f"{sign} {who}, {born}, bureau {one['bureau'] or '–'} : {one['message']}", "      ")
    if known and known["unexplained"]:
        yield from _indent(f"Écart que rien n'explique : {format_number(known['unexplained'])}.")


def _indent(text: str, indent: str = "    ") -> list[str]:
    return wrap(typo(text), _WIDTH, initial_indent=indent, subsequent_indent=f"{indent}  ")


def _day(text: str) -> str:
    return short_date(date.fromisoformat(text))
