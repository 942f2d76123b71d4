"""The configuration of a producer: environment variables (prefix PREFECTURE_) and files of secrets.

Only entry points read it. common/settings.py lists every variable with its meaning.
"""

import getpass
import re
import socket
from functools import partial
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import unquote, urlsplit

from pydantic import Field, SecretStr

from common.settings import PREFIX, EnvironmentSettings, read_settings
from producers.errors import ProducerConfigurationError
from schemas.envelope import Attribute
from schemas.faults import explain_fault
from schemas.requests import NAME_CHARACTERS


def default_requested_by() -> str:
    """Return the operating system's user, reduced to the characters that the contract accepts."""
    try:
        name = getpass.getuser()
    except (OSError, KeyError):  # a container whose user has no name; KeyError before Python 3.13
        name = ""
    return re.sub(f"[^{NAME_CHARACTERS}]+", "-", name).lstrip(" .@_+'’:/(),°&-")[:100] or "inconnu"


def default_source() -> str:
    """Return the default `source` of events, which names this command and host."""
    host = re.sub("[^A-Za-z0-9.-]+", "-", socket.gethostname())
    return f"/producers/cli/{host[:100] or 'localhost'}"


_DEFAULT_ACCOUNT = "guest"
"""RabbitMQ's, of an address without an account."""


class ProducerSettings(EnvironmentSettings):
    """The settings of a producer; publishing needs only `amqp_url`, reading needs only `state_url`."""

    amqp_url: SecretStr = SecretStr("amqp://guest:guest@127.0.0.1:5672/%2F")
    state_url: SecretStr | None = None
    exports_dir: Path | None = None
    source: Attribute = Field(default_factory=default_source)

    @property
    def account(self) -> str:
        """The account on the broker, which is part of the key of each request: its sender."""
        return unquote(urlsplit(self.amqp_url.get_secret_value()).username or _DEFAULT_ACCOUNT)

    def require_state_url(self) -> str:
        """Return the URL of the database.

        Raises:
            ProducerConfigurationError: PREFECTURE_STATE_URL is not set.
        """
        if self.state_url is None:
            raise ProducerConfigurationError(
                f"cette commande lit l'état des demandes : indiquez la base dans {PREFIX}STATE_URL, avec un compte qui "
                "peut seulement lire (postgresql+psycopg://lecture:…@hôte/base ou sqlite:///chemin)"
            )
        return self.state_url.get_secret_value()


_Settings = TypeVar("_Settings", bound=ProducerSettings)


def load(kind: type[_Settings], **overrides: Any) -> _Settings:  # noqa: ANN401 — fields of the settings
    """Read the environment and the secrets.

    Raises:
        ProducerConfigurationError: an unknown variable (with the closest known name), a missing or an invalid value.
    """
    return read_settings(kind, explain_fault, ProducerConfigurationError, overrides)


load_settings = partial(load, ProducerSettings)
