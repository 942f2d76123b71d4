"""Names and labels of files, as openElec's users know them, unique for ever."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol

from sqlalchemy import select
from sqlalchemy.orm import Session

from common.calendrier import civil_time
from schemas.requests import TableauPart
from schemas.tableaux import Edition, Presentation, TypeTableau, name_tableau
from schemas.vocabulary import ExportKind, Format, Liste
from worker.exports.models import Export

_BESIDE = re.compile(r"^(.+)-([^-]+)-(?:anomalies\.csv|reconciliation\.json|certificat\.pdf)$")


class Naming(Protocol):
    """How a kind of file of a commune is called, at a second of its civil time."""

    @property
    def code_commune(self) -> str:
        """The commune of the file."""

    def name(self, moment: datetime) -> str:
        """The file name."""

    def label(self, moment: datetime) -> str:
        """What a clerk reads in « Derniers exports »."""


@dataclass(frozen=True)
class ListeNaming:
    """`liste-P-13900-20140212-122607.xml`, `Liste P du 12/02/2014 12:26:07 [xml]`."""

    code_commune: str
    liste: Liste
    format: Format

    def name(self, moment: datetime) -> str:
        """The file name."""
        return f"liste-{self.liste}-{self.code_commune}-{moment:%Y%m%d-%H%M%S}.{self.format}"

    def label(self, moment: datetime) -> str:
        """As openElec shows it."""
        return f"Liste {self.liste} du {moment:%d/%m/%Y %H:%M:%S} [{self.format}]"


@dataclass(frozen=True)
class TableauNaming:
    """`tableau-vingt_jours-P-13900-par_bureau-20140212-122607.pdf`.

    Its label is `Tableau des vingt jours (par bureau), liste P, du 12/02/2014 12:26:07`. The copy of the commission,
    which is not to be posted, says so in both.
    """

    code_commune: str
    part: TableauPart
    edition: Edition
    titre: str = ""
    """The short name, when it is not that of the type: see `name_tableau`."""

    def name(self, moment: datetime) -> str:
        """The file name."""
        kind = f"{self.part.presentation}-commission" if self._is_for_commission else self.part.presentation
        where = f"{self.part.type}-{self.part.liste}-{self.code_commune}"
        return f"tableau-{where}-{kind}-{moment:%Y%m%d-%H%M%S}.pdf"

    def label(self, moment: datetime) -> str:
        """The type, the presentation, the list, the instant."""
        how = self.part.presentation.label + (f", {self.edition.label}" if self._is_for_commission else "")
        return f"{self.titre or self.part.type.label} ({how}), liste {self.part.liste}, du {moment:%d/%m/%Y %H:%M:%S}"

    @property
    def _is_for_commission(self) -> bool:
        return self.edition is Edition.COMMISSION


def naming_of(export: Export) -> Naming:
    """How the same file is called at another moment."""
    if export.kind != ExportKind.TABLEAU:
        return ListeNaming(export.code_commune, export.nom_liste, Format(export.format))
    part = TableauPart(TypeTableau(export.type_tableau), export.nom_liste, Presentation(export.presentation))
    return TableauNaming(export.code_commune, part, Edition(export.edition), titre_of(export))


def titre_of(export: Export) -> str:
    """The short name of a tableau that was asked for."""
    dates = export.parameters
    return name_tableau(TypeTableau(export.type_tableau), dates.get("scrutin"), dates.get("publication_due"))


def allocate_names(session: Session, namings: Sequence[Naming], created_at: datetime) -> list[tuple[str, str]]:
    """The file name and the label of each export, at the first second from `created_at` that no file has.

    The second is in the civil time of the commune. Two requests in one second, and the hour that is repeated when
    summer time ends, take the next free second; the label says the same one.
    """
    seconds = [civil_time(created_at, it.code_commune).replace(tzinfo=None, microsecond=0) for it in namings]
    wanted = [naming.name(first) for naming, first in zip(namings, seconds, strict=True)]
    taken = set(session.scalars(select(Export.file_name).where(Export.file_name.in_(wanted))))
    names: list[tuple[str, str]] = []
    for naming, first, name in zip(namings, seconds, wanted, strict=True):
        moment = _first_free(session, naming, first, taken) if name in taken else first
        taken.add(naming.name(moment))
        names.append((naming.name(moment), naming.label(moment)))
    return names


def _first_free(session: Session, naming: Naming, begin: datetime, taken: set[str]) -> datetime:
    """The names of a whole hour are looked at together: their order is that of their seconds."""
    while True:
        end = begin + timedelta(hours=1)
        of_hour = Export.file_name >= naming.name(begin), Export.file_name < naming.name(end)
        taken.update(session.scalars(select(Export.file_name).where(*of_hour)))
        while begin < end:
            if naming.name(begin) not in taken:
                return begin
            begin += timedelta(seconds=1)


def report_name(file_name: str) -> str:
    """The name of the report of anomalies beside a file: the CSV and the XML of one second have each their own."""
    stem, _, extension = file_name.rpartition(".")
    return f"{stem}-{extension}-anomalies.csv"


def proof_name(file_name: str) -> str:
    """The name of the file beside a tableau that names who differs from the list of the day."""
    stem, _, extension = file_name.rpartition(".")
    return f"{stem}-{extension}-reconciliation.json"


def certificat_name(file_name: str) -> str:
    """The name of the certificate of publication beside a tableau."""
    stem, _, extension = file_name.rpartition(".")
    return f"{stem}-{extension}-certificat.pdf"


def reported_name(name: str) -> str:
    """The name of the file that a report, a reconciliation or a certificate is about; any other name is its own."""
    return _BESIDE.sub(r"\1.\2", name)
