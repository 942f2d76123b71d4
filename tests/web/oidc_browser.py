"""A client between the screen, in this process, and a provider that listens on this computer."""

import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx2
from pydantic import SecretStr
from starlette.testclient import TestClient

from tests.parts.ports import LOOPBACK, free_port
from tests.parts.process import Process
from tests.parts.wait import wait_until
from tests.web.security_desk import PUBLIC, SECRET

CLIENT_ID = "module-prefecture"


def with_provider(issuer: str, **given: Any) -> dict[str, Any]:  # noqa: ANN401 — fields of WebSettings
    """Settings of a screen whose agents log in at this provider."""
    common = {
        "web_auth": "oidc",
        "public_url": PUBLIC,
        "web_secret": SecretStr(SECRET),
        "web_oidc_issuer": issuer,
        "web_oidc_unverified": issuer,
        "web_oidc_client_id": CLIENT_ID,
        "web_oidc_client_secret": SecretStr("client-secret"),
    }
    return common | given


def provider_variables(issuer: str) -> dict[str, str]:
    """The same settings as environment variables of a screen's process."""
    return {
        "PREFECTURE_WEB_AUTH": "oidc",
        "PREFECTURE_WEB_OIDC_ISSUER": issuer,
        "PREFECTURE_WEB_OIDC_UNVERIFIED": issuer,  # the mock does not tell whether addresses are verified
        "PREFECTURE_WEB_OIDC_CLIENT_ID": CLIENT_ID,
        "PREFECTURE_WEB_OIDC_CLIENT_SECRET": "client-secret",
    }


@contextmanager
def open_mock(folder: Path) -> Iterator[str]:
    """A provider where any typed name becomes `sub` and `email`; its issuer.

    It runs in a process of its own: it uses deprecated parts of Authlib, which warn.
    """
    port = free_port()
    command = [
        sys.executable,
        "-m",
        "oidc_provider_mock",
        "--port",
        str(port),
        "--require-nonce",
        "true",
    ]
    mock = Process(
        command, env={"PATH": os.environ["PATH"]}, folder=folder, log=folder / "provider.log"
    )
    issuer = f"http://{LOOPBACK}:{port}"
    try:
        wait_until(lambda: not mock.alive or _answers(issuer), message="the provider")
        assert mock.alive, (folder / "provider.log").read_text()
        yield issuer
    finally:
        mock.kill()


def _answers(issuer: str) -> bool:
    with suppress(httpx2.TransportError):
        return httpx2.get(f"{issuer}/.well-known/openid-configuration").status_code == 200
    return False


def ask_in(client: TestClient, at: str = "/") -> str:
    """Open a page without a login; the provider's address of the redirect."""
    to_door = client.get(at)
    assert to_door.status_code == 303, to_door.text
    to_provider = client.get(to_door.headers["location"])
    assert to_provider.status_code == 302, to_provider.text
    return to_provider.headers["location"]


def parameters(url: str) -> dict[str, str]:
    """The parameters of the query string."""
    return {
        name: values[0]
        for name, values in parse_qs(urlsplit(url).query, keep_blank_values=True).items()
    }


def answer_of_provider(url: str, form: Mapping[str, str]) -> str:
    """Fill in the provider's page; the redirect to our address, without the host."""
    back = httpx2.post(url, data=dict(form), follow_redirects=False)
    assert back.status_code in {302, 303}, back.text
    assert back.headers["location"].startswith(f"{PUBLIC}/connexion/retour?")
    return back.headers["location"].removeprefix(PUBLIC)


def log_in(client: TestClient, form: Mapping[str, str], at: str = "/") -> httpx2.Response:
    """The whole login; the screen's response to the provider's redirect."""
    return client.get(answer_of_provider(ask_in(client, at), form))


def come_in(client: TestClient) -> httpx2.Response:
    """The whole login at a provider that asks nothing; the screen's response to its redirect."""
    back = httpx2.get(ask_in(client), follow_redirects=False)
    assert back.status_code == 302, back.text
    return client.get(back.headers["location"].removeprefix(PUBLIC))
