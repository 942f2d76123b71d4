"""A REU / ELIRE export: its columns.

Source: export « Liste des électeurs actifs » of ELIRE, 27 columns, found by their names under any of the spellings that
préfectures send; docs/registre.md lists them with their variants.
"""

from collections.abc import Container, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from worker.registre.imports.file import ImportedFile, open_file
from worker.registre.imports.lines import find_columns
from worker.registre.imports.records import Columns, Wanted

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
_ADVICE = "téléchargez-le de nouveau depuis ELIRE, et donnez-le sans l'ouvrir dans un tableur"
_DIGITS = {"code_commune": 5, "code_commune_naissance": 5, "departement_naissance": 2, "code_postal": 5}
_REFUSAL = "ce n'est pas un export « Liste des électeurs actifs » du REU"


def title_of(field: str) -> str:
    """The column's name in the REU's own spelling, for messages."""
    return _TITLES[field][0]


def open_reu(path: Path) -> ImportedFile:
    """Read the titles, and the whole file once for its SHA-256.

    Raises:
        ImportRefusedError: it cannot be read, is empty, or is not a REU export.
    """
    return open_file(path, Wanted(match_columns, _ADVICE, _DIGITS))


def match_columns(header: Sequence[str]) -> Columns:
    """Find the columns by their names, whatever their order.

    Raises:
        ImportRefusedError: a column is missing, or stands twice; the message names them.
    """
    columns = find_columns(header, _TITLES, missing_of=_missing, refusal=_REFUSAL)
    absent = [title_of(field) for field in OPTIONAL if field not in columns.positions and field != "code_canton"]
    notes = ("colonnes facultatives absentes : " + ", ".join(absent),) if absent else ()
    return replace(columns, notes=columns.notes + notes)


def _missing(found: Container[str]) -> list[str]:
    missing = [title_of(field) for field in REQUIRED if field not in found]
    return missing if any(field in found for field in NATIONALITE) else [*missing, title_of("nationalite")]
