"""What differs between a list file and the one deposited before it, and whether the mouvements of the register say why.

A change of bureau neither brings nor takes an elector. Young people who come of age between the two files appear in
the second without a mouvement: they were inscribed before, as minors, whom a file leaves out.
"""

from collections import Counter
from collections.abc import Collection, Iterable
from dataclasses import asdict, dataclass
from datetime import date
from typing import Any, NamedTuple

from worker.domain.fingerprint import Change
from worker.domain.majorite import is_mineur
from worker.domain.mouvement import Nature


class KnownMouvement(NamedTuple):
    """An inscription or a radiation of the register, and whose it is."""

    nature: Nature
    identity: bytes
    date_naissance: str


@dataclass(frozen=True)
class Differences:
    """Electors who came, left, stayed and changed; inscriptions and radiations, None where the register has none."""

    arrivees: int
    departs: int
    modifications: int
    inscriptions: int | None
    radiations: int | None
    majeurs: int
    """Of those who came: young people of age since, whom no inscription brought."""

    @property
    def is_coherent(self) -> bool | None:
        """Whether the mouvements account for who came and left; None when there is nothing to compare with."""
        if self.inscriptions is None or self.radiations is None:
            return None
        return (self.arrivees - self.majeurs, self.departs) == (self.inscriptions, self.radiations)

    def to_record(self) -> dict[str, Any]:
        """For the row of the file."""
        return asdict(self) | {"is_coherent": self.is_coherent}


@dataclass(frozen=True)
class Expected:
    """What the mouvements between two files should have changed in them."""

    inscriptions: int
    radiations: int
    of_age_since: int
    """Of the inscriptions: young people who came of age between the two files."""


def expect(mouvements: Iterable[KnownMouvement], before: date, after: date) -> Expected:
    """What the mouvements between the files of two days bring and take.

    An elector who was inscribed and radiated meanwhile, or the contrary, is in both files or in none: she does not
    count. Nor do a minor's mouvements, as long as a file leaves her out.
    """
    balance: Counter[bytes] = Counter()
    of_age_since: set[bytes] = set()
    for nature, identity, date_naissance in mouvements:
        if is_mineur(date_naissance, after):
            continue
        balance[identity] += 1 if nature is Nature.INSCRIPTION else -1
        if is_mineur(date_naissance, before):
            of_age_since.add(identity)
    return Expected(
        inscriptions=sum(number for number in balance.values() if number > 0),
        radiations=-sum(number for it, number in balance.items() if number < 0 and it not in of_age_since),
        of_age_since=sum(balance[it] for it in of_age_since if balance[it] > 0),
    )


def summarise(changes: Iterable[Change], of_age_since: Collection[bytes], expected: Expected | None) -> Differences:
    """Count the changes; `of_age_since` are the identities of the new file who came of age since the former one."""
    arrivees = departs = modifications = young = 0
    for change in changes:
        arrivees += change.arrivees
        departs += change.departs
        modifications += change.modifications
        if change.identity in of_age_since:
            young += change.arrivees
    return Differences(
        arrivees=arrivees,
        departs=departs,
        modifications=modifications,
        inscriptions=expected.inscriptions if expected else None,
        radiations=expected.radiations if expected else None,
        majeurs=max(young - (expected.of_age_since if expected else 0), 0),
    )
