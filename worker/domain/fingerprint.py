"""The fingerprint of a list file: what it takes to compare it with a later one, once it is purged; no elector is in it.

One record of 16 bytes per elector: a keyed digest of who she is, then one of all that the file says of her. Records
are in the order of their bytes, which tells nothing of the order of the lines. Two electors of a file of two million
share their digests by chance once in ten million files.

Two fingerprints tell what differs, and the mouvements of the register whether they say why. A change of bureau neither
brings nor takes an elector. Young people who come of age between the two files appear in the second without a
mouvement: they were inscribed before, as minors, whom a file leaves out.
"""

import secrets
from bisect import bisect_left
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from datetime import date
from hashlib import blake2b
from typing import Any, NamedTuple

from common.calendrier import is_mineur
from common.texte import without_separators
from schemas.vocabulary import Nature
from worker.domain.identite import fold_identite

HALF = 8
SIZE = 2 * HALF
"""Of a record, in bytes."""

_JOINT = "\0"
"""Between values: none holds it."""

_KEY_BYTES = 32
_PARTS = 256


class Change(NamedTuple):
    """What became of the electors of one identity, homonyms included: how many came, left, stayed and changed."""

    identity: bytes
    arrivees: int
    departs: int
    modifications: int


class Digests:
    """The digests under one key: without it, nobody can tell whose they are."""

    def __init__(self, key: bytes) -> None:
        self.key = key

    @classmethod
    def new(cls) -> "Digests":
        """Under a key that nobody has used."""
        return cls(secrets.token_bytes(_KEY_BYTES))

    def identity(self, nom_naissance: str, prenoms: str, date_naissance: str, commune: str, pays: str) -> bytes:
        """Who an elector is; accents, case and hyphens do not count, nor what the CSV has no escape for."""
        as_in_csv = without_separators(_JOINT.join((nom_naissance, prenoms, date_naissance, commune, pays)))
        nom_naissance, prenoms, date_naissance, commune, pays = as_in_csv.split(_JOINT)
        return self._digest(_JOINT.join(fold_identite(nom_naissance, prenoms, date_naissance, commune, pays)))

    def contents(self, values: Sequence[str]) -> bytes:
        """All that is said of her."""
        return self._digest(without_separators(_JOINT.join(values)))

    def _digest(self, text: str) -> bytes:
        return blake2b(text.encode("utf-8", "surrogatepass"), digest_size=HALF, key=self.key).digest()


class Records:
    """The records of a file as they come, in any order: sixteen bytes each are all the memory that they take."""

    def __init__(self) -> None:
        self._parts = [bytearray() for _ in range(_PARTS)]

    def add(self, identity: bytes, contents: bytes) -> None:
        """One more elector."""
        self._parts[identity[0]] += identity + contents

    def take(self) -> bytes:
        """The fingerprint; the records are given up for it."""
        parts, self._parts = self._parts[::-1], []
        return b"".join(b"".join(sorted(_cut(parts.pop()))) for _ in range(_PARTS))


def find_changes(before: bytes, after: bytes) -> Iterator[Change]:
    """Compare two fingerprints under one key, a two hundred and fifty-sixth of them at a time.

    As many electors of one identity as are in both have stayed; of those, the ones whose contents are in one only
    have changed. Order is of no account.
    """
    for old, new in zip(_split(before), _split(after), strict=True):
        if old == new:
            continue
        had, has = Counter(_cut(old)), Counter(_cut(new))
        gone, come = _count_identities(had - has), _count_identities(has - had)
        for identity in sorted(gone.keys() | come.keys()):
            changed = min(gone[identity], come[identity])
            yield Change(identity, come[identity] - changed, gone[identity] - changed, changed)


def _count_identities(records: Counter[bytes]) -> Counter[bytes]:
    counts: Counter[bytes] = Counter()
    for record, number in records.items():
        counts[record[:HALF]] += number
    return counts


def _split(records: bytes) -> Iterator[bytes]:
    """The records whose first byte is 0, then 1, and so on."""
    number = len(records) // SIZE
    begin = 0
    for first in range(_PARTS):
        end = bisect_left(range(number), first + 1, lo=begin, key=lambda rank: records[rank * SIZE])
        yield records[begin * SIZE : end * SIZE]
        begin = end


def _cut(records: bytes | bytearray) -> list[bytes]:
    return [bytes(records[place : place + SIZE]) for place in range(0, len(records), SIZE)]


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


def summarise(
    changes: Iterable[Change], of_age_since: Collection[bytes], expected: Expected | None, corrections: int = 0
) -> Differences:
    """Count the changes; `of_age_since` are the identities of the new file who came of age since the former one.

    `corrections`: electors whose civil status was corrected, as somebody said: each seems to leave and to come, and has
    changed.
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
