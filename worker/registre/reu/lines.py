"""A REU / ELIRE export: its columns, and the conversion of its lines to electors of the register.

Source: export « Liste des électeurs actifs » of ELIRE, 27 columns, found by their names under any of the spellings that
préfectures send; docs/registre.md lists them with their variants. A line is kept unchanged, or rejected.
"""

import re
from collections import Counter
from collections.abc import Callable, Collection, Container, Iterator, Mapping, Sequence
from functools import lru_cache, partial
from operator import itemgetter
from pathlib import Path

from common.french import format_number
from schemas.profiles.source import LEFT, F, SourceField, SourceProfile
from schemas.vocabulary import Liste
from worker.errors import ImportRefusedError
from worker.registre.communes import DESCRIPTION, DescribedBureau
from worker.registre.imports.file import ImportedFile, open_file
from worker.registre.imports.lines import (
    LineError,
    LineReader,
    explain_date,
    parse_arrondissement,
    parse_bureau,
    parse_commune,
    parse_numero,
    read_date,
    unknown_commune,
)
from worker.registre.imports.report import RejectReport
from worker.registre.imports.sources import Columns, Wanted
from worker.registre.models import Electeur
from worker.registre.reference import departement_of, is_code_commune, nationalites
from worker.registre.reu.columns import (
    ASKED,
    find_code,
    find_shapes,
    match_columns,
    match_unknown,
    read_bureau,
    read_name,
)
from worker.registre.versions import ListeKey

_ADVICE = "téléchargez-le de nouveau depuis ELIRE, et donnez-le sans l'ouvrir dans un tableur"


def open_reu(
    path: Path,
    profile: SourceProfile,
    said: Mapping[str, str],
    *,
    named: str = "",
    check: Callable[[], object] = int,
) -> ImportedFile:
    """Read the titles, and the whole file once for its SHA-256.

    `said`: the commune and the list of all lines, if the file lacks these columns; values in the file name are proposed
    to the agent, never assumed. `named`: the owner's name of the file, if it differs from the name of `path`. `check`:
    see `run_apart`.

    Raises:
        ImportRefusedError: the file cannot be read, is empty, or is not a list of electors.
    """
    wanted = Wanted(
        lambda titles: match_columns(titles, profile, said),
        _ADVICE,
        lambda titles: match_unknown(titles, profile, said),
    )
    file = open_file(path, wanted, named=named, check=check)
    _refuse_contradiction(file, said)
    return file


def said_of(reu: ImportedFile) -> dict[str, str]:
    """Return the commune and the list that were given for all lines."""
    return {field: value for field, value in reu.columns.constants.items() if field in ASKED}


def _refuse_contradiction(file: ImportedFile, said: Mapping[str, str]) -> None:
    columns, named = file.columns, read_name(file.name)
    if "liste" in said and "liste" in columns.positions:
        itself = f"{file.name} : le fichier dit lui-même de quelle liste est chaque électeur"
        raise ImportRefusedError(
            f"{itself} ; ôtez --liste", on_screen=f"{itself} ; n'en choisissez aucune"
        )
    if other := next(
        (field for field, value in columns.constants.items() if named.get(field, value) != value),
        "",
    ):
        says = f"{file.name} : le nom du fichier dit « {named[other]} », et"
        raise ImportRefusedError(
            f"{says} {ASKED[other][0]} « {columns.constants[other]} » : vérifiez lequel est vrai ; si c'est l'option, "
            "renommez le fichier",
            on_screen=f"{says} non « {columns.constants[other]} » : vérifiez que c'est le bon fichier ; si c'est lui, "
            "renommez-le",
        )


_PARSED = (
    "code_commune",
    "liste",
    "arrondissement",
    "code_bureau",
    "numero_ordre",
    "sexe",
    "date_naissance",
    "nationalite",
    "nettoyages",
)
AS_THEY_ARE = tuple(
    it.value for it in SourceField if it in Electeur.__table__.columns and it not in _PARSED
)
FIELDS = (*_PARSED, *AS_THEY_ARE)
"""The column of the table `electeur` for each place of an `ElecteurRow`."""

_KEY = slice(FIELDS.index("code_commune"), FIELDS.index("arrondissement") + 1)

ElecteurRow = tuple[str | int | None, ...]

_OF_A_BUREAU = ("code_commune", "code_bureau", *DESCRIPTION)
_CODE = re.compile(r"[0-9AB]+")
_NUMERO_DIGITS = 2
_MOST_BUREAUX = 10_000
_TOO_MANY_BUREAUX = (
    f"plus de {format_number(_MOST_BUREAUX)} bureaux de vote : ce n'est pas un export du REU ; "
    "téléchargez-le d'ELIRE"
)
MOST_UNKNOWN = 20
"""Distinct unknown values of a field that an agent is asked about."""

NATIONALITES = {it.code: it.libelle for it in nationalites()}
"""Labels of nationalities, as the REU writes them, by ISO 3166-1 code of two letters."""

_FEWEST_UNKNOWN, _SHARE_UNKNOWN = 3, 0.01
"""Unknown values from which the profile does not fit the file; fewer are mistakes of single lines."""


class LineParser:
    """Converts the fields of a line to a row of the table `electeur`, and collects the bureaux of the lines."""

    def __init__(self, columns: Columns, communes: Container[str], profile: SourceProfile) -> None:
        """Reject lines of communes that are not in `communes`."""
        self.bureaux: dict[tuple[str, str], DescribedBureau] = {}
        self.unknown: dict[str, Counter[str]] = {
            "liste": Counter(),
            "sexe": Counter(),
            "date_naissance": Counter(),
        }
        """The values that the profile does not know, MOST_UNKNOWN of each field."""
        self.unknown_commune = ""
        """The code of the last line of a commune that is not known."""
        self._communes = communes
        self._source, self._title = profile.fields, profile.title
        self._shapes = self._source[F.DATE_NAISSANCE].shapes
        self._as_they_are = itemgetter(*map(columns.at, AS_THEY_ARE))
        self._of_a_bureau = itemgetter(*map(columns.at, _OF_A_BUREAU))
        self._nationalite = itemgetter(columns.at("nationalite"), columns.at("code_nationalite"))
        self._place = {
            field: columns.at(field)
            for field in ("liste", "sexe", "date_naissance", "numero_ordre")
        }
        self._find_code = {
            field: lru_cache(partial(find_code, self._source[field])) for field in (F.LISTE, F.SEXE)
        }
        self._codes_of_bureaux: dict[tuple[str, ...], tuple[str, str, str]] = {}

    def parse(self, fields: list[str], nettoyages: int) -> ElecteurRow:
        """Return the row, in the order of FIELDS, from the cleaned fields of a line."""
        described = self._of_a_bureau(fields)
        code_commune, arrondissement, code_bureau = self._codes_of_bureaux.get(
            described
        ) or self._note_bureau(described)
        liste = self._read_code(F.LISTE, fields)
        if not liste:
            raise LineError(self._title("liste"), "liste inconnue")
        return (
            code_commune,
            liste,
            arrondissement,
            code_bureau,
            self._read_numero(fields[self._place["numero_ordre"]]),
            self._read_code(F.SEXE, fields) or fields[self._place["sexe"]],
            self._read_date(fields[self._place["date_naissance"]]),
            parse_nationalite(*self._nationalite(fields)),
            nettoyages,
            *self._as_they_are(fields),
        )

    def _read_numero(self, text: str) -> int | None:
        try:
            return parse_numero(text)
        except ValueError:
            raise LineError(self._title("numero_ordre"), "numéro d'ordre illisible") from None

    def _read_date(self, text: str) -> str:
        try:
            return read_date(text, self._shapes)
        except ValueError:
            self._note_unknown("date_naissance", text)
            raise LineError(self._title("date_naissance"), explain_date(text)) from None

    def _read_code(self, field: SourceField, fields: list[str]) -> str:
        """Return the code of a value; empty, and noted, if the profile does not know the value."""
        text = fields[self._place[field]]
        code = self._find_code[field](text)
        if text and not code and text not in self._source[field].values.get(LEFT, ()):
            self._note_unknown(field, text)
        return code

    def _note_unknown(self, field: str, text: str) -> None:
        counts = self.unknown[field]
        counts[text if text in counts or len(counts) < MOST_UNKNOWN else ""] += 1

    def _note_bureau(self, described: tuple[str, ...]) -> tuple[str, str, str]:
        """Check the commune and record the bureau; if lines of one bureau disagree, the first value counts.

        Returns the commune, the arrondissement if any, and the bureau.
        """
        if len(self._codes_of_bureaux) == _MOST_BUREAUX:
            raise ImportRefusedError(_TOO_MANY_BUREAUX)
        code_commune = parse_commune(described[0])
        if code_commune not in self._communes:
            self.unknown_commune = code_commune if is_code_commune(code_commune) else ""
            raise unknown_commune(self._title("code_commune"), code_commune)
        code = find_code(source := self._source[F.CODE_BUREAU], described[1]) or read_bureau(
            described[1], source.shapes
        )
        _, _, libelle, canton, libelle_canton, circonscription, libelle_circonscription = described
        departement = departement_of(code_commune)
        code_circonscription = parse_circonscription(circonscription, departement)
        bureau = DescribedBureau(
            code_commune,
            parse_bureau(code),
            libelle,
            parse_canton(canton, departement),
            libelle_canton,
            code_circonscription,
            libelle_circonscription or ("" if code_circonscription else circonscription),
        )
        key = code_commune, bureau.code
        codes = code_commune, parse_arrondissement(described[0]), bureau.code
        self._codes_of_bureaux[described] = codes
        if bureau.code:
            known = self.bureaux.get(key, bureau)
            self.bureaux[key] = DescribedBureau(
                *(first or other for first, other in zip(known, bureau, strict=True))
            )
        return codes


def parse_circonscription(text: str, departement: str) -> str:
    """Return the number of a legislative constituency in its département: `16` of `13-16`, `1316` and `16`.

    No département has a hundred constituencies: digits before the last two can only be the département. The code of
    another département is unchanged; a text that is no code is a label, and returns an empty text.
    """
    code = _compact(text)
    numero = code.removeprefix(departement) if len(code) > _NUMERO_DIGITS else code
    if numero.isdigit() and len(numero) <= _NUMERO_DIGITS:
        return numero.zfill(_NUMERO_DIGITS)
    return text if _CODE.fullmatch(code) else ""


def parse_canton(text: str, departement: str) -> str:
    """Return the INSEE code of a canton, which begins with its département: `1301` of `13-01`, `1301` and `1`."""
    code = _compact(text)
    return (
        departement + code.zfill(_NUMERO_DIGITS)
        if code.isdigit() and len(code) <= _NUMERO_DIGITS
        else code
    )


def _compact(code: str) -> str:
    return code.upper().replace("-", "").replace(" ", "")


def parse_nationalite(label: str, code: str) -> str:
    """Return the label if there is one, else the label of the ISO code; an unknown code is unchanged."""
    return NATIONALITES.get(label.upper(), label) or NATIONALITES.get(code.upper(), code)


class Reading(LineReader[ElecteurRow]):
    """One pass over the export: yields electors, and counts them by list and by arrondissement."""

    def __init__(
        self,
        reu: ImportedFile,
        communes: Mapping[str, str],
        rejects: RejectReport,
        profile: SourceProfile,
        only: str,
    ) -> None:
        """Reject lines of communes that `communes` does not name; `only`: the only one that it may contain, if any."""
        self._only = only
        self._names = communes
        self._parser = LineParser(reu.columns, communes, profile)
        self._counts: Counter[ElecteurRow] = Counter()
        self._emptied: Collection[ListeKey] = ()
        self._added: Counter[ListeKey] = Counter()
        super().__init__(reu, self._parser.parse, rejects)

    @property
    def unknown(self) -> dict[str, Counter[str]]:
        """The values of the fields that the profile does not know, if there are too many of them to be mistakes."""
        enough = max(_FEWEST_UNKNOWN, self.lines_read * _SHARE_UNKNOWN)
        unknown = {
            field: counts
            for field, counts in self._parser.unknown.items()
            if counts.total() >= enough
        }
        if not find_shapes([*filter(None, unknown.get("date_naissance", ()))]):
            unknown.pop("date_naissance", None)  # no shape reads them: the lines are rejected
        return unknown

    @property
    def listes(self) -> dict[ListeKey, int]:
        """The number of electors of each list to replace, including those of other arrondissements."""
        counts = self._added.copy()
        for (commune, liste, _), count in self._counts.items():
            counts[ListeKey(str(commune), str(liste))] += count
        return dict.fromkeys(self._emptied, 0) | counts

    @property
    def arrondissements(self) -> dict[ListeKey, set[str]]:
        """The arrondissements that the file holds, by list; lists that it holds whole are left out."""
        found: dict[ListeKey, set[str]] = {}
        for commune, liste, arrondissement in self._counts:
            found.setdefault(ListeKey(str(commune), str(liste)), set()).add(str(arrondissement))
        return {key: parts for key, parts in found.items() if "" not in parts}

    def add(self, liste: ListeKey, electeurs: int) -> None:
        """Count electors of other arrondissements, who stay."""
        self._added[liste] += electeurs

    def finish(self, commune: str | None, empty: Sequence[Liste], *, accept_rejects: bool) -> None:
        """Replace the lists `empty` too, with no elector if the file holds none of theirs.

        Raises:
            ImportRefusedError: rejected lines that are not accepted, a commune that is not known, no list at all.
        """
        communes = {commune} if commune else {liste.code_commune for liste in self.listes}
        if empty and len(communes) != 1:
            raise ImportRefusedError(
                "indiquez avec --commune de quelle commune la liste est à vider"
            )
        self._emptied = [ListeKey(code, liste.value) for code in communes for liste in empty]
        if self._only and (other := self._parser.unknown_commune) and not self.lines_kept:
            raise self._wrong_commune(other)
        self.refuse_rejects(accept=accept_rejects)
        if not self.listes:
            raise ImportRefusedError(
                "le fichier ne contient aucun électeur. Si une liste s'est vidée, indiquez laquelle avec --empty",
                on_screen="le fichier ne contient aucun électeur ; vérifiez le téléchargement",
            )

    @property
    def bureaux(self) -> list[DescribedBureau]:
        """The bureaux of the communes that have an elector."""
        communes = {liste.code_commune for liste in self.listes}
        return [
            bureau for bureau in self._parser.bureaux.values() if bureau.code_commune in communes
        ]

    def rows(self, check: Callable[[], object]) -> Iterator[ElecteurRow]:
        """Yield the electors, in the order of the file; `check`: see `run_apart`."""
        for _, row in self.read(check):
            if self._only and row[_KEY.start] != self._only:
                raise self._wrong_commune(str(row[_KEY.start]))
            self._counts[row[_KEY]] += 1
            yield row

    def _wrong_commune(self, code: str) -> ImportRefusedError:
        found, own = (
            f"{self._names[it]} ({it})" if it in self._names else it for it in (code, self._only)
        )
        also = f", et non seulement de {own}" if self.lines_kept > 1 else f" et non de {own}"
        return ImportRefusedError(
            f"Ce fichier a des électeurs de {found}{also} : déposez celui de votre commune"
        )
