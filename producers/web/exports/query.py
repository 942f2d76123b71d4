"""Files of a commune in any state, from the view `derniers_exports`."""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

from sqlalchemy import ColumnElement, Connection, Select, func, literal, or_, select, tuple_

from common.calendrier import civil_day, is_yearly, zone_of
from common.french import LACKS_ENTRY, capitalized, count_of
from common.texte import fold
from producers.records import WORDS, ExportState, PieceFile
from producers.state import State, newest_first, read_exports, view_of
from producers.web.forms import read_day
from schemas.cures import Facts, Link, facts_of_file, find_cure
from schemas.file_state import FileState
from schemas.profiles.platform import FileForm, may_be_deposited, read_form
from schemas.seen import FILE_FACTS, seen_of
from schemas.tableaux import Edition, NeverPublished, TypeTableau, name_tableau, why_never_published
from schemas.vocabulary import (
    FORMATS,
    CopieFile,
    ExportKind,
    ExportStatus,
    Liste,
    Piece,
    Severity,
    Verdict,
)

_SAME_KIND = ("kind", "liste", "format", "type_tableau", "presentation", "edition", "secteur")
PAGE = 25

_PUBLISHABLE = frozenset(
    {
        FileState.READY,
        FileState.OUTDATED,
        FileState.DEPOSITED,
        FileState.ACCEPTED,
        FileState.TO_COMPLETE,
    }
)
"""States in which a tableau's publication may start; an incomplete one requires a reason."""


@dataclass(frozen=True, kw_only=True)
class AskedFile(ExportState):
    """One file, with the columns that only the screen shows."""

    request_id: int
    request_uuid: str
    correlation_id: str
    is_bulk: bool
    anomalies: Sequence[dict[str, Any]]
    parameters: dict[str, Any]
    differences: dict[str, Any] | None
    reconciliation: dict[str, Any] | None
    profile: dict[str, Any] | None
    """The platform's profile under which it was made: see `PlatformProfile.record`."""
    deposited_by: str
    remarque: str
    verdict_on: date | None
    answer: str
    downloaded_at: datetime | None
    downloaded_by: str
    publication_mode: str
    publication_reason: str
    """Why an incomplete tableau was published."""
    published_by: str
    withdrawn_on: date | None

    @property
    def is_ready(self) -> bool:
        return self.status is ExportStatus.READY

    @property
    def files(self) -> list[PieceFile]:
        return [PieceFile(self.file_name, self.size or 0, self.sha256 or ""), *self.pieces.values()]

    @property
    def counted(self) -> str:
        """What it holds: `1 mouvement`, `1 200 électeurs`."""
        return count_of(self.electeurs or 0, WORDS[self.kind].counted.removesuffix("s"))

    @property
    def report(self) -> PieceFile | None:
        return None if self.purged_at else self.pieces.get(Piece.RAPPORT)

    @property
    def certificat(self) -> PieceFile | None:
        return None if self.purged_at else self.pieces.get(Piece.CERTIFICAT)

    @property
    def is_tableau(self) -> bool:
        return self.kind is ExportKind.TABLEAU

    @property
    def is_for_commission(self) -> bool:
        """Whether it contains the full motifs, which must not be posted. Source: Code électoral, art. R. 8."""
        return self.edition == Edition.COMMISSION

    @property
    def is_repealed(self) -> bool:
        """Whether it is a tableau of the yearly revision, an archive or a duplicate where that revision has ended."""
        is_ended = not is_yearly(self.code_commune)
        return self.is_tableau and is_ended and TypeTableau(self.type_tableau).is_repealed

    @property
    def form(self) -> FileForm:
        """The form of its CSV, and the titles of its anomalies."""
        return read_form(None if self.is_tableau else self.profile)

    @property
    def media_type(self) -> str:
        return FORMATS[self.format].media_type.replace("utf-8", self.form.encoding)

    @property
    def is_in_accepted_format(self) -> bool:
        return may_be_deposited(self.profile, self.format)

    @property
    def is_never_deposited(self) -> bool:
        """Whether it is not for e-listelec: the copy of the commission, a repealed tableau, or a format of its own."""
        return self.is_for_commission or self.is_repealed or not self.is_in_accepted_format

    @property
    def titre(self) -> str:
        """The short name of a tableau: « Tableau des vingt jours »."""
        asked = self.parameters
        return name_tableau(
            TypeTableau(self.type_tableau), asked.get("scrutin"), asked.get("publication_due")
        )

    @property
    def never_published(self) -> NeverPublished | None:
        """Why a tableau is never published; None if it may be, and for a list."""
        return (
            why_never_published(
                self.type_tableau, self.presentation, self.edition, self.code_commune
            )
            if self.is_tableau
            else None
        )

    @property
    def may_be_published(self) -> bool:
        """Whether it is a tableau that is, or may be, published; a publication can be corrected in any later state."""
        is_one = self.is_tableau and not self.never_published
        return is_one and (self.published_on is not None or self.state in _PUBLISHABLE)

    @property
    def lacks_only_entries(self) -> bool:
        """Whether what it lacks is of electors without a mouvement, so that no page can complete it."""
        codes = {it["code"] for it in self.anomalies if it["severity"] == Severity.TO_COMPLETE}
        return codes == {LACKS_ENTRY}

    @property
    def is_rejected(self) -> bool:
        return self.verdict == Verdict.REJETE

    def noted(self, kind: str) -> list[tuple[object, ...]]:
        """Return what is recorded of the file and a note of this kind may replace; empty if nothing is."""
        is_noted = self.published_on if kind == "published" else self.deposited_on
        if is_noted is None:
            return []
        named = {"mode": self.publication_mode, "reason": self.publication_reason}
        facts = (named[it] if it in named else getattr(self, it) for it in FILE_FACTS[kind])
        return [(self.export_id, *facts)]

    def seen(self, kind: str) -> str:
        """Return the hidden value of a form that writes a note of this kind."""
        return seen_of(self.noted(kind))

    @property
    def period(self) -> tuple[date, date] | None:
        """The days that the mouvements of a tableau lie between: after the first one, until the last one.

        The last one is the poll where the request gives no nearer day. None where the law of before 2019 gives none.
        """
        asked = self.parameters
        first = read_day(asked.get("reunion") or "")
        ends = (asked.get(name) or "" for name in ("until", "publication", "scrutin"))
        last = next((day for it in ends if (day := read_day(it))), None)
        return (first, last) if first and last else None

    @property
    def facts(self) -> Facts:
        """What selects it on the pages of its cures."""
        about = self.export_id, self.code_commune, self.liste, self.type_tableau
        return facts_of_file(*about, self.parameters)

    @property
    def cure(self) -> Link | None:
        """The cure of its state; None for a file that may be used as it is."""
        return find_cure(self.state, self.facts)

    def find_cure(self, code: str, **facts: object) -> Link | None:
        """Return the cure of one of its anomalies, or of a refusal about it."""
        return find_cure(code, {**self.facts, **facts})

    @property
    def same_as(self) -> tuple[str, ...]:
        """Identify the content: a later file with the same value replaces this one."""
        return tuple(getattr(self, name) for name in _SAME_KIND)


DERNIERS_EXPORTS = view_of("derniers_exports", AskedFile, "state")


def select_latest(connection: Connection, commune: str) -> list[AskedFile]:
    """Return as many files as openElec's « Derniers exports »."""
    view = DERNIERS_EXPORTS.c
    made = select(DERNIERS_EXPORTS).where(view.status == ExportStatus.READY)
    newest = newest_first(connection, made, view.code_commune, view.export_id, commune)
    return read_files(connection, newest.limit(10))


def find_file(state: State, export_id: int) -> AskedFile | None:
    """Return the file of any commune; the caller checks the access."""
    return next(
        iter(
            read_all(
                state, select(DERNIERS_EXPORTS).where(DERNIERS_EXPORTS.c.export_id == export_id)
            )
        ),
        None,
    )


def read_files(connection: Connection, query: Select[Any]) -> list[AskedFile]:
    return read_exports(AskedFile, connection, query)


def read_made(state: State, commune: str, export_ids: Iterable[int]) -> list[AskedFile]:
    """Return the finished files of this commune with these numbers, in their order, including purged ones."""
    number = DERNIERS_EXPORTS.c.export_id
    return read_all(state, select_made(commune).where(number.in_(set(export_ids))).order_by(number))


def read_current(state: State, commune: str) -> list[AskedFile]:
    """Return the last file of each list, format and tableau, unless it is purged or a copy; lists first."""
    view, numbers = DERNIERS_EXPORTS.c, list[int]()
    is_ready = view.status == literal(
        str(ExportStatus.READY), literal_execute=True
    )  # as in the index
    is_ours = view.code_commune == commune, view.edition.not_in([*CopieFile])
    kinds = [view[name] for name in _SAME_KIND]
    files = select(view.export_id, *kinds).where(*is_ours, is_ready, view.purged_at.is_(None))
    rest = newest = files.order_by(*(it.desc() for it in kinds), view.export_id.desc()).limit(1)
    with state.reading() as connection:
        while found := connection.execute(
            rest
        ).first():  # by the index: to group 60,000 files takes 60 ms
            numbers.append(found.export_id)
            rest = newest.where(tuple_(*kinds) < tuple_(*found[1:]))
        return sorted(
            read_files(connection, select_made(commune).where(view.export_id.in_(numbers))),
            key=rank,
        )


def select_made(commune: str) -> Select[Any]:
    view = DERNIERS_EXPORTS.c
    return select(DERNIERS_EXPORTS).where(
        view.code_commune == commune, view.status == ExportStatus.READY
    )


def read_all(state: State, query: Select[Any]) -> list[AskedFile]:
    with state.reading() as connection:
        return read_files(connection, query)


def rank(file: AskedFile) -> tuple[bool, int, str, int, str, str]:
    return (
        file.is_tableau,
        [*Liste].index(Liste(file.liste)),
        file.type_tableau,
        file.secteur,
        file.presentation,
        file.format,
    )


ETATS: Mapping[str, tuple[str, ColumnElement[bool]]] = {
    fold(state.label).replace(" ", "-"): (
        capitalized(state.label),
        DERNIERS_EXPORTS.c.state == state.value,
    )
    for state in FileState
}
"""The states of the filter: value of the URL, which mails use too, French label, SQL condition."""


TRIS = {"ancien": "Le plus ancien d'abord", "nom": "Par nom"}
"""Values of the parameter `tri`, beside the usual order: the newest first."""


def read_page(
    state: State, commune: str, page: int = 1, asked: Mapping[str, str] | None = None
) -> list[AskedFile]:
    """Return the files of a page, in the order `tri`, newest first without it.

    `asked`: the filters `genre`, `liste`, `etat`, the words `cherche` of a name, the year `annee`, and the first and
    last civil day of the commune, `du` and `au`. An empty or invalid one matches everything.
    """
    view = DERNIERS_EXPORTS.c
    query = select(view.export_id).limit(PAGE).offset((page - 1) * PAGE)
    asked = asked or {}
    query = query.where(*_conditions(commune, asked))
    with state.reading() as connection:
        ordered = newest_first(connection, query, view.code_commune, view.export_id, commune)
        if asked.get("tri") == "ancien":
            ordered = ordered.order_by(None).order_by(view.export_id)
        elif asked.get("tri") == "nom":
            ordered = ordered.order_by(None).order_by(view.label, view.export_id.desc())
        numbers = connection.scalars(
            ordered
        ).all()  # without the joins of the view for the rows of former pages
        found = read_files(connection, select(DERNIERS_EXPORTS).where(view.export_id.in_(numbers)))
        return sorted(found, key=lambda it: numbers.index(it.export_id))


def read_first_year(state: State, commune: str) -> int | None:
    """Return the year of the first request of a file; None without any file."""
    view = DERNIERS_EXPORTS.c
    first = state.read(select(func.min(view.requested_at)).where(view.code_commune == commune))
    instant = first[0][0]
    return civil_day(instant, commune).year if instant else None


def count_files(state: State, commune: str, asked: Mapping[str, str]) -> int:
    """Return the number of files under these filters."""
    view = DERNIERS_EXPORTS.c
    query = select(func.count(view.export_id)).where(view.code_commune == commune)
    with state.reading() as connection:
        return connection.scalars(query.where(*_conditions(commune, asked))).one()


def _conditions(commune: str, asked: Mapping[str, str]) -> Iterator[ColumnElement[bool]]:
    """Yield what the filters of `read_page` ask for."""
    view = DERNIERS_EXPORTS.c
    since, until = (read_day(asked.get(name, "")) for name in ("du", "au"))
    if asked.get("genre") in set(ExportKind):
        yield view.kind == asked["genre"]
    if asked.get("liste") in set(Liste):
        yield view.liste == asked["liste"]
    if asked.get("etat") in ETATS:
        yield ETATS[asked["etat"]][1]
    if words := asked.get("cherche"):
        yield or_(*(it.icontains(words, autoescape=True) for it in (view.label, view.file_name)))
    if year := read_year(asked.get("annee", "")):
        yield view.requested_at >= midnight(date(year, 1, 1), commune)
        yield view.requested_at < midnight(date(year + 1, 1, 1), commune)
    if since:
        yield view.requested_at >= midnight(since, commune)
    if until:
        yield view.requested_at < midnight(until + timedelta(days=1), commune)


def read_year(words: str) -> int | None:
    """Return the year that a filter names; None if it is no year of this century."""
    return int(words) if re.fullmatch(r"20\d\d", words, re.ASCII) else None


def midnight(day: date, commune: str) -> datetime:
    """Return the instant at which a day begins in a commune."""
    return datetime.combine(day, time(), zone_of(commune)).astimezone(UTC)
