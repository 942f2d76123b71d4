"""The time of town halls."""

from datetime import date, datetime
from zoneinfo import ZoneInfo

PARIS = ZoneInfo("Europe/Paris")


def jour_a_paris(instant: datetime) -> date:
    """The day it is in France at an instant."""
    return instant.astimezone(PARIS).date()
