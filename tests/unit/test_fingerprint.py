"""Fingerprints compared with a simple reference: one elector after the other, removed from both sides."""

from hypothesis import given
from hypothesis import strategies as st

from worker.domain.fingerprint import HALF, SIZE, Change, Digests, Records, find_changes

KEY = Digests(b"clef invent\xe9e")
Liste = list[tuple[str, str]]
LISTES = st.lists(st.tuples(st.sampled_from("ABCDE"), st.sampled_from("xyz")), max_size=12)


def _identity(name: str) -> bytes:
    return KEY.identity(name, "Apolline", "1962-03-14", "MARSEILLE", "")


def _fingerprint(liste: Liste) -> bytes:
    records = Records()
    for name, contents in liste:
        records.add(_identity(name), KEY.contents([contents]))
    return records.take()


def _reference(before: Liste, after: Liste) -> set[Change]:
    found = set()
    for name in {name for name, _ in before + after}:
        left = [contents for other, contents in before if other == name]
        came = [contents for other, contents in after if other == name]
        for contents in list(left):
            if contents in came:
                left.remove(contents)
                came.remove(contents)
        changed = min(len(left), len(came))
        if left or came:
            found.add(Change(_identity(name), len(came) - changed, len(left) - changed, changed))
    return found


@given(LISTES, LISTES)
def test_changes_are_those_that_a_person_would_find(before: Liste, after: Liste) -> None:
    changes = list(find_changes(_fingerprint(before), _fingerprint(after)))
    assert set(changes) == _reference(before, after)
    assert len(changes) == len(set(changes))
    assert len(after) - len(before) == sum(it.arrivees - it.departs for it in changes)


@given(LISTES.flatmap(lambda liste: st.tuples(st.just(liste), st.permutations(liste))))
def test_the_order_of_the_lines_leaves_no_trace(lists: tuple[Liste, Liste]) -> None:
    liste, shuffled = lists
    assert _fingerprint(liste) == _fingerprint(shuffled)
    assert len(_fingerprint(liste)) == SIZE * len(liste)


def test_who_she_is_does_not_depend_on_spelling_but_on_all_the_rest() -> None:
    known = KEY.identity("D'AUBIGNÉ", "Apolline-Capucine", "1962-03-14", "Saint-Denis", "")
    assert known == KEY.identity("D’AUBIGNE", "APOLLINE CAPUCINE", "1962-03-14", "SAINT DENIS", "FRANCE")
    assert len(known) == HALF
    assert known not in {
        KEY.identity("AUBIGNE", "Apolline Capucine", "1962-03-14", "Saint-Denis", ""),
        KEY.identity("D'AUBIGNE", "Apolline", "1962-03-14", "Saint-Denis", ""),
        KEY.identity("D'AUBIGNE", "Apolline Capucine", "1962-00-00", "Saint-Denis", ""),
        KEY.identity("D'AUBIGNE", "Apolline Capucine", "1962-03-14", "", "BELGIQUE"),
        KEY.identity("D'AUBIGNE Apolline", "Capucine", "1962-03-14", "Saint-Denis", ""),
    }


def test_what_the_csv_cannot_carry_makes_no_difference() -> None:
    assert KEY.contents(['Bât "B" ; 3', ""]) == KEY.contents(["Bât 'B' , 3", ""])
    assert KEY.contents(["a", ""]) != KEY.contents(["", "a"])


def test_two_keys_have_nothing_in_common() -> None:
    other = Digests.new()
    assert len(other.key) == 32
    assert other.key != Digests.new().key
    assert other.identity("A", "B", "C", "D", "") != KEY.identity("A", "B", "C", "D", "")
    assert other.contents(["A"]) != KEY.contents(["A"])
