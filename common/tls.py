"""Why TLS was refused, in French: the same words for the broker and for the database."""

import ssl

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
