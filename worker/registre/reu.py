"""Lines of a REU export as electors of the register. Nothing is corrected: a line is kept as it is, or rejected."""

import re
from collections.abc import Callable, Container
from operator import itemgetter
from typing import NamedTuple, TypeVar

from schemas.vocabulary import parse_liste
from worker.registre.bureaux import Bureau
from worker.registre.reference import departement_of
from worker.registre.reu_clean import clean_fields
from worker.registre.reu_columns import Columns, title_of
from worker.registre.reu_values import (
    parse_bureau,
    parse_canton,
    parse_circonscription,
    parse_date,
    parse_nationalite,
    parse_numero,
)

AS_THEY_ARE = (
    "nom_naissance",
    "nom_usage",
    "prenoms",
    "sexe",
    "code_commune_naissance",
    "commune_naissance",
    "departement_naissance",
    "pays_naissance",
    "numero_voie",
    "libelle_voie",
    "complement1",
    "complement2",
    "lieu_dit",
    "code_postal",
    "ville",
    "pays",
)
FIELDS = (
    "code_commune",
    "liste",
    "code_bureau",
    "numero_ordre",
    "date_naissance",
    "nationalite",
    "nettoyages",
    *AS_THEY_ARE,
)
"""What each place of a `Row` is, by the name of its column in the table `electeur`."""

Row = tuple[str | int | None, ...]

_OF_A_BUREAU = (
    "code_commune",
    "code_bureau",
    "libelle",
    "code_canton",
    "libelle_canton",
    "code_circonscription",
    "libelle_circonscription",
)
_CODE_COMMUNE = re.compile(r"(?:\d{2}|2[AB])\d{3}", re.ASCII)

Value = TypeVar("Value")


class Rejection(NamedTuple):
    """A line that cannot enter the register; the reason is French and quotes no elector's data."""

    line: int
    column: str
    reason: str


class LineError(Exception):
    """A line cannot be read; the column at fault and the reason, in French."""

    def __init__(self, column: str, reason: str) -> None:
        super().__init__(reason)
        self.column = column
        self.reason = reason


class LineParser:
    """Turns the fields of a line into a row of the table `electeur`, and remembers the bureaux that lines describe."""

    def __init__(self, columns: Columns, communes: Container[str]) -> None:
        """Lines of communes that are not in `communes` are rejected."""
        self.bureaux: dict[tuple[str, str], Bureau] = {}
        self._communes = communes
        self._columns = columns
        self._as_they_are = itemgetter(*map(columns.at, AS_THEY_ARE))
        self._of_a_bureau = itemgetter(*map(columns.at, _OF_A_BUREAU))
        self._nationalite = itemgetter(columns.at("nationalite"), columns.at("code_nationalite"))
        self._place = {field: columns.at(field) for field in ("liste", "date_naissance", "numero_ordre")}
        self._listes: dict[str, str] = {}
        self._codes_of_bureaux: dict[tuple[str, ...], tuple[str, str]] = {}

    def parse(self, fields: list[str] | None) -> Row:
        """The row, in the order of FIELDS; None are fields whose quotes cannot be paired. The list may be changed.

        Raises:
            LineError: the line must be rejected.
        """
        if fields is None:
            raise LineError("", "guillemets mal fermés")
        if len(fields) != self._columns.width:
            raise LineError("", f"{len(fields)} colonnes au lieu de {self._columns.width}")
        try:
            fields, nettoyages = clean_fields(fields)
        except ValueError:
            raise LineError("", "octets illisibles dans l'encodage du fichier") from None
        fields.append("")
        described = self._of_a_bureau(fields)
        code_commune, code_bureau = self._codes_of_bureaux.get(described) or self._remember(described)
        liste = self._listes.get(fields[self._place["liste"]]) or self._read_liste(fields)
        return (
            code_commune,
            liste,
            code_bureau,
            self._read("numero_ordre", parse_numero, fields, "numéro d'ordre illisible"),
            self._read("date_naissance", parse_date, fields, "date de naissance illisible"),
            parse_nationalite(*self._nationalite(fields)),
            nettoyages,
            *self._as_they_are(fields),
        )

    def _read(self, field: str, parse: Callable[[str], Value], fields: list[str], reason: str) -> Value:
        try:
            return parse(fields[self._place[field]])
        except ValueError:
            raise LineError(title_of(field), reason) from None

    def _read_liste(self, fields: list[str]) -> str:
        name = fields[self._place["liste"]]
        try:
            liste = parse_liste(name).value
        except ValueError:
            raise LineError(title_of("liste"), "liste inconnue") from None
        self._listes[name] = liste
        return liste

    def _remember(self, described: tuple[str, ...]) -> tuple[str, str]:
        """Check the commune and note the bureau; when lines of one bureau disagree, the first value stands."""
        code_commune = described[0].upper()
        if code_commune not in self._communes:
            code = f" : {code_commune}" if _CODE_COMMUNE.fullmatch(code_commune) else ""
            raise LineError(title_of("code_commune"), f"commune inconnue{code}")
        bureau = _read_bureau(code_commune, described)
        key = code_commune, bureau.code
        self._codes_of_bureaux[described] = key
        if bureau.code:
            known = self.bureaux.get(key, bureau)
            self.bureaux[key] = Bureau(*(first or other for first, other in zip(known, bureau, strict=True)))
        return key


def _read_bureau(code_commune: str, described: tuple[str, ...]) -> Bureau:
    _, code, libelle, canton, libelle_canton, circonscription, libelle_circonscription = described
    departement = departement_of(code_commune)
    code_circonscription = parse_circonscription(circonscription, departement)
    return Bureau(
        code_commune,
        parse_bureau(code),
        libelle,
        parse_canton(canton, departement),
        libelle_canton,
        code_circonscription,
        libelle_circonscription or ("" if code_circonscription else circonscription),
    )
