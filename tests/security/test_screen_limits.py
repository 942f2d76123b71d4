"""An agent, or a client that reaches the screen's port, who would exhaust its memory, threads or connections."""

import io
import socket
import threading
import zipfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import uvicorn
from starlette.requests import Request
from starlette.responses import Response
from starlette.testclient import TestClient
from structlog.testing import capture_logs

from common.files import CHUNK
from producers.web.app import create_app
from producers.web.page_context import PageContext
from producers.web.security import limits
from producers.web.serve import PatientProtocol, configure, listen
from producers.web.verifier import diagnosis
from schemas.vocabulary import Liste
from tests.parts.ports import LOOPBACK
from tests.parts.wait import wait_until
from tests.web.files_desk import FilesScreen, words
from tests.web.security_desk import (
    CLERK,
    LIBREVILLE,
    PUBLIC,
    SECRET,
    Sent,
    behind_proxy,
    make_settings,
    token_of,
)

VERIFIER = f"/communes/{LIBREVILLE}/verifier"
CM = Liste.COMPLEMENTAIRE_MUNICIPALE


@pytest.mark.slow
@pytest.mark.parametrize(
    "fields",
    [
        {f"field-{number}": "x" for number in range(301)},
        {"a": "x" * (1 << 20)},
        {"a": "x" * (257 << 10)},
    ],
    ids=["301 fields", "a mebibyte", "a little more than a field holds"],
)
def test_to_fill_the_memory_by_fields_of_a_form(
    web_client: TestClient, fields: dict[str, str]
) -> None:
    """The sender has no token: the form is not parsed that far."""
    refused = web_client.post(VERIFIER, data=fields, files={"fichier": ("a.csv", b"x")})
    assert refused.status_code == 400
    token = token_of(web_client)
    assert (
        web_client.post(
            VERIFIER, data={"jeton": token}, files={"fichier": ("a.csv", b"x")}
        ).status_code
        == 200
    )


@pytest.mark.slow
def test_to_keep_a_thread_by_ends_of_lines(
    files: FilesScreen, monkeypatch: pytest.MonkeyPatch
) -> None:
    """64 MiB of them took two minutes; now less than the test's limit of ten seconds of CPU."""
    monkeypatch.setattr(diagnosis, "BUDGET", diagnosis.BUDGET._replace(cpu_seconds=10))
    made = files.make(CM)
    page = _upload(files, b"\n" * (64 << 20), made["file_name"])
    assert "Il compte 67 108 864 lignes" in page.replace("\u202f", " ").replace("\u00a0", " ")


@pytest.mark.slow
def test_to_keep_a_processor_by_a_file(files: FilesScreen, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(diagnosis, "BUDGET", diagnosis.BUDGET._replace(cpu_seconds=1))
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as file:
        for number in range(80):
            file.writestr(
                f"{number}.csv", b"".join(b'"' * 150 + b"%x" % (it * it) for it in range(35_000))
            )
    assert "trop long à lire" in _upload(files, archive.getvalue(), "beaucoup.zip")


def _upload(files: FilesScreen, content: bytes, name: str) -> str:
    return words(files.post("verifier", {}, files={"fichier": (name, content)}))


@pytest.mark.parametrize(
    ("first", "second", "are_one"),
    [
        *(("2001:db8::1", "2001:db8::ffff:2", True), ("2001:db8::1", "2001:db8:0:1::1", False)),
        *(
            ("10.0.0.1", "10.0.0.2", False),
            ("::ffff:10.0.0.1", "::ffff:10.0.0.2", False),
            ("a", "b", False),
        ),
    ],
)
def test_to_guess_from_all_addresses_of_a_network(
    first: str, second: str, *, are_one: bool
) -> None:
    one, other = (limits.client_address({"client": (it, 1)}) for it in (first, second))
    assert (one == other) is are_one


def test_to_fill_the_memory_by_uploads_that_are_read_at_once(
    web_client: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Three are read at once; meanwhile pages are shown."""
    running, release, render = list[str](), threading.Event(), PageContext.render

    def hold(context: PageContext, *given: Any, **named: Any) -> Response:  # noqa: ANN401 — of render
        if context.request.method == "POST":
            running.append(context.agent.name)
            release.wait(60)
        return render(context, *given, **named)

    monkeypatch.setattr(PageContext, "render", hold)
    data, files = {"jeton": token_of(web_client)}, {"fichier": ("a.csv", b"x")}
    with ThreadPoolExecutor(5) as pool:
        sent = [pool.submit(web_client.post, VERIFIER, data=data, files=files) for _ in range(5)]
        wait_until(lambda: len(running) >= 3, message="the first uploads")
        assert web_client.get(VERIFIER).status_code == 200
        assert len(running) == 3
        release.set()
    assert {it.result().status_code for it in sent} == {200}


@pytest.fixture
def server(
    screen_database: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[uvicorn.Server]:
    """A screen that listens."""
    settings = make_settings(
        screen_database, tmp_path, **behind_proxy(web_trusted_proxies=LOOPBACK)
    )
    with listen(LOOPBACK, 0) as listener:
        server = uvicorn.Server(configure(create_app(settings, Sent().publish)))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
        thread.start()
        try:
            wait_until(lambda: server.started, message="the screen")
            yield server
        finally:
            server.should_exit = True
            thread.join()


@pytest.fixture
def port(server: uvicorn.Server) -> int:
    return int(server.servers[0].sockets[0].getsockname()[1])


def _talk(port: int, *pieces: bytes) -> bytes:
    """The bytes received until the connection ends."""
    with socket.create_connection((LOOPBACK, port), timeout=60) as connection:
        for piece in pieces:
            connection.sendall(piece)
        answer = b""
        while piece := connection.recv(65_536):
            answer += piece
    return answer


HEAD = (
    f"POST {VERIFIER} HTTP/1.1\r\nHost: {PUBLIC.removeprefix('https://')}\r\nX-Prefecture-Secret: {SECRET}\r\n"
    f"X-Remote-User: {CLERK}\r\nContent-Type: application/x-www-form-urlencoded\r\n"
).encode()


@pytest.mark.slow
@pytest.mark.parametrize(
    "half", [b"", b"GET /sante HT", b"GET /sante HTTP/1.1\r\nHost: x\r\nX-Slow: "]
)
def test_to_hold_connections_by_halves_of_requests(
    port: int, monkeypatch: pytest.MonkeyPatch, half: bytes
) -> None:
    monkeypatch.setattr(PatientProtocol, "patience", 0.2)
    assert _talk(port, half) == b""
    assert b"200 OK" in _talk(
        port, b"GET /sante/vie HTTP/1.1\r\n", b"Host: x\r\nConnection: close\r\n\r\n"
    )


def test_to_hold_a_connection_by_the_second_of_two_requests(
    port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(PatientProtocol, "patience", 0.2)
    with socket.create_connection((LOOPBACK, port), timeout=60) as connection:
        connection.sendall(b"GET /sante/vie HTTP/1.1\r\nHost: x\r\n\r\n")
        answer = b""
        while b"vivant" not in answer:
            answer += connection.recv(65_536)
        connection.sendall(b"GET /sante/v")
        assert connection.recv(65_536) == b""


def test_to_hold_connections_and_files_by_not_reading(
    server: uvicorn.Server, port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(PatientProtocol, "chunk_patience", 0.2)
    request = f"GET /static/vendor/htmx.min.js HTTP/1.1\r\nHost: {PUBLIC.removeprefix('https://')}\r\n\r\n".encode()
    with socket.create_connection((LOOPBACK, port), timeout=60) as connection:
        connection.sendall(request * 500)
        wait_until(lambda: server.server_state.total_requests, message="the first request")
        wait_until(lambda: not server.server_state.connections, message="the end of the connection")


def test_a_line_of_64_kbit_takes_a_file(server: uvicorn.Server, port: int) -> None:
    """A writer waits for a third of the kernel's buffer and for what asyncio holds: a CHUNK beyond 64 KiB."""
    with socket.create_connection((LOOPBACK, port), timeout=60):
        (connection,) = wait_until(
            lambda: server.server_state.connections, message="the connection"
        )
        of_kernel = connection.transport.get_extra_info("socket").getsockopt(
            socket.SOL_SOCKET, socket.SO_SNDBUF
        )
    assert (of_kernel / 3 + CHUNK + (64 << 10)) / PatientProtocol.chunk_patience < 8_000


def request_of(method: str) -> Request:
    return Request({"type": "http", "method": method, "headers": [], "client": ("192.0.2.1", 1)})


def test_a_hundred_agents_work_behind_one_address() -> None:
    """In a minute each has a page that asks every two seconds, opens twenty more and sends ten forms."""
    rates = limits.RateLimits()
    for number in range(5_000):
        rates.count(request_of("GET"), f"agent-{number % 100}")
    for number in range(1_000):
        rates.count(request_of("POST"), f"agent-{number % 100}")


def test_to_keep_the_event_loop_by_an_urlencoded_upload(web_client: TestClient) -> None:
    kind = {"Content-Type": "application/x-www-form-urlencoded"}
    for content in (b"&" * (limits.FORM_BYTES + 1), iter([b"&" * 65_536] * 3)):
        assert web_client.post(VERIFIER, content=content, headers=kind).status_code == 413


@pytest.mark.parametrize(
    "framing",
    [
        b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n",
        b"Transfer-Encoding: chunked\r\nContent-Length: 0\r\n",
        b"Content-Length: 5\r\nContent-Length: 6\r\n",
        b"Transfer-Encoding: gzip, chunked\r\n",
        b"Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n",
        b"Content-Length: +5\r\n",
        b"Transfer-Encoding : chunked\r\n",
        b"Transfer-Encoding: \x0bchunked\r\n",
    ],
)
def test_to_smuggle_a_request_in_another(port: int, framing: bytes) -> None:
    smuggled = b"GET /sante/vie HTTP/1.1\r\nHost: x\r\n\r\n"
    answer = _talk(port, HEAD + framing + b"\r\n0\r\n\r\n" + smuggled)
    assert answer.startswith((b"HTTP/1.1 400 ", b"HTTP/1.1 501 "))
    assert answer.count(b"HTTP/1.1 ") == 1
    assert b"vivant" not in answer


@pytest.mark.parametrize("host", [PUBLIC.removeprefix("https://"), "x"], ids=["ours", "not ours"])
def test_to_fill_the_log_with_errors_by_a_malformed_chunk(port: int, host: str) -> None:
    """The request is refused while a page answers, at once for a host that is not ours."""
    head = f"POST {VERIFIER} HTTP/1.1\r\nHost: {host}\r\nTransfer-Encoding: chunked\r\n\r\n"
    with capture_logs() as logs:
        answer = _talk(port, head.encode() + b"zz\r\n")
        assert b"200 OK" in _talk(
            port, b"GET /sante/vie HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
        )
    assert answer.startswith(b"HTTP/1.1 400 ")
    assert answer.count(b"HTTP/1.1 ") == 1
    assert [it["event"] for it in logs if it["log_level"] == "error"] == []
