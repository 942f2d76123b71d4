"""What is away is said at once, then each minute, then when it is back."""

from structlog.testing import capture_logs

from common.logs import LogThrottle
from worker.errors import TransientError


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
    assert {(line["event"], line["what"], line["log_level"]) for line in said} == {("outage", "database", "error")}
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
