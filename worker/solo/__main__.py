"""`python -m worker.solo`: exit codes of producers/exit_codes.py; errors go to standard error, in French."""

import sys
from collections.abc import Sequence

import click

from common.cli import LazyGroup
from common.files import keep_files_private
from producers.errors import ProducerError
from worker.cli import main as worker_commands
from worker.cli.main import guard
from worker.solo.environment import set_defaults

REGISTER_COMMANDS = (
    *("import-reu", "import-mouvements", "import-undo", "imports", "bureaux", "communes"),
    *("scrutins", "commissions", "motifs", "protections", "agents", "recipients"),
    *("purge", "verify", "audit"),
)
"""The worker's own, on the embedded database."""

COMMANDS = {
    "demo": "worker.solo.commands:demo",
    "run": "worker.solo.commands:run",
    "export-liste": "worker.solo.commands:export_liste",
    "render-tableaux": "worker.solo.commands:render_tableaux",
    "cancel": "worker.solo.commands:cancel",
    "retry": "worker.solo.commands:retry",
    "exports": "producers.cli:exports",
} | {name: worker_commands.COMMANDS[name] for name in REGISTER_COMMANDS}


@click.group(cls=LazyGroup, commands_at=COMMANDS)
def cli() -> None:
    """Tout en un seul processus, sans RabbitMQ ni PostgreSQL : les données sont dans var/ (PREFECTURE_HOME)."""


def main(arguments: Sequence[str]) -> int:
    """Run one command and give its exit code."""
    keep_files_private()
    return guard(lambda: _run(arguments))


def _run(arguments: Sequence[str]) -> int:
    set_defaults()
    if arguments and arguments[0] in ("exports", *REGISTER_COMMANDS) and "--help" not in arguments:
        _prepare()
    try:
        code: int | None = cli.main(list(arguments), prog_name="python -m worker.solo", standalone_mode=False)
    except ProducerError as error:
        click.echo(f"Erreur : {error}", err=True)
        return error.exit_code
    return code or 0


def _prepare() -> None:
    from worker.db.engine import build_engine
    from worker.settings import load_settings
    from worker.solo.lock import usable
    from worker.solo.process import prepare_database

    settings = load_settings()
    with usable(settings.home):
        engine = build_engine(settings.database_url.get_secret_value())
        prepare_database(engine)
        engine.dispose()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
