"""The screen's settings: a missing, wrong or dangerous value stops it before it listens, with a message in French."""

from ipaddress import ip_network

import pytest

from common.settings import PREFIX
from producers.errors import ProducerConfigurationError
from producers.web.settings import WebSettings, load_web_settings

SECRET = "s" * 32
OIDC = {
    "WEB_AUTH": "oidc",
    "PUBLIC_URL": "https://prefecture.mairie.example/",
    "WEB_OIDC_ISSUER": "https://identite.example/api/v2",
    "WEB_OIDC_CLIENT_ID": "module",
}


@pytest.fixture(autouse=True)
def _no_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.environ", {})


def _load(monkeypatch: pytest.MonkeyPatch, variables: dict[str, str]) -> WebSettings:
    monkeypatch.setattr("os.environ", {PREFIX + name: value for name, value in variables.items()})
    return load_web_settings()


def test_without_anything_the_screen_is_this_computers(monkeypatch: pytest.MonkeyPatch) -> None:
    settings = _load(monkeypatch, {})
    assert (settings.web_host, settings.web_auth, settings.is_https) == ("127.0.0.1", "none", False)


def test_words_and_networks_are_read(monkeypatch: pytest.MonkeyPatch) -> None:
    settings = _load(
        monkeypatch,
        OIDC
        | {
            "WEB_TRUSTED_PROXIES": "192.0.2.1, 2001:db8::/32  10.0.0.0/8",
            "WEB_OIDC_SIRETS": "21130001500015,21130055300014",
            "WEB_SECRET": SECRET,
        },
    )
    assert settings.web_trusted_proxies == tuple(
        map(ip_network, ("192.0.2.1", "2001:db8::/32", "10.0.0.0/8"))
    )
    assert settings.web_oidc_sirets == ("21130001500015", "21130055300014")
    assert settings.public_url == "https://prefecture.mairie.example"
    assert settings.is_https


@pytest.mark.parametrize(
    ("variables", "words"),
    [
        ({"WEB_HOST": "0.0.0.0"}, "l'écran n'écoute que sur 127.0.0.1"),  # noqa: S104 — refused
        ({"WEB_HOST": "192.0.2.1"}, "l'écran n'écoute que sur 127.0.0.1"),
        (
            {"WEB_SECRET": "court"},
            "PREFECTURE_WEB_SECRET : valeur refusée (32 caractères au moins sont attendus)",
        ),
        ({"WEB_PROXY_SECRET": "court"}, "PREFECTURE_WEB_PROXY_SECRET"),
        ({"WEB_TRUSTED_PROXIES": "proxy.example"}, "une adresse IP est attendue, ou un réseau"),
        ({"WEB_TRUSTED_PROXIES": "10.0.0.1/8"}, "une adresse IP est attendue, ou un réseau"),
        (
            {"WEB_AUTH": "proxy", "WEB_TRUSTED_PROXIES": "192.0.2.1"},
            "il manque PREFECTURE_PUBLIC_URL",
        ),
        (
            {
                "WEB_AUTH": "proxy",
                "WEB_TRUSTED_PROXIES": "192.0.2.1",
                "PUBLIC_URL": "https://x.example",
            },
            "il manque PREFECTURE_WEB_PROXY_SECRET",
        ),
        ({"WEB_AUTH": "oidc"}, "PREFECTURE_WEB_OIDC_ISSUER"),
        (OIDC | {"PUBLIC_URL": ""}, "il manque PREFECTURE_PUBLIC_URL"),
        (OIDC | {"WEB_OIDC_CLIENT_ID": ""}, "il manque PREFECTURE_WEB_OIDC_CLIENT_ID"),
        (
            OIDC | {"WEB_OIDC_ISSUER": "http://identite.example"},
            "une adresse https:// est attendue",
        ),
        ({"PUBLIC_URL": "prefecture.mairie.example"}, "une adresse sans chemin est attendue"),
        ({"PUBLIC_URL": "javascript://x"}, "une adresse sans chemin est attendue"),
        ({"PUBLIC_URL": "https://x.example/?a=b"}, "une adresse sans chemin est attendue"),
        ({"PUBLIC_URL": "https://x.example/prefecture"}, "une adresse sans chemin est attendue"),
        ({"WEB_TRUSTED_PROXY": "192.0.2.1"}, "vouliez-vous dire PREFECTURE_WEB_TRUSTED_PROXIES"),
        ({"WEB_AUTH": "basic"}, "les valeurs possibles sont none, proxy ou oidc"),
    ],
    ids=lambda it: it if isinstance(it, str) else "",
)
def test_what_is_wrong_is_said(
    monkeypatch: pytest.MonkeyPatch, variables: dict[str, str], words: str
) -> None:
    with pytest.raises(ProducerConfigurationError) as refused:
        _load(monkeypatch, variables)
    assert words in str(refused.value)
    assert "court" not in str(refused.value)


def test_an_empty_secret_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    """`deploy/prefecture` creates empty files for optional secrets."""
    settings = WebSettings.model_validate({"web_secret": "", "web_proxy_secret": ""})
    assert (settings.web_secret, settings.web_proxy_secret) == (None, None)


def test_a_secret_of_31_characters_is_refused_and_one_of_32_taken(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert _load(monkeypatch, {"WEB_SECRET": "x" * 32}).web_secret
    with pytest.raises(ProducerConfigurationError, match="32 caractères"):
        _load(monkeypatch, {"WEB_SECRET": "x" * 31})
