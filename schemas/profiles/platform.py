"""What a platform wants of a list file: one profile per platform, the one of e-listelec shipped beside this module.

An operator adds a file to the folder `profiles` for the préfectures that want another one: see docs/profiles.md.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from operator import itemgetter
from pathlib import Path
from typing import Annotated, Any, Literal, Self, get_args

from pydantic import AfterValidator, Field, field_validator, model_validator

from schemas.profiles import Part, Profile, ProfileError, list_profiles, read_profile, read_text
from schemas.vocabulary import SEPARATORS, FileFormat, Format, Liste

SHIPPED = Path(__file__).parent / "e-listelec.toml"


COLUMN_VALUES = (
    *(
        "type_liste",
        "info_liste",
        "date_creation",
        "code_departement",
        "code_commune",
        "nom_commune",
    ),
    *("numero_general", "sexe", "nom_naissance", "nom_usage", "prenoms", "date_naissance"),
    *("commune_naissance", "departement_naissance", "pays_naissance", "nationalite"),
    *(
        "libelle_bureau",
        "code_bureau",
        "code_canton",
        "code_circonscription",
        "complement1",
        "complement2",
    ),
    *("numero_voie", "type_voie", "libelle_voie", "lieu_dit", "code_postal", "ville", "pays"),
)
"""What the module can write to a column. The first six are the same on each line of a file."""

IDENTITY = "nom_naissance", "prenoms", "date_naissance", "commune_naissance", "pays_naissance"
"""The values that identify an elector of a file: without them, two files cannot be compared."""

_TITLE = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]*", re.ASCII)
_NAME_PARTS = "liste", "commune", "moment"
_LONGEST_NAME = 100


Encoding = Literal["utf-8", "cp1252", "iso-8859-1", "iso-8859-15"]
Code = Annotated[str, Field(pattern="^[A-Za-z0-9_-]*$")]
ENCODINGS: tuple[Encoding, ...] = get_args(Encoding)


def _require_known(value: str) -> str:
    if value not in COLUMN_VALUES:
        raise ValueError(f"les valeurs possibles sont {', '.join(COLUMN_VALUES)}")
    return value


def can_encode(text: str, encoding: Encoding) -> bool:
    """Whether an encoding has all letters of a text."""
    return text.encode(encoding, "ignore").decode(encoding) == text


class FileForm(Part):
    """The form of a CSV: how it is written, and its columns in their order, the value of each by its title."""

    separator: str
    encoding: Encoding
    byte_order_mark: bool
    line_end: Literal["LF", "CRLF"]
    columns: dict[str, Annotated[str, AfterValidator(_require_known)]]

    @property
    def values(self) -> tuple[str, ...]:
        """The values in the order of the columns."""
        return tuple(self.columns.values())

    @property
    def end(self) -> str:
        """The characters that end a line."""
        return "\n" if self.line_end == "LF" else "\r\n"

    @property
    def first_line(self) -> str:
        """The titles."""
        return self.separator.join(self.columns)

    @property
    def header(self) -> bytes:
        """The bytes of the first line."""
        mark = "\ufeff" if self.byte_order_mark else ""
        return f"{mark}{self.first_line}{self.end}".encode(self.encoding)

    def split(self, line: bytes) -> list[str]:
        """Return the values of a line, which has no quotes, and no separator within a value."""
        return line.decode(self.encoding).removesuffix(self.end).split(self.separator)

    @property
    def not_an_element(self) -> str:
        """The first title that cannot name an element of an XML; empty without any."""
        return next((title for title in self.columns if not _TITLE.fullmatch(title)), "")

    def title(self, value: str) -> str:
        """Return the title of the column of a value; its name in a profile, if the file has no such column."""
        return next((title for title, known in self.columns.items() if known == value), value)

    @field_validator("separator")
    @classmethod
    def _is_one_character(cls, separator: str) -> str:
        if separator not in SEPARATORS:
            raise ValueError(
                f'un séparateur est un seul caractère : {", ".join(SEPARATORS.values())} ("\\t")'
            )
        return separator

    @field_validator("columns")
    @classmethod
    def _are_distinct(cls, columns: dict[str, str]) -> dict[str, str]:
        values = list(columns.values())
        if twice := sorted({value for value in values if values.count(value) > 1}):
            raise ValueError(f"deux colonnes ont la même valeur : {', '.join(twice)}")
        if missing := [value for value in IDENTITY if value not in values]:
            raise ValueError(
                f"il manque une colonne pour {', '.join(missing)} : sans elle, un électeur est inconnu"
            )
        return columns

    @model_validator(mode="after")
    def _can_be_written(self) -> Self:
        if self.byte_order_mark and self.encoding != "utf-8":
            raise ValueError("une marque d'ordre des octets (byte_order_mark) n'existe qu'en utf-8")
        for title in self.columns:
            is_bad = not title.strip() or set(title) & {self.separator, '"', "\n", "\r"}
            if is_bad or not can_encode(title, self.encoding):
                raise ValueError(
                    f"columns, « {title} » : ce titre ne s'écrit pas avec ce séparateur et cet encodage"
                )
        return self


class PlatformProfile(Profile):
    """What a platform wants: the files that it takes, their names, their codes and their form."""

    kind: Literal["platform"]
    departements: tuple[str, ...] = Field((), strict=False)
    """Codes of the départements (`13`, `2A`, `971`) whose communes it is for; none: all that no profile names."""
    deposits_wanted: bool
    """Whether communes still have to deposit: without it, nothing asks a clerk to."""
    formats: list[Annotated[FileFormat, Field(strict=False)]]
    """The formats that may be deposited; pdf is that of a tableau."""
    companions: tuple[str, ...] = Field((), strict=False)
    """What goes with the files, in French, as a line of the instructions each."""
    most_bytes: Annotated[int, Field(gt=0)] | None = None
    """Bytes of the largest file that the platform takes; None: not known."""
    xsd: Annotated[Path, Field(strict=False)] | None = None
    """The schema of the XML, by its path from the folder of the profile; None: the XML is not validated."""
    file_name: str
    """The name of a list file without its extension: `{liste}`, `{commune}` and, at its end, `{moment}`."""
    info_liste: Code
    type_liste: dict[Annotated[Liste, Field(strict=False)], Code]
    form: FileForm

    @property
    def offered(self) -> list[Format]:
        """The formats of a list that a clerk may ask for: those to deposit, or all."""
        return [
            it for it in Format if FileFormat(it) in self.formats and self.deposits_wanted
        ] or list(Format)

    def record(self, *, of_liste: bool) -> dict[str, Any]:
        """Return what a reader of a file has to know of the profile under which it was made."""
        known = {
            "label": self.label,
            "version": self.version,
            "formats": [str(it) for it in self.formats] if self.deposits_wanted else [],
        }
        return known | {"form": self.form.model_dump(mode="json")} if of_liste else known

    @field_validator("departements")
    @classmethod
    def _are_codes(cls, codes: tuple[str, ...]) -> tuple[str, ...]:
        if bad := [
            code for code in codes if not re.fullmatch(r"\d\d|2[AB]|9[78]\d", code, re.ASCII)
        ]:
            raise ValueError(
                f"{', '.join(bad)} n'est pas un code de département, comme 13, 2A ou 971"
            )
        return codes

    @field_validator("file_name")
    @classmethod
    def _is_unique_and_safe(cls, name: str) -> str:
        if missing := [f"{{{part}}}" for part in _NAME_PARTS if name.count(f"{{{part}}}") != 1]:
            raise ValueError(f"il manque {', '.join(missing)} : deux fichiers auraient le même nom")
        bare = re.sub(rf"\{{({'|'.join(_NAME_PARTS)})\}}", "", name)
        if not re.fullmatch(r"[A-Za-z0-9_-]*", bare, re.ASCII) or len(name) > _LONGEST_NAME:
            raise ValueError(
                "un nom de fichier n'a que des lettres sans accent, des chiffres, « - » et « _ »"
            )
        if name.startswith(("-", "tableau", "dossier")) or not name.endswith("{moment}"):
            raise ValueError(
                "un nom de fichier finit par {moment}, et ne commence ni par « - », ni comme un tableau"
            )
        return name

    @field_validator("type_liste")
    @classmethod
    def _name_every_liste(cls, codes: dict[Liste, str]) -> dict[Liste, str]:
        if missing := [liste.value for liste in Liste if not codes.get(liste)]:
            raise ValueError(f"il manque un code pour {', '.join(missing)}")
        if len(set(codes.values())) < len(codes):
            raise ValueError("deux listes ont le même code")
        return codes

    @model_validator(mode="after")
    def _names_elements(self) -> Self:
        if FileFormat.XML in self.formats and (title := self.form.not_an_element):
            raise ValueError(
                f"« {title} » ne peut pas nommer un élément du XML : ôtez « xml » de formats"
            )
        return self


def picker(held: Sequence[str], wanted: Sequence[str]) -> Callable[[list[str]], tuple[str, ...]]:
    """Return the function from the texts of a line, in the order `held`, to those of `wanted`; empty where absent."""
    pick = itemgetter(*(held.index(value) if value in held else len(held) for value in wanted))
    return lambda texts: pick([*texts, ""])


def may_be_deposited(record: Mapping[str, Any] | None, format_: str) -> bool:
    """Whether the profile under which a file was made lets it be deposited; a file of no profile may be."""
    return record is None or format_ in record["formats"]


def profile_label(record: Mapping[str, Any] | None) -> str:
    """Return what people call the platform for which a file was made."""
    return record["label"] if record else read_shipped().label


def read_form(record: Mapping[str, Any] | None) -> FileForm:
    """Return the form of a list file from its record; a file of no profile has the shipped form."""
    return FileForm.model_validate(record["form"]) if record else read_shipped().form


@dataclass(frozen=True)
class PlatformProfiles:
    """The profiles of an installation: by département, and the one of all others."""

    elsewhere: PlatformProfile
    of_departements: Mapping[str, PlatformProfile]

    def of(self, code_commune: str) -> PlatformProfile:
        """Return the profile for the files of a commune."""
        length = 3 if code_commune.startswith(("97", "98")) else 2
        return self.of_departements.get(code_commune[:length], self.elsewhere)


@cache
def read_shipped() -> PlatformProfile:
    """Return the profile that the module ships."""
    return read_platform(SHIPPED)


def read_platform(path: Path) -> PlatformProfile:
    """Read the profile of a platform.

    Raises:
        ProfileError: it cannot be used, or its XSD is missing.
    """
    profile = read_profile(read_text(path), PlatformProfile, name=path.name)
    if profile.xsd is None:
        return profile
    xsd = path.parent / profile.xsd
    if not xsd.is_file():
        raise ProfileError(
            f"{path.name}, xsd : le schéma {xsd} n'existe pas ; mettez-le là, ou ôtez cette ligne"
        )
    return profile.model_copy(update={"xsd": xsd})


def load_profiles(folder: Path) -> PlatformProfiles:
    """Read the platform profiles of a folder, which may not exist, and the shipped one.

    Raises:
        ProfileError: a file cannot be used, or two are for the same département.
    """
    chosen: dict[str, tuple[Path, PlatformProfile]] = {}
    for path in list_profiles(folder, of_source=False):
        profile = read_platform(path)
        for code in profile.departements or ("",):
            if code in chosen:
                where = f"le département {code}" if code else "tous les départements"
                raise ProfileError(
                    f"{path} et {chosen[code][0].name} sont tous deux pour {where} : retirez l'un des deux"
                )
            chosen[code] = path, profile
    found = {code: profile for code, (_, profile) in chosen.items()}
    return PlatformProfiles(found.pop("") if "" in found else read_shipped(), found)
