"""Taking the fingerprint of a list file: read back as it is on the disk, whatever its format."""

import re
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import NamedTuple

from schemas.vocabulary import Format
from worker.domain.fingerprint import Digests, Records
from worker.domain.majorite import is_mineur
from worker.registre.models import Bureau, Electeur
from worker.writers.electeurs_file import COMMUNE, DATE, NOM, PAYS, PRENOMS, READ, open_electeurs

_MOVES_BY_ITSELF = {Electeur.numero_general, Bureau.libelle, Bureau.code_canton, Bureau.code_circonscription}
"""What is no change of the elector: numbers that each list gives anew, and what is said of her whole bureau."""

_CONTENTS = [place for place, column in enumerate(READ) if column.source not in _MOVES_BY_ITSELF]
_SLASHED = re.compile(r"(\d{2})/(\d{2})/(\d{4})", re.ASCII)


class Between(NamedTuple):
    """The days of two files: who came of age from one to the other is noted."""

    before: date
    after: date


@dataclass(frozen=True)
class Taken:
    """The fingerprint, the SHA-256 of the bytes it was taken of, and the identities of those who came of age."""

    fingerprint: bytes
    sha256: str
    of_age_since: set[bytes] = field(default_factory=set)


def take_fingerprint(path: Path, format_: Format, digests: Digests, days: Between | None = None) -> Taken:
    """Read a list file whole.

    Raises:
        NotOurFileError: it is not one that the worker made.
        OSError: it is not there, or cannot be read.
    """
    records = Records()
    of_age_since = set()
    with open_electeurs(path, format_) as electeurs:
        for values in electeurs:
            born = _SLASHED.sub(r"\3-\2-\1", values[DATE])
            identity = digests.identity(values[NOM], values[PRENOMS], born, values[COMMUNE], values[PAYS])
            records.add(identity, digests.contents([values[place] for place in _CONTENTS]))
            if days and is_mineur(born, days.before) and not is_mineur(born, days.after):
                of_age_since.add(identity)
    return Taken(records.take(), electeurs.sha256, of_age_since)
