"""What the mouvements explain of the differences between two files, on made-up populations whose truth is known."""

from collections.abc import Sequence
from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from common.calendrier import is_mineur
from schemas.vocabulary import Nature
from worker.domain.fingerprint import (
    Differences,
    Digests,
    Expected,
    KnownMouvement,
    Records,
    expect,
    find_changes,
    summarise,
)

BEFORE, AFTER = date(2026, 3, 1), date(2026, 11, 25)
ADULT, YOUNG, MINOR = "1962-03-14", "2008-07-01", "2009-01-01"
"""Of age in both files, in the second only, in none."""

KEY = Digests(b"clef")
CAME, LEFT = Nature.INSCRIPTION, Nature.RADIATION
Person = tuple[str, str]
PEOPLE = st.tuples(st.sampled_from("ABC"), st.sampled_from([ADULT, YOUNG, MINOR]))
STEPS = st.lists(st.tuples(st.sampled_from([CAME, LEFT]), PEOPLE), max_size=12)


def _identity(person: Person) -> bytes:
    name, born = person
    return KEY.identity(name, "", born, "", "")


def _fingerprint(register: Sequence[Person], jour: date) -> bytes:
    records = Records()
    for person in register:
        if not is_mineur(person[1], jour):
            records.add(_identity(person), KEY.contents(["rue de la Sauge"]))
    return records.take()


def _summary(before: Sequence[Person], after: Sequence[Person], mouvements: list[KnownMouvement]) -> Differences:
    changes = find_changes(_fingerprint(before, BEFORE), _fingerprint(after, AFTER))
    of_age_since = {_identity(it) for it in after if it[1] == YOUNG}
    return summarise(changes, of_age_since, expect(mouvements, BEFORE, AFTER))


def _mouvement(nature: Nature, person: Person) -> KnownMouvement:
    return KnownMouvement(nature, _identity(person), person[1])


@given(st.lists(PEOPLE, max_size=8), STEPS)
def test_a_register_whose_mouvements_are_all_known_is_coherent(
    before: list[Person], steps: list[tuple[Nature, Person]]
) -> None:
    register, mouvements = list(before), []
    for nature, person in steps:
        if nature is CAME:
            register.append(person)
        elif person in register:
            register.remove(person)
        else:
            continue
        mouvements.append(_mouvement(nature, person))
    assert _summary(before, register, mouvements).is_coherent


@pytest.mark.parametrize("born", [ADULT, YOUNG])
def test_a_missing_inscription_is_seen_of_an_adult_and_taken_for_a_coming_of_age_of_the_young(born: str) -> None:
    found = _summary([], [("A", born)], [])
    assert (found.arrivees, found.majeurs, found.is_coherent) == ((1, 0, False) if born == ADULT else (1, 1, True))


def test_a_radiation_without_its_mouvement_and_the_contrary_are_seen() -> None:
    somebody = ("A", ADULT)
    assert _summary([somebody], [], []).is_coherent is False
    assert _summary([somebody], [somebody], [_mouvement(LEFT, somebody)]).is_coherent is False
    assert _summary([somebody], [somebody], [_mouvement(CAME, somebody)]).is_coherent is False
    assert _summary([somebody], [], [_mouvement(LEFT, somebody)]).is_coherent is True


def test_who_comes_and_leaves_between_two_files_is_in_neither_figure() -> None:
    passing = ("A", ADULT)
    found = _summary([], [], [_mouvement(CAME, passing), _mouvement(LEFT, passing)])
    assert (found.inscriptions, found.radiations, found.is_coherent) == (0, 0, True)


def test_a_minor_counts_once_a_file_shows_her() -> None:
    assert expect([_mouvement(CAME, ("A", MINOR))], BEFORE, AFTER) == Expected(0, 0, 0)
    assert expect([_mouvement(LEFT, ("A", YOUNG))], BEFORE, AFTER) == Expected(0, 0, 0)
    assert expect([_mouvement(CAME, ("A", YOUNG))], BEFORE, AFTER) == Expected(1, 0, 1)


def test_without_mouvements_nothing_is_said_of_coherence() -> None:
    found = summarise([], set(), None)
    assert found.to_record() == {
        "arrivees": 0,
        "departs": 0,
        "modifications": 0,
        "inscriptions": None,
        "radiations": None,
        "majeurs": 0,
        "is_coherent": None,
    }


def test_the_age_of_majority_as_the_file_counts_it() -> None:
    assert is_mineur("2008-11-26", AFTER)
    assert not is_mineur("2008-11-25", AFTER)
    assert not is_mineur("2008-00-00", AFTER)
    assert not is_mineur("2030-01-01", AFTER)
    assert not is_mineur("inconnue", AFTER)
    assert not is_mineur("2008-02-29", date(2026, 3, 1))
    assert is_mineur("2008-02-29", date(2026, 2, 28))
