"""The fingerprint of a list file: what it takes to compare it with a later one, once it is purged; no elector is in it.

One record of 16 bytes per elector: a keyed digest of who she is, then one of all that the file says of her. Records
are in the order of their bytes, which tells nothing of the order of the lines. Two electors of a file of two million
share their digests by chance once in ten million files.
"""

import secrets
from bisect import bisect_left
from collections import Counter
from collections.abc import Iterator, Sequence
from hashlib import blake2b
from typing import NamedTuple

from worker.domain.identite import fold_identite
from worker.domain.texte import without_separators

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
