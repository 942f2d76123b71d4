"""Uploaded exports of the REU and imports of a commune, from the views `apercus` and `imports`."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from functools import cached_property
from itertools import islice
from typing import Any, NamedTuple

from sqlalchemy import Boolean, Date, Row, column, func, select, table

from common.calendrier import civil_day
from common.french import short_date
from common.instant import UtcDateTime
from producers.errors import StateAwayError
from producers.state import State, to_record, view_of
from schemas.declarations import MairieDescribed
from schemas.profiles.matching import Matching
from schemas.profiles.source import SourceMapping, describe_mapping
from schemas.requests import UNDO_DAYS
from schemas.vocabulary import PreviewAct, PreviewStatus

SHOWN = 10
"""Number of the last exports and imports on the page."""

_IMPORTS = table(
    "imports",
    *map(column, ("import_id", "code_commune", "liste", "electeurs", "file_name", "imported_by")),
    *(column(name, UtcDateTime) for name in ("imported_at", "undone_at")),
    column("taken_on", Date),
    column("is_compared", Boolean),
)


_MAIRIE = tuple(name for name in MairieDescribed.model_fields if name != "kind")
"""The columns of the view, named as the fields of the declaration."""
_MAIRIES: Any = table("mairies", *map(column, ("code_commune", *_MAIRIE)))


def read_mairie(state: State, code_commune: str) -> dict[str, str]:
    """Return what is noted of the town hall, by field; nothing when no field is filled."""
    query = select(*(_MAIRIES.c[name] for name in _MAIRIE))
    for row in state.read(query.where(_MAIRIES.c.code_commune == code_commune)):
        noted = {name: getattr(row, name) or "" for name in _MAIRIE}
        return noted if any(noted.values()) else {}
    return {}


_CORRECTION_LABELS = {
    PreviewStatus.QUEUED: "calcul en attente",
    PreviewStatus.RUNNING: "calcul en cours",
    PreviewStatus.READY: "à confirmer ou non",
    PreviewStatus.ACCEPTED: "en attente",
    PreviewStatus.IMPORTING: "en cours",
    PreviewStatus.IMPORTED: "fait",
    PreviewStatus.DROPPED: "abandonné",
    PreviewStatus.EXPIRED: "abandonné, faute de réponse",
}


@dataclass(frozen=True)
class Apercu:
    """An uploaded export or a correction, with its preview once computed."""

    preview_id: int
    source: str
    event_id: str
    file_name: str
    sha256: str
    taken_on: date
    requested_by: str
    created_at: datetime | None
    status: PreviewStatus
    lines_read: int
    found: dict[str, Any]
    reason: str
    wanted_by: str
    act: PreviewAct
    import_id: int | None
    """The import that it became, or that it corrects."""

    @property
    def label(self) -> str:
        return (_CORRECTION_LABELS if self.is_correction else {}).get(
            self.status, self.status.label
        )

    @property
    def is_correction(self) -> bool:
        """Whether it corrects an import of the register; a correction has no file."""
        return self.act is not PreviewAct.IMPORT

    @property
    def words(self) -> str:
        day = short_date(self.taken_on)
        if self.act is PreviewAct.UNDO:
            return f"annulation de l'export du {day}"
        return f"export daté du {day}" if self.is_correction else f"export du {day}"

    @property
    def is_reason_wanted(self) -> bool:
        """Whether the correction recalls a file that was deposited or posted."""
        return bool(self.found.get("files", {}).get("used"))

    @cached_property
    def matching(self) -> Matching | None:
        """The questions about a file that no profile fits."""
        asked = self.found.get("matching")
        return Matching.model_validate(asked) if asked else None

    @cached_property
    def mapping(self) -> SourceMapping:
        """What agents have said about the columns of this file."""
        return SourceMapping.model_validate(self.found.get("mapping") or {})

    @property
    def mapping_words(self) -> str:
        return describe_mapping(self.mapping)


@dataclass(frozen=True)
class FinishedImport:
    """A finished import: the lists of the commune, with their numbers of electors."""

    import_id: int
    file_name: str
    taken_on: date | None
    imported_at: datetime | None
    imported_by: str
    is_undone: bool
    listes: tuple[tuple[str, int], ...]
    gap_since: date | None = None
    """The day of the export before it, if the two were not compared: changes between them are unknown."""
    followed_by: date | None = None
    """The day of a later export of one of its lists, which must be undone first."""
    is_shared: bool = False
    """Whether it also has lists of other communes."""

    def may_be_undone(self, now: datetime) -> bool:
        """Whether it is the last import of its lists, and recent enough that the replaced data are kept."""
        is_recent = self.imported_at is not None and self.imported_at > now - timedelta(
            days=UNDO_DAYS
        )
        return self.may_be_redated and self.followed_by is None and is_recent

    @property
    def may_be_redated(self) -> bool:
        return not (self.is_undone or self.is_shared)


@dataclass(frozen=True)
class Registre:
    """A list as last imported; the other values are None if it was written by SQL."""

    liste: str
    electeurs: int | None
    imported_at: datetime | None
    imported_by: str | None = None
    taken_on: date | None = None
    """The day the export was downloaded from the REU."""
    is_dated: bool = False
    """Whether an agent entered that day; else it is the day of the import."""
    mineurs: int = 0
    """Electors who are still minors: the list file does not include them yet."""


_REGISTRES = view_of("registres", Registre, "code_commune")


def read_registres(state: State, commune: str) -> dict[str, Registre]:
    rows = state.read(select(_REGISTRES).where(_REGISTRES.c.code_commune == commune))
    return {row.liste: to_record(Registre, row) for row in rows}


_APERCUS = view_of("apercus", Apercu, "code_commune")


def read_apercus(state: State, commune: str, now: datetime) -> list[Apercu]:
    """Return the unfinished exports and those finished in the last day, newest first.

    A discarded or expired export is left out once the same agent has made a new request.
    """
    view = _APERCUS.c
    query = (
        select(_APERCUS)
        .where(view.code_commune == commune)
        .order_by(view.preview_id.desc())
        .limit(SHOWN)
    )
    rows = [to_record(Apercu, row) for row in state.read(query)]
    since, said = now - timedelta(days=1), {PreviewStatus.IMPORTED, PreviewStatus.REFUSED}
    newest = {it.requested_by: it.preview_id for it in reversed(rows)}
    return [
        it
        for it in rows
        if not it.status.is_terminal
        or (
            (it.created_at and it.created_at > since)
            and (it.status in said or it.preview_id == newest[it.requested_by])
        )
    ]


class Whole(NamedTuple):
    """The electors of the compared lists, in the register and in an export."""

    before: int
    after: int


def sum_up(found: Mapping[str, Any]) -> Whole | None:
    """Return what an export makes of the lists that were compared; None if what came and left does not explain it."""
    listes = [it for it in found["listes"] if it["before"] is not None]
    changes = found["comparison"]
    whole = Whole(sum(it["before"] for it in listes), sum(it["electeurs"] for it in listes))
    is_explained = whole.before + changes["inscriptions"] - changes["radiations"] == whole.after
    return whole if is_explained else None


def count_open(state: State, commune: str) -> int:
    """Return how many exports of the commune wait for a reading or an answer."""
    is_open = _APERCUS.c.status.in_([it for it in PreviewStatus if not it.is_terminal])
    return int(
        state.read(select(func.count()).where(_APERCUS.c.code_commune == commune, is_open))[0][0]
    )


def find_apercu(state: State, commune: str, preview_id: int) -> Apercu | None:
    view = _APERCUS.c
    query = select(_APERCUS).where(view.code_commune == commune, view.preview_id == preview_id)
    return next((to_record(Apercu, row) for row in state.read(query)), None)


def read_imports(state: State, commune: str) -> list[FinishedImport]:
    """Return the last imports of the commune's lists, newest first."""
    view = _IMPORTS.c
    query = (
        select(_IMPORTS)
        .where(view.code_commune == commune)
        .order_by(view.import_id.desc(), view.liste.desc())
    )
    rows = state.read(query)
    links = [row for row in reversed(rows) if row.undone_at is None]
    gaps, last_of = _find_gaps(links), {row.liste: row for row in links}
    followed = {
        it.import_id: _day_of(last_of[it.liste])
        for it in links
        if last_of[it.liste].import_id != it.import_id
    }
    of_import: dict[int, list[Row[Any]]] = {}
    for row in rows:
        of_import.setdefault(row.import_id, []).append(row)
    last = dict(islice(of_import.items(), SHOWN))
    others = select(view.import_id).where(view.import_id.in_(last), view.code_commune != commune)
    shared = {row.import_id for row in state.read(others)}
    return [
        to_record(
            FinishedImport,
            lines[0],
            is_undone=lines[0].undone_at is not None,
            listes=tuple((it.liste, it.electeurs) for it in lines),
            gap_since=gaps.get(number),
            followed_by=followed.get(number),
            is_shared=number in shared,
        )
        for number, lines in last.items()
    ]


def read_first_days(state: State, commune: str) -> dict[str, date]:
    """Return the day of the first export of each list; empty if other software writes the register."""
    query = select(_IMPORTS).where(
        _IMPORTS.c.code_commune == commune, _IMPORTS.c.undone_at.is_(None)
    )
    found: dict[str, date] = {}
    for row in state.read(query):
        found[row.liste] = min(_day_of(row), found.get(row.liste, date.max))
    return found


def _day_of(row: Row[Any]) -> date:
    day: date | None = row.taken_on
    return day or civil_day(row.imported_at, row.code_commune)


def _find_gaps(rows: Iterable[Row[Any]]) -> dict[int, date]:
    """Map each import that was not compared with the previous one of its list to the day of that one."""
    last: dict[str, date] = {}
    gaps: dict[int, date] = {}
    for row in rows:
        if row.liste in last and not row.is_compared:
            gaps[row.import_id] = min(last[row.liste], gaps.get(row.import_id, date.max))
        last[row.liste] = _day_of(row)
    return gaps


_LEFT = {
    "motifs": select(func.count()).select_from(table("mouvements_a_completer")),
    "doutes": select(func.count()).select_from(table("doutes")).where(column("decision") == ""),
}


def count_left(state: State, commune: str) -> dict[str, int]:
    """Return the number of a commune's lines to complete on each page: `motifs`, `doutes`.

    Empty if this account may not read electors.
    """
    of_commune = column("code_commune") == commune
    try:
        with state.reading() as connection:
            return {
                page: connection.execute(query.where(of_commune)).scalar_one()
                for page, query in _LEFT.items()
            }
    except StateAwayError:
        return {}
