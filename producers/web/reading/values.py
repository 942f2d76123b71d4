"""What the two databases give for one value of a view."""

import json
from datetime import date
from typing import Any


def to_day(value: date | str | None) -> date | None:
    """PostgreSQL gives a date, SQLite the text `YYYY-MM-DD`."""
    return date.fromisoformat(value) if isinstance(value, str) else value


def to_document(value: Any) -> Any:  # noqa: ANN401 — JSON
    """PostgreSQL gives what the JSON says, SQLite its text."""
    return json.loads(value) if isinstance(value, str) else value
