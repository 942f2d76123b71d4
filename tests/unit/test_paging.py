"""Long tables: the page of an address, and the addresses of the pages around it."""

import pytest

from producers.web.forms import Paging, page_number


@pytest.mark.parametrize(
    ("text", "page"),
    [("", 1), ("1", 1), ("12", 12), ("0", 1), ("-3", 1), ("x", 1), ("١٢", 1), ("9" * 30, 1), ("1e3", 1), (" 2", 1)],
)
def test_what_is_no_page_is_the_first(text: str, page: int) -> None:
    assert page_number(text) == page


def test_the_filters_stay_in_the_addresses() -> None:
    paging = Paging.of("/journal", {"action": "a&b", "vide": ""}, page=2, total=120, size=50)
    assert (paging.last, paging.before, paging.after) == (
        3,
        "/journal?action=a%26b&page=1",
        "/journal?action=a%26b&page=3",
    )


@pytest.mark.parametrize(
    ("page", "total", "last", "before", "after"),
    [(1, 0, 1, "", ""), (1, 50, 1, "", ""), (1, 51, 2, "", "/x?page=2"), (9, 51, 2, "/x?page=2", "")],
)
def test_the_ends_lead_nowhere(page: int, total: int, last: int, before: str, after: str) -> None:
    paging = Paging.of("/x", {}, page=page, total=total, size=50)
    assert (paging.last, paging.before, paging.after) == (last, before, after)
