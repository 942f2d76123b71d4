"""The day that it is in a town hall: overseas it is not always that of Paris."""

from datetime import date, datetime
from zoneinfo import ZoneInfo

PARIS = ZoneInfo("Europe/Paris")

_OVERSEAS = {
    "971": ZoneInfo("America/Guadeloupe"),
    "972": ZoneInfo("America/Martinique"),
    "973": ZoneInfo("America/Cayenne"),
    "974": ZoneInfo("Indian/Reunion"),
    "975": ZoneInfo("America/Miquelon"),
    "976": ZoneInfo("Indian/Mayotte"),
    "977": ZoneInfo("America/St_Barthelemy"),
    "978": ZoneInfo("America/Marigot"),
    "986": ZoneInfo("Pacific/Wallis"),
    "987": ZoneInfo("Pacific/Tahiti"),
    "988": ZoneInfo("Pacific/Noumea"),
}
"""By the first three characters of a commune's code. Source: INSEE, Code officiel géographique."""


def local_day(instant: datetime, code_commune: str) -> date:
    """What the calendar on the wall of a commune's town hall says at an instant."""
    return instant.astimezone(_OVERSEAS.get(code_commune[:3], PARIS)).date()
