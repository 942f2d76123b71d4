"""A REU / ELIRE export: its columns.

Source: export « Liste des électeurs actifs » of ELIRE, 27 columns, found by their names under any of the spellings that
préfectures send; docs/registre.md lists them with their variants.
"""

import re
from collections.abc import Container, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from worker.errors import ImportRefusedError
from worker.registre.imports.file import ImportedFile, open_file
from worker.registre.imports.lines import find_columns, fold_title, parse_commune
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
_ASKED = {"code_commune": ("--commune", "CODE"), "liste": ("--liste", "LISTE")}
"""Columns that somebody can say instead, by which option, and what stands for its value."""
_CODE_IN_NAME = re.compile(r"(?<![0-9A-Za-z])(?:com)?((?:\d{2}|2[AB])\d{3})(?![0-9A-Za-z])", re.ASCII | re.IGNORECASE)
_LISTE_WORDS = {
    **dict.fromkeys(("lp", "principale", "generale"), "P"),
    **dict.fromkeys(("lce", "europeenne"), "CE"),
    **dict.fromkeys(("lcm", "municipale"), "CM"),
}
"""What files' names call a list; P, CE and CM alone may be anything there."""
_REFUSAL = "ce n'est pas un export « Liste des électeurs actifs » du REU"


def title_of(field: str) -> str:
    """The column's name in the REU's own spelling, for messages."""
    return _TITLES[field][0]


def open_reu(path: Path, *, commune: str = "", liste: str = "", named: str = "") -> ImportedFile:
    """Read the titles, and the whole file once for its SHA-256.

    `commune` and `liste` stand for the columns that the file lacks; what its name says of them is asked back, and never
    taken for granted. `named`: what its owner calls it, where that is not the name of `path`.

    Raises:
        ImportRefusedError: it cannot be read, is empty, is not a REU export, or does not say whose the electors are.
    """
    said = {field: value for field, value in (("code_commune", commune), ("liste", liste)) if value}

    def match_with_name(titles: Sequence[str]) -> Columns:
        return match_columns(titles, said, read_name(Path(named or path.name).stem))

    return open_file(path, Wanted(match_with_name, _ADVICE, _DIGITS), named=named)


def match_columns(
    titles: Sequence[str], said: Mapping[str, str] | None = None, named: Mapping[str, str] | None = None
) -> Columns:
    """Find the columns by their names, whatever their order.

    `said`: what somebody says of all lines, for columns that may lack; `named`: the same as the file's name has it.

    Raises:
        ImportRefusedError: a column is missing, or stands twice; the message names them.
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
    """Whose these electors are: what the file's name says is proposed, for somebody to confirm."""
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
    """The commune and the list that a file's name says, each where it says one only: `liste_13055_LP`."""
    communes = {parse_commune(code) for code in _CODE_IN_NAME.findall(name)}
    listes = {_LISTE_WORDS[word] for word in fold_title(name).split() if word in _LISTE_WORDS}
    found = {"code_commune": communes, "liste": listes}
    return {field: values.pop() for field, values in found.items() if len(values) == 1}
