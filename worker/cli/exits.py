"""How a command ends: an exit code, and a French message instead of a traceback, which could hold an elector's data."""

from collections.abc import Callable
from enum import IntEnum

import click

from common.cli import explain_usage
from common.logs import describe_exception
from common.tls import explain_database_tls
from worker.errors import ConfigurationError, PrefectureError, TransientError


class Exit(IntEnum):
    """Exit codes of every command."""

    DONE = 0
    REFUSED = 1
    """Refused or failed; the message says why."""
    USAGE = 2
    """The command line or the environment is wrong."""
    AWAY = 3
    """A service is away for now; trying again later may do."""
    INTERRUPTED = 130
    """Stopped from the keyboard."""


def guard(run: Callable[[], object]) -> int:
    """Run a command, say on standard error what went wrong, return the exit code.

    A command that ends by `context.exit(code)` makes click return that code.
    """
    try:
        code = run()
    except click.exceptions.NoArgsIsHelpError as error:
        click.echo(error.message, err=True)
        return Exit.USAGE
    except click.Abort:
        click.echo("Interrompu.", err=True)
        return Exit.INTERRUPTED
    except Exception as error:  # noqa: BLE001 — its text may quote the values of a statement
        return _say(*_explain(error))
    return code if isinstance(code, int) else Exit.DONE


def _say(message: str, code: Exit) -> Exit:
    click.echo(f"Erreur : {message}", err=True)
    return code


def _explain(error: Exception) -> tuple[str, Exit]:
    match error:
        case click.UsageError():
            return explain_usage(error), Exit.USAGE
        case ConfigurationError():
            return str(error), Exit.USAGE
        case TransientError():
            return str(error), Exit.AWAY
        case PrefectureError():
            return str(error), Exit.REFUSED
        case _:
            return _explain_database(error) or _explain_bug(error)


def _explain_database(error: Exception) -> tuple[str, Exit] | None:
    from sqlalchemy.exc import DBAPIError, OperationalError

    if isinstance(error, DBAPIError) and _lacks_table(error):
        return "la base de données n'est pas prête : lancez « python -m worker migrate »", Exit.REFUSED
    if isinstance(error, OperationalError):
        reason = explain_database_tls(str(error.orig)) or str(error.orig).strip().partition("\n")[0]
        advice = "Vérifiez qu'elle est démarrée et que PREFECTURE_DATABASE_URL est juste."
        return f"base de données injoignable : {_database()} ({reason}). {advice}", Exit.AWAY
    return None


def _explain_bug(error: Exception) -> tuple[str, Exit]:
    what = describe_exception(error)
    return f"erreur inattendue : {what['type']} ({' < '.join(reversed(what['at']))})", Exit.REFUSED


def _lacks_table(error: Exception) -> bool:
    orig = getattr(error, "orig", None)
    return type(orig).__name__ == "UndefinedTable" or str(orig).startswith("no such table")


def _database() -> str:
    from sqlalchemy.engine import make_url

    from worker.settings import load_settings

    return make_url(load_settings().database_url.get_secret_value()).render_as_string(hide_password=True)
