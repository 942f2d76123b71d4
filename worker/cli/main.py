"""The table of commands, and the translation of each error into a message and an exit code."""

from collections.abc import Sequence

import click

from common.cli import EXIT_CODES, ExitCode, LazyGroup, run_command
from common.logs import describe_exception
from worker.errors import ConfigurationError, PrefectureError, TransientError

COMMANDS = {
    "migrate": "worker.cli.operations:migrate",
    "import-reu": "worker.cli.imports:import_reu",
    "import-mouvements": "worker.cli.imports:import_mouvements",
    "imports": "worker.cli.imports:imports",
    "profiles": "worker.cli.imports:profiles",
    "declare": "worker.cli.registre:declare",
    "forget": "worker.cli.registre:forget",
    "communes": "worker.cli.registre:communes",
    "agents": "worker.cli.access:agents",
    "accounts": "worker.cli.access:accounts",
    "why": "worker.cli.why:why",
    "work": "worker.cli.dead_letters:work",
    "dead-letters": "worker.cli.dead_letters:dead_letters",
    "notifier": "worker.cli.operations:notifier",
    "purge": "worker.cli.volume:purge",
    "verify": "worker.cli.volume:verify",
    "audit": "worker.cli.operations:audit",
    "check": "worker.cli.check:check",
}
"""The function of each command; its module is imported only when the command is called or its help is shown."""


@click.group(cls=LazyGroup, commands_at=COMMANDS, epilog=EXIT_CODES)
def cli() -> None:
    """Module Préfecture : le registre, les fichiers pour e-listelec et ceux qu'on en prévient."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code."""
    return run_command(
        lambda: cli.main(arguments, prog_name="python -m worker", standalone_mode=False), explain
    )


def explain(error: Exception) -> tuple[str, ExitCode]:
    """Return the message and the exit code of any error: a traceback could quote the values of a statement."""
    match error:
        case ConfigurationError():
            return str(error), ExitCode.USAGE
        case TransientError():
            return str(error), ExitCode.AWAY
        case PrefectureError():
            return str(error), ExitCode.FAILED
    from sqlalchemy.exc import DBAPIError, OperationalError

    from common.database import shown_address
    from worker.causes import explain_database
    from worker.settings import load_settings

    cause = error.orig if isinstance(error, DBAPIError) else None
    if type(cause).__name__ == "UndefinedTable" or str(cause).startswith("no such table"):
        return (
            "la base de données n'est pas prête : lancez « python -m worker migrate »",
            ExitCode.FAILED,
        )
    if isinstance(error, OperationalError):
        place = shown_address(load_settings().database_url.get_secret_value())
        stop = explain_database(error)
        return f"{stop.what} ({place}). À faire : {stop.mend}", ExitCode.AWAY
    what = describe_exception(error)
    return (
        f"erreur inattendue : {what['type']} ({' < '.join(reversed(what['at']))})",
        ExitCode.FAILED,
    )
