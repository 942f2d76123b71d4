"""Reads the state of requests from the views `derniers_exports` and `demandes`, with a read-only account."""

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from datetime import date, datetime
from functools import cache
from types import NoneType, UnionType
from typing import Any, TypeVar, get_args, get_origin, get_type_hints
from urllib.parse import quote

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    ColumnElement,
    Connection,
    Date,
    Engine,
    Row,
    Select,
    String,
    TableClause,
    column,
    create_engine,
    event,
    func,
    literal,
    select,
    table,
    tuple_,
)
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError, NoSuchModuleError, SQLAlchemyError
from sqlalchemy.types import TypeEngine

from common.database import CONNECT_OPTIONS, add_view_functions, explain_database_tls
from common.instant import UtcDateTime
from producers.errors import ProducerConfigurationError, StateAwayError
from producers.records import ExportState, PieceFile, RequestState
from schemas.requests import LARGEST_ID
from schemas.vocabulary import RequestOutcome

_TIMEOUT_SECONDS = 5

_Record = TypeVar("_Record")


_TYPES: Mapping[type, TypeEngine[Any]] = {
    datetime: UtcDateTime(),
    date: Date(),
    bool: Boolean(),
    str: String(),
    Collection: JSON(),
}
"""The types of columns, by the class of a field or the first of its bases."""


def view_of(name: str, kind: type, *more: str) -> TableClause:
    """Return a view with a column for each field of a dataclass, and the `more` columns that queries name."""
    classes = {field: _plain(hint)[0] for field, hint in get_type_hints(kind).items()}
    types = {
        field: next((it for base, it in _TYPES.items() if issubclass(of, base)), None)
        for field, of in classes.items()
    }
    return table(name, *(column(field, it) for field, it in types.items()), *map(column, more))


def to_record(kind: type[_Record], row: Row[Any], **given: Any) -> _Record:  # noqa: ANN401 — fields of the dataclass
    """Build a dataclass from the columns of a row with the same names; words become the words of their enumeration.

    A field that cannot be None gets the empty value of its type where the column is NULL. `given` supplies fields that
    no column holds directly.
    """
    known = row._mapping  # noqa: SLF001 — the public name, underscored so as not to hide a column
    converters = _converters(kind)  # type: ignore[arg-type]
    read = {name: convert(known[name]) for name, convert in converters.items() if name in known}
    return kind(**read | given)


@cache
def _converters(kind: type) -> Mapping[str, Callable[[Any], Any]]:
    return {name: _converter(*_plain(hint)) for name, hint in get_type_hints(kind).items()}


def _plain(hint: Any) -> tuple[type, bool]:  # noqa: ANN401 — a type, or a form of typing
    may_be_none = isinstance(hint, UnionType)
    plain = next(it for it in get_args(hint) if it is not NoneType) if may_be_none else hint
    return get_origin(plain) or plain, may_be_none


def _converter(of_type: type, may_be_none: bool) -> Callable[[Any], Any]:  # noqa: FBT001 — see `_plain`
    if not issubclass(of_type, str | int | dict):
        return lambda value: value
    return lambda value: of_type(value) if value is not None else None if may_be_none else of_type()


_Export = TypeVar("_Export", bound=ExportState)


def read_exports(kind: type[_Export], connection: Connection, query: Select[Any]) -> list[_Export]:
    """Return the records of files from the rows of `derniers_exports`."""
    return [
        to_record(kind, row, pieces={name: PieceFile(**it) for name, it in row.pieces.items()})
        for row in connection.execute(query)
    ]


_DERNIERS_EXPORTS = view_of("derniers_exports", ExportState, "request_id")
_DEMANDES = table(
    "demandes",
    column("request_id", BigInteger),
    *(column(name, String) for name in ("sender", "source", "event_id", "outcome", "reason")),
)


def newest_first(
    connection: Connection,
    query: Select[Any],
    code: ColumnElement[str],
    number: ColumnElement[int],
    commune: str,
) -> Select[Any]:
    """Filter and order the rows of a commune so that the database uses the index on (code, number).

    Ordered by number after a plain filter, PostgreSQL may scan the newest rows of all communes until enough match.
    SQLite has no statistics, and uses the index for the plain filter only.
    """
    if connection.dialect.name == "sqlite":
        return query.where(code == commune).order_by(number.desc())
    first = tuple_(literal(commune), literal(0, BigInteger))
    last = tuple_(literal(commune), literal(LARGEST_ID, BigInteger))
    here = tuple_(code, number)
    return query.where(here >= first, here <= last).order_by(code.desc(), number.desc())


class State(AbstractContextManager["State"]):
    """Reads the views. It connects at the first query, and cannot write.

    Raises:
        ProducerConfigurationError: `url` is not a database URL that SQLAlchemy can parse.
        StateAwayError: in each read, the database did not answer.
    """

    def __init__(self, url: str) -> None:
        try:
            self._url = make_url(url)
            self._engine = _read_only_engine(self._url)
        except (ArgumentError, NoSuchModuleError, ImportError, ValueError):
            raise ProducerConfigurationError(
                "PREFECTURE_STATE_URL n'est pas une adresse de base : postgresql+psycopg://lecture:…@hôte/base ou "
                "sqlite:///chemin est attendu"
            ) from None

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections; a later query opens new ones."""
        self._engine.dispose()

    def latest(
        self, commune: str | None = None, limit: int | None = 10, batch: str | None = None
    ) -> tuple[list[ExportState], int]:
        """Return the last requested files, and how many were ever requested.

        The newest request comes first, its files in the order of the request. `batch` selects a correlation id.
        """
        view = _DERNIERS_EXPORTS.c
        query = select(_DERNIERS_EXPORTS)
        if batch is not None:
            query = query.where(column("correlation_id") == batch)
        with self.reading() as connection:
            if commune is None:
                query = query.order_by(view.export_id.desc())
            else:
                query = newest_first(connection, query, view.code_commune, view.export_id, commune)
            exports = read_exports(ExportState, connection, query.limit(limit))
            total = _count(connection, query)
        return sorted(
            exports, key=lambda export: (-export.requested_at.timestamp(), export.export_id)
        ), total

    def request_progress(self, sender: str, source: str, event_id: str) -> RequestState:
        """Return the state of a request, identified by its sender and by the source and id of its event.

        The sender is the account on the broker; empty in the embedded mode.
        """
        demande, export = _DEMANDES.c, _DERNIERS_EXPORTS.c
        with self.reading() as connection:
            seen = connection.execute(
                select(demande.request_id, demande.outcome, demande.reason)
                .where(demande.source == source, demande.event_id == event_id)
                .where(demande.sender == sender)
                .order_by(demande.outcome)  # accepted first: another event with its id was refused
            ).first()
            if seen is None:
                return RequestState()
            files = select(_DERNIERS_EXPORTS).where(export.request_id == seen.request_id)
            exports = read_exports(ExportState, connection, files.order_by(export.export_id))
        return RequestState(RequestOutcome(seen.outcome), seen.reason, tuple(exports))

    def read(self, query: Select[Any]) -> Sequence[Row[*tuple[Any, ...]]]:
        """Return the rows of a query."""
        with self.reading() as connection:
            return connection.execute(query).all()

    def read_page(self, query: Select[Any], page: int, size: int) -> tuple[Sequence[Row[Any]], int]:
        """Return the rows of one page of an ordered query and the total number of rows; the first page is 1."""
        with self.reading() as connection:
            rows = connection.execute(query.limit(size).offset((page - 1) * size)).all()
            return rows, _count(connection, query)

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """Yield a read-only connection."""
        try:
            with self._engine.begin() as connection:
                yield connection
        except SQLAlchemyError as error:
            url = self._url
            place = f"{url.host}:{url.port or 5432}/{url.database}" if url.host else url.database
            raise StateAwayError(
                f"la base ne répond pas ({place}) : {_reason(error)}. Attendez-la si elle est "
                "arrêtée ; sinon, vérifiez PREFECTURE_STATE_URL, que la base est migrée et que ce compte peut lire ses "
                "vues"
            ) from None


def _read_only_engine(url: URL) -> Engine:
    if url.get_backend_name() == "sqlite":
        if url.database and not url.database.startswith("file:"):
            url = url.set(database=f"file:{quote(url.database)}").update_query_dict(
                {"mode": "ro", "uri": "true"}
            )
        engine = create_engine(url, connect_args={"timeout": _TIMEOUT_SECONDS})
        event.listen(engine, "connect", add_view_functions)
        return engine
    # A view joins eight tables by their keys: to plan every order takes longer than to read. Each commune has its plan.
    plans = "-c join_collapse_limit=4 -c from_collapse_limit=4 -c plan_cache_mode=force_custom_plan"
    engine = create_engine(
        url,
        pool_pre_ping=True,
        pool_size=8,  # `prefecture_lecture` may open nine connections (`deploy/database/accounts.sql`)
        max_overflow=0,  # opening a temporary connection costs more than the query
        pool_timeout=_TIMEOUT_SECONDS,
        connect_args={
            "options": plans,
            **CONNECT_OPTIONS,
            "application_name": "prefecture producer",
        },
    )
    return engine.execution_options(postgresql_readonly=True)


def _count(connection: Connection, query: Select[Any]) -> int:
    number: int = connection.execute(
        select(func.count()).select_from(query.order_by(None).subquery())
    ).scalar_one()
    return number


def _reason(error: SQLAlchemyError) -> str:
    """Return the first line of the driver's message, which holds no SQL, parameter or password."""
    reason = str(getattr(error, "orig", None) or type(error).__name__).strip()
    return explain_database_tls(reason) or reason.splitlines()[0]
