"""What a poll calls for, in the order of the days: the closing of the list, the commission's meeting, the tableaux."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date

from common.calendrier import (
    Echeance,
    Regime,
    commission_between,
    last_day_to_register,
    meeting_before,
    regime_on,
    tableaux_of_scrutin,
)
from producers.web.reading.exports import AskedFile
from producers.web.reading.scrutins import Reunion, Scrutin
from schemas.tableaux import Edition, TypeTableau
from schemas.vocabulary import Liste


@dataclass(frozen=True)
class Due:
    """A tableau that a poll calls for, and the last one of each list that was made for it, to be posted."""

    echeance: Echeance
    made: Mapping[str, AskedFile]
    missing: Sequence[str]
    """The other lists of the commune; those of a complementary list may not vote at this poll."""

    @property
    def type(self) -> TypeTableau:
        """Which tableau."""
        return TypeTableau(self.echeance.type)

    @property
    def day(self) -> date:
        """When it is due."""
        return self.echeance.due_on

    @property
    def is_made(self) -> bool:
        """Whether the list that votes at every poll has it; any list, where the commune has not that one."""
        return bool(self.made) and Liste.PRINCIPALE not in self.missing

    def is_late(self, today: date) -> bool:
        """Whether its day has passed without it."""
        return not self.is_made and self.day < today


@dataclass(frozen=True)
class Agenda:
    """One poll: its days. Those that the law of its time does not know are None."""

    scrutin: Scrutin
    last_day_to_register: date | None
    has_usual_cloture: bool
    commission: tuple[date, date] | None
    reunion: date | None
    due: Sequence[Due]


def build_agenda(
    scrutin: Scrutin, reunions: Iterable[Reunion], tableaux: Sequence[AskedFile], listes: Sequence[str]
) -> Agenda:
    """The days of a poll; `tableaux` are those that were made, the newest first, `listes` what the commune has."""
    is_today_law = regime_on(scrutin.jour) is Regime.REPERTOIRE_UNIQUE
    reunion = meeting_before(scrutin.jour, [it.jour for it in reunions]) if is_today_law else None
    due = []
    for echeance in tableaux_of_scrutin(scrutin.jour, reunion):
        made: dict[str, AskedFile] = {}
        for file in tableaux:
            if _is_for(file, echeance):
                made.setdefault(file.liste, file)
        due.append(Due(echeance, made, [liste for liste in listes if liste not in made]))
    return Agenda(
        scrutin=scrutin,
        last_day_to_register=scrutin.cloture or last_day_to_register(scrutin.jour),
        has_usual_cloture=scrutin.cloture is None,
        commission=commission_between(scrutin.jour) if is_today_law else None,
        reunion=reunion,
        due=due,
    )


def _is_for(file: AskedFile, echeance: Echeance) -> bool:
    """Whether a tableau is the one that is due: of that type and poll, in the edition that one posts."""
    if file.type_tableau != echeance.type or file.edition == Edition.COMMISSION or echeance.scrutin is None:
        return False
    asked = file.parameters
    if asked.get("scrutin") == echeance.scrutin.isoformat():
        return True
    if echeance.type != TypeTableau.VINGT_JOURS:
        return False
    first, last = commission_between(echeance.scrutin)
    until = asked.get("until") or ""
    return asked.get("publication") == echeance.due_on.isoformat() or first.isoformat() <= until <= last.isoformat()
