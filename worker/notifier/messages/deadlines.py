"""The contents of a reminder, in French: which tableau, meeting or withdrawal, on which day, by which article."""

from collections.abc import Iterator, Sequence
from datetime import date, timedelta
from typing import NamedTuple

from common.calendrier import days_before
from common.french import capitalized, weekday_date
from common.law import LAW_OF_ANNUAL_MEETING, LAW_OF_MEETING, law_of
from common.texte import clean
from schemas.tableaux import TypeTableau, name_tableau
from worker.notifier.messages.content import Block, Content, Item, LabelledValue, Note, PageLink, Tone, Topic
from worker.notifier.messages.wording import IN_TOWN_HALL

COMMISSION = "commission"
"""The `echeance` of a meeting of the commission de contrôle. Code électoral, art. L. 19, III."""

WITHDRAWAL = "retrait"
"""Published tableaux whose last day is over, and which must be withdrawn."""

_NAMES = {COMMISSION: "Réunion de la commission de contrôle", WITHDRAWAL: "Retrait du tableau publié"}

_SOON_DAYS = 3

_NOTE_THE_MEETING = Note(
    "Une fois la réunion tenue, notez-en le jour dans le module.",
    "Le tableau se publie le lendemain. Il compte les mouvements jusqu'à elle.",
)


class Deadline(NamedTuple):
    """A task with a due day. A meeting may be held until `until`; a withdrawal is reminded of until then."""

    echeance: str
    due_on: date
    until: date
    scrutin: date | None
    """None: no poll requires it."""
    libelle: str


def describe_deadlines(deadlines: Sequence[Deadline], *, lieu: str, today: date, public_url: str) -> Content:
    """Return the whole message of a day, for a commune; the nearest deadline first."""
    nearest = sorted(deadlines, key=lambda one: (one.due_on, one.echeance))
    title = (
        f"{_name(nearest[0])} : {_when(nearest[0], today)}"
        if len(nearest) == 1
        else f"{len(nearest)} échéances, la première {_when(nearest[0], today)}"
    )
    return Content(
        topic=Topic.DEADLINE,
        tone=max((_tone(one, today) for one in nearest), key=lambda tone: tone is Tone.WARNING),
        subject=clean(f"Rappel — {title} — {lieu}"),
        title=capitalized(title),
        lieu=lieu,
        summary=f"Voici ce que le calendrier électoral prévoit pour {clean(lieu)}.",
        circumstances=(),
        items=tuple(_item(one, today) for one in nearest),
        warnings=(),
        link=PageLink(
            "Le module, où se demandent les tableaux", "Ouvrir le module", clean(public_url).rstrip("/") + "/"
        )
        if public_url
        else None,
        advice=tuple(_advice(nearest)),
        reference=None,
    )


def _item(deadline: Deadline, today: date) -> Item:
    return Item(_name(deadline), _when(deadline, today), _tone(deadline, today), tuple(_facts(deadline)))


def _facts(deadline: Deadline) -> Iterator[LabelledValue]:
    if deadline.echeance == WITHDRAWAL:
        yield "Dernier jour de la publication", weekday_date(deadline.due_on - timedelta(days=1))
        yield "En mairie", f"retirez-le, puis notez le jour du retrait ({deadline.libelle})"
        return
    if deadline.echeance != COMMISSION:
        yield "Date", weekday_date(deadline.due_on)
        yield "En mairie", IN_TOWN_HALL[TypeTableau(deadline.echeance)]
    elif deadline.due_on < deadline.until:
        yield "À tenir", f"du {weekday_date(deadline.due_on)} au {weekday_date(deadline.until)}"
    else:
        yield "À tenir", f"au plus tard le {weekday_date(deadline.until)}"
    if deadline.scrutin:
        yield "Scrutin", ", ".join(filter(None, (weekday_date(deadline.scrutin), deadline.libelle)))
    yield "Textes", _law(deadline)


def _advice(deadlines: Sequence[Deadline]) -> Iterator[Block]:
    if any(deadline.echeance == COMMISSION for deadline in deadlines):
        yield _NOTE_THE_MEETING


def _name(deadline: Deadline) -> str:
    if deadline.echeance in _NAMES:
        return _NAMES[deadline.echeance]
    scrutin = deadline.scrutin
    is_decreed = scrutin is not None and deadline.due_on > days_before(scrutin, 20)
    return name_tableau(TypeTableau(deadline.echeance), scrutin, is_decreed)


def _law(deadline: Deadline) -> str:
    if deadline.echeance == COMMISSION:
        return LAW_OF_MEETING if deadline.scrutin else LAW_OF_ANNUAL_MEETING
    return law_of(deadline.echeance, deadline.scrutin).reference_legale


def _when(deadline: Deadline, today: date) -> str:
    left = (deadline.due_on - today).days
    if left < 0 and deadline.echeance == WITHDRAWAL:
        return f"depuis le {weekday_date(deadline.due_on)}"
    if left < 0:
        return f"jusqu'au {weekday_date(deadline.until)}"
    return {0: "aujourd'hui", 1: "demain"}.get(left, f"dans {left} jours")


def _tone(deadline: Deadline, today: date) -> Tone:
    return Tone.WARNING if (deadline.due_on - today).days <= _SOON_DAYS else Tone.QUIET
