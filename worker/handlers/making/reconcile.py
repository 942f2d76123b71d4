"""List file, tableaux and register of a commune agree to the elector, or it is said where they do not, and why.

The last list file of each list is read back from the volume, elector by elector, and held against the register of now,
with the age of its day: who is in one of the two only came or left since. Each last tableau is composed again, and held
against what its row says of the one that was made: the tableau of a period is the same whatever came later.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, func, select
from sqlalchemy.orm import Session, joinedload

from common.calendrier import civil_day, is_mineur
from schemas.vocabulary import ExportKind, ExportStatus, Format, Liste, Nature
from worker.db.engine import STREAM, snapshot
from worker.domain.fingerprint import HALF, Change, Digests, Records, find_changes
from worker.domain.reconciliation import Difference, Reason, find_differences
from worker.exports.models import Export, Recall
from worker.handlers.making.make_liste import read_spec
from worker.handlers.making.make_tableau import TableauSubject
from worker.handlers.services import Services
from worker.registre.communes import require_commune
from worker.registre.comparaison.doubts import list_corrections
from worker.registre.mouvements.queries import select_since
from worker.writers.columns import READ_COLUMNS, ListeSpec, NotOurFileError, Values, select_electeurs
from worker.writers.electeurs_file import (
    BUREAU,
    NOM,
    PRENOMS,
    birth_of,
    identity_of,
    open_electeurs,
)

_NOTHING = bytes(HALF)
"""Who she is counts here, not what is said of her."""

_EXPLAINED = {Nature.INSCRIPTION: "inscription depuis ce fichier", Nature.RADIATION: "radiation depuis ce fichier"}
_CORRECTED = "état civil corrigé depuis ce fichier (doutes : même personne)"
_UNEXPLAINED = "ni inscription ni radiation depuis ce fichier : état civil corrigé, ou liste modifiée"


@dataclass(frozen=True)
class Unmatched:
    """An elector who is in the one of two only: a file, the register. Personal data: for the clerk alone, never a log.

    Of a tableau, the register is the list of the day that it is held against.
    """

    label: str
    """Of the file."""
    liste: Liste
    is_in_register: bool
    is_explained: bool
    nom_naissance: str
    prenoms: str
    date_naissance: str
    bureau: str
    message: str
    """Why, in French."""

    @property
    def is_corrected(self) -> bool:
        """Whether her civil status was corrected since, as somebody said."""
        return self.message == _CORRECTED


@dataclass(frozen=True)
class CheckedListe:
    """The last file of a list, held against the register of now; None where the bytes are not those of its record."""

    export: Export
    liste_on: date
    unmatched: Sequence[Unmatched] | None
    recalled_because: str = ""
    """Why it is to be made again, where what it rests on was taken back."""

    @property
    def agrees(self) -> bool:
        """Whether mouvements and corrections account for every elector who is in one of the two only."""
        is_explained = self.unmatched is not None and all(it.is_explained for it in self.unmatched)
        return is_explained and not self.recalled_because

    def count(self, *, in_register: bool, explained: bool = True) -> int:
        """How many came, left, or differ without a reason."""
        kind = in_register, explained, False
        return sum((it.is_in_register, it.is_explained, it.is_corrected) == kind for it in self.unmatched or ())

    @property
    def corrected(self) -> int:
        """How many electors of the register have another civil status than in the file, or were minors then."""
        return sum(it.is_corrected and it.is_in_register for it in self.unmatched or ())


@dataclass(frozen=True)
class CheckedTableau:
    """A tableau that was made, held against what it would be now: electors after it, mouvements."""

    export: Export
    apres: int
    apres_now: int
    mouvements_now: int
    unexplained: int
    """Electors of the list of its day whom nothing accounts for, when it was made."""
    liste_on: date
    """The day of the last file of its list; where there is none, that on which the tableau was asked for."""
    corrected: int
    """How many more electors the corrections of dates of birth have made since, of minors who are none."""
    differences: Sequence[Difference]
    """Who is on the list of that day and not counted by the tableau, or the contrary."""
    recalled_because: str = ""
    """Why it is to be made again, where what it rests on was taken back."""

    @property
    def agrees(self) -> bool:
        """Whether it is what the register tells, and agreed with the list of its day."""
        is_same = (self.apres, self.export.electeurs) == (self.apres_now, self.mouvements_now)
        return is_same and not self.unexplained and not self.recalled_because

    def count(self) -> Counter[Reason]:
        """Who differs, by the reason."""
        return Counter(it.reason for it in self.differences)

    def unmatched(self) -> Iterator[Unmatched]:
        """The same as of a list file."""
        for it in self.differences:
            who = it.nom_naissance, it.prenoms, it.date_naissance, it.bureau
            on_liste, said = it.reason.is_on_liste, it.reason.describe(it.day)
            yield Unmatched(self.export.label, self.export.nom_liste, on_liste, True, *who, said)  # noqa: FBT003


@dataclass(frozen=True)
class Checked:
    """What was found of a commune."""

    listes: Sequence[CheckedListe]
    tableaux: Sequence[CheckedTableau]

    @property
    def agrees(self) -> bool:
        """Whether all of it does."""
        return all(it.agrees for it in self.listes) and all(it.agrees for it in self.tableaux)

    def unmatched(self) -> Iterator[Unmatched]:
        """Everybody who is in a list file or in the register only, then who is on a list or in a tableau only."""
        for liste in self.listes:
            yield from liste.unmatched or ()
        for tableau in self.tableaux:
            yield from tableau.unmatched()


def reconcile(services: Services, code_commune: str) -> Checked:
    """Check the last file of each list and the last of each tableau since 2019 that are still on the volume.

    Raises:
        ExportError: the register does not know the commune.
    """
    with snapshot(services.engine) as connection:
        exports = _read_current(connection, code_commune)
        recalls = {row.id: row.because for row in connection.execute(select(Recall.id, Recall.because))}
    with snapshot(services.registre) as connection:
        require_commune(connection, code_commune)
        made = {it.liste: it.request.created_at for it in exports if it.kind == ExportKind.LISTE}
        return Checked(
            [
                replace(_check_liste(connection, it, services), recalled_because=recalls.get(it.recall_id or 0, ""))
                for it in exports
                if it.kind == ExportKind.LISTE
            ],
            [
                replace(
                    _check_tableau(connection, it, made.get(it.liste, it.request.created_at)),
                    recalled_because=recalls.get(it.recall_id or 0, ""),
                )
                for it in exports
                if it.kind == ExportKind.TABLEAU and it.reconciliation
            ],
        )


def _read_current(connection: Connection, code_commune: str) -> Sequence[Export]:
    is_there = (Export.code_commune == code_commune, Export.status == ExportStatus.READY, Export.purged_at.is_(None))
    kind = Export.kind, Export.liste, Export.type_tableau, Export.presentation, Export.edition
    newest = select(func.max(Export.id)).where(*is_there).group_by(*kind)
    query = select(Export).options(joinedload(Export.request)).where(Export.id.in_(newest)).order_by(Export.id)
    with Session(connection) as session:
        return session.scalars(query).all()


def _check_liste(connection: Connection, export: Export, services: Services) -> CheckedListe:
    day, digests = civil_day(export.request.created_at, export.code_commune), Digests.new()
    path, format_ = services.storage.path(export.code_commune, export.file_name), Format(export.format)
    spec = read_spec(connection, export, services)
    in_file, in_register = Records(), Records()
    try:
        with open_electeurs(path, format_) as electeurs:
            for values in electeurs:
                in_file.add(identity_of(values, digests), _NOTHING)
    except (OSError, NotOurFileError):
        return CheckedListe(export, day, None)
    if electeurs.sha256 != export.sha256:
        return CheckedListe(export, day, None)
    for values in _select_register(connection, spec):
        in_register.add(identity_of(values, digests), _NOTHING)
    changes = list(find_changes(in_file.take(), in_register.take()))
    if not changes:
        return CheckedListe(export, day, ())
    moment = export.started_at or export.created_at
    since = Counter(
        (it.nature, digests.identity(*it[1:]))
        for it in select_since(connection, spec.code_commune, spec.liste, day, moment)
    )
    corrections = list_corrections(connection, spec.code_commune, spec.liste, day, moment)
    born = Counter(it.born_before for it in corrections), Counter(it.born_after for it in corrections)
    search = _Search(export, digests, since, born)
    return CheckedListe(
        export,
        day,
        [
            *search.find(_read_file(path, format_), changes, in_register=False),
            *search.find(_select_register(connection, spec), changes, in_register=True),
        ],
    )


def _read_file(path: Path, format_: Format) -> Iterator[Values]:
    with open_electeurs(path, format_) as electeurs:
        yield from electeurs


def _select_register(connection: Connection, spec: ListeSpec) -> Iterator[Values]:
    """The electors that a file of that day would hold, as it would write them."""
    query = select_electeurs(spec, READ_COLUMNS, cleaning=True, replace_separators=True)
    with connection.execute(query, execution_options=STREAM) as rows:
        for row in rows:
            yield ["" if value is None else str(value) for value in row]


@dataclass(frozen=True)
class _Search:
    """Names those who changed, on a second reading.

    `since`: the mouvements that may account for them; `born`: how many whose civil status was corrected since were born
    on a day, as the file may have it, and as the register has it.
    """

    export: Export
    digests: Digests
    since: Counter[tuple[Nature, bytes]]
    born: tuple[Counter[str], Counter[str]]

    def find(self, electeurs: Iterable[Values], changes: Sequence[Change], *, in_register: bool) -> Iterator[Unmatched]:
        """Those of one side; of homonyms, as many as differ."""
        nature = Nature.INSCRIPTION if in_register else Nature.RADIATION
        wanted = Counter({it.identity: it.arrivees if in_register else it.departs for it in changes})
        for values in electeurs:
            identity = identity_of(values, self.digests)
            if wanted[identity] > 0:
                wanted[identity] -= 1
                message = self._explain(nature, identity, birth_of(values))
                is_explained = message != _UNEXPLAINED
                who = values[NOM], values[PRENOMS], birth_of(values), values[BUREAU]
                yield Unmatched(
                    self.export.label, self.export.nom_liste, in_register, is_explained, *who, message=message
                )

    def _explain(self, nature: Nature, identity: bytes, born: str) -> str:
        corrected = self.born[nature is Nature.INSCRIPTION]
        if self.since[nature, identity] > 0:
            self.since[nature, identity] -= 1
            return _EXPLAINED[nature]
        if corrected[born] > 0:
            corrected[born] -= 1
            return _CORRECTED
        return _UNEXPLAINED


def _check_tableau(connection: Connection, export: Export, liste_at: datetime) -> CheckedTableau:
    """`liste_at`: the moment of the list file that it is held against."""
    known: dict[str, Any] = export.reconciliation or {}
    subject = TableauSubject.read(connection, export, lambda _lines: None)
    tableau = subject.compose()
    return CheckedTableau(
        export=export,
        apres=known["apres"],
        apres_now=tableau.sections[-1].bilan.apres,
        mouvements_now=tableau.mouvements,
        unexplained=known["unexplained"],
        liste_on=civil_day(liste_at, export.code_commune),
        corrected=_count_corrected(connection, export, subject),
        differences=list(find_differences(replace(subject.demande, requested_at=liste_at), subject.current)),
    )


def _count_corrected(connection: Connection, export: Export, subject: TableauSubject) -> int:
    moment, demande, counted = export.started_at or export.created_at, subject.demande, subject.register.export
    where = connection, export.code_commune, export.nom_liste
    since = list_corrections(*where, date.max, moment, as_of=counted.import_id if counted else None)
    were, are = (
        sum(is_mineur(born, demande.age_apres, demande.jour) for born in births)
        for births in ([it.born_before for it in since], [it.born_after for it in since])
    )
    return were - are
