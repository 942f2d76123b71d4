"""How a process reads its configuration: environment variables (prefix PREFECTURE_) and files of secrets.

One list holds the variables of all processes, so that each process can detect a misspelled name.
"""

import difflib
import os
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

from pydantic import BeforeValidator, SecretStr, ValidationError
from pydantic_core import ErrorDetails
from pydantic_settings import BaseSettings, SettingsConfigDict

PREFIX = "PREFECTURE_"

EXPORTS, ARRIVALS = "exports", "arrivals"
"""Folders below HOME that worker and screen share."""

LogFormat = Literal["json", "console"]
LogLevel = Literal["debug", "info", "warning", "error"]


def split_words(value: Any) -> Any:  # noqa: ANN401 — text from the environment, or a value of the code
    """Split a text at commas and spaces; return any other value unchanged."""
    return tuple(value.replace(",", " ").split()) if isinstance(value, str) else value


Words = Annotated[tuple[str, ...], BeforeValidator(split_words)]
"""A setting that is a list of words."""


@dataclass(frozen=True)
class Variable:
    """An environment variable: its name without the prefix, the processes that read it, its meaning."""

    name: str
    readers: frozenset[str]
    meaning: str


def _variable(name: str, readers: str, meaning: str) -> Variable:
    return Variable(name, frozenset(readers.split()), meaning)


VARIABLES = (
    _variable("AMQP_URL", "worker producers", "RabbitMQ, `amqp://` or `amqps://`"),
    _variable("DATABASE_URL", "worker", "database of the worker (records and register), SQLAlchemy form"),
    _variable("REGISTRE_URL", "worker", "database of the register when it is another one"),
    _variable("STATE_URL", "producers", "the worker's database, by an account that may only read its views"),
    _variable("HOME", "worker producers", "folder of `exports`, `arrivals`, `mails`, `spool` and `health`"),
    _variable("EXPORTS_DIR", "worker producers", "the exports volume, where it is not `exports` below HOME"),
    _variable("SECRETS_DIR", "worker producers", "directory of files named like the variables, one secret each"),
    _variable("LOG_FORMAT", "worker producers", "`json` or `console`"),
    _variable("LOG_LEVEL", "worker producers", "`debug`, `info`, `warning` or `error`"),
    _variable("RETENTION_DAYS", "worker producers", "how long files are kept after they were made; 0: for ever"),
    _variable("AUDIT_DAYS", "worker", "how long lines of the audit trail are kept, 30 at least; 0: for ever"),
    _variable("TYPE_LISTE_CODES", "worker", "column TypeListe per list, `P=G,CE=E,CM=M`"),
    _variable("INFO_LISTE", "worker", "column InfoListe"),
    _variable("RUINED_VALUES", "worker", "what a ruined value makes of a file: `bloquante` or `remarque`"),
    _variable("XSD_PATH", "worker", "the ministry's XSD, when you hold it"),
    _variable("PUBLIC_URL", "worker producers", "address of the page that mails link to"),
    _variable("SMTP_SERVER", "worker", "address of the mail server; without it, mails are files in `mails` below HOME"),
    _variable("MAIL_FROM", "worker", "sender of the mails"),
    _variable("WEBHOOK_HOSTS", "worker", "hosts that webhooks may lead to; none without it"),
    _variable("REMINDER_DAYS", "worker", "how many days before a deadline its reminder is sent, `10,3`"),
    _variable("SOURCE", "producers", "`source` of the events, which identifies the sender"),
    _variable("METRICS_PORT", "worker", "port where the notifier shows Prometheus metrics, none by default"),
    _variable("WEB_HOST", "producers", "address where the screen listens"),
    _variable("WEB_PORT", "producers", "port where the screen listens"),
    _variable("WEB_AUTH", "producers", "how agents are known: `none` (this computer only), `proxy` or `oidc`"),
    _variable("WEB_AGENT", "producers", "the agent of a screen without authentication"),
    _variable("WEB_SECRET", "producers", "what signs the sessions; without it they end with the process"),
    _variable("WEB_TRUSTED_PROXIES", "producers", "addresses or networks of the proxies that are believed"),
    _variable("WEB_PROXY_SECRET", "producers", "what a trusted proxy must show in X-Prefecture-Secret"),
    _variable("WEB_OIDC_ISSUER", "producers", "the OpenID Connect provider"),
    _variable("WEB_OIDC_CLIENT_ID", "producers", "what the provider calls the screen"),
    _variable("WEB_OIDC_CLIENT_SECRET", "producers", "its secret there"),
    _variable("WEB_OIDC_UNVERIFIED", "producers", "the provider whose addresses count without `email_verified`"),
    _variable("WEB_OIDC_SIRETS", "producers", "the employers whose agents may come; all without it"),
)


class SettingsError(ValueError):
    """The environment is invalid; the French message names the variables and quotes no value, as some are secrets."""


def unknown_variables(environment: Mapping[str, str] | Iterable[str]) -> dict[str, str | None]:
    """Return the PREFECTURE_ variables that no process reads, each with the closest known name or None."""
    known = [variable.name for variable in VARIABLES]
    given = {name: name.upper().removeprefix(PREFIX) for name in environment if name.upper().startswith(PREFIX)}
    return {
        name: next((PREFIX + meant for meant in difflib.get_close_matches(short, known, n=1, cutoff=0.5)), None)
        for name, short in given.items()
        if short not in known
    }


def check_names(environment: Mapping[str, str] | Iterable[str]) -> None:
    """Raise an error for PREFECTURE_ variables that no process reads.

    Raises:
        SettingsError: names each variable and the closest known name.
    """
    if unknown := unknown_variables(environment):
        raise SettingsError(
            " ; ".join(
                f"variable inconnue : {name}" + (f" (vouliez-vous dire {meant} ?)" if meant else "")
                for name, meant in unknown.items()
            )
        )


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


ExplainDetail = Callable[[ErrorDetails], str]
"""Returns the French description of one invalid value."""

_Settings = TypeVar("_Settings", bound=EnvironmentSettings)


def read_settings(kind: type[_Settings], explain: ExplainDetail, overrides: Mapping[str, Any]) -> _Settings:
    """Read the environment and the secrets; `overrides` are fields that replace both.

    Raises:
        SettingsError: an unknown variable (with the closest known name), a missing or an invalid value.
    """
    check_names(os.environ)
    try:
        return kind(_secrets_dir=os.environ.get(f"{PREFIX}SECRETS_DIR"), **overrides)
    except ValidationError as error:
        faults = error.errors(include_input=False, include_url=False)
        raise SettingsError(" ; ".join(_describe(fault, explain) for fault in faults)) from None
    except ValueError as error:  # PREFECTURE_SECRETS_DIR is not a directory
        raise SettingsError(str(error)) from None


def _describe(fault: ErrorDetails, explain: ExplainDetail) -> str:
    if not fault["loc"]:  # settings that contradict each other: the message names them
        return explain(fault)
    what = "manquante, elle est obligatoire" if fault["type"] == "missing" else f"valeur refusée ({explain(fault)})"
    return f"{PREFIX}{str(fault['loc'][0]).upper()} : {what}"


def effective(settings: EnvironmentSettings) -> list[tuple[str, str]]:
    """Return each setting and its value in force; secrets and the secret parts of URLs are masked."""
    return [(name, _shown(name, getattr(settings, name))) for name in type(settings).model_fields]


def describe_given(settings: EnvironmentSettings) -> str:
    """Return on one line the settings that are set explicitly, secrets masked; the others have their defaults."""
    given = settings.model_fields_set
    return " ; ".join(f"{name.upper()}={value}" for name, value in effective(settings) if name in given)


def _shown(name: str, value: object) -> str:
    from common.database import shown_address

    if isinstance(value, dict):
        return ",".join(f"{key}={code}" for key, code in value.items())
    if isinstance(value, tuple):
        return ",".join(map(str, value))
    if not isinstance(value, SecretStr):
        return "" if value is None else str(value)
    secret = value.get_secret_value()
    if not name.endswith("_url"):
        return "********" if secret else ""
    return shown_address(secret)
