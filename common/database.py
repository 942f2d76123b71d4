"""Options of PostgreSQL connections, and French messages for TLS errors of the database and of the broker.

The client detects an unresponsive server in seconds, not after TCP's two hours.
"""

import re
import sqlite3
import ssl

from common.calendrier import last_birth_today

SILENT_SECONDS = 20
"""Seconds without a TCP acknowledgement, or without traffic on an idle connection, before it is considered lost."""

CONNECT_OPTIONS = {
    "connect_timeout": 5,
    "tcp_user_timeout": SILENT_SECONDS * 1000,
    "keepalives": 1,
    "keepalives_idle": 5,
    "keepalives_interval": 5,
    "keepalives_count": (SILENT_SECONDS - 5) // 5,
}
"""Options of libpq, in seconds, except `tcp_user_timeout`, in milliseconds."""


def add_view_functions(connection: sqlite3.Connection, _record: object = None) -> None:
    """Add the Python function that the views call to a new SQLite connection."""
    connection.create_function(last_birth_today.__name__, 2, last_birth_today)


_MASK = "***"
_PLAIN = re.compile(r"[\w.\[\]:/-]*", re.ASCII)
_PLAIN_OPTIONS = frozenset(
    {
        "application_name",
        "connect_timeout",
        "gssencmode",
        "host",
        "hostaddr",
        "port",
        "sslcert",
        "sslkey",
        "sslmode",
    }
    | {"channel_binding", "heartbeat", "sslrootcert", "target_session_attrs", "timeout", "user"}
)
"""Options of a URL that hold no secret. Other options may hold one, such as `sslpassword`, `passfile` and `options`."""


def shown_address(url: str) -> str:
    """Return the URL of a database or of a broker for display, with every part that may hold a secret masked.

    A part is shown only if it has the plain syntax of such a part. For example, a password that contains an `@` is
    parsed as part of the host, and is masked too.
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
"""Error codes X509_V_ERR_… of OpenSSL (x509_vfy.h)."""

_LIBPQ = {
    "certificate verify failed": "le certificat n'est pas signé par l'autorité attendue, ou a expiré",
    "does not match host name": _OTHER_HOST,
    "root certificate file": "le fichier de l'autorité (sslrootcert) est introuvable ou illisible",
    "does not support SSL": "le serveur ne parle pas TLS",
}


def explain_tls(error: ssl.SSLError) -> str:
    """Return the reason of a failed handshake, in French where it is known, without the address."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return _VERIFY_CODES.get(error.verify_code, error.verify_message)
    return error.reason or type(error).__name__


def explain_database_tls(text: str) -> str | None:
    """Return a French message for a TLS error of libpq; None if the English text is not about TLS."""
    return next(
        (f"TLS impossible ({french})" for english, french in _LIBPQ.items() if english in text),
        None,
    )
