"""What all channels share: the pause between two tries."""

from worker.notifier.channels.delivery import backoff


def test_backoff_doubles_from_ten_seconds_and_stops_at_ten_minutes() -> None:
    assert [backoff(tries) for tries in (0, 1, 5, 6, 7)] == [10, 20, 320, 600, 600]


def test_backoff_after_a_thousand_tries_is_ten_minutes() -> None:
    assert backoff(1000) == 600
