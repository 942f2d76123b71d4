"""Authentication of agents by an OpenID Connect provider, such as ProConnect.

Discovery, authorization code with PKCE, identity token, `/userinfo`, logout. Authlib implements the protocol; this
module does the rest. ProConnect requires a state and a nonce of 32 characters, refuses unknown parameters, issues
access tokens for a minute, and returns `/userinfo` as a signed JWT (OpenID Connect Core 1.0, 5.3.2).

Authlib is imported only when a provider is used: a screen behind a proxy does not load it.
"""

import hashlib
import secrets
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, NamedTuple

from starlette.requests import Request
from starlette.responses import Response

from producers.state import State
from producers.web.security import (
    AuthorizedAgent,
    NotAnAgent,
    ProxyIdentity,
    SingleUser,
    WebSessions,
    find_agent,
)
from producers.web.settings import WebSettings

ALGORITHMS = (
    "RS256",
    "RS384",
    "RS512",
    "PS256",
    "PS384",
    "PS512",
    "ES256",
    "ES384",
    "ES512",
    "EdDSA",
    "Ed25519",
)
"""Asymmetric signatures; neither `none` nor a shared secret."""

_LEEWAY_SECONDS = 60
_POST = "client_secret_post"
"""Required by ProConnect, and used if a provider offers both; else `client_secret_basic`."""


class LoginFailed(Exception):
    """The provider refused, did not answer or sent an invalid response, or its claims about the person are refused.

    `code` is its error code or ours; `cause` is the name of the underlying error, for engineers.
    """

    def __init__(self, code: str, cause: str = "") -> None:
        super().__init__(code)
        self.code = code
        self.cause = cause


class Login(NamedTuple):
    id_token: str
    token_claims: Mapping[str, Any]
    info_claims: Mapping[str, Any]

    @property
    def identity(self) -> str:
        """Stable identifier at the provider, whatever the address: SHA-256 of issuer and subject."""
        return hashlib.sha256(
            f"{self.token_claims['iss']}\n{self.token_claims['sub']}".encode()
        ).hexdigest()


class Provider:
    """One provider, first reached at the first login. Each method may raise `LoginFailed`."""

    def __init__(self, settings: WebSettings) -> None:
        from authlib.integrations.starlette_client import OAuth  # type: ignore[import-untyped]

        secret = settings.web_oidc_client_secret
        self._issuer = settings.web_oidc_issuer.rstrip("/")
        self._client_id = settings.web_oidc_client_id
        self._app = OAuth().register(
            "oidc",
            client_id=settings.web_oidc_client_id,
            client_secret=(secret and secret.get_secret_value()) or None,
            server_metadata_url=f"{self._issuer}/.well-known/openid-configuration",
            client_kwargs={
                "scope": "openid email siret" if settings.web_oidc_sirets else "openid email",
                "code_challenge_method": "S256",
                "timeout": 10,
                "leeway": 0,  # Authlib would treat ProConnect's one-minute tokens as expired
            },
        )

    async def send_to_login(self, request: Request, redirect_uri: str) -> Response:
        """Redirect the browser to the provider; the session keeps the values that verify the response."""
        with _failures():
            await self._load()
            answer: Response = await self._app.authorize_redirect(
                request,
                redirect_uri,
                state=secrets.token_urlsafe(32),
                nonce=secrets.token_urlsafe(32),
            )
        return answer

    async def receive(self, request: Request) -> Login:
        with _failures():
            metadata = await self._load()
            if (
                request.query_params.get("iss", metadata["issuer"]) != metadata["issuer"]
            ):  # RFC 9207
                raise LoginFailed("other_issuer")
            options = {
                "iss": {"essential": True, "value": metadata["issuer"]},
                "aud": {"essential": True, "value": self._client_id},
            }
            token = await self._app.authorize_access_token(
                request, claims_options=options, leeway=_LEEWAY_SECONDS
            )
            claims = token.get("userinfo")
            if not claims:
                raise LoginFailed("no_id_token")
            info = (
                await self._read_info(token, metadata) if metadata.get("userinfo_endpoint") else {}
            )
            if info and info.get("sub") != claims["sub"]:
                raise LoginFailed("other_subject")
        return Login(token["id_token"], claims, info)

    async def logout_url(self, id_token: str, back: str) -> str:
        """Return the URL that ends the provider's session and returns to `back`; empty if it has none."""
        with _failures():
            if not (await self._load()).get("end_session_endpoint"):
                return ""
            who = {"id_token_hint": id_token} if id_token else {"client_id": self._client_id}
            leave = await self._app.create_logout_url(
                post_logout_redirect_uri=back, state=secrets.token_urlsafe(32), **who
            )
        return str(leave["url"])

    async def _load(self) -> dict[str, Any]:
        metadata: dict[str, Any] = await self._app.load_server_metadata()
        if str(metadata.get("issuer", "")).rstrip("/") != self._issuer:
            raise LoginFailed("other_issuer")
        offered = metadata.get("id_token_signing_alg_values_supported") or ["RS256"]
        metadata["id_token_signing_alg_values_supported"] = [
            name for name in offered if name in ALGORITHMS
        ] or ["RS256"]
        if _POST in (metadata.get("token_endpoint_auth_methods_supported") or ()):
            self._app.client_kwargs["token_endpoint_auth_method"] = _POST
        return metadata

    async def _read_info(
        self, token: dict[str, Any], metadata: dict[str, Any]
    ) -> Mapping[str, Any]:
        from joserfc.errors import InvalidKeyIdError

        answer = await self._app.get(metadata["userinfo_endpoint"], token=token)
        answer.raise_for_status()
        if not answer.headers.get("content-type", "").startswith("application/jwt"):
            claims: Mapping[str, Any] = answer.json()
            return claims
        try:
            return self._decode(answer.text, await self._app.fetch_jwk_set(), metadata)
        except InvalidKeyIdError:  # the provider has new keys
            return self._decode(answer.text, await self._app.fetch_jwk_set(force=True), metadata)

    def _decode(self, text: str, keys: Any, metadata: Mapping[str, Any]) -> Mapping[str, Any]:  # noqa: ANN401 — a JWKS
        from joserfc import jwt
        from joserfc.jwk import KeySet

        decoded = jwt.decode(text, KeySet.import_key_set(keys), algorithms=list(ALGORITHMS))
        rules = jwt.JWTClaimsRegistry(
            leeway=_LEEWAY_SECONDS,
            iss={"essential": True, "value": metadata["issuer"]},
            aud={"essential": True, "value": self._client_id},
        )
        rules.validate(decoded.claims)
        return decoded.claims


@contextmanager
def _failures() -> Iterator[None]:
    """Convert every error of a provider to LoginFailed, without the provider's text."""
    from authlib.common.errors import AuthlibBaseError  # type: ignore[import-untyped]
    from httpx2 import HTTPError
    from joserfc.errors import JoseError

    try:
        yield
    except AuthlibBaseError as error:
        raise LoginFailed(str(error.error)) from None
    except HTTPError as error:
        raise LoginFailed("away", type(error).__name__) from None
    except JoseError as error:
        raise LoginFailed("unbelievable", type(error).__name__) from None
    except (
        AttributeError,
        KeyError,
        RuntimeError,
        TypeError,
        ValueError,
    ) as error:  # an unexpected response
        raise LoginFailed("unreadable", type(error).__name__) from None


class OidcIdentity:
    """The session holds the logged-in address; the agent and their rights are read again for each page."""

    def __init__(self, state: State, settings: WebSettings) -> None:
        self.state, self.settings = state, settings
        self.provider = Provider(settings)
        self.sirets = frozenset(settings.web_oidc_sirets)
        self.takes_unverified = bool(
            settings.web_oidc_unverified
        )  # addresses without `email_verified`
        self.sessions = WebSessions(settings.spool_dir / "sessions-ended")
        self.who = self.sessions.who

    def identify(self, request: Request) -> AuthorizedAgent:
        return self.sessions.restrict(request, find_agent(self.state, email=self.who(request)))

    def read_address(self, token: Mapping[str, Any], info: Mapping[str, Any]) -> str:
        """Return the agent's address from the identity token and `/userinfo`, or raise `LoginFailed`."""
        claims = {**token, **info}
        if self.sirets and str(claims.get("siret")) not in self.sirets:
            raise LoginFailed("other_siret")
        who = claims.get("email")
        if not isinstance(who, str) or not who.strip():
            raise LoginFailed("no_claim")
        said = (
            info if "email" in info else token
        )  # `email_verified` must be in the same token as the address
        if said.get("email_verified", self.takes_unverified) not in (True, "true"):
            raise LoginFailed("unverified")
        return who.strip()

    def begin(self, request: Request, who: str, arrival: Login) -> AuthorizedAgent | None:
        """Start a session; return the agent, if any. Raises `LoginFailed` if bound to another identity."""
        try:
            agent = find_agent(self.state, email=who).known_as(arrival.identity)
        except NotAnAgent:
            self.sessions.begin(request, who, arrival.id_token)
            return None
        if agent is None:
            raise LoginFailed("bound")
        ended = agent.sessions_ended
        self.sessions.begin(request, who, arrival.id_token, identity=arrival.identity, ended=ended)
        return agent

    def back(self, path: str) -> str:
        """Return the whole URL of a page, as registered with the provider; never derived from the request."""
        return f"{self.settings.public_url}{path}"


Identity = SingleUser | ProxyIdentity | OidcIdentity
