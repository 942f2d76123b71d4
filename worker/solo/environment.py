"""What the embedded mode is: every setting that is not given points under PREFECTURE_HOME (`var`)."""

import os
from pathlib import Path

from schemas.environment import PREFIX


def set_defaults() -> None:
    """Complete the environment, so that every command of the worker and of the producers works on the same data."""
    home = Path(os.environ.get(f"{PREFIX}HOME") or "var")
    database = f"sqlite:///{home / 'prefecture.db'}"
    defaults = {
        "DATABASE_URL": database,
        "STATE_URL": database,
        "EXPORTS_DIR": str(home / "exports"),
        "MAIL_DIR": str(home / "mails"),
        "LOG_FORMAT": "console",
        "LOG_LEVEL": "warning",
        "SOURCE": "/solo",
    }
    for name, value in defaults.items():
        os.environ.setdefault(PREFIX + name, value)
