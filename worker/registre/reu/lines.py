"""A REU / ELIRE export: its columns, and the conversion of its lines to electors of the register.

Source: export « Liste des électeurs actifs » of ELIRE, 27 columns, found by their names under any of the spellings that
préfectures send; docs/registre.md lists them with their variants. A line is kept unchanged, or rejected.
"""

import re
from collections import Counter
from collections.abc import Callable, Collection, Container, Iterator, Mapping, Sequence
from dataclasses import replace
from operator import itemgetter
from pathlib import Path
from typing import TypeVar

from schemas.vocabulary import Liste, parse_liste
from worker.errors import ImportRefusedError
from worker.registre.communes import DESCRIPTION, DescribedBureau
from worker.registre.imports.file import ImportedFile, open_file
from worker.registre.imports.lines import (
    LineError,
    LineReader,
    explain_date,
    find_columns,
    fold_title,
    parse_arrondissement,
    parse_bureau,
    parse_commune,
    parse_date,
    parse_numero,
    unknown_commune,
)
from worker.registre.imports.report import RejectReport
from worker.registre.imports.sources import Columns, Wanted
from worker.registre.reference import departement_of, nationalites
from worker.registre.versions import ListeKey

REQUIRED = {
    "code_commune": ("code de l'ugle",),
    "liste": ("libellé du type de liste",),
    "nom_naissance": ("nom de naissance",),
    "nom_usage": ("nom d'usage",),
    "prenoms": ("prénoms",),
    "sexe": ("sexe",),
    "date_naissance": ("date de naissance",),
    "commune_naissance": ("libellé commune de naissance",),
    "departement_naissance": ("code département de naissance",),
    "pays_naissance": ("pays de naissance",),
    "numero_voie": ("numéro de voie",),
    "libelle_voie": ("libellé de voie",),
    "complement1": ("complément 1",),
    "complement2": ("complément 2",),
    "lieu_dit": ("lieu-dit",),
    "code_postal": ("code postal",),
    "ville": ("commune",),
    "pays": ("pays",),
    "code_bureau": ("code du bureau de vote",),
    "numero_ordre": ("numéro d'ordre dans le bureau de vote",),
}
"""The identity of electors and their place in the list: without one of these the file is not a REU export."""

NATIONALITE = {
    "nationalite": ("libellé nationalité", "nationalité"),
    "code_nationalite": ("identifiant nationalité",),
}
"""One of the two is required: the label, or the ISO 3166 code of two letters."""

OPTIONAL = {
    "nom_commune": ("libellé de l'ugle",),
    "code_commune_naissance": ("code commune de naissance",),
    "libelle": ("libellé du bureau de vote",),
    "code_canton": ("code canton du bureau de vote",),
    "libelle_canton": ("libellé canton du bureau de vote", "canton du bureau de vote"),
    "code_circonscription": (
        "code circonscription législative du bureau de vote",
        "circonscription législative du bureau de vote",
    ),
    "libelle_circonscription": ("libellé circonscription métropolitaine du bureau de vote",),
}
"""Columns that the reference data or the operator can replace; `code_canton` is not in the usual export."""

_TITLES: Mapping[str, tuple[str, ...]] = REQUIRED | NATIONALITE | OPTIONAL
_ADVICE = "téléchargez-le de nouveau depuis ELIRE, et donnez-le sans l'ouvrir dans un tableur"
_ASKED = {"code_commune": ("--commune", "CODE"), "liste": ("--liste", "LISTE")}
"""Columns that an option can replace: the option, and the placeholder of its value."""
_CODE_IN_NAME = re.compile(r"(?<![0-9A-Za-z])(?:com)?((?:\d{2}|2[AB])\d{3})(?![0-9A-Za-z])", re.ASCII | re.IGNORECASE)
_LISTE_WORDS = {
    **dict.fromkeys(("lp", "principale", "generale"), "P"),
    **dict.fromkeys(("lce", "europeenne"), "CE"),
    **dict.fromkeys(("lcm", "municipale"), "CM"),
}
"""Words for a list in file names; P, CE and CM alone may mean anything there."""
_REFUSAL = "ce n'est pas un export « Liste des électeurs actifs » du REU"


def title_of(field: str) -> str:
    """Return the REU's own spelling of the column's title, for messages."""
    return _TITLES[field][0]


def open_reu(path: Path, *, commune: str = "", liste: str = "", named: str = "") -> ImportedFile:
    """Read the titles, and the whole file once for its SHA-256.

    `commune` and `liste` replace columns that the file lacks; values in the file name are proposed to the agent, never
    assumed. `named`: the owner's name of the file, if it differs from the name of `path`.

    Raises:
        ImportRefusedError: the file cannot be read, is empty, is not a REU export, or lacks the commune or the list.
    """
    said = {field: value for field, value in (("code_commune", commune), ("liste", liste)) if value}

    def match_with_name(titles: Sequence[str]) -> Columns:
        return match_columns(titles, said, read_name(Path(named or path.name).stem))

    return open_file(path, Wanted(match_with_name, _ADVICE), named=named)


def match_columns(
    titles: Sequence[str], said: Mapping[str, str] | None = None, named: Mapping[str, str] | None = None
) -> Columns:
    """Find the columns by their names, in any order.

    `said`: values given for all lines, for columns that may lack; `named`: such values in the file's name.
    """
    said, named = said or {}, named or {}
    columns = find_columns(titles, _TITLES, missing_of=lambda found: _missing(found, said, named), refusal=_REFUSAL)
    if "liste" in said and "liste" in columns.positions:
        itself = "le fichier dit lui-même de quelle liste est chaque électeur"
        raise ImportRefusedError(f"{itself} ; ôtez --liste", on_screen=f"{itself} ; n'en choisissez aucune")
    constants = {field: value for field, value in said.items() if field not in columns.positions}
    if other := next((field for field, value in constants.items() if named.get(field, value) != value), ""):
        raise ImportRefusedError(
            f"le nom du fichier dit « {named[other]} », et {_ASKED[other][0]} « {said[other]} » : vérifiez lequel est "
            "vrai ; si c'est l'option, renommez le fichier",
            on_screen=f"le nom du fichier dit « {named[other]} », et non « {said[other]} » : vérifiez que c'est le bon "
            "fichier ; si c'est lui, renommez-le",
        )
    absent = [title_of(field) for field in OPTIONAL if field not in columns.positions and field != "code_canton"]
    notes = ("colonnes facultatives absentes : " + ", ".join(absent),) if absent else ()
    return replace(columns, notes=columns.notes + notes, constants=constants)


def _missing(found: Container[str], said: Container[str], named: Mapping[str, str]) -> list[str]:
    missing = [field for field in REQUIRED if field not in found]
    if not any(field in found for field in NATIONALITE):
        missing.append("nationalite")
    unsaid = [field for field in missing if field not in said]
    if unsaid and all(field in _ASKED for field in missing):
        raise _ask_back(unsaid, named)
    return [title_of(field) for field in unsaid]


def _ask_back(missing: Sequence[str], named: Mapping[str, str]) -> ImportRefusedError:
    """Build the refusal that asks for the commune or the list, and proposes the values in the file's name."""
    titles = ", ".join(map(title_of, missing))
    asked = ((field, *_ASKED[field]) for field in missing)
    options = " ".join(f"{option} {named.get(field, place)}" for field, option, place in asked)
    by_name = " (c'est ce que dit le nom du fichier : à vérifier)" if any(field in named for field in missing) else ""
    whose = f"rien n'y dit de qui sont ces électeurs. Colonnes manquantes : {titles}"
    return ImportRefusedError(
        f"{whose}. Ajoutez {options}{by_name}",
        on_screen=f"{whose}. Choisissez dans le formulaire la liste où ils sont tous{by_name}",
    )


def read_name(name: str) -> dict[str, str]:
    """Return the commune and the list in a file's name, each if the name has only one: `liste_13055_LP`."""
    communes = {parse_commune(code) for code in _CODE_IN_NAME.findall(name)}
    listes = {_LISTE_WORDS[word] for word in fold_title(name).split() if word in _LISTE_WORDS}
    found = {"code_commune": communes, "liste": listes}
    return {field: values.pop() for field, values in found.items() if len(values) == 1}


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
"""The column of the table `electeur` for each place of an `ElecteurRow`."""

_KEY = slice(FIELDS.index("code_commune"), FIELDS.index("arrondissement") + 1)

ElecteurRow = tuple[str | int | None, ...]

_OF_A_BUREAU = ("code_commune", "code_bureau", *DESCRIPTION)
_CODE = re.compile(r"[0-9AB]+")
_NUMERO_DIGITS = 2
_EXPLAIN: dict[str, Callable[[str], str]] = {
    "date_naissance": explain_date,
    "numero_ordre": lambda _: "numéro d'ordre illisible",
}
"""Builds the reason, in French, why a value cannot be read."""

NATIONALITES = {it.code: it.libelle for it in nationalites()}
"""Labels of nationalities, as the REU writes them, by ISO 3166-1 code of two letters."""

Value = TypeVar("Value")


class LineParser:
    """Converts the fields of a line to a row of the table `electeur`, and collects the bureaux of the lines."""

    def __init__(self, columns: Columns, communes: Container[str]) -> None:
        """Reject lines of communes that are not in `communes`."""
        self.bureaux: dict[tuple[str, str], DescribedBureau] = {}
        self._communes = communes
        self._as_they_are = itemgetter(*map(columns.at, AS_THEY_ARE))
        self._of_a_bureau = itemgetter(*map(columns.at, _OF_A_BUREAU))
        self._nationalite = itemgetter(columns.at("nationalite"), columns.at("code_nationalite"))
        self._place = {field: columns.at(field) for field in ("liste", "date_naissance", "numero_ordre")}
        self._listes: dict[str, str] = {}
        self._codes_of_bureaux: dict[tuple[str, ...], tuple[str, str, str]] = {}

    def parse(self, fields: list[str], nettoyages: int) -> ElecteurRow:
        """Return the row, in the order of FIELDS, from the cleaned fields of a line."""
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
        """Check the commune and record the bureau; if lines of one bureau disagree, the first value counts.

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
    return departement + code.zfill(_NUMERO_DIGITS) if code.isdigit() and len(code) <= _NUMERO_DIGITS else code


def _compact(code: str) -> str:
    return code.upper().replace("-", "").replace(" ", "")


def parse_nationalite(label: str, code: str) -> str:
    """Return the label if there is one, else the label of the ISO code; an unknown code is unchanged."""
    return NATIONALITES.get(label.upper(), label) or NATIONALITES.get(code.upper(), code)


class Reading(LineReader[ElecteurRow]):
    """One pass over the export: yields electors, and counts them by list and by arrondissement."""

    def __init__(self, reu: ImportedFile, communes: Container[str], rejects: RejectReport, *, only: str = "") -> None:
        """Reject lines of communes that are not in `communes`; `only`: the only commune that the file may contain."""
        self._only = only
        self._parser = LineParser(reu.columns, communes)
        self._counts: Counter[ElecteurRow] = Counter()
        self._emptied: Collection[ListeKey] = ()
        self._added: Counter[ListeKey] = Counter()
        super().__init__(reu, self._parser.parse, rejects)

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

    def empty(self, commune: str | None, listes: Sequence[Liste]) -> None:
        """Replace these lists too, with no elector if the file holds none of theirs."""
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
        """Yield the electors, in the order of the file."""
        for _, row in self:
            if self._only and row[_KEY.start] != self._only:
                also = f", et non seulement de {self._only}" if self.lines_kept > 1 else f" et non de {self._only}"
                raise ImportRefusedError(
                    f"Ce fichier a des électeurs de {row[_KEY.start]}{also} : déposez celui de votre commune"
                )
            self._counts[row[_KEY]] += 1
            yield row
