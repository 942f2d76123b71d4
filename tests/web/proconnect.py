"""A provider that behaves as ProConnect, by its documentation for « fournisseurs de service ».

It requires a state and a nonce of 32 characters, refuses unknown parameters, takes the secret in the form, gives an
access token for a minute, and `/userinfo` as a signed JWT. A test can make it answer as an attacker or a fault would.
"""

import json
import time
from base64 import urlsafe_b64encode
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from hashlib import sha256
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

from joserfc import jwt
from joserfc.jwk import RSAKey

from tests.parts.ports import LOOPBACK

SUB = "b6048e95bb134ec5b1d1e1fa69f287172e91722b9354d637a1bcf2ebb0fd2ef5v1"
SIRET = "21130001500015"
_PATH = "/api/v2"
_SHORTEST = 32
_KNOWN = {
    *(
        "response_type",
        "client_id",
        "redirect_uri",
        "scope",
        "claims",
        "state",
        "nonce",
        "prompt",
        "acr_values",
    ),
    *("code_challenge", "code_challenge_method"),
}


@dataclass
class Bent:
    """The wrong answers of the provider; none by default."""

    token: dict[str, Any] = field(default_factory=dict)
    info: dict[str, Any] = field(default_factory=dict)
    token_key: RSAKey | None = None
    info_key: RSAKey | None = None
    metadata: dict[str, Any] = field(default_factory=dict)
    without_id_token: bool = False
    unsigned_info: bool = False
    info_type: str = "application/jwt"


class ProConnect:
    """The provider; `asked` is the last query of the browser."""

    def __init__(self, email: str) -> None:
        self.email = email
        self.bent = Bent()
        self.asked: dict[str, str] = {}
        self.token_requests: list[dict[str, str]] = []
        self._key = _new_key("2026-a")
        self._server = ThreadingHTTPServer(
            (LOOPBACK, 0), type("Handler", (_Handler,), {"provider": self})
        )

    @property
    def issuer(self) -> str:
        """Its address, with a path as ProConnect has."""
        return f"http://{LOOPBACK}:{self._server.server_port}{_PATH}"

    def renew_key(self) -> None:
        """Replace the key, as a provider does now and then."""
        self._key = _new_key("2026-b")

    def answer(self, step: str, query: dict[str, str]) -> tuple[int, str, str]:
        """Status, type and body of one of its pages; for `authorize`, the redirect."""
        match step:
            case "/.well-known/openid-configuration":
                return 200, "application/json", json.dumps(self._metadata() | self.bent.metadata)
            case "/jwks":
                return (
                    200,
                    "application/json",
                    json.dumps({"keys": [self._key.as_dict(private=False)]}),
                )
            case "/authorize":
                return self._authorize(query)
            case "/token":
                return self._token(query)
            case "/userinfo":
                return self._info()
        return 404, "text/plain", ""

    def _metadata(self) -> dict[str, Any]:
        return {
            "issuer": self.issuer,
            "authorization_endpoint": f"{self.issuer}/authorize",
            "token_endpoint": f"{self.issuer}/token",
            "userinfo_endpoint": f"{self.issuer}/userinfo",
            "jwks_uri": f"{self.issuer}/jwks",
            "end_session_endpoint": f"{self.issuer}/session/end",
            "id_token_signing_alg_values_supported": ["RS256", "none", "HS256"],
            "userinfo_signing_alg_values_supported": ["RS256"],
            "token_endpoint_auth_methods_supported": ["client_secret_basic", "client_secret_post"],
        }

    def _authorize(self, query: dict[str, str]) -> tuple[int, str, str]:
        self.asked = query
        short = [name for name in ("state", "nonce") if len(query.get(name, "")) < _SHORTEST]
        if short or query.keys() - _KNOWN:
            return 400, "text/plain", f"Y000400 {short}"
        return (
            302,
            "",
            f"{query['redirect_uri']}?{urlencode({'code': 'c0de', 'state': query['state'], 'iss': self.issuer})}",
        )

    def _token(self, form: dict[str, str]) -> tuple[int, str, str]:
        self.token_requests.append(form)
        challenge = (
            urlsafe_b64encode(sha256(form.get("code_verifier", "").encode()).digest())
            .decode()
            .rstrip("=")
        )
        if (
            challenge != self.asked["code_challenge"]
            or form.get("client_secret") != "client-secret"
        ):
            return 400, "application/json", json.dumps({"error": "invalid_grant"})
        claims = (
            self._common()
            | {"nonce": self.asked["nonce"], "acr": "eidas1", "amr": ["pwd"]}
            | self.bent.token
        )
        tokens: dict[str, Any] = {"access_token": "t0ken", "token_type": "Bearer", "expires_in": 60}
        if not self.bent.without_id_token:
            tokens["id_token"] = self._sign(claims, self.bent.token_key)
        return 200, "application/json", json.dumps(tokens)

    def _info(self) -> tuple[int, str, str]:
        claims = (
            self._common()
            | {"email": self.email, "siret": SIRET, "given_name": "Ada"}
            | self.bent.info
        )
        if self.bent.unsigned_info:
            head, body = ({"alg": "none", "kid": "2026-a"}, claims)
            return 200, "application/jwt", f"{_encode(head)}.{_encode(body)}."
        return 200, self.bent.info_type, self._sign(claims, self.bent.info_key)

    def _common(self) -> dict[str, Any]:
        now = int(time.time())
        return {
            "iss": self.issuer,
            "sub": SUB,
            "aud": self.asked["client_id"],
            "iat": now,
            "exp": now + 60,
        }

    def _sign(self, claims: dict[str, Any], key: RSAKey | None) -> str:
        key = key or self._key
        kept = {name: value for name, value in claims.items() if value is not None}
        return jwt.encode({"alg": "RS256", "kid": key.kid}, kept, key)

    @contextmanager
    def running(self) -> Iterator[None]:
        """Listen until the end of the block."""
        thread = Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        try:
            yield
        finally:
            self._server.shutdown()
            self._server.server_close()
            thread.join()


def another_key() -> RSAKey:
    """An attacker's key with the provider's key id."""
    return _new_key("2026-a", "somebody else")


@cache
def _new_key(name: str, _owner: str = "the provider") -> RSAKey:
    return RSAKey.generate_key(2048, {"kid": name, "use": "sig", "alg": "RS256"})


def _encode(part: dict[str, Any]) -> str:
    return urlsafe_b64encode(json.dumps(part).encode()).decode().rstrip("=")


class _Handler(BaseHTTPRequestHandler):
    provider: ProConnect

    def do_GET(self) -> None:
        parts = urlsplit(self.path)
        self._answer(parts.path, parts.query)

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self._answer(urlsplit(self.path).path, body.decode())

    def log_message(self, *_: object) -> None:
        """Say nothing."""

    def _answer(self, path: str, query: str) -> None:
        asked = {name: values[0] for name, values in parse_qs(query).items()}
        status, kind, body = self.provider.answer(path.removeprefix(_PATH), asked)
        self.send_response(status)
        if status == 302:
            self.send_header("Location", body)
            body = ""
        content = body.encode()
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)
