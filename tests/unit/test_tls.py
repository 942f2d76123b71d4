"""Why TLS was refused, as it is said in French."""

import ssl

import pytest

from common.tls import explain_database_tls, explain_tls


def _refused(code: int, message: str) -> ssl.SSLCertVerificationError:
    error = ssl.SSLCertVerificationError(1, "certificate verify failed")
    error.verify_code, error.verify_message = code, message
    return error


@pytest.mark.parametrize(
    ("code", "french"),
    [
        (10, "le certificat a expiré"),
        (9, "le certificat n'est pas encore valable"),
        (18, "le certificat n'est pas signé par une autorité connue, voir SSL_CERT_FILE"),
        (62, "le certificat n'est pas celui de cet hôte"),
        (24, "invalid CA certificate"),  # one of the rare ones, as OpenSSL says it
    ],
)
def test_a_refused_certificate(code: int, french: str) -> None:
    assert explain_tls(_refused(code, "invalid CA certificate")) == french


def test_a_server_that_does_not_speak_tls() -> None:
    context = ssl.create_default_context()
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    incoming.write(b"AMQP\x00\x00\x09\x01")
    with pytest.raises(ssl.SSLError) as caught:
        context.wrap_bio(incoming, outgoing, server_hostname="localhost").do_handshake()
    assert explain_tls(caught.value) in {"WRONG_VERSION_NUMBER", "RECORD_LAYER_FAILURE"}


@pytest.mark.parametrize(
    ("libpq", "french"),
    [
        ("SSL error: certificate verify failed", "pas signé par l'autorité attendue, ou a expiré"),
        ('server certificate for "a" does not match host name "b"', "pas celui de cet hôte"),
        ('root certificate file "/x" does not exist', "le fichier de l'autorité (sslrootcert) est introuvable"),
        ("server does not support SSL, but SSL was required", "le serveur ne parle pas TLS"),
    ],
)
def test_what_the_database_client_says(libpq: str, french: str) -> None:
    explained = explain_database_tls(f"connection failed: {libpq}\nMultiple connection attempts failed.")
    assert explained is not None
    assert french in explained


def test_what_is_not_about_tls_is_left_alone() -> None:
    assert explain_database_tls('connection to server at "127.0.0.1", port 1 failed: Connection refused') is None
