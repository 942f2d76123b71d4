"""The contents of a reminder, in French: which tableau, meeting or withdrawal, on which day, by which article."""

from collections.abc import Iterator, Sequence
from datetime import date, timedelta
from urllib.parse import urlencode

from common.calendrier import counted_back
from common.french import weekday_date
from common.law import LAW_OF_ANNUAL_MEETING, LAW_OF_MEETING, law_of
from schemas.cures import Todo, find_cure
from schemas.tableaux import TypeTableau, name_tableau
from worker.notifier.messages.request import IN_TOWN_HALL
from worker.notifier.messages.text import Line, Text, Topic, link, write
from worker.notifier.models import Deadline

COMMISSION = "commission"
"""The `echeance` of a meeting of the commission de contrôle. Code électoral, art. L. 19, III."""

WITHDRAWAL = "retrait"
"""Published tableaux whose last day is over, and which must be withdrawn."""

_NAMES = {
    COMMISSION: "Réunion de la commission de contrôle",
    WITHDRAWAL: "Retrait du tableau publié",
}


def describe_deadlines(
    deadlines: Sequence[Deadline], *, commune: str, lieu: str, today: date, public_url: str
) -> Text:
    """Return the whole message of a day, for a commune; the nearest deadline first."""
    nearest = sorted(deadlines, key=lambda one: (one.due_on, one.echeance))
    lines = [
        Line(_name(it), _when(it, today), (*_facts(it), *_describe_cure(it, commune, public_url)))
        for it in nearest
    ]
    first = lines[0]
    title = f"{len(lines)} échéances, la première {first.state}"
    if len(lines) == 1:
        title = f"{first.title} : {first.state}"
    return write(
        "reminder.txt",
        Topic.DEADLINE,
        f"Rappel — {title} — {lieu}",
        summary=f"Voici ce que le calendrier électoral prévoit pour {lieu}.",
        lines=lines,
        url=link(public_url, ""),
        has_meeting=any(it.echeance == COMMISSION for it in nearest),
    )


def _facts(deadline: Deadline) -> Iterator[str]:
    if deadline.echeance == WITHDRAWAL:
        yield f"Dernier jour de la publication : {weekday_date(deadline.due_on - timedelta(days=1))}"
        yield f"En mairie : retirez-le, puis notez le jour du retrait ({deadline.libelle})"
        return
    if deadline.echeance != COMMISSION:
        yield f"Date : {weekday_date(deadline.due_on)}"
        yield f"En mairie : {IN_TOWN_HALL[TypeTableau(deadline.echeance)]}"
    elif deadline.due_on < deadline.until:
        yield f"À tenir : du {weekday_date(deadline.due_on)} au {weekday_date(deadline.until)}"
    else:
        yield f"À tenir : au plus tard le {weekday_date(deadline.until)}"
    if deadline.scrutin:
        yield f"Scrutin : {', '.join(filter(None, (weekday_date(deadline.scrutin), deadline.libelle)))}"
    if deadline.echeance != COMMISSION and TypeTableau(deadline.echeance).is_repealed:
        yield "Textes : révision annuelle, à vérifier"
        return
    meeting = LAW_OF_MEETING if deadline.scrutin else LAW_OF_ANNUAL_MEETING
    yield f"Textes : {meeting if deadline.echeance == COMMISSION else law_of(deadline.echeance, deadline.scrutin)}"


def _describe_cure(deadline: Deadline, commune: str, public_url: str) -> Iterator[str]:
    """Yield the page where the meeting is noted, the tableau is requested, or the withdrawal is noted."""
    todo = {COMMISSION: Todo.REUNION, WITHDRAWAL: Todo.WITHDRAWALS}.get(deadline.echeance, Todo.ASK)
    asked = {"type": deadline.echeance}
    if deadline.scrutin:
        asked["scrutin"] = deadline.scrutin.isoformat()
    if link := find_cure(todo, {"commune": commune, "ask": urlencode(asked)}):
        yield link.describe(public_url)


def _name(deadline: Deadline) -> str:
    if deadline.echeance in _NAMES:
        return _NAMES[deadline.echeance]
    scrutin = deadline.scrutin
    is_decreed = scrutin is not None and deadline.due_on > counted_back("vingt_jours", scrutin)
    return name_tableau(TypeTableau(deadline.echeance), scrutin, is_decreed)


def _when(deadline: Deadline, today: date) -> str:
    left = (deadline.due_on - today).days
    if left < 0 and deadline.echeance == WITHDRAWAL:
        return f"depuis le {weekday_date(deadline.due_on)}"
    if left < 0:
        return f"jusqu'au {weekday_date(deadline.until)}"
    return {0: "aujourd'hui", 1: "demain"}.get(left, f"dans {left} jours")
