"""Finds the fields of a profile in the titles of a file, and reads values in the shapes that the profile names."""

import re
from collections.abc import Callable, Collection, Mapping, Sequence
from functools import partial
from pathlib import PurePath

from schemas.profiles.source import (
    F,
    FieldSource,
    Presence,
    Shape,
    SourceField,
    SourceProfile,
    SplitShape,
    SplitSource,
    fold,
    fold_value,
)
from worker.errors import ImportRefusedError
from worker.registre.imports.lines import name_other_file, parse_commune, read_date
from worker.registre.imports.sources import Columns, Derived

ASKED: Mapping[str, tuple[str, str]] = {
    F.CODE_COMMUNE: ("--commune", "CODE"),
    F.LISTE: ("--liste", "LISTE"),
}
"""Fields that an option can replace: the option, and the placeholder of its value."""

_ENOUGH = 4
"""Fewer fields than this may be recognised by chance, in the titles of another file or in a line of data."""
_EXPECTED = {Presence.REQUIRED, Presence.USUAL}
_CODE_IN_NAME = re.compile(
    r"(?<![0-9A-Za-z])(?:com)?((?:\d{2}|2[AB])\d{3})(?![0-9A-Za-z])", re.ASCII | re.IGNORECASE
)
_LISTE_WORDS = {
    **dict.fromkeys(("lp", "principale", "generale"), "P"),
    **dict.fromkeys(("lce", "europeenne"), "CE"),
    **dict.fromkeys(("lcm", "municipale"), "CM"),
}
"""Words for a list in file names; P, CE and CM alone may mean anything there."""

_OTHER_KINDS = {
    **dict.fromkeys(
        ("radiation", "radiations", "radie", "radies", "radiee", "radiees"), "des électeurs radiés"
    ),
    **dict.fromkeys(("mandant", "mandataire", "procuration", "procurations"), "des procurations"),
    **dict.fromkeys(("mouvement", "mouvements"), "des mouvements"),
    **dict.fromkeys(("demande", "demandes"), "des demandes d'inscription"),
}
"""Words in a title or a file name that no list of active electors has, and what such a file holds."""

_DATA = re.compile(r"[\d/.:, -]+", re.ASCII)


def match_columns(
    titles: Sequence[str], profile: SourceProfile, said: Mapping[str, str]
) -> Columns:
    """Find the columns by their titles, in any order; `said`: values given for all lines.

    `Columns.missing` names the fields that a file of this profile has, and this one has not.

    Raises:
        ImportRefusedError: these are no titles of an electoral list, or one of them stands twice.
    """
    known = {
        fold(title): name.value
        for name, source in profile.fields.items()
        for title in source.titles
    }
    fields = [known.get(fold(title), "") for title in titles]
    positions = {field: place for place, field in enumerate(fields) if field}
    derived = _find_derived(titles, profile)
    found = {*positions, *(name for it in derived for name in it.fields)}
    missing = _missing(found, profile, said)
    other, command = name_other_file(titles, known)
    if other or len(found) < _ENOUGH:
        lacks = ". Colonnes manquantes : " + ", ".join(map(profile.title, missing))
        refusal = f"ce n'est pas un {profile.label}{other}"
        raise ImportRefusedError(f"{refusal}{command}{lacks}", on_screen=f"{refusal}{lacks}")
    if repeated := [profile.title(field) for field in positions if fields.count(field) > 1]:
        raise ImportRefusedError("colonnes présentes plusieurs fois : " + ", ".join(repeated))
    constants = {
        name.value: it.constant for name, it in profile.fields.items() if it.constant
    } | dict(said)
    constants = {field: value for field, value in constants.items() if field not in positions}
    said_of = {fold(title) for _, title in profile.list_titles()}
    unknown = [" ".join(title.split()) for title in titles if fold(title) not in said_of]
    noted = (name for name, source in profile.fields.items() if source.presence is Presence.NOTED)
    absent = [profile.title(name) for name in noted if name not in {*found, *constants}]
    notes = [
        f"{label} : {', '.join(names)}"
        for label, names in (
            ("colonnes inconnues, ignorées", unknown),
            ("colonnes facultatives absentes", absent),
        )
        if names
    ]
    return Columns(titles, positions, tuple(notes), constants, derived, missing)


def match_unknown(
    titles: Sequence[str], profile: SourceProfile, said: Mapping[str, str]
) -> Columns:
    """Return columns of which no field was recognised: only an agent knows whether they are an electoral list.

    Raises:
        ImportRefusedError: the line looks like data, or has too few columns.
    """
    cells = [title for title in titles if title.strip()]
    if (
        name_other_file(titles, ())[0]
        or len(cells) < _ENOUGH
        or any(map(_DATA.fullmatch, cells))
        or len({*map(fold, cells)}) < len(cells)
    ):
        raise ImportRefusedError(f"ce n'est pas un {profile.label}")
    return Columns(titles, {}, constants=said, missing=_missing((), profile, said))


def read_name(name: str) -> dict[str, str]:
    """Return the commune and the list in a file's name, each if the name has only one: `liste_13055_LP.csv`."""
    name = PurePath(name).stem
    communes = {parse_commune(code) for code in _CODE_IN_NAME.findall(name)}
    listes = {_LISTE_WORDS[word] for word in fold(name).split() if word in _LISTE_WORDS}
    found = {"code_commune": communes, "liste": listes}
    return {field: values.pop() for field, values in found.items() if len(values) == 1}


def name_other_kind(name: str, titles: Sequence[str], profile: SourceProfile) -> tuple[str, str]:
    """Return what a file may hold instead of active electors, and the sign: a word of a title, or of the file's name.

    Both are in French, and empty without such a word.
    """
    known = {fold(title) for _, title in profile.list_titles()}
    unknown = [title for title in titles if fold(title) not in known]
    places = [(title, "le titre d'une colonne") for title in unknown]
    places.append((PurePath(name).stem, "le nom du fichier"))
    found = (
        (_OTHER_KINDS[word], f"{place} contient « {word} »")
        for text, place in places
        for word in fold(text).split()
        if word in _OTHER_KINDS
    )
    return next(found, ("", ""))


def _missing(
    found: Collection[str], profile: SourceProfile, said: Collection[str]
) -> list[SourceField]:
    def is_missing(field: SourceField, source: FieldSource) -> bool:
        if source.presence not in _EXPECTED or source.constant or field in said or field in found:
            return False
        is_excused = source.is_absent and source.presence is not Presence.REQUIRED
        return not (is_excused or source.instead in found)

    return [field for field, source in profile.fields.items() if is_missing(field, source)]


# Fields that several columns hold together, or one column with another field.


def _find_derived(titles: Sequence[str], profile: SourceProfile) -> tuple[Derived, ...]:
    places = {fold(title): place for place, title in enumerate(titles)}

    def find(spellings: Sequence[str]) -> int:
        return next((places[fold(it)] for it in spellings if fold(it) in places), -1)

    derived = [
        _split(split, place) for split in profile.splits if (place := find(split.titles)) >= 0
    ]
    for field, source in profile.fields.items():
        parts = [find(spellings) for spellings in source.parts]
        if parts and min(parts) >= 0 and find(source.titles) < 0:
            derived.append(Derived((field,), partial(_join, field, parts), source.parts[0][0]))
    return tuple(derived)


def _join(field: SourceField, places: Sequence[int], fields: Sequence[str]) -> Sequence[str]:
    values = [fields[place] for place in places]
    if field is F.DATE_NAISSANCE:
        return ["/".join(value.zfill(2) for value in values) if any(values) else ""]
    return [" ".join(filter(None, values))]


def _split(split: SplitSource, place: int) -> Derived:
    read = SPLITS[split.shape]
    return Derived(split.shape.fields, lambda fields: read(fields[place]), split.titles[0])


_NUMERO = re.compile(
    r"(\d+(?:[-/]\d+)?(?: ?(?:BIS|TER|QUATER|[A-Z])\b)?)[ ,]+(.+)", re.ASCII | re.IGNORECASE
)
_POSTAL = re.compile(r"(\d{5}) +(.+)", re.ASCII)
_LIEU = re.compile(r"(.+?) *\((\d{2,3}|2[AB])\)", re.ASCII)
_BUREAU = re.compile(r"(\d{1,4}[A-Z]?)(?: *[-–:] *(.+)| +(\D.+))?", re.ASCII)


def _split_names(text: str) -> tuple[str, str]:
    """Split « DE LA TOUR Jean Marc »: the name is the words in capitals at the beginning, which may be all of them."""
    words = text.split()
    names = next((place for place, word in enumerate(words) if word != word.upper()), len(words))
    if not names:
        raise ValueError("no name in capitals")
    return " ".join(words[:names]), " ".join(words[names:])


def _split_by(pattern: re.Pattern[str], text: str, *, second: bool) -> tuple[str, str]:
    if match := pattern.fullmatch(text):
        first, *rest = match.groups("")
        return first, "".join(rest)
    return ("", text) if second else (text, "")


SPLITS: Mapping[SplitShape, Callable[[str], tuple[str, str]]] = {
    SplitShape.NOM_PRENOMS: _split_names,
    SplitShape.NUMERO_VOIE: partial(_split_by, _NUMERO, second=True),
    SplitShape.CODE_POSTAL_VILLE: partial(_split_by, _POSTAL, second=True),
    SplitShape.LIEU_DEPARTEMENT: partial(_split_by, _LIEU, second=False),
    SplitShape.BUREAU_LIBELLE: partial(_split_by, _BUREAU, second=False),
}
"""Splits the text of a column; raises ValueError if it cannot be split."""


def find_code(source: FieldSource, text: str) -> str:
    """Return the code that a value of the file has in the register; empty if the profile does not know it."""
    folded = fold_value(text)
    known = (code for code, values in source.values.items() if folded in map(fold_value, values))
    return next(known, "") if folded else ""


_COMMUNE_BUREAU = re.compile(r"(?:\d{5}|2[AB]\d{3})[_-](.+)", re.ASCII)


def read_bureau(text: str, shapes: Collection[Shape]) -> str:
    """Return the code of a bureau without the commune's code, if it may stand before it."""
    match = _COMMUNE_BUREAU.fullmatch(text) if Shape.COMMUNE_BUREAU in shapes else None
    return match[1] if match else text


def find_shapes(texts: Collection[str]) -> list[Shape]:
    """Return the shapes in which each of these texts is a date; none without texts."""

    def reads(shape: Shape) -> bool:
        try:
            return bool(texts) and all(read_date(text, [shape]) for text in texts)
        except ValueError:
            return False

    return [shape for shape in Shape if shape is not Shape.COMMUNE_BUREAU and reads(shape)]
