"""What the embedded mode is: every setting that is not given points under PREFECTURE_HOME (`var`)."""

import os
from pathlib import Path

from common.settings import PREFIX
from worker.errors import ConfigurationError

_WEB = {"HOST": "127.0.0.1", "PORT": "8000"}
"""Where `run` opens the screen, which mails link to."""


def set_defaults() -> None:
    """Complete the environment, so that every command of the worker and of the producers works on the same data.

    Raises:
        ConfigurationError: the environment is that of an installation with a broker.
    """
    given = os.environ.get(f"{PREFIX}DATABASE_URL", "")
    if given and not given.startswith("sqlite"):
        raise ConfigurationError(
            f"ce mode travaille sur SQLite, sous {PREFIX}HOME : retirez {PREFIX}DATABASE_URL de l'environnement, "
            "ou employez « python -m worker » et « python -m producers »"
        )
    home = Path(os.environ.get(f"{PREFIX}HOME") or "var")
    database = f"sqlite:///{home / 'prefecture.db'}"
    host, port = (os.environ.get(f"{PREFIX}WEB_{name}") or given for name, given in _WEB.items())
    defaults = {
        "DATABASE_URL": database,
        "STATE_URL": database,
        "EXPORTS_DIR": str(home / "exports"),
        "MAIL_DIR": str(home / "mails"),
        "LOG_FORMAT": "console",
        "LOG_LEVEL": "warning",
        "SOURCE": "/solo",
        "WEB_SPOOL_DIR": str(home / "spool"),
        "PUBLIC_URL": f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}",
    }
    for name, value in defaults.items():
        os.environ.setdefault(PREFIX + name, value)
    os.environ[f"{PREFIX}SENDERS"] = "any"  # without a broker, nobody vouches for a sender
