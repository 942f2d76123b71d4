"""A server that does not answer, a process that is frozen in its transaction: every process notices within seconds."""

import socket
from typing import Any

import pytest
from sqlalchemy import Connection, text

from common.database import SILENT_SECONDS
from producers.state import State
from worker.db.engine import build_engine


def _socket_options(connection: Connection) -> dict[str, int]:
    driver: Any = connection.connection.driver_connection
    with socket.fromfd(driver.fileno(), socket.AF_INET, socket.SOCK_STREAM) as opened:
        return {
            "user_timeout": opened.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT) // 1000,
            "keepalive": opened.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE),
            "until_cut": opened.getsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE)
            + opened.getsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPINTVL)
            * opened.getsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPCNT),
        }


def test_a_connection_that_answers_nothing_is_cut_on_both_sides(postgres_url: str) -> None:
    expected = {"user_timeout": SILENT_SECONDS, "keepalive": 1, "until_cut": SILENT_SECONDS}
    engine = build_engine(postgres_url)
    with engine.connect() as connection:
        assert _socket_options(connection) == expected
    engine.dispose()
    with State(postgres_url) as state, state.reading() as connection:
        assert _socket_options(connection) == expected


@pytest.mark.parametrize(("serves", "expected"), [(True, {"1min", "30s"}), (False, {"0"})])
def test_who_stands_still_in_a_transaction_blocks_nobody_for_long(
    postgres_url: str, expected: set[str], *, serves: bool
) -> None:
    """An operator's import may wait for a lock, and take its time."""
    names = "idle_in_transaction_session_timeout", "lock_timeout"
    engine = build_engine(postgres_url, serves=serves)
    with engine.connect() as connection:
        assert {connection.scalar(text(f"SHOW {name}")) for name in names} == expected
    engine.dispose()
