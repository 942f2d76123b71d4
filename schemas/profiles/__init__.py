"""Profiles: what a source delivers and what a platform wants, as data. One readable TOML file each.

A profile holds lists of words and the names of shapes that the code knows; it holds no regular expression.
"""

import re
import tomllib
from contextlib import suppress
from datetime import date
from pathlib import Path
from typing import Any, TypeVar

import tomli_w
from pydantic import BaseModel, ConfigDict, ValidationError

from schemas.faults import explain_fault

MOST_BYTES = 16 << 10
"""Bytes of a profile; a longer file is not read."""

Model = TypeVar("Model", bound=BaseModel)


class ProfileError(ValueError):
    """A profile cannot be used. The French message says the file, the line, the fault and what to do."""


class Part(BaseModel):
    """Base of the parts of a profile: an unknown key is an error."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class Profile(Part):
    """The head of a profile: since when it is in use, and who says so."""

    name: str
    label: str
    """What people call it, in French."""
    version: str
    in_use_from: date | None = None
    in_use_to: date | None = None
    """The last day; None: still in use."""
    according_to: str
    """The text, or the file received, that says so."""
    seen_on: date
    """The day on which that text or file was read."""


def read_text(path: Path) -> str:
    """Return the text of a profile, or enough of it to see that it is too long; raises ProfileError."""
    try:
        with path.open("rb") as file:
            return file.read(MOST_BYTES + 1).decode()
    except OSError as error:
        raise ProfileError(f"{path.name} : profil illisible ({error.strerror})") from None
    except UnicodeDecodeError:
        raise ProfileError(
            f"{path.name} : un profil est écrit en UTF-8 ; enregistrez-le ainsi"
        ) from None


def list_profiles(folder: Path, *, of_source: bool) -> list[Path]:
    """Return the profiles of one kind in a folder, which may not exist; raises ProfileError."""
    try:
        paths = sorted(folder.iterdir())
    except FileNotFoundError:
        return []
    except OSError as error:
        raise ProfileError(f"{folder} : dossier des profils illisible ({error.strerror})") from None
    return [path for path in paths if path.suffix == ".toml" and is_source(path) is of_source]


def is_source(path: Path) -> bool:
    """Whether a profile is of the other kind, which says what an export of the register looks like."""
    with suppress(tomllib.TOMLDecodeError):
        return tomllib.loads(read_text(path)).get("kind") == "source"
    return False


def read_profile(text: str, model: type[Model], *, name: str) -> Model:
    """Read a profile; `name`: its file, for the message.

    Raises:
        ProfileError: the text is no TOML, a key is unknown or missing, or two of its lines contradict each other.
    """
    if len(text.encode()) > MOST_BYTES:
        raise ProfileError(
            f"{name} : un profil a {MOST_BYTES >> 10} Ko au plus ; ce fichier en est-il un ?"
        )
    try:
        content = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ProfileError(
            f"{name} : ce fichier n'est pas du TOML ({error}) ; corrigez cette ligne"
        ) from None
    try:
        return model.model_validate(content)
    except ValidationError as error:
        faults = error.errors(include_url=False, include_input=False)[:5]
        said = " ; ".join(_describe(text, fault["loc"], explain_fault(fault)) for fault in faults)
        raise ProfileError(f"{name}, {said}. Rien n'en est repris : corrigez le fichier") from None


def _describe(text: str, path: tuple[Any, ...], fault: str) -> str:
    """Return « ligne 12, fields.sexe.titles : … »: the line of the last key of the path, or of a value in the fault."""
    lines, found = text.splitlines(), 0
    keys = [re.escape(step) for step in path if isinstance(step, str)]
    for key in keys:
        is_key = re.compile(rf"\s*(\[+.*\b{key}\b.*\]+|(.*[{{,]\s*)?[\"']?{key}[\"']?\s*=)")
        found = next(
            (number for number in range(found, len(lines)) if is_key.match(lines[number])), found
        )
    if not keys and (value := re.search("« (.+?) »", fault)):
        found = max(
            (number for number, line in enumerate(lines) if f'"{value[1]}"' in line), default=0
        )
    said = "ce nom n'est pas connu" if path[-1:] == ("[key]",) else fault
    place = ", ".join(
        filter(
            None, (f"ligne {found + 1}", ".".join(str(step) for step in path if step != "[key]"))
        )
    )
    return f"{place} : {said}"


def write_profile(profile: Profile) -> str:
    """Return the profile as a TOML file that `read_profile` reads; values that are not set are left out."""
    return tomli_w.dumps(profile.model_dump(exclude_defaults=True))
