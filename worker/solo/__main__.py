"""`python -m worker.solo`: exit codes of `common.cli`; errors go to standard error, in French.

Every setting without a value points under PREFECTURE_HOME (`var`).
"""

import os
import sys
from collections.abc import Sequence
from pathlib import Path
from secrets import token_hex

import click

from common.cli import EXIT_CODES, ExitCode, LazyGroup, run_command
from common.files import keep_files_private
from common.settings import PREFIX
from producers.errors import ProducerError
from worker.cli import main as worker_commands
from worker.cli.main import explain
from worker.db.engine import build_engine
from worker.errors import ConfigurationError
from worker.settings import load_settings
from worker.solo.process import (
    RESTORING,
    delete_killed_backups,
    exclusive,
    finish_restore,
    prepare_database,
    usable,
)

_NAME = "nom-ecran"
"""The file below HOME with the host name of the screen of `run`, to which mails link."""

REGISTER_COMMANDS = (
    *("import-reu", "import-mouvements", "imports", "profiles", "declare", "communes"),
    *("forget", "agents", "accounts", "purge", "verify", "audit"),
)
"""Commands of the worker, on the embedded database."""

COMMANDS = {
    "demo": "worker.solo.commands:demo",
    "run": "worker.solo.run:run",
    "export-liste": "worker.solo.commands:export_liste",
    "render-tableaux": "worker.solo.commands:render_tableaux",
    "cancel": "worker.solo.commands:cancel",
    "retry": "worker.solo.commands:retry",
    "exports": "producers.cli:exports",
    "backup": "worker.solo.backup:backup",
    "restore": "worker.solo.backup:restore",
} | {name: worker_commands.COMMANDS[name] for name in REGISTER_COMMANDS}


@click.group(cls=LazyGroup, commands_at=COMMANDS, epilog=EXIT_CODES)
def cli() -> None:
    """Tout en un seul processus, sans RabbitMQ ni PostgreSQL : les données sont dans var/ (PREFECTURE_HOME)."""


def main(arguments: Sequence[str]) -> int:
    """Run one command and return its exit code."""
    keep_files_private()
    return run_command(lambda: _run(arguments), _explain)


def _explain(error: Exception) -> tuple[str, ExitCode]:
    return (str(error), error.exit_code) if isinstance(error, ProducerError) else explain(error)


def _run(arguments: Sequence[str]) -> object:
    set_defaults(is_run=list(arguments) == ["run"])
    if arguments and arguments[0] in ("exports", *REGISTER_COMMANDS) and "--help" not in arguments:
        settings = load_settings()
        if (settings.home / RESTORING).exists():
            with exclusive(settings.home):
                finish_restore(settings)
        with usable(settings.home):
            delete_killed_backups(settings.home)
            engine = build_engine(settings.database_url.get_secret_value())
            prepare_database(engine)
            engine.dispose()
    return cli.main(list(arguments), prog_name="python -m worker.solo", standalone_mode=False)


def set_defaults(*, is_run: bool = False) -> None:
    """Complete the environment, so that every command of the worker and of the producers works on the same data.

    `is_run`: the screen is opened, so that it gets its name.

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
    # a name that other accounts do not know: a browser sends the cookie of 127.0.0.1 to their ports of it, too
    file = home / _NAME
    if is_run and not file.exists():
        with usable(home):
            file.write_text(f"prefecture-{token_hex(5)}.localhost", "ascii")
    name = file.read_text("ascii") if file.exists() else "127.0.0.1"
    port = os.environ.get(f"{PREFIX}WEB_PORT") or "8000"
    defaults = {
        "DATABASE_URL": database,
        "STATE_URL": database,
        "EXPORTS_DIR": str(home / "exports"),
        "LOG_FORMAT": "console",
        "LOG_LEVEL": "warning",
        "SOURCE": "/solo",
        "PUBLIC_URL": f"http://{name}:{port}",
    }
    for name, value in defaults.items():
        os.environ.setdefault(PREFIX + name, value)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
