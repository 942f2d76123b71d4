"""An agent, or a client that reaches the screen's port, who would exhaust its memory, threads or connections."""

import asyncio
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
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.testclient import TestClient

from common.files import CHUNK
from producers.web.app import create_app
from producers.web.page_context import PageContext
from producers.web.security import ProxyIdentity, limits
from producers.web.security.limits import FILE_BYTES, PAGES, TURNS, TURNS_WAITING, Turns
from producers.web.serve import PatientProtocol, configure, listen
from producers.web.verifier import diagnosis
from schemas.vocabulary import Liste
from tests.parts.ports import LOOPBACK
from tests.parts.wait import wait_until
from tests.web.files_desk import FilesScreen, words
from tests.web.security_desk import (
    CLERK,
    GRANDVILLE,
    LIBREVILLE,
    NEIGHBOUR,
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
        {f"field-{number}": "x" for number in range(190)},
        {"a": "x" * (1 << 20)},
        {"a": "x" * (257 << 10)},
    ],
    ids=["190 fields", "a mebibyte", "a little more than a field holds"],
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


def test_to_stand_before_everybody_else_with_forty_files() -> None:
    async def play() -> list[str]:
        turns, order, release = Turns(), list[str](), asyncio.Event()

        async def bring(commune: str, agent: str) -> None:
            async with turns.receive(agent), turns.turn(commune):
                order.append(commune)
                await release.wait()

        agents = [f"colluding-{number}" for number in range(8)]
        tasks = [
            asyncio.create_task(bring("greedy", it))
            for it in agents
            for _ in range(1 + TURNS_WAITING)
        ]
        await asyncio.sleep(0)
        with pytest.raises(HTTPException) as refused:
            await bring("greedy", agents[0])
        assert refused.value.status_code == 429
        others = [f"commune-{number}" for number in range(TURNS)]
        tasks += [asyncio.create_task(bring(commune, f"agent of {commune}")) for commune in others]
        await asyncio.sleep(0)
        assert sorted(order) == sorted(["greedy", *others[: TURNS - 1]])
        release.set()
        await asyncio.gather(*tasks)
        return order

    order = asyncio.run(asyncio.wait_for(play(), 30))
    assert order.index("commune-2") <= TURNS + 1, (
        "before all but one of those that greedy had waiting"
    )


@pytest.mark.parametrize(
    ("path", "part", "method"),
    [
        (f"/communes/{LIBREVILLE}/plan", PageContext, "render"),
        *(
            (it, ProxyIdentity, "identify")
            for it in ("/", "/demandes/1", f"/communes/{GRANDVILLE}/plan")
        ),
    ],
)
def test_to_hold_all_connections_of_the_database(
    web_client: TestClient, monkeypatch: pytest.MonkeyPatch, path: str, part: type, method: str
) -> None:
    running, release = list[str](), threading.Event()

    def hold(first: Any, second: Any) -> Response:  # noqa: ANN401 — the arguments of either method
        request = second if isinstance(second, Request) else first.request
        running.append(request.headers["X-Remote-User"])
        release.wait(60)
        raise HTTPException(404)

    monkeypatch.setattr(part, method, hold)
    with ThreadPoolExecutor(PAGES + 3) as pool:
        asked = [pool.submit(web_client.get, path) for _ in range(PAGES + 2)]
        wait_until(lambda: len(running) >= PAGES, message="the first pages")
        other = path.replace(LIBREVILLE, GRANDVILLE)
        asked.append(pool.submit(web_client.get, other, headers={"X-Remote-User": NEIGHBOUR}))
        wait_until(lambda: NEIGHBOUR in running, message="the page of another agent")
        assert running.count(CLERK) == PAGES
        release.set()
    assert {it.result().status_code for it in asked} == {404}


def test_to_keep_a_place_by_leaving_the_queue() -> None:
    async def play() -> None:
        turns, release = Turns(), asyncio.Event()

        async def bring(agent: str) -> None:
            async with turns.receive(agent), turns.turn("commune"):
                await release.wait()

        gone = [asyncio.create_task(bring("gone")) for _ in range(3)]
        await asyncio.sleep(0)
        for task in gone:
            task.cancel()
        await asyncio.gather(*gone, return_exceptions=True)
        release.set()
        await asyncio.wait_for(bring("gone"), 60)
        assert not turns._requests  # noqa: SLF001 — nothing is kept of who is gone

    asyncio.run(asyncio.wait_for(play(), 90))


@pytest.fixture
def server(
    screen_database: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[uvicorn.Server]:
    """A screen that listens."""
    monkeypatch.setattr(limits, "TURNS", 1)
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


def test_to_hold_a_turn_by_half_a_body(port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "SILENT_SECONDS", 0.2)
    answer = _talk(port, HEAD + b"Content-Length: 1000\r\n\r\njeton=")
    assert answer.startswith(b"HTTP/1.1 408 ")


def test_to_block_all_uploads_by_half_a_body(port: int) -> None:
    """It holds no turn: the upload of another commune is read, and refused for its lack of a token only."""
    other = HEAD.replace(CLERK.encode(), NEIGHBOUR.encode()).replace(
        LIBREVILLE.encode(), GRANDVILLE.encode()
    )
    with socket.create_connection((LOOPBACK, port), timeout=60) as half:
        half.sendall(HEAD + b"Expect: 100-continue\r\nContent-Length: 1000\r\n\r\n")
        assert half.recv(65_536).startswith(b"HTTP/1.1 100 ")
        answer = _talk(port, other + b"Connection: close\r\nContent-Length: 3\r\n\r\na=b")
    assert answer.startswith(b"HTTP/1.1 403 ")


def test_an_upload_goes_on_after_forty_seconds_of_silence(monkeypatch: pytest.MonkeyPatch) -> None:
    async def play() -> bytes:
        loop, offset, rest = asyncio.get_running_loop(), 0, [b"second", b"first"]
        now = loop.time
        monkeypatch.setattr(loop, "time", lambda: now() + offset)

        async def receive() -> dict[str, Any]:
            nonlocal offset
            offset += 40
            await asyncio.sleep(0.01)  # timers that are due run first
            return {"type": "http.request", "body": rest.pop(), "more_body": bool(rest)}

        return await limits.limit_body(
            Request({"type": "http", "headers": []}, receive), FILE_BYTES
        ).body()

    assert asyncio.run(play()) == b"firstsecond"


def test_a_hundred_agents_work_behind_one_address() -> None:
    """In a minute each has a page that asks every two seconds, opens ten more and types in a form."""
    rates, request = (
        limits.RateLimits(),
        Request({"type": "http", "headers": [], "client": ("192.0.2.1", 1)}),
    )
    for number in range(4_000):
        rates.count("page", request, agent=f"agent-{number % 100}")
        if number % 2:
            rates.count("post", request, agent=f"agent-{number % 100}")


def test_to_send_a_body_a_byte_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each piece is in time, the whole never is."""
    monkeypatch.setattr(limits, "FORM_SECONDS", 0)
    monkeypatch.setattr(limits, "SLOWEST", 1 << 40)

    async def play() -> None:
        async def receive() -> dict[str, Any]:
            await asyncio.sleep(0)
            return {"type": "http.request", "body": b"x", "more_body": True}

        request = limits.limit_body(Request({"type": "http", "headers": []}, receive), 1 << 20)
        with pytest.raises(HTTPException) as refused:
            await request.body()
        assert refused.value.status_code == 408

    asyncio.run(asyncio.wait_for(play(), 90))


def test_to_keep_the_event_loop_by_an_urlencoded_upload(web_client: TestClient) -> None:
    kind = {"Content-Type": "application/x-www-form-urlencoded"}
    for content in (b"&" * (limits.FORM_BYTES + 1), iter([b"&" * 65_536] * 3)):
        assert web_client.post(VERIFIER, content=content, headers=kind).status_code == 413


@pytest.mark.parametrize("after", [b" ", b"\t", b"x", b"\rx", b"-x", b"\r\n", b"--"])
def test_to_keep_the_event_loop_by_what_follows_a_boundary(after: bytes) -> None:
    """Only a new part and the end of the body may follow it, wherever the pieces of the body end."""
    part = b"\r\n--b\r\nContent-Disposition: form-data; name=a\r\n\r\nb-\r\n--c"
    pieces = [bytes([byte]) for byte in part[2:] + b"\r\n--b" + after]

    async def play() -> int:
        async def receive() -> dict[str, Any]:
            return {"type": "http.request", "body": pieces.pop(0), "more_body": bool(pieces)}

        headers = [(b"content-type", b"multipart/form-data; boundary=b")]
        try:
            await limits.limit_body(
                Request({"type": "http", "headers": headers}, receive), 1 << 20
            ).form()
        except HTTPException as refused:
            return refused.status_code
        return 200

    assert asyncio.run(play()) == (200 if after in {b"\r\n", b"--"} else 400)


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
