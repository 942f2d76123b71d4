"""The security headers, and what browsers may cache; files in both directions: only recorded files leave."""

import re
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from producers.web.security.limits import FILE_BYTES, FORM_BYTES
from producers.web.templating import FOLDER
from tests.web.oidc_browser import with_provider
from tests.web.security_desk import (
    CLERK,
    CONTENT,
    FILE,
    GRANDVILLE,
    LIBREVILLE,
    NEIGHBOUR,
    behind_proxy,
    make_settings,
    open_client,
    token_of,
)

VERIFY = f"/communes/{LIBREVILLE}/verifier"


@pytest.mark.parametrize(
    "path",
    [
        f"/communes/{LIBREVILLE}/exports/../../../etc/passwd",
        f"/communes/{LIBREVILLE}/exports/1/../../../secret",
        f"/communes/{LIBREVILLE}/exports/1%2f..%2f..%2fsecret/fichier",
        f"/communes/{LIBREVILLE}/exports/1/fichier/../../../../secret",
        f"/communes/{LIBREVILLE}/exports/1/fichier/{FILE}",
        f"/communes/{LIBREVILLE}/exports/{FILE}/fichier",
        f"/communes/..%2f{LIBREVILLE}/exports/1/fichier",
        f"/communes/{LIBREVILLE}%2f../exports/1/fichier",
    ],
)
def test_no_address_leads_out_of_the_record(web_client: TestClient, tmp_path: Path, path: str) -> None:
    (tmp_path / "secret").write_text("INVENTE")
    answer = web_client.get(path)
    assert answer.status_code == 404
    assert "INVENTE" not in answer.text


def test_a_dropped_file_may_be_larger_than_a_form(web_client: TestClient) -> None:
    dropped = {"fichier": ("liste.csv", b"x" * (2 * FORM_BYTES), "text/csv")}
    answer = web_client.post(VERIFY, data={"jeton": token_of(web_client)}, files=dropped)
    assert answer.status_code not in {400, 403, 413}


def test_a_dropped_file_has_its_limit_too(web_client: TestClient) -> None:
    announced = {"Content-Length": str(FILE_BYTES + 1), "Content-Type": "multipart/form-data; boundary=x"}
    assert web_client.post(VERIFY, content=b"--x--\r\n", headers=announced).status_code == 413


@pytest.mark.parametrize("number", [2, 20])
def test_one_file_is_dropped_at_a_time(web_client: TestClient, number: int) -> None:
    dropped = [("fichier", (f"{index}.csv", b"x", "text/csv")) for index in range(number)]
    answer = web_client.post(VERIFY, data={"jeton": token_of(web_client)}, files=dropped)
    assert answer.status_code == 400


@pytest.mark.parametrize(
    ("kind", "body"),
    [
        ("multipart/form-data", b"x"),
        ("multipart/form-data; boundary=x", b"--x\r\nContent-Disposition: form-data; name=\r\n\r\n"),
        ("multipart/form-data; boundary=" + "x" * 5000, b"x"),
        ("application/x-www-form-urlencoded", b"%ff=%ff&" * 300),
        ("application/json", b"{"),
        ("text/plain; charset=nothing", b"x"),
        ("", b""),
    ],
)
def test_a_form_that_is_none_is_refused(web_client: TestClient, kind: str, body: bytes) -> None:
    token_of(web_client)
    for page in (VERIFY, f"/communes/{LIBREVILLE}/listes"):
        assert web_client.post(page, content=body, headers={"Content-Type": kind}).status_code in {400, 403}


def test_a_file_of_another_commune_is_unknown(screen_database: str, tmp_path: Path) -> None:
    """A file that GRANDVILLE's agent uploads reveals nothing of LIBREVILLE, even with the bytes of its file."""
    with open_client(make_settings(screen_database, tmp_path, **behind_proxy()), agent=NEIGHBOUR) as client:
        page = f"/communes/{GRANDVILLE}/verifier"
        dropped = {"fichier": ("liste.csv", CONTENT, "text/csv")}
        answer = client.post(page, data={"jeton": token_of(client, GRANDVILLE)}, files=dropped, follow_redirects=True)
    assert answer.status_code < 500
    assert "LIBREVILLE" not in answer.text
    assert FILE not in answer.text
    assert "25/11/2026 09:30" not in answer.text


HOME = f"/communes/{LIBREVILLE}/listes"
ANSWERS = (HOME, "/", "/static/screen.css", "/static/nothing.css", "/nowhere", "/sante", "/communes/13901/listes")


@pytest.mark.parametrize("path", ANSWERS)
def test_every_answer_has_them(web_client: TestClient, path: str) -> None:
    headers = web_client.get(path).headers
    policy = dict(part.strip().split(" ", 1) for part in headers["content-security-policy"].split(";"))
    assert policy["default-src"] == "'none'"
    assert {policy[name] for name in ("script-src", "style-src", "connect-src", "form-action")} == {"'self'"}
    assert {policy[name] for name in ("frame-ancestors", "base-uri")} == {"'none'"}
    assert "unsafe" not in headers["content-security-policy"]
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["x-frame-options"] == "DENY"
    assert headers["referrer-policy"] == "same-origin"
    assert headers["cross-origin-opener-policy"] == headers["cross-origin-resource-policy"] == "same-origin"
    assert headers["strict-transport-security"].startswith("max-age=31536000")
    assert "server" not in headers
    assert "access-control-allow-origin" not in headers


def test_refusals_have_them_too(web_client: TestClient) -> None:
    refused = (
        web_client.get(HOME, headers={"Host": "evil.example"}),
        web_client.post(HOME, headers={"Origin": "https://evil.example"}),
        web_client.request("TRACE", HOME),
        web_client.get(HOME, headers=[("X-Remote-User", CLERK), ("X-Remote-User", "x")]),
    )
    for answer in refused:
        assert answer.status_code in {400, 403, 405}
        assert "default-src 'none'" in answer.headers["content-security-policy"]
        assert answer.headers["cache-control"] == "no-store"
        assert '<html lang="fr">' in answer.text


def test_pages_are_kept_by_no_cache(web_client: TestClient) -> None:
    for path in (HOME, "/", f"/communes/{LIBREVILLE}/exports/1/fichier"):
        assert web_client.get(path).headers["cache-control"] == "no-store"


def test_nothing_of_a_page_needs_more_than_the_policy_allows(web_client: TestClient) -> None:
    page = web_client.get(HOME).text
    assert not re.search(r"\sstyle=|\son\w+=|javascript:", page)
    assert all(" src=" in tag for tag in re.findall(r"<script[^>]*>", page))
    assert "<style" not in page
    addresses = re.findall(r'(?:src|href)="([^"]+)"', page)
    assert addresses
    assert [it for it in addresses if not it.startswith(("/", "#"))] == []


def test_a_file_of_ours_is_kept_for_ever_under_the_hash_of_its_content(web_client: TestClient) -> None:
    (style,) = re.findall(r'"(/static/screen\.css\?v=[0-9a-f]+)"', web_client.get(HOME).text)
    kept = web_client.get(style)
    assert kept.content == (FOLDER / "screen.css").read_bytes()
    assert kept.headers["cache-control"] == "public, max-age=31536000, immutable"
    for other in ("/static/screen.css", "/static/screen.css?v=0123456789abcdef"):
        asked_again = web_client.get(other)
        assert asked_again.headers["cache-control"] == "public, no-cache"
        unchanged = {"If-None-Match": asked_again.headers["etag"]}
        assert web_client.get(other, headers=unchanged).status_code == 304
    assert web_client.get("/static/nothing.css?v=1").headers["cache-control"] == "no-store"


@pytest.mark.parametrize(
    "path",
    [
        "/static/../settings.py",
        "/static/%2e%2e/settings.py",
        "/static/..%2fsettings.py",
        "/static//etc/passwd",
        "/static/%2fetc%2fpasswd",
        "/static/vendor/../../app.py",
        "/static/%00",
        "/static/",
        "/static/vendor",
    ],
)
def test_nothing_but_our_files_is_static(web_client: TestClient, path: str) -> None:
    assert web_client.get(path).status_code in {404, 405}


def test_the_cookie_of_a_public_address_is_for_https_and_this_host_only(web_client: TestClient) -> None:
    cookie = web_client.get(HOME).headers["set-cookie"]
    assert cookie.startswith("__Host-prefecture=")
    assert {"httponly", "samesite=lax", "secure", "path=/", "max-age=28800"} <= {
        part.strip().lower() for part in cookie.split(";")
    }
    assert "domain" not in cookie.lower()


def test_on_this_computer_there_is_neither_https_nor_a_promise_of_it(screen_database: str, tmp_path: Path) -> None:
    settings = make_settings(screen_database, tmp_path, web_agent=CLERK, public_url="https://prefecture.mairie.example")
    with open_client(settings, peer="127.0.0.1") as client:
        headers = client.get(HOME).headers
    assert "strict-transport-security" not in headers
    assert headers["set-cookie"].startswith("prefecture=")
    assert "secure" not in headers["set-cookie"].lower()


@pytest.mark.parametrize(
    "value",
    [
        "x",
        "",
        "eyJ3aG8iOiAieCJ9",
        "eyJ3aG8iOiAiZWxlY3Rpb25zQGxpYnJldmlsbGUuZXhhbXBsZSJ9.aSVw8A.AAAAAAAAAAAAAAAAAAAAAAAAAAA",
        "é",
        "null",
    ],
)
def test_a_forged_cookie_is_nobodys(screen_database: str, tmp_path: Path, value: str) -> None:
    settings = make_settings(screen_database, tmp_path, **with_provider("http://127.0.0.1:1"))
    with open_client(settings) as client:
        answer = client.get(HOME, headers={b"Cookie": f"__Host-prefecture={value}".encode()})
    assert answer.status_code == 303
    assert answer.headers["location"] == "/connexion"


def test_a_cookie_of_another_key_is_forged(screen_database: str, tmp_path: Path, web_client: TestClient) -> None:
    token = token_of(web_client)
    stolen = web_client.cookies["__Host-prefecture"]
    settings = make_settings(screen_database, tmp_path, **with_provider("http://127.0.0.1:1", web_secret=None))
    with open_client(settings) as client:
        answer = client.post(HOME, data={"jeton": token}, headers={"Cookie": f"__Host-prefecture={stolen}"})
    assert answer.status_code == 401
