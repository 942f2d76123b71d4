"""How PostgreSQL is spoken to, and why TLS was refused, in French: the same words for the broker and for the database.

A server that says nothing any more is noticed in seconds, not in TCP's two hours.
"""

import re
import ssl

SILENT_SECONDS = 20
"""How long the network may say nothing of what was sent, or of a connection that waits, before it is called cut."""

CONNECT_OPTIONS = {
    "connect_timeout": 5,
    "tcp_user_timeout": SILENT_SECONDS * 1000,
    "keepalives": 1,
    "keepalives_idle": 5,
    "keepalives_interval": 5,
    "keepalives_count": (SILENT_SECONDS - 5) // 5,
}
"""Of libpq: seconds, but `tcp_user_timeout`, which is in milliseconds."""

_MASK = "***"
_PLAIN = re.compile(r"[\w.\[\]:/-]*", re.ASCII)
_PLAIN_OPTIONS = frozenset(
    {"application_name", "connect_timeout", "gssencmode", "host", "hostaddr", "port", "sslcert", "sslkey", "sslmode"}
    | {"channel_binding", "heartbeat", "sslrootcert", "target_session_attrs", "timeout", "user"}
)
"""Options of an address that hold no secret. `sslpassword`, `passfile`, `options` and what is not known yet may."""


def shown_address(url: str) -> str:
    """An address of a database or of a broker for people to read: what may hold a secret is masked, wherever it stands.

    A part is shown when it is written as such a part is; what is read otherwise than was meant, as a password with an
    `@` is, shows nothing of itself.
    """
    from sqlalchemy.engine import make_url
    from sqlalchemy.exc import ArgumentError

    try:
        parts = make_url(url)
    except (ArgumentError, ValueError):
        return _MASK
    query = {
        name if _PLAIN.fullmatch(name) else _MASK: _mask(value) if name in _PLAIN_OPTIONS else _MASK
        for name, value in parts.query.items()
    }
    shown = parts.set(query=query)
    if parts.username:
        shown = shown.set(username=_mask(parts.username))
    if parts.host:
        shown = shown.set(host=_mask(parts.host))
    if parts.database and not parts.drivername.startswith("sqlite"):
        shown = shown.set(database=_mask(parts.database))
    return shown.render_as_string(hide_password=True).replace("%2A%2A%2A", _MASK)


def _mask(value: str | tuple[str, ...]) -> str:
    return value if isinstance(value, str) and _PLAIN.fullmatch(value) else _MASK


_UNTRUSTED = "le certificat n'est pas signé par une autorité connue, voir SSL_CERT_FILE"
_OTHER_HOST = "le certificat n'est pas celui de cet hôte"
_VERIFY_CODES = {
    9: "le certificat n'est pas encore valable",
    10: "le certificat a expiré",
    18: _UNTRUSTED,
    19: _UNTRUSTED,
    20: _UNTRUSTED,
    21: _UNTRUSTED,
    62: _OTHER_HOST,
    64: _OTHER_HOST,
    92: "le certificat de l'autorité ne dit pas son usage, refaites-le avec keyUsage=critical,keyCertSign,cRLSign",
}
"""OpenSSL's X509_V_ERR_…, from x509_vfy.h."""

_LIBPQ = {
    "certificate verify failed": "le certificat n'est pas signé par l'autorité attendue, ou a expiré",
    "does not match host name": _OTHER_HOST,
    "root certificate file": "le fichier de l'autorité (sslrootcert) est introuvable ou illisible",
    "does not support SSL": "le serveur ne parle pas TLS",
}


def explain_tls(error: ssl.SSLError) -> str:
    """The reason of a failed handshake, without the address."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return _VERIFY_CODES.get(error.verify_code, error.verify_message)
    return error.reason or type(error).__name__


def explain_database_tls(text: str) -> str | None:
    """The reason that PostgreSQL's client library gave in English; None when it was not about TLS."""
    return next((f"TLS impossible ({french})" for english, french in _LIBPQ.items() if english in text), None)
