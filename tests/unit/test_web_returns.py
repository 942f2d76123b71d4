"""No link leads elsewhere after a login."""

import time

import pytest

from producers.web.security.session import RETURN_SECONDS, ReturnAddresses

OURS = ReturnAddresses("s" * 32)


def test_a_page_of_ours_comes_back() -> None:
    assert OURS.read(OURS.sign("/communes/13900/exports/1")) == "/communes/13900/exports/1"


@pytest.mark.parametrize(
    "path",
    [
        "//evil.example",
        "///evil.example",
        "/\\evil.example",
        "\\\\evil.example",
        "https://evil.example/",
        "javascript:alert(1)",
        "/\t/evil.example",
        "/\n/evil.example",
        "/é",
        "evil.example",
        "",
    ],
)
def test_what_is_signed_and_leads_elsewhere_leads_home(path: str) -> None:
    assert OURS.read(OURS.sign(path)) == "/"


@pytest.mark.parametrize(
    "forged",
    [
        "",
        "x",
        "/communes",
        "IngiLg.x.y",
        pytest.param(ReturnAddresses("t" * 32).sign("/communes"), id="another key"),
        "é",
        "\0",
    ],
)
def test_what_we_did_not_sign_leads_home(forged: str) -> None:
    assert OURS.read(forged) == "/"


def test_a_link_is_good_for_some_minutes(monkeypatch: pytest.MonkeyPatch) -> None:
    signed, now = OURS.sign("/communes"), time.time()
    monkeypatch.setattr(time, "time", lambda: now + RETURN_SECONDS - 5)
    assert OURS.read(signed) == "/communes"
    monkeypatch.setattr(time, "time", lambda: now + RETURN_SECONDS + 5)
    assert OURS.read(signed) == "/"
