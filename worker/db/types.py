"""Types and expressions with one meaning on PostgreSQL and SQLite."""

from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Dialect, Text, TypeDecorator
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.functions import FunctionElement
from sqlalchemy.types import TIMESTAMP, TypeEngine

Texte = Text().with_variant(Text(collation="C"), "postgresql")
"""Text compared by its bytes: the order of lines is the same on both databases."""


class UtcDateTime(TypeDecorator[datetime]):
    """An instant. `timestamptz` on PostgreSQL; on SQLite the text `YYYY-MM-DD HH:MM:SS.mmm` in UTC, which sorts."""

    impl = TIMESTAMP(timezone=True)
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        """Choose the column type."""
        return dialect.type_descriptor(Text() if dialect.name == "sqlite" else TIMESTAMP(timezone=True))

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> Any:  # noqa: ANN401 — per dialect
        """Send an aware datetime."""
        if value is None or dialect.name != "sqlite":
            return value
        return value.astimezone(UTC).replace(tzinfo=None).isoformat(" ", timespec="milliseconds")

    def process_result_value(self, value: Any, dialect: Dialect) -> datetime | None:  # noqa: ANN401 — per dialect
        """Give an aware datetime back, in UTC."""
        if value is None:
            return None
        if dialect.name == "sqlite":
            return datetime.fromisoformat(value).replace(tzinfo=UTC)
        return value.astimezone(UTC)  # type: ignore[no-any-return]


class utc_now(FunctionElement[datetime]):  # noqa: N801 — reads like an SQL function
    """The database's clock, `offset` seconds from now; leases never compare the clocks of two hosts."""

    type = UtcDateTime()
    inherit_cache = False

    def __init__(self, offset: float = 0) -> None:
        self.offset = float(offset)
        super().__init__()


@compiles(utc_now, "postgresql")
def _on_postgresql(element: utc_now, _compiler: SQLCompiler, **_options: Any) -> str:  # noqa: ANN401
    return f"(clock_timestamp() + interval '{element.offset} seconds')"


@compiles(utc_now, "sqlite")
def _on_sqlite(element: utc_now, _compiler: SQLCompiler, **_options: Any) -> str:  # noqa: ANN401
    return f"strftime('%Y-%m-%d %H:%M:%f', 'now', '{element.offset:+} seconds')"
