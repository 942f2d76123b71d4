"""ProConnect's protocol, and a provider with wrong answers: no login succeeds."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest
from starlette.testclient import TestClient

from tests.web.oidc_browser import ask_in, with_provider
from tests.web.proconnect import SIRET, SUB, Bent, ProConnect, another_key
from tests.web.security_desk import CLERK_EMAIL, LIBREVILLE, PUBLIC, make_settings, open_client, token_of

HOME = f"/communes/{LIBREVILLE}/listes"


@pytest.fixture
def provider() -> Iterator[ProConnect]:
    provider = ProConnect(CLERK_EMAIL)
    with provider.running():
        yield provider


@pytest.fixture
def client(provider: ProConnect, screen_database: str, tmp_path: Path) -> Iterator[TestClient]:
    """A client of a screen with the settings of docs/operations.md for ProConnect."""
    given: dict[str, Any] = {"web_oidc_sirets": SIRET}
    with open_client(make_settings(screen_database, tmp_path, **with_provider(provider.issuer, **given))) as client:
        yield client


def _log_in(client: TestClient) -> httpx2.Response:
    back = httpx2.get(ask_in(client), follow_redirects=False)
    assert back.status_code == 302, back.text
    return client.get(back.headers["location"].removeprefix(PUBLIC))


def test_an_agent_comes_in(client: TestClient, provider: ProConnect) -> None:
    assert _log_in(client).headers["location"] == "/"
    assert client.get(HOME).status_code == 200
    assert provider.asked["scope"] == "openid email siret"
    assert provider.token_requests[0]["client_secret"] == "client-secret"
    assert provider.token_requests[0]["redirect_uri"] == f"{PUBLIC}/connexion/retour"


def test_a_provider_that_changed_its_keys(client: TestClient, provider: ProConnect) -> None:
    _log_in(client)
    client.cookies.clear()
    provider.renew_key()
    _log_in(client)
    assert client.get(HOME).status_code == 200


def test_nothing_was_kept_in_the_cookie_that_is_too_large_for_one(client: TestClient) -> None:
    _log_in(client)
    token_of(client)
    assert len(client.cookies["__Host-prefecture"]) < 1000


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
        pytest.param(Bent(info={"email": None}), id="no address"),
        pytest.param(Bent(info={"email_verified": False}), id="an address that is not verified"),
        pytest.param(Bent(metadata={"issuer": "https://evil.example"}), id="a document of another provider"),
        pytest.param(Bent(metadata={"jwks_uri": None}), id="a document without keys"),
        pytest.param(Bent(metadata={"jwks_uri": "http://127.0.0.1:1/"}), id="keys that are away"),
        pytest.param(Bent(metadata={"token_endpoint": "http://127.0.0.1:1/"}), id="a token page that is away"),
        pytest.param(Bent(metadata={"userinfo_endpoint": "http://127.0.0.1:1/"}), id="an info page that is away"),
        pytest.param(Bent(metadata={"userinfo_endpoint": None}), id="an info page that is not there"),
    ],
)
def test_a_provider_that_is_not_to_be_believed(client: TestClient, provider: ProConnect, bent: Bent) -> None:
    provider.bent = bent
    to_provider = client.get("/connexion")
    if to_provider.status_code == 302:
        back = httpx2.get(to_provider.headers["location"], follow_redirects=False)
        answer = client.get(back.headers["location"].removeprefix(PUBLIC))
    else:
        answer = to_provider
    assert answer.status_code in {403, 503}
    assert "Identification impossible" in answer.text
    assert client.get(HOME).status_code == 303
