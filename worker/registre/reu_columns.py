"""The columns of a REU / ELIRE export, found by their names under any of the spellings that préfectures send.

Source: export « Liste des électeurs actifs » of ELIRE, 27 columns; docs/registre.md lists them with their variants.
"""

import re
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from worker.errors import ImportRefusedError

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
"""What makes an elector and her place in the list: without one of these the file is not a REU export."""

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
"""What the reference data or the operator can tell instead; `code_canton` is not in the usual export."""

_TITLES: Mapping[str, tuple[str, ...]] = REQUIRED | NATIONALITE | OPTIONAL
_LITTLE_WORDS = frozenset({"de", "du", "des", "d", "la", "le", "l", "dans"})
_NOT_A_WORD = re.compile(r"[^0-9a-z]+")


@dataclass(frozen=True)
class Columns:
    """Where each field is. A field that the file lacks is at `width`, where the parser puts an empty value."""

    width: int
    positions: Mapping[str, int]
    notes: tuple[str, ...] = ()

    def at(self, field: str) -> int:
        """The place of the field, counted from 0."""
        return self.positions.get(field, self.width)


def title_of(field: str) -> str:
    """The column's name in the REU's own spelling, for messages."""
    return _TITLES[field][0]


def fold_title(title: str) -> str:
    """The name without accents, case, punctuation and little words: `code du l'ugle` and `Code de l’UGLE` are one."""
    decomposed = unicodedata.normalize("NFKD", title.casefold())
    letters = "".join(letter for letter in decomposed if not unicodedata.combining(letter))
    return " ".join(word for word in _NOT_A_WORD.split(letters) if word and word not in _LITTLE_WORDS)


def match_columns(header: Sequence[str]) -> Columns:
    """Find the columns by their names, whatever their order.

    Raises:
        ImportRefusedError: a column is missing, or stands twice; the message names them.
    """
    known = {fold_title(title): field for field, titles in _TITLES.items() for title in titles}
    fields = [known.get(fold_title(title)) for title in header]
    positions = {field: place for place, field in enumerate(fields) if field}
    missing = [title_of(field) for field in REQUIRED if field not in positions]
    if not positions.keys() & NATIONALITE.keys():
        missing.append(title_of("nationalite"))
    if missing:
        raise ImportRefusedError(
            "ce n'est pas un export « Liste des électeurs actifs » du REU. Colonnes manquantes : " + ", ".join(missing)
        )
    if twice := [title_of(field) for field in positions if fields.count(field) > 1]:
        raise ImportRefusedError("colonnes présentes plusieurs fois : " + ", ".join(twice))
    return Columns(len(header), positions, tuple(_describe(header, fields)))


def _describe(header: Sequence[str], fields: Sequence[str | None]) -> list[str]:
    notes = []
    if strange := [" ".join(title.split()) for title, field in zip(header, fields, strict=True) if not field]:
        notes.append("colonnes inconnues, ignorées : " + ", ".join(strange))
    absent = [title_of(field) for field in OPTIONAL if field not in fields and field != "code_canton"]
    if absent:
        notes.append("colonnes facultatives absentes : " + ", ".join(absent))
    return notes
