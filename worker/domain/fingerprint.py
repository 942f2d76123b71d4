"""The fingerprint of a list file: it allows a comparison with a later file after the purge, and holds no elector.

It has one record of 16 bytes per elector: a keyed digest of the identity, then one of all values of the file. Records
are sorted by their bytes, which does not reveal the order of the lines. Two electors of a file of two million share
their digests by chance once in ten million files.

Two fingerprints give the differences, and the mouvements of the register show whether they explain them. A change of
bureau neither adds nor removes an elector. Young people who come of age between the two files appear in the second
without a mouvement: they were inscribed before, as minors, whom a file leaves out.
"""

import secrets
from bisect import bisect_left
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from datetime import date
from hashlib import blake2b
from itertools import pairwise
from typing import Any, NamedTuple

from common.calendrier import is_mineur
from common.texte import without_separators
from schemas.vocabulary import Nature
from worker.domain.identite import Mouvement, fold_identite, who_of

HALF = 8
SIZE = 2 * HALF

PARTS = 256

_JOINT = "\0"
"""Separates values: no value contains it."""


class Change(NamedTuple):
    """The changes of the electors of one identity, homonyms included: how many arrived, left and changed."""

    identity: bytes
    arrivees: int
    departs: int
    modifications: int


class Digests:
    """Digests under one key: without the key, a digest cannot be linked to an elector."""

    def __init__(self, key: bytes) -> None:
        self.key = key

    @classmethod
    def new(cls) -> "Digests":
        """Create digests under a new random key."""
        return cls(secrets.token_bytes(32))

    def identity(
        self, nom_naissance: str, prenoms: str, date_naissance: str, commune: str, pays: str
    ) -> bytes:
        """Digest the identity of an elector; accents, case, hyphens and the separators of a CSV do not count."""
        as_in_csv = _without_separators(
            _JOINT.join((nom_naissance, prenoms, date_naissance, commune, pays))
        )
        nom_naissance, prenoms, date_naissance, commune, pays = as_in_csv.split(_JOINT)
        return self._digest(
            _JOINT.join(fold_identite(nom_naissance, prenoms, date_naissance, commune, pays))
        )

    def contents(self, values: Sequence[str]) -> bytes:
        """Digest all values of an elector in the file."""
        return self._digest(_without_separators(_JOINT.join(values)))

    def _digest(self, text: str) -> bytes:
        return blake2b(
            text.encode("utf-8", "surrogatepass"), digest_size=HALF, key=self.key
        ).digest()


def _without_separators(text: str) -> str:
    """Make a value equal in the files of all platforms, whatever separator was replaced within it."""
    return without_separators(text.replace("|", ","))


def sort_records(parts: Iterable[bytearray]) -> bytes:
    """Return the fingerprint of these records, which are in PARTS parts by their first byte, in any order."""
    return b"".join(b"".join(sorted(_cut(part))) for part in parts)


def find_changes(before: bytes, after: bytes) -> Iterator[Change]:
    """Compare two fingerprints under one key, a part at a time: at once, two million records take 250 MB.

    Electors of one identity stay as far as both fingerprints hold them; of those, the ones whose contents are in one
    only have changed. The order does not matter.
    """
    for old, new in zip(_split(before), _split(after), strict=True):
        had, has = Counter(_cut(old)), Counter(_cut(new))
        gone, come = _count_identities(had - has), _count_identities(has - had)
        for identity in sorted(gone.keys() | come.keys()):
            changed = min(gone[identity], come[identity])
            yield Change(identity, come[identity] - changed, gone[identity] - changed, changed)


def _split(records: bytes) -> Iterator[bytes]:
    places = range(0, len(records), SIZE)
    begins = [bisect_left(places, first, key=records.__getitem__) * SIZE for first in range(PARTS)]
    for begin, end in pairwise([*begins, len(records)]):
        yield records[begin:end]


def _count_identities(records: Counter[bytes]) -> Counter[bytes]:
    counts: Counter[bytes] = Counter()
    for record, number in records.items():
        counts[record[:HALF]] += number
    return counts


def _cut(records: bytes | bytearray) -> list[bytes]:
    return [bytes(records[place : place + SIZE]) for place in range(0, len(records), SIZE)]


@dataclass(frozen=True)
class Differences:
    """Counts of electors who arrived, left or changed, and of mouvements, None where the register has none."""

    arrivees: int
    departs: int
    modifications: int
    inscriptions: int | None
    radiations: int | None
    majeurs: int
    """Of the arrivals: electors who came of age since, without an inscription in between."""

    @property
    def is_coherent(self) -> bool | None:
        """Whether the mouvements explain the arrivals and departures; None if the register has no mouvements."""
        if self.inscriptions is None or self.radiations is None:
            return None
        return (self.arrivees - self.majeurs, self.departs) == (self.inscriptions, self.radiations)

    def to_record(self) -> dict[str, Any]:
        """Return the JSON for the row of the file."""
        return asdict(self) | {"is_coherent": self.is_coherent}


@dataclass(frozen=True)
class Expected:
    """The changes that the mouvements between two files should have caused."""

    inscriptions: int
    radiations: int
    of_age_since: int
    """Of the inscriptions: electors who came of age between the two files."""


def expect(
    mouvements: Iterable[Mouvement], digests: Digests, before: date, after: date
) -> Expected:
    """Count the arrivals and departures that the inscriptions and radiations between the files of two days cause.

    An elector who was inscribed and radiated meanwhile, or the contrary, is in both files or in none, and does not
    count. Nor do the mouvements of a minor, as long as a file leaves the minor out.
    """
    balance: Counter[bytes] = Counter()
    of_age_since: set[bytes] = set()
    for mouvement in mouvements:
        born = mouvement.personne.date_naissance
        if is_mineur(born, after):
            continue
        identity = digests.identity(*who_of(mouvement.personne))
        balance[identity] += 1 if mouvement.nature is Nature.INSCRIPTION else -1
        if is_mineur(born, before):
            of_age_since.add(identity)
    return Expected(
        inscriptions=sum(number for number in balance.values() if number > 0),
        radiations=-sum(
            number for it, number in balance.items() if number < 0 and it not in of_age_since
        ),
        of_age_since=sum(balance[it] for it in of_age_since if balance[it] > 0),
    )


def summarise(
    changes: Iterable[Change],
    of_age_since: Collection[bytes],
    expected: Expected | None,
    corrections: int = 0,
) -> Differences:
    """Count the changes; `of_age_since`: the identities of the new file who came of age since the former one.

    `corrections`: electors whose civil status was corrected by a decision: each appears as a departure and an arrival,
    and counts as a modification.
    """
    arrivees = departs = modifications = young = 0
    for change in changes:
        arrivees += change.arrivees
        departs += change.departs
        modifications += change.modifications
        if change.identity in of_age_since:
            young += change.arrivees
    changed = min(corrections, arrivees, departs)
    return Differences(
        arrivees=arrivees - changed,
        departs=departs - changed,
        modifications=modifications + changed,
        inscriptions=expected.inscriptions if expected else None,
        radiations=expected.radiations if expected else None,
        majeurs=max(young - (expected.of_age_since if expected else 0), 0),
    )
