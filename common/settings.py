"""How a process reads its configuration: environment variables (prefix PREFECTURE_) and files of secrets.

One list holds the variables of all processes, so that each process can detect a misspelled name.
"""

import difflib
import os
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

from pydantic import BeforeValidator, SecretStr, ValidationError
from pydantic_core import ErrorDetails
from pydantic_settings import BaseSettings, SettingsConfigDict

PREFIX = "PREFECTURE_"

EXPORTS, ARRIVALS, PROFILES = "exports", "arrivals", "profiles"
"""Folders below HOME that worker and screen share."""

LogFormat = Literal["json", "console"]
LogLevel = Literal["debug", "info", "warning", "error"]


def split_words(value: Any) -> Any:  # noqa: ANN401 — text from the environment, or a value of the code
    """Split a text at commas and spaces; return any other value unchanged."""
    return tuple(value.replace(",", " ").split()) if isinstance(value, str) else value


Words = Annotated[tuple[str, ...], BeforeValidator(split_words)]
"""A setting that is a list of words."""


VARIABLES = (
    "AMQP_URL",
    "DATABASE_URL",
    "REGISTRE_URL",
    "STATE_URL",
    "HOME",
    "EXPORTS_DIR",
    "SECRETS_DIR",
    "LOG_FORMAT",
    "LOG_LEVEL",
    "WORKER_LANE",
    "RETENTION_DAYS",
    "AUDIT_DAYS",
    "RUINED_VALUES",
    "PUBLIC_URL",
    "SMTP_SERVER",
    "MAIL_FROM",
    "WEBHOOK_HOSTS",
    "REMINDER_DAYS",
    "SOURCE",
    "METRICS_PORT",
    "WEB_HOST",
    "WEB_PORT",
    "WEB_AUTH",
    "WEB_AGENT",
    "WEB_SECRET",
    "WEB_TRUSTED_PROXIES",
    "WEB_PROXY_SECRET",
    "WEB_OIDC_ISSUER",
    "WEB_OIDC_CLIENT_ID",
    "WEB_OIDC_CLIENT_SECRET",
    "WEB_OIDC_UNVERIFIED",
    "WEB_OIDC_SIRETS",
)
"""The variables of all processes, without the prefix; docs/reference.md says what each means."""


def unknown_variables(environment: Mapping[str, str] | Iterable[str]) -> dict[str, str | None]:
    """Return the PREFECTURE_ variables that no process reads, each with the closest known name or None."""
    given = {
        name: name.upper().removeprefix(PREFIX)
        for name in environment
        if name.upper().startswith(PREFIX)
    }
    return {
        name: next(
            (
                PREFIX + meant
                for meant in difflib.get_close_matches(short, VARIABLES, n=1, cutoff=0.5)
            ),
            None,
        )
        for name, short in given.items()
        if short not in VARIABLES
    }


class EnvironmentSettings(BaseSettings):
    """Base of the settings of all processes: their sources, and errors without values."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX,
        env_ignore_empty=True,
        enable_decoding=False,  # a list is written as words, not as JSON
        extra="ignore",
        frozen=True,
        hide_input_in_errors=True,
    )

    home: Path = Path("var")

    @property
    def arrivals_dir(self) -> Path:
        """The folder of uploaded REU exports that the worker imports."""
        return self.home / ARRIVALS

    @property
    def profiles_dir(self) -> Path:
        """The folder of the profiles that the operator adds; it need not exist."""
        return self.home / PROFILES


ExplainDetail = Callable[[ErrorDetails], str]
"""Returns the French description of one invalid value."""

_Settings = TypeVar("_Settings", bound=EnvironmentSettings)


def read_settings(
    kind: type[_Settings],
    explain: ExplainDetail,
    invalid: type[Exception],
    overrides: Mapping[str, Any],
) -> _Settings:
    """Read the environment and the secrets; `overrides` are fields that replace both.

    Raises `invalid` for an unknown variable (with the closest known name), a missing or an invalid value: the French
    message names the variables and quotes no value, as some are secrets.
    """
    if unknown := unknown_variables(os.environ):
        raise invalid(
            " ; ".join(
                f"variable inconnue : {name}" + (f" (vouliez-vous dire {meant} ?)" if meant else "")
                for name, meant in unknown.items()
            )
        )
    try:
        return kind(_secrets_dir=os.environ.get(f"{PREFIX}SECRETS_DIR"), **overrides)
    except ValidationError as error:
        faults = error.errors(include_input=False, include_url=False)
        raise invalid(" ; ".join(_describe(fault, explain) for fault in faults)) from None
    except ValueError as error:  # PREFECTURE_SECRETS_DIR is not a directory
        raise invalid(str(error)) from None


def _describe(fault: ErrorDetails, explain: ExplainDetail) -> str:
    if not fault["loc"]:  # settings that contradict each other: the message names them
        return explain(fault)
    what = (
        "manquante, elle est obligatoire"
        if fault["type"] == "missing"
        else f"valeur refusée ({explain(fault)})"
    )
    return f"{PREFIX}{str(fault['loc'][0]).upper()} : {what}"


def effective(settings: EnvironmentSettings) -> list[tuple[str, str]]:
    """Return each setting and its value in force; secrets and the secret parts of URLs are masked."""
    return [(name, _shown(name, getattr(settings, name))) for name in type(settings).model_fields]


def _shown(name: str, value: object) -> str:
    from common.database import shown_address

    if isinstance(value, tuple):
        return ",".join(map(str, value))
    if not isinstance(value, SecretStr):
        return "" if value is None else str(value)
    secret = value.get_secret_value()
    if not name.endswith("_url"):
        return "********" if secret else ""
    return shown_address(secret)
