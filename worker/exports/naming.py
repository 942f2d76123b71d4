"""Names and labels of files, as openElec's users know them. Each carries the instant of its request.

The second and later files of a commune, kind and list in one second also have a counter after the time.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import and_, or_, select
from sqlalchemy.orm import Session

from common.calendrier import civil_time
from schemas.requests import TableauPart
from schemas.tableaux import Edition, Presentation, TypeTableau, name_tableau
from schemas.vocabulary import PIECES, ExportKind, Format, Liste
from worker.exports.models import Export

_BESIDE = re.compile(rf"^(.+)-([^-]+)-(?:{'|'.join(re.escape(it.suffix) for it in PIECES.values())})$")


@dataclass(frozen=True)
class ListeNaming:
    """`liste-P-13900-20140212-122607.xml`, `Liste P du 12/02/2014 12:26:07 [xml]`, in the commune's civil time.

    The second file of that second is `liste-P-13900-20140212-122607-2.xml`, `Liste P du 12/02/2014 12:26:07 (2) [xml]`.
    """

    code_commune: str
    liste: Liste
    format: Format

    def name(self, moment: datetime, number: int = 1) -> str:
        """Return the file name."""
        return f"liste-{self.liste}-{self.code_commune}-{_stamp(moment, number)}.{self.format}"

    def label(self, moment: datetime, number: int = 1) -> str:
        """Return the label, as openElec shows it."""
        return f"Liste {self.liste} du {_said(moment, number)} [{self.format}]"


@dataclass(frozen=True)
class TableauNaming:
    """`tableau-vingt_jours-P-13900-par_bureau-20140212-122607.pdf`.

    Its label is `Tableau des vingt jours (par bureau), liste P, du 12/02/2014 12:26:07`. The copy of the commission,
    which must not be posted, has the word commission in both.
    """

    code_commune: str
    part: TableauPart
    edition: Edition
    titre: str = ""
    """The short name, when it differs from that of the type: see `name_tableau`."""

    def name(self, moment: datetime, number: int = 1) -> str:
        """Return the file name."""
        kind = f"{self.part.presentation}-commission" if self._is_for_commission else self.part.presentation
        where = f"{self.part.type}-{self.part.liste}-{self.code_commune}"
        return f"tableau-{where}-{kind}-{_stamp(moment, number)}.pdf"

    def label(self, moment: datetime, number: int = 1) -> str:
        """Return the label: the type, the presentation, the list, the instant."""
        how = self.part.presentation.label + (f", {self.edition.label}" if self._is_for_commission else "")
        titre = self.titre or self.part.type.label
        return f"{titre} ({how}), liste {self.part.liste}, du {_said(moment, number)}"

    @property
    def _is_for_commission(self) -> bool:
        return self.edition is Edition.COMMISSION


Naming = ListeNaming | TableauNaming
"""The names of a file of a commune at an instant; `number` is 1 for the first file of its second, 2 for the next."""


def _stamp(moment: datetime, number: int) -> str:
    return f"{moment:%Y%m%d-%H%M%S}" + (f"-{number}" if number > 1 else "")


def _said(moment: datetime, number: int) -> str:
    return f"{moment:%d/%m/%Y %H:%M:%S}" + (f" ({number})" if number > 1 else "")


def naming_of(export: Export) -> Naming:
    """Return the naming of an export, for a file of the same kind at another instant."""
    if export.kind != ExportKind.TABLEAU:
        return ListeNaming(export.code_commune, export.nom_liste, Format(export.format))
    part = TableauPart(TypeTableau(export.type_tableau), export.nom_liste, Presentation(export.presentation))
    return TableauNaming(export.code_commune, part, Edition(export.edition), titre_of(export))


def titre_of(export: Export) -> str:
    """Return the short name of a requested tableau."""
    dates = export.parameters
    return name_tableau(TypeTableau(export.type_tableau), dates.get("scrutin"), dates.get("publication_due"))


def allocate_names(session: Session, namings: Sequence[Naming], created_at: datetime) -> list[tuple[str, str]]:
    """Return the file name and the label of each export that is requested at `created_at`.

    They carry that instant in the civil time of the commune. The counter also distinguishes files of the hour that is
    repeated at the end of summer time. Another transaction may take a name first: the caller repeats the whole.
    """
    moments = [civil_time(created_at, naming.code_commune) for naming in namings]
    taken = _names_of_second(session, [naming.name(moment) for naming, moment in zip(namings, moments, strict=True)])
    names: list[tuple[str, str]] = []
    for naming, moment in zip(namings, moments, strict=True):
        number = 1
        while naming.name(moment, number) in taken:
            number += 1
        taken.add(naming.name(moment, number))
        names.append((naming.name(moment, number), naming.label(moment, number)))
    return names


def _names_of_second(session: Session, names: Sequence[str]) -> set[str]:
    """Return the file names that exist among these, and among these with a counter."""
    stems = {name.rpartition(".")[0] for name in names}
    counted = (and_(Export.file_name > f"{stem}-", Export.file_name < f"{stem}.") for stem in sorted(stems))
    return set(session.scalars(select(Export.file_name).where(or_(Export.file_name.in_(names), *counted))))


def piece_name(file_name: str, piece: str) -> str:
    """Return the name of a piece of a file; the CSV and the XML of one second have pieces of different names."""
    stem, _, extension = file_name.rpartition(".")
    return f"{stem}-{extension}-{PIECES[piece].suffix}"


def main_name(name: str) -> str:
    """Return the name of the file that a piece accompanies; any other name is returned as it is."""
    return _BESIDE.sub(r"\1.\2", name)
