"""The configuration of the screen: environment variables (prefix PREFECTURE_) and files of secrets."""

from functools import partial
from pathlib import Path
from typing import Annotated, Literal, Self
from urllib.parse import urlsplit

from pydantic import (
    BeforeValidator,
    Field,
    IPvAnyNetwork,
    SecretStr,
    field_validator,
    model_validator,
)

from common.settings import EXPORTS, PREFIX, LogFormat, LogLevel, Words, split_words
from producers.settings import ProducerSettings, load

LOOPBACK = frozenset({"127.0.0.1", "::1", "localhost"})
SECRET_LENGTH = 32


class WebSettings(ProducerSettings):
    exports_dir: Path = Field(default_factory=lambda given: given["home"] / EXPORTS)
    retention_days: Annotated[int, Field(ge=0)] = 30
    public_url: str = ""
    log_format: LogFormat = "json"
    log_level: LogLevel = "info"

    web_host: str = "127.0.0.1"
    web_port: Annotated[int, Field(ge=1, le=65_535)] = 8000
    web_auth: Literal["none", "proxy", "oidc"] = "none"
    web_agent: str = ""
    web_secret: SecretStr | None = None

    web_trusted_proxies: Annotated[tuple[IPvAnyNetwork, ...], BeforeValidator(split_words)] = ()
    web_proxy_secret: SecretStr | None = None

    web_oidc_issuer: str = ""
    web_oidc_client_id: str = ""
    web_oidc_client_secret: SecretStr | None = None
    web_oidc_unverified: str = ""
    web_oidc_sirets: Words = ()

    @property
    def spool_dir(self) -> Path:
        return self.home / "spool"

    @property
    def has_login(self) -> bool:
        """Whether agents log in and out on the screen, at `connexion` and `deconnexion`."""
        return self.web_auth == "oidc"

    @property
    def own_name(self) -> str:
        """Without a login, the name under `.localhost` of `public_url`: the browser sends the cookie to it alone."""
        name = urlsplit(self.public_url).hostname or ""
        return name if self.web_auth == "none" and name.endswith(".localhost") else ""

    @property
    def is_https(self) -> bool:
        return self.web_auth != "none" and self.public_url.startswith("https://")

    @field_validator("web_secret", "web_proxy_secret")
    @classmethod
    def _refuse_short_secrets(cls, secret: SecretStr | None) -> SecretStr | None:
        if not secret or not secret.get_secret_value():
            return None
        if len(secret.get_secret_value()) < SECRET_LENGTH:
            raise ValueError(f"{SECRET_LENGTH} caractères au moins sont attendus")
        return secret

    @field_validator("public_url")
    @classmethod
    def _require_origin(cls, url: str) -> str:
        parts = urlsplit(url)
        beyond = parts.path.strip("/") or parts.query or parts.fragment
        if url and (parts.scheme not in {"http", "https"} or not parts.hostname or beyond):
            raise ValueError(
                "une adresse sans chemin est attendue, comme https://prefecture.mairie.example"
            )
        return url.rstrip("/")

    @model_validator(mode="after")
    def _check_login(self) -> Self:
        if self.web_auth == "none" and self.web_host not in LOOPBACK:
            raise ValueError(
                "sans authentification (PREFECTURE_WEB_AUTH=none), l'écran n'écoute que sur 127.0.0.1"
            )
        parts = urlsplit(self.public_url)
        if self.web_auth != "none" and parts.scheme == "http" and parts.hostname not in LOOPBACK:
            raise ValueError(
                f"avec PREFECTURE_WEB_AUTH={self.web_auth}, PREFECTURE_PUBLIC_URL : une adresse https:// est attendue"
            )
        needed: dict[str, object] = {}
        if self.web_auth == "oidc":
            if self.web_oidc_unverified not in {"", self.web_oidc_issuer}:
                raise ValueError(
                    "PREFECTURE_WEB_OIDC_UNVERIFIED nomme un autre fournisseur que PREFECTURE_WEB_OIDC_ISSUER"
                )
            needed = {
                name: getattr(self, name)
                for name in ("public_url", "web_oidc_issuer", "web_oidc_client_id")
            }
            if not (
                self.web_oidc_issuer.startswith("https://")
                or urlsplit(self.web_oidc_issuer).hostname in LOOPBACK
            ):
                raise ValueError("PREFECTURE_WEB_OIDC_ISSUER : une adresse https:// est attendue")
        if self.web_auth == "proxy" and self.web_trusted_proxies:
            needed = {"public_url": self.public_url, "web_proxy_secret": self.web_proxy_secret}
        if missing := [f"{PREFIX}{name.upper()}" for name, value in needed.items() if not value]:
            raise ValueError(
                f"avec PREFECTURE_WEB_AUTH={self.web_auth}, il manque {', '.join(missing)}"
            )
        return self


load_web_settings = partial(load, WebSettings)
