"""The worker's configuration, from the environment (prefix PREFECTURE_) and from files of secrets.

Only entry points read it. common/settings.py lists every variable with its meaning.
"""

from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple
from urllib.parse import unquote, urlsplit

from pydantic import BeforeValidator, Field, SecretStr, field_validator

from common.settings import (
    EXPORTS,
    EnvironmentSettings,
    LogFormat,
    LogLevel,
    Words,
    read_settings,
    split_words,
)
from schemas.faults import explain_fault
from schemas.topology import SOURCE
from schemas.vocabulary import Severity
from worker.errors import ConfigurationError

_SMTP: dict[str, tuple[Literal["none", "starttls", "tls"], int]] = {
    "smtp": ("none", 25),
    "smtp+starttls": ("starttls", 587),
    "smtps": ("tls", 465),
}

ReminderDays = Annotated[
    tuple[Annotated[int, Field(ge=0, le=366)], ...], BeforeValidator(split_words)
]


class MailServer(NamedTuple):
    """A mail server, from `smtp://`, `smtp+starttls://` or `smtps://`, account:password@host:port."""

    host: str
    port: int
    security: Literal["none", "starttls", "tls"]
    user: str
    password: SecretStr

    @classmethod
    def parse(cls, address: str) -> "MailServer":
        """Parse the address; account and password are percent-encoded.

        Raises:
            ValueError: the address is malformed; the message quotes no part of it.
        """
        try:
            parts = urlsplit(address)
            security, port = _SMTP[parts.scheme]
            user, password = unquote(parts.username or ""), SecretStr(unquote(parts.password or ""))
            server = cls(parts.hostname or "", parts.port or port, security, user, password)
        except (KeyError, ValueError):
            server = None
        if server is None or not server.host:
            raise ValueError(
                "une adresse est attendue, comme smtps://compte:motdepasse@serveur:465"
            )
        return server


class Settings(EnvironmentSettings):
    """Every setting of the worker, the notifier and the embedded mode."""

    database_url: SecretStr
    registre_url: SecretStr | None = None
    amqp_url: SecretStr = SecretStr("amqp://guest:guest@127.0.0.1:5672/%2F")
    exports_dir: Path = Field(default_factory=lambda given: given["home"] / EXPORTS)
    log_format: LogFormat = "json"
    log_level: LogLevel = "info"
    metrics_port: Annotated[int, Field(ge=1, le=65_535)] | None = None
    worker_lane: Literal["all", "people"] = "all"

    retention_days: Annotated[int, Field(ge=0)] = 30
    audit_days: Annotated[int, Field(ge=0)] = 366

    ruined_values: Literal[Severity.BLOCKING, Severity.REMARK] = Severity.BLOCKING

    public_url: str = ""
    smtp_server: SecretStr = SecretStr("")
    mail_from: str = "module-prefecture@localhost"
    webhook_hosts: Words = ()
    reminder_days: ReminderDays = (10, 3)

    @property
    def health_dir(self) -> Path:
        """The folder of the liveness files."""
        return self.home / "health"

    @property
    def mail_dir(self) -> Path:
        """The folder that receives mails when no mail server is set."""
        return self.home / "mails"

    @property
    def event_source(self) -> str:
        """The `source` of our events: the address of the screen distinguishes installations."""
        return self.public_url or SOURCE

    @property
    def mail_server(self) -> "MailServer | None":
        """The mail server, or None when the settings have none."""
        address = self.smtp_server.get_secret_value()
        return MailServer.parse(address) if address else None

    @field_validator("smtp_server")
    @classmethod
    def _check_smtp_server(cls, address: SecretStr) -> SecretStr:
        if address.get_secret_value():
            MailServer.parse(address.get_secret_value())
        return address


def load_settings(**overrides: Any) -> Settings:  # noqa: ANN401 — fields of Settings
    """Read the environment and the secrets.

    Raises:
        ConfigurationError: a variable is unknown (the message suggests a similar name), missing or wrong.
    """
    return read_settings(Settings, explain_fault, ConfigurationError, overrides)
