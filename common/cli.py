"""Shared by all command lines: French messages of click, commands imported on demand, exit codes."""

import gettext
import os
from collections.abc import Callable, Iterable, Mapping
from enum import IntEnum
from importlib import import_module
from pathlib import Path
from typing import Any, TypeVar

import click

_Value = TypeVar("_Value")
_Word = TypeVar("_Word", bound=str)


class ExitCode(IntEnum):
    """Exit codes of the commands, for scripts; `EXIT_CODES` says what they mean."""

    DONE = 0
    FAILED = 1
    USAGE = 2
    AWAY = 3
    TIMEOUT = 4
    ANOMALIES = 5
    INTERRUPTED = 130


EXIT_CODES = (
    "Codes de sortie : 0 fait ; 1 refus, échec, ou une vérification a trouvé quelque chose ; 2 commande ou "
    "configuration fausse, rien n'est fait ; 3 service injoignable : réessayez ; 4 délai dépassé : les fichiers "
    "peuvent encore venir ; 5 fait, mais avec des anomalies bloquantes ; 130 interrompu."
)
"""The end of the help of each command line."""


def run_command(
    command: Callable[[], object], explain: Callable[[Exception], tuple[str, ExitCode] | None]
) -> int:
    """Run a command, print its error on standard error, and return its exit code.

    `explain` returns the French message and the exit code of an error; None for a bug, which is raised with its
    traceback. If the command calls `context.exit(code)`, click returns that code.
    """
    gettext.bindtextdomain(
        "messages", Path(__file__).with_name("locale")
    )  # click's own messages, whatever the locale
    os.environ["LANGUAGE"] = "fr"
    try:
        code = command()
    except click.exceptions.NoArgsIsHelpError as error:
        click.echo(error.message, err=True)
        return ExitCode.USAGE
    except click.UsageError as error:
        help_at = f" (voir « {error.ctx.command_path} --help »)" if error.ctx else ""
        return _say(error.format_message().removesuffix(".") + help_at, ExitCode.USAGE)
    except (click.Abort, KeyboardInterrupt):
        click.echo("Interrompu.", err=True)
        return ExitCode.INTERRUPTED
    except Exception as error:
        if (explained := explain(error)) is None:
            raise
        return _say(*explained)
    return code if isinstance(code, int) else ExitCode.DONE


def _say(message: str, code: ExitCode) -> ExitCode:
    click.echo(f"Erreur : {message}", err=True)
    return code


class ParsedType(click.ParamType[_Value]):
    """Type of a parameter that `parse` converts; `parse` raises a ValueError with a French message."""

    def __init__(self, name: str, parse: Callable[[str], _Value]) -> None:
        self.name = name
        self._parse = parse

    def convert(
        self,
        value: Any,  # noqa: ANN401 — click's
        param: click.Parameter | None,
        ctx: click.Context | None,
    ) -> _Value:
        """Convert the value, or fail the option with the message of `parse`."""
        try:
            return self._parse(str(value).strip())
        except ValueError as error:
            self.fail(str(error), param, ctx)


def whole_number(least: int) -> ParsedType[int]:
    """Return the type of a whole number of `least` or more."""

    def parse(text: str) -> int:
        if text.isascii() and text.isdigit() and int(text) >= least:
            return int(text)
        raise ValueError(f"un nombre entier est attendu, {least} au moins")

    return ParsedType("nombre", parse)


def one_of(words: Iterable[_Word], name: str = "mot") -> ParsedType[_Word]:
    """Return the type of a word among a few; a code may also be given in capitals, or with hyphens."""
    known = {str(word): word for word in words}

    def parse(text: str) -> _Word:
        for written in (text, text.lower().replace("-", "_")):
            if written in known:
                return known[written]
        raise ValueError(f"les valeurs possibles sont {', '.join(known)}")

    return ParsedType(name, parse)


Decorator = Callable[[Callable[..., Any]], Callable[..., Any]]


def together(*options: Decorator) -> Decorator:
    """Return one decorator that applies several options, in the order in which the help shows them."""

    def decorate(function: Callable[..., Any]) -> Callable[..., Any]:
        for option in reversed(options):
            function = option(function)
        return function

    return decorate


SUBCOMMAND = "COMMANDE [ARGUMENTS]..."
"""How the help of a group writes its command."""


class LazyGroup(click.Group):
    """A click group that imports a command only when it is used."""

    def __init__(self, *, commands_at: Mapping[str, str], **options: Any) -> None:  # noqa: ANN401 — click's
        """Map each command name to its function in `commands_at`, as `module:function`."""
        super().__init__(subcommand_metavar=SUBCOMMAND, **options)
        self._commands_at = commands_at
        self.commands = {
            name: click.Command(name) for name in commands_at
        }  # for suggestions of similar names

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names of the commands, in the order of the table."""
        del ctx
        return list(self._commands_at)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import and return the command; None if the name is unknown."""
        del ctx
        if cmd_name not in self._commands_at:
            return None
        module, _, function = self._commands_at[cmd_name].partition(":")
        command: click.Command = getattr(import_module(module), function)
        return command


def confirm(question: str) -> None:
    """Ask before an operation that cannot be undone; abort unless the reply is `o` or `oui` (click accepts only « y »).

    Raises:
        Abort: the reply is not yes, or standard input is closed.
    """
    answer: str = click.prompt(
        f"{question} [o/N]", default="", show_default=False, prompt_suffix=" "
    )
    if answer.strip().casefold() not in {"o", "oui"}:
        raise click.Abort
