"""The profile of a source: what an export of the electoral list looks like, column by column."""

import unicodedata
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from datetime import date
from enum import StrEnum
from functools import lru_cache
from itertools import chain
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import ConfigDict, Field, model_validator

from schemas.profiles import Part, Profile, list_profiles, read_profile, read_text
from schemas.vocabulary import Categorie, Nature


class SourceField(StrEnum):
    """What an export may say: the columns of the table `electeur` and of its bureau, then those of `mouvement`."""

    CODE_COMMUNE = "code_commune"
    LISTE = "liste"
    INE = "ine"
    NOM_NAISSANCE = "nom_naissance"
    NOM_USAGE = "nom_usage"
    PRENOMS = "prenoms"
    SEXE = "sexe"
    DATE_NAISSANCE = "date_naissance"
    CODE_COMMUNE_NAISSANCE = "code_commune_naissance"
    COMMUNE_NAISSANCE = "commune_naissance"
    DEPARTEMENT_NAISSANCE = "departement_naissance"
    PAYS_NAISSANCE = "pays_naissance"
    NATIONALITE = "nationalite"
    CODE_NATIONALITE = "code_nationalite"
    NUMERO_VOIE = "numero_voie"
    LIBELLE_VOIE = "libelle_voie"
    COMPLEMENT1 = "complement1"
    COMPLEMENT2 = "complement2"
    LIEU_DIT = "lieu_dit"
    CODE_POSTAL = "code_postal"
    VILLE = "ville"
    PAYS = "pays"
    NOM_COMMUNE = "nom_commune"
    CODE_BUREAU = "code_bureau"
    LIBELLE = "libelle"
    CODE_CIRCONSCRIPTION = "code_circonscription"
    LIBELLE_CIRCONSCRIPTION = "libelle_circonscription"
    CODE_CANTON = "code_canton"
    LIBELLE_CANTON = "libelle_canton"
    NUMERO_ORDRE = "numero_ordre"
    NATURE = "nature"
    EFFET = "effet"
    ETAT = "etat"
    DATE_MOUVEMENT = "date_mouvement"
    CATEGORIE = "categorie"
    MOTIF = "motif"
    DATE_TABLEAU = "date_tableau"
    SCRUTIN = "scrutin"
    ANCIEN_BUREAU = "ancien_bureau"
    NOUVEAU_BUREAU = "nouveau_bureau"
    NUMERO = "numero"
    ADRESSE = "adresse"
    IS_PROTEGEE = "is_protegee"


F = SourceField


class Presence(StrEnum):
    """Whether a file must have a field."""

    REQUIRED = "required"
    """Without it nothing can be read."""
    USUAL = "usual"
    """A file without it does not match; an agent may confirm that the file lacks it."""
    NOTED = "noted"
    """Read where it is; an import without it says so."""
    OPTIONAL = "optional"
    """Read where it is."""


class Shape(StrEnum):
    """How a value is written; the code knows how to read each."""

    DAY_FIRST = "JJ/MM/AAAA"
    YEAR_FIRST = "AAAA-MM-JJ"
    WITH_DOTS = "JJ.MM.AAAA"
    WITH_HYPHENS = "JJ-MM-AAAA"
    DIGITS = "JJMMAAAA"
    YEAR_DIGITS = "AAAAMMJJ"
    MONTH_FIRST = "MM/JJ/AAAA"
    COMMUNE_BUREAU = "commune_bureau"
    """`13900_0001`: the code of the commune before the code of the bureau."""


class SplitShape(StrEnum):
    """How one column holds two fields."""

    NOM_PRENOMS = "NOM Prénoms"
    NUMERO_VOIE = "numéro voie"
    CODE_POSTAL_VILLE = "code postal ville"
    LIEU_DEPARTEMENT = "lieu (département)"
    BUREAU_LIBELLE = "bureau libellé"

    @property
    def fields(self) -> tuple[SourceField, SourceField]:
        """The fields of both halves."""
        return _HALVES[self]


_HALVES = {
    SplitShape.NOM_PRENOMS: (F.NOM_NAISSANCE, F.PRENOMS),
    SplitShape.NUMERO_VOIE: (F.NUMERO_VOIE, F.LIBELLE_VOIE),
    SplitShape.CODE_POSTAL_VILLE: (F.CODE_POSTAL, F.VILLE),
    SplitShape.LIEU_DEPARTEMENT: (F.COMMUNE_NAISSANCE, F.DEPARTEMENT_NAISSANCE),
    SplitShape.BUREAU_LIBELLE: (F.CODE_BUREAU, F.LIBELLE),
}

CODES: Mapping[SourceField, Sequence[str]] = {
    F.LISTE: ("P", "CE", "CM"),
    F.SEXE: ("M", "F"),
    F.NATURE: [*Nature],
    F.EFFET: ("1erMars", "Immediat", "Election"),
    F.ETAT: ("actif", "applique"),
    F.CATEGORIE: [it for it in Categorie if it],
    F.IS_PROTEGEE: ("oui", "non"),
}
"""The fields whose values must be known, and their codes."""
LEFT = ""
"""The code of values that an agent wants left as they are."""
_DATES = frozenset(Shape) - {Shape.COMMUNE_BUREAU}
_SHAPES = {
    **dict.fromkeys((F.DATE_NAISSANCE, F.DATE_MOUVEMENT, F.DATE_TABLEAU, F.SCRUTIN), _DATES),
    F.CODE_BUREAU: frozenset({Shape.COMMUNE_BUREAU}),
}
_EITHER = {Shape.DAY_FIRST, Shape.MONTH_FIRST}
"""Shapes that cannot be told apart: one date would have two meanings."""
LONGEST_VALUE = 300
"""Maximum number of characters of a value in the register."""


class JsonPart(Part):
    """Base of parts that also cross as JSON: a list stands for a tuple, a text for a word."""

    model_config = ConfigDict(strict=False)


class FieldSource(JsonPart):
    """Where a file says a field, and how."""

    titles: tuple[str, ...] = ()
    """Titles of its column; the first is that of messages. Case, accents and punctuation do not matter."""
    hints: tuple[str, ...] = ()
    """Words in the title of a column that make it a proposal, which an agent has to confirm."""
    parts: tuple[tuple[str, ...], ...] = ()
    """Its value stands in several columns: the titles of each, in the order in which they are joined."""
    values: Mapping[str, tuple[str, ...]] = {}
    """The code of the register, and how the file writes it."""
    shapes: tuple[Shape, ...] = ()
    presence: Presence = Presence.OPTIONAL
    instead: SourceField | None = None
    """A field that may stand for this one."""
    is_absent: bool = False
    """An agent has confirmed that the file lacks it."""
    constant: Annotated[str, Field(max_length=LONGEST_VALUE)] = ""
    """The value of all lines of one file that lacks it; it is not kept for the next file."""


class SplitSource(JsonPart):
    """A column that holds two fields."""

    titles: tuple[str, ...]
    shape: SplitShape


class SourceMapping(JsonPart):
    """What an agent has said about the columns and values of a file, which no profile knew."""

    fields: Mapping[SourceField, FieldSource] = {}
    splits: tuple[SplitSource, ...] = ()

    @model_validator(mode="after")
    def _check(self) -> Self:
        known: dict[str, str] = {}
        for owner, title in self.list_titles():
            if known.setdefault(fold(title), owner) != owner:
                raise ValueError(
                    f"la colonne « {title} » est dite deux fois : {known[fold(title)]} et {owner}"
                )
        for name, field in self.fields.items():
            _check_values(name, field)
            if wrong := set(field.shapes) - _SHAPES.get(name, frozenset()):
                raise ValueError(f"{name} : la forme « {min(wrong)} » n'est pas la sienne")
            if set(field.shapes) >= _EITHER:
                shapes = " et ".join(f"« {it} »" for it in sorted(_EITHER))
                raise ValueError(
                    f"{name} : une date aurait deux sens avec {shapes} ; n'en gardez qu'une"
                )
        return self

    def list_titles(self) -> Iterator[tuple[str, str]]:
        """Yield each title that it names, after the name of its field or shape."""
        for name, field in self.fields.items():
            yield from (
                (name.value, title) for titles in (field.titles, *field.parts) for title in titles
            )
        yield from ((split.shape.value, title) for split in self.splits for title in split.titles)

    def lasting(self) -> "SourceMapping":
        """Return what holds for the next file too: without the values of all lines of one file."""
        kept = {name: it for name, it in self.fields.items() if not it.constant}
        return SourceMapping(fields=kept, splits=self.splits)

    def only(self, known: Collection[str]) -> "SourceMapping":
        """Return a copy that names these titles only, which are folded; the file of another town hall may have more."""

        def keep(titles: Iterable[str]) -> tuple[str, ...]:
            return tuple(title for title in titles if fold(title) in known)

        fields = {}
        for name, field in self.fields.items():
            parts = tuple(map(keep, field.parts))
            changed = {
                "titles": keep(field.titles),
                "parts": parts if all(parts) else (),
                "hints": (),
            }
            fields[name] = field.model_copy(update=changed)
        splits = tuple(
            it.model_copy(update={"titles": kept})
            for it in self.splits
            if (kept := keep(it.titles))
        )
        return SourceMapping(fields=fields, splits=splits)

    def joined(self, other: "SourceMapping") -> Self:
        """Return a copy with what `other` says besides; what it says of a title or a value wins.

        Raises:
            ValidationError: it says two things of one title or value.
        """
        said = {fold(title) for _, title in other.list_titles()}
        fields = {name: _without(field, said) for name, field in self.fields.items()}
        for name, field in other.fields.items():
            fields[name] = _join(fields.get(name, FieldSource()), field)
        splits = [it for it in self.splits if not said & {*map(fold, it.titles)}]
        content = self.model_dump() | {
            "fields": {name: it.model_dump() for name, it in fields.items()}
        }
        return self.model_validate(
            content | {"splits": [it.model_dump() for it in (*splits, *other.splits)]}
        )

    def __bool__(self) -> bool:
        """Return whether it says anything."""
        return bool(self.fields or self.splits)


class SourceProfile(Profile, SourceMapping):
    """What an export of the electoral list looks like."""

    kind: Literal["source"]
    of: Literal["liste", "mouvements"] = "liste"
    """What its files hold: the electors of lists, or mouvements."""

    def title(self, field: str) -> str:
        """Return the first title of a field, for messages; the field itself if it has none."""
        return next((title for owner, title in self.list_titles() if owner == field), field)


@lru_cache(maxsize=1)
def read_reu() -> SourceProfile:
    """Return the profile of the REU's export « Liste des électeurs actifs », which is shipped."""
    return read_source(Path(__file__).with_name("reu.toml"))


@lru_cache(maxsize=1)
def read_mouvements() -> SourceProfile:
    """Return the profile of our own CSV of mouvements, which is shipped."""
    return read_source(Path(__file__).with_name("mouvements.toml"))


def load_sources(folder: Path) -> SourceProfile:
    """Return the REU's profile with what the source profiles of a folder, which may not exist, say besides.

    Raises:
        ProfileError: a file cannot be used.
    """
    known = read_reu()
    for path in list_profiles(folder, of_source=True):
        if (profile := read_source(path)).of == "liste":
            known = known.joined(profile)
    return known


def read_source(path: Path) -> SourceProfile:
    """Read the profile of a source; raises ProfileError if it cannot be used."""
    return read_profile(read_text(path), SourceProfile, name=path.name)


def profile_of(mapping: SourceMapping, code_commune: str, owner: str, day: date) -> SourceProfile:
    """Return what a commune has said of its files as a profile that others can load; `owner`: its name."""
    return SourceProfile(
        kind="source",
        name=f"reu-{code_commune}",
        label=f"export de la liste électorale, {owner}",
        version=f"{day:%Y-%m-%d}",
        according_to=owner,
        seen_on=day,
        fields=mapping.fields,
        splits=mapping.splits,
    )


def describe_mapping(mapping: SourceMapping) -> str:
    """Return a sentence for the journal: « NOM » = nom de naissance."""
    name = read_reu().title
    said = [f"« {title} » = {name(owner)}" for owner, title in mapping.list_titles()]
    absent = [f"sans {name(field)}" for field, source in mapping.fields.items() if source.is_absent]
    return ", ".join(said + absent)


def _without(field: FieldSource, said: set[str]) -> FieldSource:
    kept = tuple(title for title in field.titles if fold(title) not in said)
    return field.model_copy(update={"titles": kept})


def _join(field: FieldSource, other: FieldSource) -> FieldSource:
    said = {fold_value(value) for values in other.values.values() for value in values}
    values = {
        code: tuple(it for it in known if fold_value(it) not in said)
        for code, known in field.values.items()
    }
    for code, more in other.values.items():
        values[code] = (*values.get(code, ()), *more)
    changed = {
        "titles": (*field.titles, *other.titles),
        "parts": other.parts or field.parts,
        "shapes": other.shapes or field.shapes,
        "is_absent": other.is_absent,
        "constant": other.constant,
        "values": values,
    }
    return field.model_copy(update=changed)


def _check_values(name: SourceField, field: FieldSource) -> None:
    if unknown := set(field.values) - {LEFT, *CODES.get(name, field.values)}:
        raise ValueError(
            f"{name} : « {min(unknown)} » n'est pas un code ; les codes sont {', '.join(CODES[name])}"
        )
    known: dict[str, str] = {}
    for code, value in ((code, value) for code, values in field.values.items() for value in values):
        if known.setdefault(fold_value(value), code) != code:
            raise ValueError(
                f"{name} : la valeur « {value} » a deux sens, {known[fold_value(value)]} et {code}"
            )


_LITTLE_WORDS = frozenset({"de", "du", "des", "d", "la", "le", "l", "dans"})


def fold(title: str) -> str:
    """Remove accents, case, punctuation and little words: `code du l'ugle` and `Code de l’UGLE` become equal."""
    return " ".join(word for word in fold_value(title).split() if word not in _LITTLE_WORDS)


@lru_cache(4096)
def fold_value(text: str) -> str:
    """Remove accents, case and punctuation."""
    # Letter by letter, since many marks in a row are sorted in quadratic time.
    decomposed = chain.from_iterable(
        unicodedata.normalize("NFKD", letter) for letter in text.casefold()
    )
    letters = "".join(letter for letter in decomposed if not unicodedata.combining(letter))
    return " ".join("".join(it if it.isascii() and it.isalnum() else " " for it in letters).split())
