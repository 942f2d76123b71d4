"""Authentication without a provider; every route: other communes, strangers, forged forms, wrong methods.

The security headers, and what browsers may cache; files in both directions: only recorded files leave.
"""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from pydantic import SecretStr
from starlette.routing import Route
from starlette.testclient import TestClient

from producers.web.security.limits import FILE_BYTES, FORM_BYTES
from producers.web.templating import FOLDER
from tests.web.oidc_browser import with_provider
from tests.web.security_desk import (
    CLERK,
    CLERK_EMAIL,
    COMMUNE_PAGES,
    CONTENT,
    FILE,
    GRANDVILLE,
    HOST,
    LIBREVILLE,
    NEIGHBOUR,
    PAGES,
    PROXY,
    PUBLIC,
    SECRET,
    address,
    behind_proxy,
    execute,
    make_settings,
    open_client,
    sent_by,
    token_of,
)

HOME = f"/communes/{LIBREVILLE}/listes"


@pytest.fixture
def alone(screen_database: str, tmp_path: Path) -> Iterator[TestClient]:
    """The screen of one computer, for LIBREVILLE's agent."""
    settings = make_settings(screen_database, tmp_path, web_agent=CLERK)
    with open_client(settings, peer="127.0.0.1") as client:
        yield client


def test_alone_the_agent_is_at_home(alone: TestClient) -> None:
    assert alone.get("/").headers["location"] == f"/communes/{LIBREVILLE}/taches"
    assert CLERK in alone.get(HOME).text


@pytest.mark.parametrize(
    "host", ["127.0.0.1", "127.0.0.1:8000", "localhost:8001", "LOCALHOST", "[::1]:8000", "[::1]"]
)
def test_alone_this_computers_names_are_known(alone: TestClient, host: str) -> None:
    assert alone.get(HOME, headers={"Host": host}).status_code == 200


@pytest.mark.parametrize(
    "host",
    [
        "evil.example",
        "127.0.0.1.evil.example",
        "localhost.evil.example:8000",
        "evil@127.0.0.1",
        "127.0.0.1@evil.example",
        "127.0.0.1:80:80",
        "127.0.0.1:",
        "127.0.0.1:x",
        "127.0.0.1/evil",
        "127.0.0.1, evil.example",
        "[::1",
        "2130706433",
        "192.0.2.1",
        "",
    ],
)
def test_alone_a_name_that_was_made_to_lead_here_is_refused(alone: TestClient, host: str) -> None:
    answer = alone.get(HOME, headers={"Host": host})
    assert answer.status_code == 400
    assert LIBREVILLE not in answer.text


def test_two_names_are_refused(alone: TestClient) -> None:
    assert (
        alone.get(HOME, headers=[("Host", "127.0.0.1"), ("Host", "127.0.0.1")]).status_code == 400
    )


@pytest.mark.parametrize(
    "header", ["X-Forwarded-For", "Forwarded", "X-Real-IP", "X-Forwarded-Host"]
)
def test_alone_nobody_comes_through_a_proxy(alone: TestClient, header: str) -> None:
    assert alone.get(HOME, headers={header: "127.0.0.1"}).status_code == 403


def test_alone_a_form_of_another_program_of_this_computer_is_refused(alone: TestClient) -> None:
    token = token_of(alone)
    for origin, status in (("http://127.0.0.1:9999", 403), ("http://localhost:8000", 403)):
        assert (
            alone.post(HOME, data={"jeton": token}, headers={"Origin": origin}).status_code
            == status
        )
    ours = alone.post(HOME, data={"jeton": token}, headers={"Origin": "http://127.0.0.1:8000"})
    assert ours.status_code != 403


@pytest.mark.parametrize("name", ["", "inconnu"])
def test_alone_and_not_one_of_the_agents(screen_database: str, tmp_path: Path, name: str) -> None:
    """There are two agents: without a name the screen does not guess which."""
    with open_client(
        make_settings(screen_database, tmp_path, web_agent=name), peer="127.0.0.1"
    ) as client:
        answer = client.get("/")
    assert answer.status_code == 403
    assert "PREFECTURE_WEB_AGENT" in answer.text


def test_a_proxy_may_know_agents_by_their_address(screen_database: str, tmp_path: Path) -> None:
    settings = make_settings(screen_database, tmp_path, **behind_proxy())
    with open_client(settings, agent=CLERK_EMAIL.upper()) as client:
        assert CLERK in client.get(HOME).text


@pytest.mark.parametrize("peer", ["10.1.2.4", "127.0.0.1", "::1", "203.0.113.9"])
def test_the_header_of_anybody_else_is_refused(
    screen_database: str, tmp_path: Path, peer: str
) -> None:
    settings = make_settings(screen_database, tmp_path, **behind_proxy())
    with open_client(settings, peer=peer, agent=CLERK) as client:
        forged = client.get(HOME, headers={"X-Forwarded-For": PROXY})
        assert forged.status_code == 403
        assert "LIBREVILLE" not in forged.text
        del client.headers["X-Remote-User"]
        assert client.get(HOME).status_code == 401


def test_a_name_that_was_written_twice_is_refused(web_client: TestClient) -> None:
    del web_client.headers["X-Remote-User"]
    twice = [("X-Remote-User", NEIGHBOUR), ("X-Remote-User", CLERK)]
    assert web_client.get(HOME, headers=twice).status_code == 403


def test_a_proxy_shows_its_secret(screen_database: str, tmp_path: Path) -> None:
    settings = make_settings(
        screen_database, tmp_path, **behind_proxy(web_proxy_secret=SecretStr(SECRET))
    )
    with open_client(settings, agent=CLERK) as client:
        del client.headers["X-Prefecture-Secret"]
        assert client.get(HOME).status_code == 403
        assert client.get(HOME, headers={"X-Prefecture-Secret": "x" * 40}).status_code == 403
        assert client.get(HOME, headers={"X-Prefecture-Secret": SECRET}).status_code == 200


@pytest.mark.parametrize(
    "name", ["inconnu", "mairie-libreville'--", "MAIRIE-LIBREVILLE", "é" * 200]
)
def test_who_is_not_in_the_table_is_told_whom_to_ask(web_client: TestClient, name: str) -> None:
    answer = web_client.get("/", headers={b"X-Remote-User": name.encode()})
    assert answer.status_code == 403
    assert "Demandez à l'administrateur du module Préfecture" in answer.text
    assert "location" not in answer.headers


def test_what_names_an_agent_is_shown_as_text(web_client: TestClient) -> None:
    answer = web_client.get("/", headers={"X-Remote-User": "<script>alert(1)</script>"})
    assert "<script>alert" not in answer.text
    assert "&lt;script&gt;" in answer.text


def test_rights_are_those_of_this_moment(web_client: TestClient, screen_database: str) -> None:
    assert web_client.get(HOME).status_code == 200
    execute(screen_database, "UPDATE agent SET code_commune = '13901' WHERE code_commune = '13900'")
    assert web_client.get(HOME).status_code == 404
    execute(screen_database, "DELETE FROM agent")
    assert web_client.get(HOME).status_code == 403


def test_the_next_person_at_this_browser_begins_anew(web_client: TestClient) -> None:
    token = token_of(web_client)
    answer = web_client.post(
        "/communes/13901/listes",
        data={"jeton": token},
        headers={"X-Remote-User": NEIGHBOUR, "Origin": PUBLIC},
    )
    assert answer.status_code == 403


@pytest.mark.slow
def test_without_a_listed_proxy_the_screen_is_closed(screen_database: str, tmp_path: Path) -> None:
    settings = make_settings(screen_database, tmp_path, web_auth="proxy", web_host="0.0.0.0")  # noqa: S104 — in a container
    with open_client(settings, peer="127.0.0.1", agent=CLERK) as client:
        assert client.get("/").status_code == 403
        del client.headers["X-Remote-User"]
        answer = client.get("/", headers={"Host": "localhost:8000"})
        assert answer.status_code == 401
        assert "PREFECTURE_WEB_AUTH" in answer.text
        assert client.get("/sante").status_code == 200


@pytest.mark.parametrize(
    "host", ["evil.example", "127.0.0.1", f"{HOST}.evil.example", f"evil.{HOST}"]
)
def test_behind_a_proxy_only_the_public_name_is_known(web_client: TestClient, host: str) -> None:
    assert web_client.get(HOME, headers={"Host": host, "X-Forwarded-Host": HOST}).status_code == 400


def test_links_have_no_host(web_client: TestClient) -> None:
    page = web_client.get(HOME, headers={"X-Forwarded-Host": "evil.example"}).text
    assert HOST not in page
    assert "evil.example" not in page
    assert f'href="/communes/{LIBREVILLE}/' in page


OPEN_TO_ALL = {"connexion", "deconnecte", "deconnexion", "ouvrir", "retour", "sante", "vie"}
"""Login and health routes; test_security_oidc.py and test_solo_run.py test the login."""

OF_A_FILE = [
    route for route in COMMUNE_PAGES if "{export}" in route.path or "{demande}" in route.path
]
POSTS = [route for route in COMMUNE_PAGES if "POST" in (route.methods or ())]
BRING_FILES = {"registre", "verifier"}
"""Routes with a file in the form, which have a limit of their own."""


def _name(route: Route) -> str:
    return route.name


def _methods(route: Route) -> set[str]:
    return set(route.methods or ()) & {"GET", "POST"}


@pytest.fixture
def neighbour(screen_database: str, tmp_path: Path) -> Iterator[TestClient]:
    """GRANDVILLE's agent."""
    with open_client(
        make_settings(screen_database, tmp_path, **behind_proxy()), agent=NEIGHBOUR
    ) as client:
        yield client


def test_the_table_is_what_we_think() -> None:
    assert len(COMMUNE_PAGES) > 5
    assert {route.name for route in PAGES} >= OPEN_TO_ALL | {"listes", "fichier", "piece", "export"}
    beside = {route.name for route in PAGES if route not in COMMUNE_PAGES}
    assert beside - OPEN_TO_ALL == {"start", "demande_sans_commune"}


@pytest.mark.parametrize(
    ("route", "commune"),
    [
        *((route, LIBREVILLE) for route in COMMUNE_PAGES),
        *((route, GRANDVILLE) for route in OF_A_FILE),
    ],
    ids=lambda it: it if isinstance(it, str) else it.name,
)
def test_another_communes_agent_finds_nothing(
    neighbour: TestClient, route: Route, commune: str
) -> None:
    """Neither under the other commune's address, nor its file under the agent's own."""
    token = token_of(neighbour, GRANDVILLE)
    for method in _methods(route):
        data = {"jeton": token} if method == "POST" else None
        answer = neighbour.request(method, address(route, commune), data=data)
        assert answer.status_code == 404, method
        assert "LIBREVILLE" not in answer.text
        assert "INVENTE" not in answer.text


@pytest.mark.slow
@pytest.mark.parametrize("route", OF_A_FILE, ids=_name)
def test_what_is_no_number_is_not_found(web_client: TestClient, route: Route) -> None:
    token = token_of(web_client)
    for number in (
        "0",
        "-1",
        "1.0",
        "1e3",
        "²",
        "9" * 30,
        "x",
        "1;2",
        "..",
        "%2e%2e",
        "1%00",
        "1%0a",
    ):
        path = (
            route.path.replace("{commune}", LIBREVILLE)
            .replace("{export}", number)
            .replace("{demande}", number)
        )
        for method in _methods(route):
            data = {"jeton": token} if method == "POST" else None
            assert web_client.request(method, path, data=data).status_code in {404, 405}, (
                method,
                number,
            )


@pytest.mark.parametrize("route", COMMUNE_PAGES, ids=_name)
def test_a_number_of_another_commune_in_a_form_or_after_a_question_mark_is_nobodys(
    neighbour: TestClient, route: Route
) -> None:
    """The agent's commune in the address, LIBREVILLE's file everywhere else."""
    token, own = token_of(neighbour, GRANDVILLE), address(route, GRANDVILLE, number=2)
    fields = {
        "export": "1",
        "exports": "1",
        "commune": LIBREVILLE,
        "demande": "1",
        "jour": "2026-11-25",
    }
    for method in _methods(route):
        asked = {"data": {**fields, "jeton": token}} if method == "POST" else {"params": fields}
        answer = neighbour.request(method, own, **asked)  # type: ignore[arg-type]
        assert answer.status_code < 500, (method, answer.text)
        assert b"INVENTE" not in answer.content
        assert "LIBREVILLE" not in answer.text
        assert FILE not in answer.text
    for data in (event.data for event in sent_by(neighbour)):
        assert data["commune"] == GRANDVILLE
        assert 1 not in [*(data.get("exports") or []), data.get("export")]


def test_a_request_of_another_commune_is_not_found_without_its_commune_either(
    neighbour: TestClient,
) -> None:
    assert neighbour.get("/demandes/1").status_code == 404
    assert neighbour.get("/demandes/2").headers["location"] == f"/communes/{GRANDVILLE}/demandes/2"


@pytest.mark.parametrize(
    "route", [route for route in PAGES if route.name not in OPEN_TO_ALL], ids=_name
)
def test_nobody_in_particular_sees_nothing(stranger: TestClient, route: Route) -> None:
    for method in _methods(route):
        answer = stranger.request(method, address(route, LIBREVILLE).replace("{demande:int}", "1"))
        assert answer.status_code == 401, method
        assert "LIBREVILLE" not in answer.text
        assert "Vous n&#39;êtes pas identifié" in answer.text


@pytest.mark.parametrize("route", POSTS, ids=_name)
def test_a_form_of_another_site_is_refused(web_client: TestClient, route: Route) -> None:
    token = token_of(web_client)
    for headers in (
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Origin": f"http://{HOST}"},
        {"Origin": f"{PUBLIC}:8443"},
        {"Origin": f"{PUBLIC}.evil.example"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site", "Origin": PUBLIC},
        {"Sec-Fetch-Site": "none"},
    ):
        answer = web_client.post(address(route, LIBREVILLE), data={"jeton": token}, headers=headers)
        assert answer.status_code == 403, headers
        assert "Demande refusée" in answer.text


@pytest.mark.parametrize("route", POSTS, ids=_name)
def test_a_form_without_this_sessions_token_is_refused(
    web_client: TestClient, route: Route
) -> None:
    token_of(web_client)
    for forged in ([], [""], ["x" * 43], ["é"], ["", "x"]):
        answer = web_client.post(
            address(route, LIBREVILLE), data={"jeton": forged}, headers={"Origin": PUBLIC}
        )
        assert answer.status_code == 403, forged


@pytest.mark.parametrize("route", POSTS, ids=_name)
def test_the_token_of_another_session_is_refused(web_client: TestClient, route: Route) -> None:
    token = token_of(web_client)
    web_client.cookies.clear()
    assert token_of(web_client) != token
    assert web_client.post(address(route, LIBREVILLE), data={"jeton": token}).status_code == 403


@pytest.mark.parametrize("route", [it for it in POSTS if it.name not in BRING_FILES], ids=_name)
def test_a_form_is_small(web_client: TestClient, route: Route) -> None:
    path, token = address(route, LIBREVILLE), token_of(web_client)
    announced = web_client.post(path, data={"jeton": token, "remarque": "x" * FORM_BYTES})
    assert announced.status_code == 413
    assert "un formulaire 128 Ko" in announced.text.replace("\u202f", " ").replace("\u00a0", " ")
    pieces = (
        b"jeton=" + token.encode() if not number else b"&a=" + b"x" * 65_536 for number in range(20)
    )
    in_pieces = web_client.post(
        path, content=pieces, headers={"Content-Type": "application/x-www-form-urlencoded"}
    )
    assert "content-length" not in in_pieces.request.headers
    assert in_pieces.status_code == 413


@pytest.mark.parametrize(
    "route", [*PAGES, None], ids=lambda route: route.name if route else "static"
)
def test_no_page_knows_another_method(web_client: TestClient, route: Route | None) -> None:
    path = address(route, LIBREVILLE) if route else "/static/screen.css"
    for method in ("TRACE", "PUT", "DELETE", "PATCH", "OPTIONS", "CONNECT", "PROPFIND"):
        answer = web_client.request(method, path.replace("{demande:int}", "1"))
        assert answer.status_code == 405, method
        assert "X-Remote-User" not in answer.text


@pytest.mark.parametrize(
    "route", [route for route in COMMUNE_PAGES if _methods(route) == {"POST"}], ids=_name
)
def test_what_changes_something_is_never_a_get(web_client: TestClient, route: Route) -> None:
    for method in ("GET", "HEAD"):
        assert web_client.request(method, address(route, LIBREVILLE)).status_code == 405


@pytest.mark.parametrize(
    "commune", ["13900 ", "1390", "LIBREVILLE", "%2e%2e", "13900%00", "*", "13900%2f..", "²²²²²"]
)
def test_only_the_code_itself_names_a_commune(web_client: TestClient, commune: str) -> None:
    assert web_client.get(f"/communes/{commune}/listes").status_code == 404


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
def test_no_address_leads_out_of_the_record(
    web_client: TestClient, tmp_path: Path, path: str
) -> None:
    (tmp_path / "secret").write_text("INVENTE")
    answer = web_client.get(path)
    assert answer.status_code == 404
    assert "INVENTE" not in answer.text


def test_a_dropped_file_may_be_larger_than_a_form(web_client: TestClient) -> None:
    dropped = {"fichier": ("liste.csv", b"x" * (2 * FORM_BYTES), "text/csv")}
    answer = web_client.post(VERIFY, data={"jeton": token_of(web_client)}, files=dropped)
    assert answer.status_code not in {400, 403, 413}


def test_a_dropped_file_has_its_limit_too(web_client: TestClient) -> None:
    announced = {
        "Content-Length": str(FILE_BYTES + 1),
        "Content-Type": "multipart/form-data; boundary=x",
    }
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
        (
            "multipart/form-data; boundary=x",
            b"--x\r\nContent-Disposition: form-data; name=\r\n\r\n",
        ),
        ("multipart/form-data; boundary=" + "x" * 5000, b"x"),
        ("application/x-www-form-urlencoded", b"%ff=%ff&" * 300),
        ("application/json", b"{"),
        ("text/plain; charset=nothing", b"x"),
        (
            "multipart/form-data;boundary=b; charset=undefined",
            b"--b\r\nContent-Disposition: form-data; name=a\r\n\r\n",
        ),
        ("", b""),
    ],
)
def test_a_form_that_is_none_is_refused(web_client: TestClient, kind: str, body: bytes) -> None:
    token_of(web_client)
    for page in (VERIFY, f"/communes/{LIBREVILLE}/listes"):
        assert web_client.post(page, content=body, headers={"Content-Type": kind}).status_code in {
            400,
            403,
        }


def test_a_file_of_another_commune_is_unknown(screen_database: str, tmp_path: Path) -> None:
    """A file that GRANDVILLE's agent uploads reveals nothing of LIBREVILLE, even with the bytes of its file."""
    with open_client(
        make_settings(screen_database, tmp_path, **behind_proxy()), agent=NEIGHBOUR
    ) as client:
        page = f"/communes/{GRANDVILLE}/verifier"
        dropped = {"fichier": ("liste.csv", CONTENT, "text/csv")}
        answer = client.post(
            page, data={"jeton": token_of(client, GRANDVILLE)}, files=dropped, follow_redirects=True
        )
    assert answer.status_code < 500
    assert "LIBREVILLE" not in answer.text
    assert FILE not in answer.text
    assert "25/11/2026 09:30" not in answer.text


ANSWERS = (
    HOME,
    "/",
    "/static/screen.css",
    "/static/nothing.css",
    "/nowhere",
    "/sante",
    "/communes/13901/listes",
)


@pytest.mark.parametrize("path", ANSWERS)
def test_every_answer_has_them(web_client: TestClient, path: str) -> None:
    headers = web_client.get(path).headers
    policy = dict(
        part.strip().split(" ", 1) for part in headers["content-security-policy"].split(";")
    )
    assert policy["default-src"] == "'none'"
    assert {policy[name] for name in ("script-src", "style-src", "connect-src", "form-action")} == {
        "'self'"
    }
    assert {policy[name] for name in ("frame-ancestors", "base-uri")} == {"'none'"}
    assert "unsafe" not in headers["content-security-policy"]
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["x-frame-options"] == "DENY"
    assert headers["referrer-policy"] == "same-origin"
    assert (
        headers["cross-origin-opener-policy"]
        == headers["cross-origin-resource-policy"]
        == "same-origin"
    )
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


def test_a_file_of_ours_is_kept_for_ever_under_the_hash_of_its_content(
    web_client: TestClient,
) -> None:
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


def test_the_cookie_of_a_public_address_is_for_https_and_this_host_only(
    web_client: TestClient,
) -> None:
    cookie = web_client.get(HOME).headers["set-cookie"]
    assert cookie.startswith("__Host-prefecture=")
    assert {"httponly", "samesite=lax", "secure", "path=/", "max-age=28800"} <= {
        part.strip().lower() for part in cookie.split(";")
    }
    assert "domain" not in cookie.lower()


def test_on_this_computer_there_is_neither_https_nor_a_promise_of_it(
    screen_database: str, tmp_path: Path
) -> None:
    settings = make_settings(
        screen_database, tmp_path, web_agent=CLERK, public_url="https://prefecture.mairie.example"
    )
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


def test_a_cookie_of_another_key_is_forged(
    screen_database: str, tmp_path: Path, web_client: TestClient
) -> None:
    token = token_of(web_client)
    stolen = web_client.cookies["__Host-prefecture"]
    settings = make_settings(
        screen_database, tmp_path, **with_provider("http://127.0.0.1:1", web_secret=None)
    )
    with open_client(settings) as client:
        answer = client.post(
            HOME, data={"jeton": token}, headers={"Cookie": f"__Host-prefecture={stolen}"}
        )
    assert answer.status_code == 401
