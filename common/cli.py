"""What every command line shares: click in French, commands loaded when they are needed, how a command ends."""

import gettext
import os
from collections.abc import Callable, Mapping
from enum import IntEnum
from importlib import import_module
from pathlib import Path
from typing import Any, TypeVar

import click

_CATALOGUES = Path(__file__).with_name("locale")
_YES = {"o", "oui"}


_Value = TypeVar("_Value")


class ExitCode(IntEnum):
    """What a command's exit code means, for scripts; docs/commands.md and docs/producers.md repeat it for readers."""

    DONE = 0
    """Everything asked was done; without `--wait`, the broker holds the request."""
    FAILED = 1
    """Refused, or it could not be done; the message says why."""
    USAGE = 2
    """The command line, the environment or the event is wrong: nothing was done."""
    AWAY = 3
    """A service did not answer, or did not take the request; trying again later may do."""
    TIMEOUT = 4
    """The request was sent, but its files were not all made in the time allowed; they may still come."""
    ANOMALIES = 5
    """Every file was made, but one at least has blocking anomalies: the list would be rejected, the tableau wrong."""
    INTERRUPTED = 130
    """Stopped from the keyboard; a request that was sent is served all the same."""


ExplainError = Callable[[Exception], tuple[str, ExitCode] | None]
"""What is said of an error, in French, and the code that it ends with; None: a bug, whose traceback is wanted."""


def run_command(command: Callable[[], object], explain: ExplainError) -> int:
    """Run a command, say on standard error what went wrong, return the exit code.

    A command that ends by `context.exit(code)` makes click return that code.
    """
    speak_french()
    try:
        code = command()
    except click.exceptions.NoArgsIsHelpError as error:
        click.echo(error.message, err=True)
        return ExitCode.USAGE
    except click.UsageError as error:
        return _say(explain_usage(error), ExitCode.USAGE)
    except (click.Abort, KeyboardInterrupt):
        click.echo("Interrompu.", err=True)
        return ExitCode.INTERRUPTED
    except Exception as error:
        if (explained := explain(error)) is None:
            raise
        return _say(*explained)
    return code if isinstance(code, int) else ExitCode.DONE


def speak_french() -> None:
    """Have click say its own words in French, whatever the locale: it asks gettext, of the domain `messages`."""
    gettext.bindtextdomain("messages", _CATALOGUES)
    os.environ["LANGUAGE"] = "fr"


def _say(message: str, code: ExitCode) -> ExitCode:
    click.echo(f"Erreur : {message}", err=True)
    return code


class ParsedType(click.ParamType[_Value]):
    """What `parse` makes of a text; its ValueError says, in French, why it cannot."""

    def __init__(self, name: str, parse: Callable[[str], _Value]) -> None:
        self.name = name
        self._parse = parse

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> _Value:  # noqa: ANN401 — click's
        """Read the value, or refuse the option."""
        try:
            return self._parse(str(value).strip())
        except ValueError as error:
            self.fail(str(error), param, ctx)


class LazyGroup(click.Group):
    """A group that knows where its commands are, and imports one only when it is asked for."""

    def __init__(self, *, commands_at: Mapping[str, str], **options: Any) -> None:  # noqa: ANN401 — click's
        """`commands_at`: the name of each command, and its place as `module:function`."""
        super().__init__(subcommand_metavar="COMMANDE [ARGUMENTS]...", **options)
        self._commands_at = commands_at

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Name the commands, in the order of the table."""
        del ctx
        return list(self._commands_at)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import the command; None when there is none of that name."""
        del ctx
        if cmd_name not in self._commands_at:
            return None
        module, _, function = self._commands_at[cmd_name].partition(":")
        command: click.Command = getattr(import_module(module), function)
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the command, or suggest one of the table."""
        try:
            return super().resolve_command(ctx, args)
        except click.exceptions.NoSuchCommand as error:
            raise click.exceptions.NoSuchCommand(error.command_name, possibilities=self._commands_at, ctx=ctx) from None


def confirm(question: str) -> None:
    """Ask before what cannot be undone; whatever is not a yes ends the command. click's own takes « y » only.

    Raises:
        Abort: the answer is no, or nobody answers.
    """
    answer: str = click.prompt(f"{question} [o/N]", default="", show_default=False, prompt_suffix=" ")
    if answer.strip().casefold() not in _YES:
        raise click.Abort


def explain_usage(error: click.UsageError) -> str:
    """What is wrong with the command line, and how to see what is right."""
    help_at = f" (voir « {error.ctx.command_path} --help »)" if error.ctx else ""
    return error.format_message().removesuffix(".") + help_at
