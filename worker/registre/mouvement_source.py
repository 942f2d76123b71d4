"""The mouvements of one list as a tableau reads them: more than once, in one snapshot, without holding them all."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from sqlalchemy import Connection

from schemas.vocabulary import Liste
from worker.domain.mouvement import Mouvement
from worker.registre.mouvements import fetch_mouvements, select_mouvements


@dataclass(frozen=True)
class MouvementSource:
    """Reads them on a connection; `on_fetch` hears how many are read of those that are printed."""

    connection: Connection
    code_commune: str
    liste: Liste
    on_fetch: Callable[[int], None]

    def stream(self) -> Iterator[Mouvement]:
        """Every mouvement of the list, in the order of ids."""
        return select_mouvements(self.connection, self.code_commune, self.liste)

    def fetch(self, ids: Sequence[int]) -> Iterator[Mouvement]:
        """Those mouvements, in the order asked."""
        self.on_fetch(len(ids))
        return fetch_mouvements(self.connection, self.code_commune, self.liste, ids)
