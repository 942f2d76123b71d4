"""Agents who log in at a provider: a mock with OpenID Connect over HTTP, and ProConnect, right and wrong answers."""

from collections.abc import Iterator
from http.cookies import SimpleCookie
from pathlib import Path
from typing import Any

import httpx2
import pytest
from starlette.testclient import TestClient

from tests.web.oidc_browser import (
    CLIENT_ID,
    answer_of_provider,
    ask_in,
    come_in,
    log_in,
    open_mock,
    parameters,
    with_provider,
)
from tests.web.proconnect import SIRET, SUB, Bent, ProConnect, another_key
from tests.web.security_desk import (
    CLERK,
    CLERK_EMAIL,
    LIBREVILLE,
    PUBLIC,
    execute,
    make_settings,
    open_client,
    token_of,
)

HOME = f"/communes/{LIBREVILLE}/listes"
CLERK_FORM = {"sub": CLERK_EMAIL}


@pytest.fixture(scope="module")
def issuer(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Any typed name becomes `sub` and `email`."""
    with open_mock(tmp_path_factory.mktemp("provider")) as issuer:
        yield issuer


@pytest.fixture
def client(issuer: str, screen_database: str, tmp_path: Path) -> Iterator[TestClient]:
    """A client without a login."""
    with open_client(make_settings(screen_database, tmp_path, **with_provider(issuer))) as client:
        yield client


def test_an_agent_logs_in_and_comes_to_the_page_that_she_opened(client: TestClient) -> None:
    back = log_in(client, CLERK_FORM, at=f"{HOME}?page=2")
    assert (back.status_code, back.headers["location"]) == (303, HOME)
    assert CLERK in client.get(HOME).text


def test_what_the_provider_is_asked(client: TestClient) -> None:
    asked = parameters(ask_in(client))
    assert asked["response_type"] == "code"
    assert asked["client_id"] == CLIENT_ID
    assert asked["redirect_uri"] == f"{PUBLIC}/connexion/retour"
    assert asked["code_challenge_method"] == "S256"
    assert len(asked["code_challenge"]) == 43
    assert min(len(asked["state"]), len(asked["nonce"])) >= 32
    assert set(asked["scope"].split()) == {"openid", "email"}
    again = parameters(ask_in(client))
    assert not {asked[name] for name in ("state", "nonce", "code_challenge")} & set(again.values())


def test_the_session_is_a_new_one(client: TestClient) -> None:
    url = ask_in(client)
    before = client.cookies["__Host-prefecture"]
    back = client.get(answer_of_provider(url, CLERK_FORM))
    cookie = SimpleCookie(back.headers["set-cookie"])["__Host-prefecture"]
    assert cookie.value != before
    assert (cookie["secure"], cookie["httponly"], cookie["path"], cookie["domain"]) == (
        True,
        True,
        "/",
        "",
    )
    assert cookie["samesite"].lower() == "lax"
    client.cookies.clear()
    assert client.get(HOME, headers={"Cookie": f"__Host-prefecture={before}"}).status_code == 303
    assert (
        client.get(HOME, headers={"Cookie": f"__Host-prefecture={cookie.value}"}).status_code == 200
    )


@pytest.mark.parametrize("name", ["state", "code"])
@pytest.mark.parametrize("value", ["", "forged", None])
def test_an_answer_that_was_not_asked_for_is_refused(
    client: TestClient, name: str, value: str | None
) -> None:
    query = parameters(answer_of_provider(ask_in(client), CLERK_FORM)) | (
        {name: value} if value is not None else {}
    )
    if value is None:
        del query[name]
    refused = client.get("/connexion/retour", params=query)
    assert refused.status_code == 403
    assert "Identification impossible" in refused.text
    assert client.get(HOME).status_code == 303


def test_an_answer_is_good_once_and_in_one_browser(client: TestClient) -> None:
    path = answer_of_provider(ask_in(client), CLERK_FORM)
    mine = {"Cookie": f"__Host-prefecture={client.cookies['__Host-prefecture']}"}
    client.cookies.clear()
    for cookies, status in (({}, 403), (mine, 303), (mine, 403)):
        assert client.get(path, headers=cookies).status_code == status
        client.cookies.clear()


def test_the_answer_of_another_provider_is_refused(client: TestClient) -> None:
    path = answer_of_provider(ask_in(client), CLERK_FORM)
    assert client.get(f"{path}&iss=https://evil.example").status_code == 403


@pytest.mark.parametrize(
    ("code", "words"),
    [
        ("access_denied", "Vous avez renoncé"),
        ("temporarily_unavailable", "indisponible"),
        ("<script>", "n&#39;admet pas"),
    ],
)
def test_what_the_provider_refuses_is_said_in_french(
    client: TestClient, code: str, words: str
) -> None:
    answer = client.get(
        "/connexion/retour", params={"error": code, "error_description": "INVENTE", "state": "x"}
    )
    assert answer.status_code in {403, 503}
    assert words in answer.text
    assert "INVENTE" not in answer.text
    assert "<script>" not in answer.text


def test_a_provider_that_is_away(screen_database: str, tmp_path: Path) -> None:
    settings = make_settings(screen_database, tmp_path, **with_provider("http://127.0.0.1:1"))
    with open_client(settings) as client:
        answer = client.get("/connexion")
    assert answer.status_code == 503
    assert "ne répond pas" in answer.text


def test_who_is_not_an_agent_is_told_whom_to_ask_and_may_leave(client: TestClient) -> None:
    log_in(client, {"sub": "nobody@mairie.example"})
    answer = client.get("/")
    assert answer.status_code == 403
    assert "nobody@mairie.example" in answer.text
    assert "Demandez à l'administrateur" in answer.text
    assert 'action="/deconnexion"' in answer.text


def test_a_letter_that_looks_like_another_is_another(
    issuer: str, client: TestClient, screen_database: str
) -> None:
    """The Kelvin sign becomes a `k` in lower case, and another person may own that address."""
    execute(
        screen_database,
        "UPDATE agent SET email = 'kiosque@libreville.example' WHERE code_commune = '13900'",
    )
    for email, status in (
        ("\u212aiosque@libreville.example", 403),
        ("Kiosque@libreville.example", 303),
    ):
        assert httpx2.put(f"{issuer}/users/kelvin", json={"email": email}).status_code == 204
        log_in(client, {"sub": "kelvin"})
        assert client.get("/").status_code == status
        client.cookies.clear()


def test_logging_out_ends_the_session_here_and_at_the_provider(client: TestClient) -> None:
    log_in(client, CLERK_FORM)
    token = token_of(client)
    copied = client.cookies["__Host-prefecture"]
    left = client.post("/deconnexion", data={"jeton": token}, headers={"Origin": PUBLIC})
    assert left.status_code == 200
    onward = left.headers["refresh"].removeprefix("0; url=")
    assert "/oauth2/end_session?" in onward
    asked = parameters(onward)
    assert asked["id_token_hint"].count(".") == 2
    assert asked["post_logout_redirect_uri"] == f"{PUBLIC}/deconnexion/faite"
    assert "Vous êtes déconnecté" in client.get("/deconnexion/faite").text
    assert client.get(HOME).status_code == 303
    client.cookies.clear()
    assert client.get(HOME, headers={"Cookie": f"__Host-prefecture={copied}"}).status_code == 303


@pytest.mark.parametrize("data", [{}, {"jeton": "forged"}])
def test_nobody_logs_an_agent_out_from_elsewhere(client: TestClient, data: dict[str, str]) -> None:
    log_in(client, CLERK_FORM)
    assert client.post("/deconnexion", data=data).status_code == 403
    assert client.get("/deconnexion").status_code == 405
    assert client.get(HOME).status_code == 200


@pytest.fixture
def screen(provider: ProConnect, screen_database: str, tmp_path: Path) -> Iterator[TestClient]:
    """A client of a screen with the settings of docs/operations.md for ProConnect."""
    given: dict[str, Any] = {"web_oidc_sirets": SIRET}
    with open_client(
        make_settings(screen_database, tmp_path, **with_provider(provider.issuer, **given))
    ) as screen:
        yield screen


def test_an_agent_comes_in(screen: TestClient, provider: ProConnect) -> None:
    assert come_in(screen).headers["location"] == "/"
    assert screen.get(HOME).status_code == 200
    assert provider.asked["scope"] == "openid email siret"
    assert provider.token_requests[0]["client_secret"] == "client-secret"
    assert provider.token_requests[0]["redirect_uri"] == f"{PUBLIC}/connexion/retour"


def test_a_provider_that_changed_its_keys(screen: TestClient, provider: ProConnect) -> None:
    come_in(screen)
    screen.cookies.clear()
    provider.renew_key()
    come_in(screen)
    assert screen.get(HOME).status_code == 200


def test_nothing_was_kept_in_the_cookie_that_is_too_large_for_one(screen: TestClient) -> None:
    come_in(screen)
    token_of(screen)
    assert len(screen.cookies["__Host-prefecture"]) < 1000


@pytest.mark.parametrize(
    "bent",
    [
        pytest.param(Bent(token_key=another_key()), id="another key"),
        pytest.param(Bent(token={"iss": "https://evil.example"}), id="another issuer"),
        pytest.param(Bent(token={"aud": "another-application"}), id="another audience"),
        pytest.param(
            Bent(token={"aud": "another-application", "azp": "module-prefecture"}),
            id="another audience, said to be for us",
        ),
        pytest.param(Bent(token={"nonce": "n" * 43}), id="another nonce"),
        pytest.param(Bent(token={"nonce": None}), id="no nonce"),
        pytest.param(Bent(token={"exp": 1_000_000_000}), id="expired"),
        pytest.param(Bent(token={"exp": None}), id="no end"),
        pytest.param(Bent(token={"sub": None}), id="no subject"),
        pytest.param(Bent(without_id_token=True), id="no identity token"),
        pytest.param(Bent(info_key=another_key()), id="info by another key"),
        pytest.param(Bent(unsigned_info=True), id="info that nobody signed"),
        pytest.param(Bent(info={"iss": "https://evil.example"}), id="info of another issuer"),
        pytest.param(Bent(info={"aud": "another-application"}), id="info for another audience"),
        pytest.param(Bent(info={"exp": 1_000_000_000}), id="info that is expired"),
        pytest.param(Bent(info={"sub": f"{SUB}x"}), id="info of another person"),
        pytest.param(Bent(info_type="application/json"), id="info that is no JSON"),
        pytest.param(Bent(info={"siret": "21750001600019"}), id="another employer"),
        pytest.param(Bent(info={"siret": None}), id="no employer"),
        *(
            pytest.param(Bent(info={"email": it}), id=f"the address {it}")
            for it in (None, "", ["a"])
        ),
        pytest.param(Bent(info={"email_verified": False}), id="an address that is not verified"),
        pytest.param(
            Bent(metadata={"issuer": "https://evil.example"}), id="a document of another provider"
        ),
        pytest.param(Bent(metadata={"jwks_uri": None}), id="a document without keys"),
        pytest.param(Bent(metadata={"jwks_uri": "http://127.0.0.1:1/"}), id="keys that are away"),
        pytest.param(
            Bent(metadata={"token_endpoint": "http://127.0.0.1:1/"}), id="a token page that is away"
        ),
        pytest.param(
            Bent(metadata={"userinfo_endpoint": "http://127.0.0.1:1/"}),
            id="an info page that is away",
        ),
        pytest.param(
            Bent(metadata={"userinfo_endpoint": None}), id="an info page that is not there"
        ),
    ],
)
def test_a_provider_that_is_not_to_be_believed(
    screen: TestClient, provider: ProConnect, bent: Bent
) -> None:
    provider.bent = bent
    to_provider = screen.get("/connexion")
    if to_provider.status_code == 302:
        back = httpx2.get(to_provider.headers["location"], follow_redirects=False)
        answer = screen.get(back.headers["location"].removeprefix(PUBLIC))
    else:
        answer = to_provider
    assert answer.status_code in {403, 503}
    assert "Identification impossible" in answer.text
    assert screen.get(HOME).status_code == 303
