"""A failure is one line in either form: where it happened, and not a word of what it was about."""

import json
import logging

import pytest
import structlog

from common.logs import configure_logs, request_keys


@pytest.mark.parametrize("style", ["json", "console"])
def test_an_exception_is_told_without_its_message(style: str, capsys: pytest.CaptureFixture[str]) -> None:
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


@pytest.mark.parametrize("library", ["authlib", "httpx2", "pika", "python_multipart"])
def test_a_library_that_logs_what_it_carries_is_not_heard(library: str, capsys: pytest.CaptureFixture[str]) -> None:
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


def test_a_line_about_a_request_within_anothers_has_no_trace_of_the_other(capsys: pytest.CaptureFixture[str]) -> None:
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
