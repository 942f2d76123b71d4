"""A failure is one line in either format, without any data of its subject; an hour of failures is few lines."""

import json
import logging

import pytest
import structlog
from structlog.testing import capture_logs

from common.logs import LogThrottle, configure_logs, describe_exception, request_keys
from worker.errors import TransientError


@pytest.mark.parametrize("style", ["json", "console"])
def test_an_exception_is_told_without_its_message(
    style: str, capsys: pytest.CaptureFixture[str]
) -> None:
    configure_logs(style, "info")  # type: ignore[arg-type]  # one of the two
    try:
        int("ÉLECTEUR Inventé")
    except ValueError:
        structlog.get_logger("ours").exception("export_crashed", export_id=41)
        logging.getLogger("a.library").exception("it broke")
    said = capsys.readouterr().err
    assert "export_crashed" in said
    assert "it broke" in said
    assert said.count("ValueError") == 2
    assert said.count("test_logs.py:") == 2
    assert "ÉLECTEUR" not in said


class _Psycopg(Exception):
    """An error of the driver, as far as logs look at it."""

    __module__ = "psycopg.errors"

    def __init__(self, text: str, sqlstate: str) -> None:
        super().__init__(text)
        self.sqlstate = sqlstate


@pytest.mark.parametrize(
    ("sqlstate", "text"),
    [
        ("28P01", 'password authentication failed for user "prefecture_files"'),
        ("55P03", "canceling statement due to lock timeout"),
        ("53100", 'could not extend file "base/16385/1249": No space left on device'),
        ("22P02", ""),
        ("23505", ""),
    ],
)
def test_an_error_of_the_database_is_told_with_its_text_where_it_quotes_no_value(
    sqlstate: str, text: str
) -> None:
    error = RuntimeError("ÉLECTEUR Inventé")
    error.__cause__ = _Psycopg(f"{text or 'ÉLECTEUR'}\nDETAIL: ÉLECTEUR", sqlstate)
    described = describe_exception(error)
    assert described.get("text", "") == text
    assert "ÉLECTEUR" not in str(described)


def test_an_error_that_is_its_own_cause_is_described() -> None:
    error = RuntimeError("invented")
    error.__cause__ = error
    assert describe_exception(error) == {"type": "RuntimeError", "at": []}


@pytest.mark.parametrize("library", ["authlib", "httpx2", "pika", "python_multipart"])
def test_a_library_that_logs_what_it_carries_is_not_heard(
    library: str, capsys: pytest.CaptureFixture[str]
) -> None:
    before = logging.getLogger(library).level
    configure_logs("json", "debug")
    try:
        logging.getLogger(f"{library}.inside").error("ÉLECTEUR Inventé")
        logging.getLogger("another").error("heard")
    finally:
        logging.getLogger(library).setLevel(before)
    said = capsys.readouterr().err
    assert "heard" in said
    assert "ÉLECTEUR" not in said


def test_what_a_sender_calls_its_event_is_written_only_if_it_is_an_identifier(
    capsys: pytest.CaptureFixture[str],
) -> None:
    configure_logs("json", "info")
    for name in ("8f0c-1/ecran", "ÉLECTEUR Inventé", "ELECTEUR INVENTE"):
        structlog.get_logger("ours").info("request_refused", correlation_id=name)
    said = [json.loads(line)["correlation_id"] for line in capsys.readouterr().err.splitlines()]
    assert said == ["8f0c-1/ecran", "sha256:f78caed41773c91b", "sha256:985e96e1eeeb0560"]


def test_a_line_about_a_request_within_anothers_has_no_trace_of_the_other(
    capsys: pytest.CaptureFixture[str],
) -> None:
    configure_logs("json", "info")
    evening, morning = (
        request_keys("clic-du-soir", "0af7651916cd43dd8448eb211c80319c"),
        request_keys("clic-du-matin", ""),
    )
    with structlog.contextvars.bound_contextvars(**evening):
        with structlog.contextvars.bound_contextvars(**morning):
            structlog.get_logger("ours").info("export_queued")
        structlog.get_logger("ours").info("export_ready", **morning)
        structlog.get_logger("ours").info("purged", **request_keys("", ""))
    said = [json.loads(line) for line in capsys.readouterr().err.splitlines()]
    assert [(it["event"], it.get("correlation_id")) for it in said] == [
        ("export_queued", "clic-du-matin"),
        ("export_ready", "clic-du-matin"),
        ("purged", None),
    ]
    assert not [it for it in said if "trace_id" in it]


def test_an_hour_away_is_an_hour_of_few_lines() -> None:
    now = 0.0
    throttle = LogThrottle("database", clock=lambda: now)
    with capture_logs() as lines:
        for _ in range(3600):
            throttle.failed(TransientError("elle n'est pas là"))
            now += 1
        throttle.succeeded()
        throttle.succeeded()

    *said, over = lines
    assert [line["seconds"] for line in said] == list(range(0, 3600, 60))
    assert {(line["event"], line["what"], line["log_level"]) for line in said} == {
        ("outage", "database", "error")
    }
    assert said[-1]["times"] == 3541
    assert said[0]["type"] == "TransientError"
    assert (over["event"], over["seconds"], over["times"]) == ("outage_over", 3600, 3600)


def test_each_outage_is_said_at_once() -> None:
    throttle = LogThrottle("database")
    with capture_logs() as lines:
        for _ in range(2):
            throttle.failed(TransientError("away"))
            throttle.failed(TransientError("away"))
            throttle.succeeded()
    assert [line["event"] for line in lines] == ["outage", "outage_over"] * 2
