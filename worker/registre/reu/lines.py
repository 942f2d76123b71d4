"""Lines of a REU export as electors of the register. Nothing is corrected: a line is kept as it is, or rejected."""

import re
from collections import Counter
from collections.abc import Callable, Collection, Container, Iterator, Sequence
from operator import itemgetter
from typing import TypeVar

from schemas.vocabulary import Liste, parse_liste
from worker.errors import ImportRefusedError
from worker.registre.bureaux import DescribedBureau
from worker.registre.imports.file import ImportedFile
from worker.registre.imports.lines import (
    LineError,
    LineReader,
    Rejection,
    clean_line,
    explain_date,
    parse_arrondissement,
    parse_bureau,
    parse_commune,
    parse_date,
    parse_numero,
    unknown_commune,
)
from worker.registre.imports.records import Broken, Columns
from worker.registre.reference import departement_of, nationalites
from worker.registre.reu.file import title_of
from worker.registre.versions import ListeKey

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
    "arrondissement",
    "code_bureau",
    "numero_ordre",
    "date_naissance",
    "nationalite",
    "nettoyages",
    *AS_THEY_ARE,
)
"""What each place of a `ElecteurRow` is, by the name of its column in the table `electeur`."""

_KEY = slice(FIELDS.index("code_commune"), FIELDS.index("arrondissement") + 1)

ElecteurRow = tuple[str | int | None, ...]

_OF_A_BUREAU = (
    "code_commune",
    "code_bureau",
    "libelle",
    "code_canton",
    "libelle_canton",
    "code_circonscription",
    "libelle_circonscription",
)
_CODE = re.compile(r"[0-9AB]+")
_NUMERO_DIGITS = 2
_EXPLAIN: dict[str, Callable[[str], str]] = {
    "date_naissance": explain_date,
    "numero_ordre": lambda _: "numéro d'ordre illisible",
}
"""Why a value cannot be read, in French."""

NATIONALITES = {it.code: it.libelle for it in nationalites()}
"""Labels of nationalities, as the REU writes them, by ISO 3166-1 code of two letters."""

Value = TypeVar("Value")


class LineParser:
    """Turns the fields of a line into a row of the table `electeur`, and remembers the bureaux that lines describe."""

    def __init__(self, columns: Columns, communes: Container[str]) -> None:
        """Lines of communes that are not in `communes` are rejected."""
        self.bureaux: dict[tuple[str, str], DescribedBureau] = {}
        self._communes = communes
        self._columns = columns
        self._as_they_are = itemgetter(*map(columns.at, AS_THEY_ARE))
        self._of_a_bureau = itemgetter(*map(columns.at, _OF_A_BUREAU))
        self._nationalite = itemgetter(columns.at("nationalite"), columns.at("code_nationalite"))
        self._place = {field: columns.at(field) for field in ("liste", "date_naissance", "numero_ordre")}
        self._listes: dict[str, str] = {}
        self._codes_of_bureaux: dict[tuple[str, ...], tuple[str, str, str]] = {}

    def parse(self, fields: list[str] | Broken) -> ElecteurRow:
        """The row, in the order of FIELDS. The list may be changed.

        Raises:
            LineError: the line must be rejected.
        """
        fields, nettoyages = clean_line(self._columns, fields)
        described = self._of_a_bureau(fields)
        code_commune, arrondissement, code_bureau = self._codes_of_bureaux.get(described) or self._note_bureau(
            described
        )
        liste = self._listes.get(fields[self._place["liste"]]) or self._read_liste(fields)
        return (
            code_commune,
            liste,
            arrondissement,
            code_bureau,
            self._read("numero_ordre", parse_numero, fields),
            self._read("date_naissance", parse_date, fields),
            parse_nationalite(*self._nationalite(fields)),
            nettoyages,
            *self._as_they_are(fields),
        )

    def _read(self, field: str, parse: Callable[[str], Value], fields: list[str]) -> Value:
        text = fields[self._place[field]]
        try:
            return parse(text)
        except ValueError:
            raise LineError(title_of(field), _EXPLAIN[field](text)) from None

    def _read_liste(self, fields: list[str]) -> str:
        name = fields[self._place["liste"]]
        try:
            liste = parse_liste(name).value
        except ValueError:
            raise LineError(title_of("liste"), "liste inconnue") from None
        self._listes[name] = liste
        return liste

    def _note_bureau(self, described: tuple[str, ...]) -> tuple[str, str, str]:
        """Check the commune and note the bureau; when lines of one bureau disagree, the first value stands.

        Returns the commune, the arrondissement if any, and the bureau.
        """
        code_commune = parse_commune(described[0])
        if code_commune not in self._communes:
            raise unknown_commune(title_of("code_commune"), code_commune)
        bureau = _read_bureau(code_commune, described)
        key = code_commune, bureau.code
        codes = code_commune, parse_arrondissement(described[0]), bureau.code
        self._codes_of_bureaux[described] = codes
        if bureau.code:
            known = self.bureaux.get(key, bureau)
            self.bureaux[key] = DescribedBureau(*(first or other for first, other in zip(known, bureau, strict=True)))
        return codes


def _read_bureau(code_commune: str, described: tuple[str, ...]) -> DescribedBureau:
    _, code, libelle, canton, libelle_canton, circonscription, libelle_circonscription = described
    departement = departement_of(code_commune)
    code_circonscription = parse_circonscription(circonscription, departement)
    return DescribedBureau(
        code_commune,
        parse_bureau(code),
        libelle,
        parse_canton(canton, departement),
        libelle_canton,
        code_circonscription,
        libelle_circonscription or ("" if code_circonscription else circonscription),
    )


def parse_circonscription(text: str, departement: str) -> str:
    """The number of a legislative constituency in its département: `16` of `13-16`, `1316` and `16`.

    No département has a hundred of them: what stands before the last two digits can only be the département.
    The code of another département is kept as it is; a text that is no code gives nothing, it is a label.
    """
    code = _compact(text)
    numero = code.removeprefix(departement) if len(code) > _NUMERO_DIGITS else code
    if numero.isdigit() and len(numero) <= _NUMERO_DIGITS:
        return numero.zfill(_NUMERO_DIGITS)
    return text if _CODE.fullmatch(code) else ""


def parse_canton(text: str, departement: str) -> str:
    """The INSEE code of a canton, which begins with its département: `1301` of `13-01`, `1301` and `1`."""
    code = _compact(text)
    return departement + code.zfill(_NUMERO_DIGITS) if code.isdigit() and len(code) <= _NUMERO_DIGITS else code


def _compact(code: str) -> str:
    return code.upper().replace("-", "").replace(" ", "")


def parse_nationalite(label: str, code: str) -> str:
    """The label when there is one, else the label of the ISO code; a code that we do not know is kept."""
    return NATIONALITES.get(label.upper(), label) or NATIONALITES.get(code.upper(), code)


class Reading:
    """One pass over the export: electors out, rejected lines aside, counts on the way."""

    def __init__(
        self, reu: ImportedFile, communes: Container[str], reject: Callable[[Rejection], None], *, only: str = ""
    ) -> None:
        """Lines of communes that are not in `communes` are rejected; each rejected line goes to `reject`.

        `only`: the one commune that the file may be of.
        """
        self._only = only
        self.lines_kept = 0
        self.values_cleaned = 0
        self._parser = LineParser(reu.columns, communes)
        self._lines = LineReader(reu, self._parser.parse, reject)
        self._counts: Counter[ElecteurRow] = Counter()
        self._emptied: Collection[ListeKey] = ()
        self._added: Counter[ListeKey] = Counter()

    @property
    def lines_read(self) -> int:
        """The lines read so far."""
        return self._lines.lines_read

    @property
    def share(self) -> float:
        """How much of the file was read, 0 to 1."""
        return self._lines.share

    @property
    def listes(self) -> dict[ListeKey, int]:
        """The electors of each list that is replaced, those of other arrondissements included."""
        counts = self._added.copy()
        for (commune, liste, _), count in self._counts.items():
            counts[ListeKey(str(commune), str(liste))] += count
        return dict.fromkeys(self._emptied, 0) | counts

    @property
    def arrondissements(self) -> dict[ListeKey, set[str]]:
        """Which arrondissements of a list the file holds; a list that it holds whole is left out."""
        found: dict[ListeKey, set[str]] = {}
        for commune, liste, arrondissement in self._counts:
            found.setdefault(ListeKey(str(commune), str(liste)), set()).add(str(arrondissement))
        return {key: parts for key, parts in found.items() if "" not in parts}

    def add(self, liste: ListeKey, electeurs: int) -> None:
        """Count electors of other arrondissements, who stay."""
        self._added[liste] += electeurs

    def empty(self, commune: str | None, listes: Sequence[Liste]) -> None:
        """Replace these lists too: by nobody, where the file holds none of their electors.

        Raises:
            ImportRefusedError: whose they are is not clear.
        """
        communes = {commune} if commune else {liste.code_commune for liste in self.listes}
        if listes and len(communes) != 1:
            raise ImportRefusedError("indiquez avec --commune de quelle commune la liste est à vider")
        self._emptied = [ListeKey(code, liste.value) for code in communes for liste in listes]

    @property
    def bureaux(self) -> list[DescribedBureau]:
        """The bureaux of the communes that have an elector."""
        communes = {liste.code_commune for liste in self.listes}
        return [bureau for bureau in self._parser.bureaux.values() if bureau.code_commune in communes]

    def rows(self) -> Iterator[ElecteurRow]:
        """The electors, in the order of the file.

        Raises:
            ImportRefusedError: the file cannot be read to its end, changes while it is read, or is of another commune.
        """
        cleaned = FIELDS.index("nettoyages")
        for _, row in self._lines:
            if self._only and row[_KEY.start] != self._only:
                also = f", et non seulement de {self._only}" if self.lines_kept else f" et non de {self._only}"
                raise ImportRefusedError(
                    f"Ce fichier a des électeurs de {row[_KEY.start]}{also} : déposez celui de votre commune"
                )
            self.lines_kept += 1
            self._counts[row[_KEY]] += 1
            self.values_cleaned += int(row[cleaned] or 0)
            yield row
