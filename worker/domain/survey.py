"""One pass over the mouvements of a list, and the little that is kept of each elector that a tableau shows."""

from collections import Counter
from collections.abc import Iterator
from struct import Struct
from typing import NamedTuple

from worker.domain.avant import correction
from worker.domain.demande import Demande
from worker.domain.lignes import NUMERO_PROVISOIRE, format_numero, order_key
from worker.domain.mouvement import Mouvement
from worker.domain.selection import is_in

_TAIL = Struct(">qii")
_NOWHERE = -1


class Shown(NamedTuple):
    """A mouvement that the tableau shows, and the bureaux whose lists it changes."""

    id: int
    arrives_in: str | None
    leaves: str | None

    @property
    def is_changement_bureau(self) -> bool:
        """Whether she stays in the commune and votes elsewhere in it."""
        return self.arrives_in is not None and self.leaves is not None


class Survey:
    """What is known once every mouvement has been seen: about 150 bytes for each that the tableau shows."""

    def __init__(self, demande: Demande) -> None:
        self.corrections: Counter[str] = Counter()
        """By bureau: what leads from its electors of now to those before the tableau."""
        self.has_provisoire = self.has_protegee = False
        self._demande = demande
        self._codes: dict[str | None, int] = {None: _NOWHERE}
        self._kept: list[bytes] = []

    def add(self, mouvement: Mouvement) -> None:
        """See one."""
        if sign := correction(mouvement, self._demande):
            if mouvement.arrives_in is not None:
                self.corrections[mouvement.arrives_in] += sign
            if mouvement.leaves is not None:
                self.corrections[mouvement.leaves] -= sign
        if is_in(mouvement, self._demande):
            self.has_provisoire |= format_numero(mouvement) == NUMERO_PROVISOIRE
            self.has_protegee |= mouvement.personne.is_protegee
            came, left = self._number(mouvement.arrives_in), self._number(mouvement.leaves)
            self._kept.append(order_key(mouvement.personne) + b"\0" + _TAIL.pack(mouvement.id, came, left))

    def drain(self) -> Iterator[Shown]:
        """Those that the tableau shows, in the order of its lines, homonyms by their id; once."""
        kept, self._kept = self._kept, []
        kept.sort(reverse=True)
        codes = {number: code for code, number in self._codes.items()}
        while kept:
            id_, came, left = _TAIL.unpack(kept.pop()[-_TAIL.size :])
            yield Shown(id_, codes[came], codes[left])

    def _number(self, bureau: str | None) -> int:
        return self._codes.setdefault(bureau, len(self._codes))
