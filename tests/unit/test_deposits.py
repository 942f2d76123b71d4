"""Files to deposit, deposits without an answer, files to make again."""

from producers.web.depot import find_to_answer, find_to_deposit, find_to_redo
from tests.unit.asked_files import DAY, NOON, ready_list, ready_tableau


def test_what_is_good_to_deposit_and_was_not() -> None:
    good, tableau = ready_list(1), ready_tableau(7)
    files = [
        good,
        ready_list(2, liste="CE", bloquantes=1),
        ready_list(3, liste="CM", deposited_on=DAY),
        ready_list(4, liste="CM", format="xml", request_id=3),
        ready_tableau(5, edition="commission"),
        ready_tableau(6, purged_at=NOON),
        tableau,
    ]
    assert find_to_deposit(files) == [good, tableau]


def test_a_list_asked_for_after_its_deposit_is_to_be_deposited_again() -> None:
    newer = ready_list(2, format="xml")
    assert find_to_deposit([ready_list(1, deposited_on=DAY), newer]) == [newer]
    assert find_to_deposit([ready_list(3, deposited_on=DAY), newer]) == []


def test_files_of_one_request_deposited_together_are_answered_together() -> None:
    together = [ready_list(1, request_id=9, deposited_on=DAY), ready_list(2, request_id=9, deposited_on=DAY)]
    alone = ready_list(3, request_id=8, deposited_on=DAY)
    answered = ready_list(4, request_id=8, deposited_on=DAY, verdict="accepte")
    assert [list(it.files) for it in find_to_answer([*together, alone, answered])] == [together, [alone]]


def test_a_rejection_is_to_be_redone_until_a_later_deposit() -> None:
    rejected = ready_list(1, deposited_on=DAY, verdict="rejete")
    assert find_to_redo([rejected]) == [rejected]
    assert find_to_redo([ready_list(2, deposited_on=DAY, format="xml"), rejected]) == []
    assert find_to_redo([ready_list(2, deposited_on=DAY, liste="CM"), rejected]) == [rejected]


def test_a_deposit_of_what_was_recalled_is_to_be_redone_until_a_later_one() -> None:
    recalled = ready_list(1, deposited_on=DAY, verdict="accepte", recalled_at=NOON)
    assert find_to_redo([recalled]) == [recalled]
    assert find_to_redo([ready_list(2, deposited_on=DAY), recalled]) == []
    assert find_to_deposit([ready_list(1, recalled_at=NOON)]) == []


def test_tableaux_of_two_polls_do_not_replace_each_other() -> None:
    first = ready_tableau(1, deposited_on=DAY, verdict="rejete", parameters={"scrutin": "2026-12-06"})
    second = ready_tableau(2, deposited_on=DAY, parameters={"scrutin": "2027-04-11"})
    assert find_to_redo([second, first]) == [first]
    again = ready_tableau(3, deposited_on=DAY, parameters={"scrutin": "2026-12-06"})
    assert find_to_redo([again, second, first]) == []
