"""The slower way, for a register that a service feeds by SQL with values that a file cannot carry."""

from typing import Any

from sqlalchemy import Column, ColumnElement, Text
from sqlalchemy.sql.visitors import replacement_traverse

from worker.db.dirty import cleaned
from worker.registre.models import Bureau, Electeur

_TABLES = (Electeur.__tablename__, Bureau.__tablename__)


def tidied(expression: ColumnElement[Any]) -> ColumnElement[Any]:
    """The same expression over the register's values as they may be written: rules see what the file will hold."""

    def clean(element: Any, **_options: Any) -> ColumnElement[str] | None:  # noqa: ANN401 — any part of an expression
        if isinstance(element, Column) and isinstance(element.type, Text) and element.table.name in _TABLES:
            return cleaned(element)
        return None

    cleaner: ColumnElement[Any] = replacement_traverse(expression, {}, clean)
    return cleaner
