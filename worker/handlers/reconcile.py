"""List file, tableaux and register of a commune agree to the elector, or it is said where they do not, and why.

The last list file of each list is read back from the volume, elector by elector, and held against the register of now,
with the age of its day: who is in one of the two only came or left since. Each last tableau is composed again, and held
against what its row says of the one that was made: the tableau of a period is the same whatever came later.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, func, select
from sqlalchemy.orm import Session, joinedload

from common.clock import jour_a_paris
from schemas.vocabulary import ExportKind, ExportStatus, Format, Liste
from worker.db.engine import STREAM, snapshot
from worker.domain.fingerprint import HALF, Change, Digests, Records, find_changes
from worker.domain.mouvement import Nature
from worker.exports.models import Export
from worker.handlers.make_liste import read_spec
from worker.handlers.make_tableau import TableauSubject
from worker.handlers.services import Services
from worker.registre.communes import require_commune
from worker.registre.mouvements.queries import select_since
from worker.writers.columns import ListeSpec, select_electeurs
from worker.writers.electeurs_file import (
    BUREAU,
    NOM,
    PRENOMS,
    READ_COLUMNS,
    NotOurFileError,
    Values,
    birth_of,
    identity_of,
    open_electeurs,
)

_NOTHING = bytes(HALF)
"""Who she is counts here, not what is said of her."""

EXPLAINED = {Nature.INSCRIPTION: "inscription depuis ce fichier", Nature.RADIATION: "radiation depuis ce fichier"}
UNEXPLAINED = "ni inscription ni radiation depuis ce fichier : état civil corrigé, ou liste modifiée"


@dataclass(frozen=True)
class Unmatched:
    """An elector who is in the file or in the register only. Personal data: for the clerk's own file, never a log."""

    liste: Liste
    is_in_register: bool
    is_explained: bool
    nom_naissance: str
    prenoms: str
    date_naissance: str
    bureau: str

    @property
    def message(self) -> str:
        """Why, in French."""
        nature = Nature.INSCRIPTION if self.is_in_register else Nature.RADIATION
        return EXPLAINED[nature] if self.is_explained else UNEXPLAINED


@dataclass(frozen=True)
class CheckedListe:
    """The last file of a list, held against the register of now; None where the bytes are not those of its record."""

    export: Export
    liste_on: date
    unmatched: Sequence[Unmatched] | None

    @property
    def agrees(self) -> bool:
        """Whether mouvements account for every elector who is in one of the two only."""
        return self.unmatched is not None and all(it.is_explained for it in self.unmatched)

    def count(self, *, in_register: bool, explained: bool = True) -> int:
        """How many unmatched of a kind."""
        return sum(it.is_in_register is in_register and it.is_explained is explained for it in self.unmatched or ())


@dataclass(frozen=True)
class CheckedTableau:
    """A tableau that was made, held against what it would be now: electors after it, mouvements."""

    export: Export
    apres: int
    apres_now: int
    mouvements_now: int
    unexplained: int
    """Electors of the list of its day whom nothing accounts for, when it was made."""

    @property
    def agrees(self) -> bool:
        """Whether it is what the register tells, and agreed with the list of its day."""
        is_same = (self.apres, self.export.electeurs) == (self.apres_now, self.mouvements_now)
        return is_same and not self.unexplained


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
        """Everybody who is in a list file or in the register only."""
        for it in self.listes:
            yield from it.unmatched or ()


def reconcile(services: Services, code_commune: str) -> Checked:
    """Check the last file of each list and the last of each tableau since 2019 that are still on the volume.

    Raises:
        ExportError: the register does not know the commune.
    """
    with snapshot(services.engine) as connection:
        exports = _read_current(connection, code_commune)
    with snapshot(services.registre) as connection:
        require_commune(connection, code_commune)
        return Checked(
            [_check_liste(connection, it, services) for it in exports if it.kind == ExportKind.LISTE],
            [_check_tableau(connection, it) for it in exports if it.kind == ExportKind.TABLEAU and it.reconciliation],
        )


def _read_current(connection: Connection, code_commune: str) -> Sequence[Export]:
    is_there = (Export.code_commune == code_commune, Export.status == ExportStatus.READY, Export.purged_at.is_(None))
    kind = Export.kind, Export.liste, Export.type_tableau, Export.presentation, Export.edition
    newest = select(func.max(Export.id)).where(*is_there).group_by(*kind)
    query = select(Export).options(joinedload(Export.request)).where(Export.id.in_(newest)).order_by(Export.id)
    with Session(connection) as session:
        return session.scalars(query).all()


def _check_liste(connection: Connection, export: Export, services: Services) -> CheckedListe:
    day, digests = jour_a_paris(export.request.created_at), Digests.new()
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
    since = Counter(
        (it.nature, digests.identity(*it[1:]))
        for it in select_since(connection, spec.code_commune, spec.liste, day, export.started_at or export.created_at)
    )
    search = _Search(export.nom_liste, digests, since)
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
    """Names those who changed, on a second reading; `since`: the mouvements that may account for them."""

    liste: Liste
    digests: Digests
    since: Counter[tuple[Nature, bytes]]

    def find(self, electeurs: Iterable[Values], changes: Sequence[Change], *, in_register: bool) -> Iterator[Unmatched]:
        """Those of one side; of homonyms, as many as differ."""
        nature = Nature.INSCRIPTION if in_register else Nature.RADIATION
        wanted = Counter({it.identity: it.arrivees if in_register else it.departs for it in changes})
        for values in electeurs:
            identity = identity_of(values, self.digests)
            if wanted[identity] > 0:
                wanted[identity] -= 1
                is_explained = self.since[nature, identity] > 0
                self.since[nature, identity] -= is_explained
                who = values[NOM], values[PRENOMS], birth_of(values), values[BUREAU]
                yield Unmatched(self.liste, in_register, is_explained, *who)


def _check_tableau(connection: Connection, export: Export) -> CheckedTableau:
    known: dict[str, Any] = export.reconciliation or {}
    tableau = TableauSubject.read(connection, export, lambda _lines: None).compose()
    return CheckedTableau(
        export=export,
        apres=known["apres"],
        apres_now=tableau.sections[-1].bilan.apres,
        mouvements_now=tableau.mouvements,
        unexplained=known["unexplained"],
    )
