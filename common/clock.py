"""The time of town halls: instants are UTC, days are those of Paris, or of the commune overseas."""

from datetime import UTC, date, datetime
from zoneinfo import ZoneInfo

PARIS = ZoneInfo("Europe/Paris")
_PAPEETE, _WALLIS = ZoneInfo("Pacific/Tahiti"), ZoneInfo("Pacific/Wallis")
"""Where the French day ends last, and begins first."""

_OVERSEAS = {
    "971": ZoneInfo("America/Guadeloupe"),
    "972": ZoneInfo("America/Martinique"),
    "973": ZoneInfo("America/Cayenne"),
    "974": ZoneInfo("Indian/Reunion"),
    "975": ZoneInfo("America/Miquelon"),
    "976": ZoneInfo("Indian/Mayotte"),
    "977": ZoneInfo("America/St_Barthelemy"),
    "978": ZoneInfo("America/Marigot"),
    "986": _WALLIS,
    "987": _PAPEETE,
    "988": ZoneInfo("Pacific/Noumea"),
}
"""By the first three characters of a commune's code. Source: INSEE, Code officiel géographique."""


def now() -> datetime:
    """The present instant, in UTC; who must be able to live at another one is given this as a callable."""
    return datetime.now(UTC)


def jour_a_paris(instant: datetime) -> date:
    """The day it is in France at an instant."""
    return instant.astimezone(PARIS).date()


def local_day(instant: datetime, code_commune: str) -> date:
    """What the calendar on the wall of a commune's town hall says at an instant."""
    return instant.astimezone(_OVERSEAS.get(code_commune[:3], PARIS)).date()


def possible_days(instant: datetime, code_commune: str) -> tuple[date, date]:
    """The first and the last day that a town hall may call today at an instant: overseas it is not that of Paris."""
    if not code_commune.startswith(("97", "98")):
        return jour_a_paris(instant), jour_a_paris(instant)
    return (instant.astimezone(_PAPEETE).date(), instant.astimezone(_WALLIS).date())
