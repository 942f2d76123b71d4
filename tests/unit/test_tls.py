"""The reasons of a TLS refusal, in French."""

import ssl
from pathlib import Path

import pytest

from common.database import explain_database_tls, explain_tls
from tests.parts.certificates import Authority


@pytest.mark.parametrize(
    ("code", "french"),
    [
        (10, "le certificat a expiré"),
        (9, "le certificat n'est pas encore valable"),
        (18, "le certificat n'est pas signé par une autorité connue, voir SSL_CERT_FILE"),
        (62, "le certificat n'est pas celui de cet hôte"),
        (24, "invalid CA certificate"),  # one of the rare ones, in OpenSSL's words
    ],
)
def test_a_refused_certificate(code: int, french: str) -> None:
    error = ssl.SSLCertVerificationError(1, "certificate verify failed")
    error.verify_code, error.verify_message = code, "invalid CA certificate"
    assert explain_tls(error) == french


def test_an_authority_that_does_not_say_what_it_is_for(tmp_path: Path) -> None:
    """Python 3.13, the image's, requires `keyUsage` of an authority: 3.11 and 3.12 only in strict mode."""
    authority = Authority(tmp_path, "sans-keyusage")
    certificate = authority.sign("broker.example")
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(*certificate)
    client = ssl.create_default_context(cafile=authority.root)
    client.verify_flags |= ssl.VERIFY_X509_STRICT
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    serving = server.wrap_bio(to_server, to_client, server_side=True)
    asking = client.wrap_bio(to_client, to_server, server_hostname="broker.example")
    with pytest.raises(ssl.SSLWantReadError):
        asking.do_handshake()
    with pytest.raises(ssl.SSLWantReadError):
        serving.do_handshake()
    with pytest.raises(ssl.SSLCertVerificationError) as caught:
        asking.do_handshake()
    assert "keyUsage=critical,keyCertSign" in explain_tls(caught.value)


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
        (
            'root certificate file "/x" does not exist',
            "le fichier de l'autorité (sslrootcert) est introuvable",
        ),
        ("server does not support SSL, but SSL was required", "le serveur ne parle pas TLS"),
    ],
)
def test_what_the_database_client_says(libpq: str, french: str) -> None:
    explained = explain_database_tls(
        f"connection failed: {libpq}\nMultiple connection attempts failed."
    )
    assert explained is not None
    assert french in explained


def test_what_is_not_about_tls_is_left_alone() -> None:
    assert (
        explain_database_tls(
            'connection to server at "127.0.0.1", port 1 failed: Connection refused'
        )
        is None
    )
