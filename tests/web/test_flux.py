"""The event stream of a real server: everything first, then each change; one database query for all clients."""

import itertools
import re
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import httpx2
import pytest
import uvicorn

from producers.errors import StateAwayError
from producers.state import State
from producers.web.suivi import live_updates
from producers.web.suivi import page as suivi
from producers.web.suivi.query import read_change_marker
from tests.parts.wait import wait_until
from tests.web.files_desk import FilesScreen

HEARTBEAT = 0.3
FLUX = "/communes/13900/flux"


@pytest.fixture(autouse=True)
def _short_heartbeats(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(suivi, "HEARTBEAT_SECONDS", HEARTBEAT)


@pytest.fixture
def server(screen: FilesScreen) -> Iterator[str]:
    """The screen on a port."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        config = uvicorn.Config(screen.app, log_config=None, lifespan="off", timeout_graceful_shutdown=2)
        running = uvicorn.Server(config)
        thread = threading.Thread(target=running.run, kwargs={"sockets": [listener]})
        thread.start()
        wait_until(lambda: running.started, message="the server")
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        running.should_exit = True
        thread.join()


class Stream:
    """One connection, read by a thread; `messages` are complete, `beats` counts keep-alive comments."""

    def __init__(self, address: str, path: str = FLUX) -> None:
        self.messages: list[str] = []
        self.beats = 0
        self.headers: httpx2.Headers | None = None
        self.has_ended = False
        self._path = path
        self._client = httpx2.Client(base_url=address, timeout=60)
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._read)
        self._thread.start()

    def wait(self, words: str) -> str:
        """The first message that contains the text."""
        return wait_until(
            lambda: next((it for it in self.messages if words in it), ""), message=f"{words} in the stream"
        )

    def close(self) -> None:
        """Close the connection."""
        self._stop.set()
        self._thread.join()
        self._client.close()

    def _read(self) -> None:
        lines: list[str] = []
        with self._client.stream("GET", self._path) as answer:
            self.headers = answer.headers
            for line in answer.iter_lines():
                if line.startswith("data:"):
                    lines.append(line[6:])
                elif line.startswith(": ping"):
                    self.beats += 1
                elif not line and lines:
                    self.messages.append("\n".join(lines))
                    lines = []
                if self._stop.is_set():
                    return
        self.has_ended = True


@contextmanager
def streams(address: str, count: int = 1, path: str = FLUX) -> Iterator[list[Stream]]:
    """This many connections at once."""
    opened = [Stream(address, path) for _ in range(count)]
    try:
        yield opened
    finally:
        for stream in opened:
            stream.close()


@pytest.mark.slow
def test_the_whole_board_comes_first_then_each_change(screen: FilesScreen, server: str) -> None:
    with streams(server) as (stream,):
        first = stream.wait("Rien n'est en cours.")
        assert first == stream.messages[0]
        (number,) = screen.ask("P")
        assert "en attente" in stream.wait("Liste électorale, 1 fichier")
        screen.desk.process(number)
        last = stream.wait("À corriger\u202f: Liste P")
        assert f"/exports/{number}/fichier" in last
        assert 'aria-live="polite"' in last


@pytest.mark.slow
def test_who_connects_again_sees_what_happened_meanwhile(screen: FilesScreen, server: str) -> None:
    with streams(server) as (stream,):
        stream.wait("Rien n'est en cours.")
    screen.ask_and_make("CE")
    with streams(server) as (stream,):
        assert "Liste CE du" in stream.wait("Vos demandes")
        assert "Liste CE du" in stream.messages[0]


def test_what_the_page_shows_is_not_sent_to_it_again_but_what_changes_is(screen: FilesScreen, server: str) -> None:
    (number,) = screen.ask_and_make("CE")
    (path,) = re.findall(r'hx-sse:connect="([^"]+)"', screen.at("/listes").text)
    assert path.startswith(FLUX)
    with streams(server, path=path) as (stream,):
        wait_until(lambda: stream.beats >= 3, message="heartbeats")
        assert stream.messages == []
        screen.desk.download(number)
        assert "Liste CE du" in stream.wait("téléchargé le")
    with streams(server, path=path) as (stream,):
        stream.wait("téléchargé le")


@pytest.mark.slow
def test_nothing_is_sent_again_while_nothing_changes_but_the_connection_lives(screen: FilesScreen, server: str) -> None:
    screen.ask_and_make("CE")
    with streams(server) as (stream,):
        stream.wait("Liste CE du")
        wait_until(lambda: stream.beats >= 3, message="heartbeats")
        assert len(stream.messages) == 1
        assert stream.headers is not None
        assert stream.headers["content-type"].startswith("text/event-stream")
        assert stream.headers["x-accel-buffering"] == "no"
        assert stream.headers["cache-control"] == "no-store"


@pytest.mark.slow
def test_the_database_is_asked_once_for_all_who_look_on(
    screen: FilesScreen, server: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[float] = []

    def ask(state: State, commune: str) -> str:
        asked.append(time.monotonic())
        return read_change_marker(state, commune)

    monkeypatch.setattr(live_updates, "read_change_marker", ask)
    with streams(server, 5) as opened:
        for stream in opened:
            stream.wait("Rien n'est en cours.")
        assert screen.app.state.services.live.communes == {"13900"}
        wait_until(lambda: len(asked) >= 4, message="some questions")
        gaps = [after - before for before, after in itertools.pairwise(asked)]
        assert min(gaps) > live_updates.POLL_SECONDS * 0.9
    wait_until(lambda: not screen.app.state.services.live.communes, message="nobody looks on")
    count = len(asked)
    with streams(server) as (stream,):
        stream.wait("Rien n'est en cours.")
    assert len(asked) <= count + 2


@pytest.mark.slow
def test_the_stream_ends_once_the_agent_may_not_see_the_commune(screen: FilesScreen, server: str) -> None:
    with streams(server) as (stream,):
        stream.wait("Rien n'est en cours.")
        screen.desk.run("UPDATE agent SET code_commune = '13055'")
        wait_until(lambda: stream.has_ended, message="the end of the stream")
    screen.desk.run("UPDATE agent SET code_commune = '13900'")


@pytest.mark.slow
def test_the_stream_outlives_a_database_that_is_away_for_a_moment(
    screen: FilesScreen, server: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    away = threading.Event()

    def ask(state: State, commune: str) -> str:
        if away.is_set():
            raise StateAwayError("la base ne répond pas")
        return read_change_marker(state, commune)

    monkeypatch.setattr(live_updates, "_AWAY_SECONDS", 0.1)
    monkeypatch.setattr(live_updates, "read_change_marker", ask)
    with streams(server) as (stream,):
        stream.wait("Rien n'est en cours.")
        away.set()
        screen.ask_and_make("CE")
        beats = stream.beats
        wait_until(lambda: stream.beats >= beats + 2, message="heartbeats without a database")
        assert len(stream.messages) == 1
        away.clear()
        stream.wait("Liste CE du")
