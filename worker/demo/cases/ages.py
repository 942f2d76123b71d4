"""Electors around their eighteenth birthday: the cases whose dates follow the day of the run."""

from datetime import date, timedelta

from worker.demo.cases.case import Case, case
from worker.demo.people import years_before


def age_cases(today: date) -> tuple[Case, ...]:
    """Minors registered in advance, who are no electors yet, and those who have just come of age."""
    majority = years_before(today, 18)
    return (
        _born("minor", "turns 18 tomorrow", ("CERISAIE", "Suzon", "F"), majority + timedelta(1)),
        _born("minor", "turns 18 in three months", ("NOISERAIE", "Ewen", "M"), majority + timedelta(90)),
        _born("minor", "is 17 for a week", ("CIBOULETTE", "Kilian", "M"), years_before(today, 17) - timedelta(7)),
        _born("just_of_age", "is 18 today", ("PRIMEVÈRE", "Maëlys", "F"), majority),
        case(
            "partial_date_of_age",
            "partial date in the year of 18: the oldest possible day makes an adult",
            ("GIBOULÉE", "Aurore", "F"),
            date_naissance=f"00/00/{majority.year}",
        ),
    )


def _born(key: str, meaning: str, who: tuple[str, str, str], day: date) -> Case:
    return case(key, meaning, who, date_naissance=f"{day:%d/%m/%Y}")
