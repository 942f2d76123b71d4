"""Authentication without a provider: only this computer's agent, or the agent whom a trusted proxy names."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from pydantic import SecretStr
from starlette.testclient import TestClient

from tests.web.security_desk import (
    CLERK,
    CLERK_EMAIL,
    HOST,
    LIBREVILLE,
    NEIGHBOUR,
    PROXY,
    PUBLIC,
    SECRET,
    behind_proxy,
    execute,
    make_settings,
    open_client,
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


@pytest.mark.parametrize("host", ["127.0.0.1", "127.0.0.1:8000", "localhost:8001", "LOCALHOST", "[::1]:8000", "[::1]"])
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
    assert alone.get(HOME, headers=[("Host", "127.0.0.1"), ("Host", "127.0.0.1")]).status_code == 400


@pytest.mark.parametrize("header", ["X-Forwarded-For", "Forwarded", "X-Real-IP", "X-Forwarded-Host"])
def test_alone_nobody_comes_through_a_proxy(alone: TestClient, header: str) -> None:
    assert alone.get(HOME, headers={header: "127.0.0.1"}).status_code == 403


def test_alone_a_form_of_another_program_of_this_computer_is_refused(alone: TestClient) -> None:
    token = token_of(alone)
    for origin, status in (("http://127.0.0.1:9999", 403), ("http://localhost:8000", 403)):
        assert alone.post(HOME, data={"jeton": token}, headers={"Origin": origin}).status_code == status
    ours = alone.post(HOME, data={"jeton": token}, headers={"Origin": "http://127.0.0.1:8000"})
    assert ours.status_code != 403


@pytest.mark.parametrize("name", ["", "inconnu"])
def test_alone_and_not_one_of_the_agents(screen_database: str, tmp_path: Path, name: str) -> None:
    """There are two agents: without a name the screen does not guess which."""
    with open_client(make_settings(screen_database, tmp_path, web_agent=name), peer="127.0.0.1") as client:
        answer = client.get("/")
    assert answer.status_code == 403
    assert "PREFECTURE_WEB_AGENT" in answer.text


def test_a_proxy_names_the_agent(web_client: TestClient) -> None:
    assert CLERK in web_client.get(HOME).text


def test_a_proxy_may_know_agents_by_their_address(screen_database: str, tmp_path: Path) -> None:
    settings = make_settings(screen_database, tmp_path, **behind_proxy())
    with open_client(settings, agent=CLERK_EMAIL.upper()) as client:
        assert CLERK in client.get(HOME).text


@pytest.mark.parametrize("peer", ["10.1.2.4", "127.0.0.1", "::1", "203.0.113.9"])
def test_the_header_of_anybody_else_is_refused(screen_database: str, tmp_path: Path, peer: str) -> None:
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
    settings = make_settings(screen_database, tmp_path, **behind_proxy(web_proxy_secret=SecretStr(SECRET)))
    with open_client(settings, agent=CLERK) as client:
        del client.headers["X-Prefecture-Secret"]
        assert client.get(HOME).status_code == 403
        assert client.get(HOME, headers={"X-Prefecture-Secret": "x" * 40}).status_code == 403
        assert client.get(HOME, headers={"X-Prefecture-Secret": SECRET}).status_code == 200


@pytest.mark.parametrize("name", ["inconnu", "mairie-libreville'--", "MAIRIE-LIBREVILLE", "é" * 200])
def test_who_is_not_in_the_table_is_told_whom_to_ask(web_client: TestClient, name: str) -> None:
    answer = web_client.get("/", headers={b"X-Remote-User": name.encode()})
    assert answer.status_code == 403
    assert "Demandez à l&#39;administrateur du module Préfecture" in answer.text
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
        "/communes/13901/listes", data={"jeton": token}, headers={"X-Remote-User": NEIGHBOUR, "Origin": PUBLIC}
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


@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1", f"{HOST}.evil.example", f"evil.{HOST}"])
def test_behind_a_proxy_only_the_public_name_is_known(web_client: TestClient, host: str) -> None:
    assert web_client.get(HOME, headers={"Host": host, "X-Forwarded-Host": HOST}).status_code == 400


def test_links_have_no_host(web_client: TestClient) -> None:
    page = web_client.get(HOME, headers={"X-Forwarded-Host": "evil.example"}).text
    assert HOST not in page
    assert "evil.example" not in page
    assert f'href="/communes/{LIBREVILLE}/' in page
