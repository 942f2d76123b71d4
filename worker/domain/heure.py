"""The time of town halls."""

from datetime import date, datetime
from zoneinfo import ZoneInfo

PARIS = ZoneInfo("Europe/Paris")
_PAPEETE, _WALLIS = ZoneInfo("Pacific/Tahiti"), ZoneInfo("Pacific/Wallis")
"""Where the French day ends last, and begins first."""


def jour_a_paris(instant: datetime) -> date:
    """The day it is in France at an instant."""
    return instant.astimezone(PARIS).date()


def possible_days(instant: datetime, code_commune: str) -> tuple[date, date]:
    """The first and the last day that a town hall may call today at an instant: overseas it is not that of Paris."""
    if not code_commune.startswith(("97", "98")):
        return jour_a_paris(instant), jour_a_paris(instant)
    return (instant.astimezone(_PAPEETE).date(), instant.astimezone(_WALLIS).date())
