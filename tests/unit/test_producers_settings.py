"""The producer's configuration: defaults, refused values, secrets."""

import getpass
from pathlib import Path

import pytest

from common.cli import ExitCode
from producers.errors import ProducerConfigurationError
from producers.settings import default_requested_by, load_settings
from schemas.requests import ListeExportRequested


@pytest.fixture(autouse=True)
def empty_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AMQP_URL", "STATE_URL", "EXPORTS_DIR", "SOURCE", "REQUESTED_BY", "SECRETS_DIR"):
        monkeypatch.delenv(f"PREFECTURE_{name}", raising=False)


@pytest.mark.parametrize(
    ("user", "expected"),
    [
        ("martine", "martine"),
        ("Église-Saint.Jean", "Église-Saint.Jean"),
        ("DOMAINE\\agent", "DOMAINE-agent"),
        ("_service", "service"),
        ("$$$", "inconnu"),
        ("", "inconnu"),
        ("x" * 300, "x" * 100),
    ],
)
def test_the_system_user_is_put_into_the_letters_of_the_contract(
    monkeypatch: pytest.MonkeyPatch, user: str, expected: str
) -> None:
    monkeypatch.setattr(getpass, "getuser", lambda: user)
    assert default_requested_by() == expected
    assert ListeExportRequested(commune="13900", requested_by=expected).requested_by == expected


def test_a_misspelt_variable_is_refused_and_the_right_name_suggested(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PREFECTURE_STATE_ULR", "sqlite:///x")
    with pytest.raises(ProducerConfigurationError, match="vouliez-vous dire PREFECTURE_STATE_URL") as caught:
        load_settings()
    assert caught.value.exit_code is ExitCode.USAGE


def test_a_wrong_value_is_named_and_not_quoted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PREFECTURE_SOURCE", "<script>\n")
    with pytest.raises(ProducerConfigurationError, match="PREFECTURE_SOURCE") as caught:
        load_settings()
    assert "script" not in str(caught.value)


def test_secrets_are_read_from_files_and_never_shown(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "prefecture_amqp_url").write_text("amqp://producer:hush@broker/prefecture")
    monkeypatch.setenv("PREFECTURE_SECRETS_DIR", str(tmp_path))
    settings = load_settings()
    assert settings.amqp_url.get_secret_value() == "amqp://producer:hush@broker/prefecture"
    assert "hush" not in repr(settings)
