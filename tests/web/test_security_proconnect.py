"""ProConnect's ways, and a provider that says what it should not: nobody comes in."""

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
    """A browser before a screen that is set as docs/operations.md says for ProConnect."""
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


BENT = {
    "another key": Bent(token_key=another_key()),
    "another issuer": Bent(token={"iss": "https://evil.example"}),
    "another audience": Bent(token={"aud": "another-application"}),
    "another audience, said to be for us": Bent(token={"aud": "another-application", "azp": "module-prefecture"}),
    "another nonce": Bent(token={"nonce": "n" * 43}),
    "no nonce": Bent(token={"nonce": None}),
    "expired": Bent(token={"exp": 1_000_000_000}),
    "no end": Bent(token={"exp": None}),
    "no subject": Bent(token={"sub": None}),
    "no identity token": Bent(without_id_token=True),
    "info by another key": Bent(info_key=another_key()),
    "info that nobody signed": Bent(unsigned_info=True),
    "info of another issuer": Bent(info={"iss": "https://evil.example"}),
    "info for another audience": Bent(info={"aud": "another-application"}),
    "info that is expired": Bent(info={"exp": 1_000_000_000}),
    "info of another person": Bent(info={"sub": f"{SUB}x"}),
    "info that is no JSON": Bent(info_type="application/json"),
    "another employer": Bent(info={"siret": "21750001600019"}),
    "no employer": Bent(info={"siret": None}),
    "no address": Bent(info={"email": None}),
    "an address that is not verified": Bent(info={"email_verified": False}),
    "a document of another provider": Bent(metadata={"issuer": "https://evil.example"}),
    "a document without keys": Bent(metadata={"jwks_uri": None}),
    "keys that are away": Bent(metadata={"jwks_uri": "http://127.0.0.1:1/"}),
    "a token page that is away": Bent(metadata={"token_endpoint": "http://127.0.0.1:1/"}),
    "an info page that is away": Bent(metadata={"userinfo_endpoint": "http://127.0.0.1:1/"}),
    "an info page that is not there": Bent(metadata={"userinfo_endpoint": None}),
}


@pytest.mark.parametrize("bent", BENT.values(), ids=BENT)
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
