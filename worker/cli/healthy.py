"""`python -m worker healthy`: whether the workers, or the notifier, of this host or container live and can work."""

import click

from worker.health import Role, require_healthy


def _read_role(_context: click.Context, _parameter: click.Parameter, value: str) -> Role:
    try:
        return Role(value)
    except ValueError:
        raise click.BadParameter(f"{' ou '.join(Role)} est attendu") from None


@click.command
@click.argument("role", callback=_read_role, metavar="worker|notifier")
@click.option("--alive", is_flag=True, help="Seulement s'il vit, même si RabbitMQ ou la base ne répond pas.")
def healthy(*, role: Role, alive: bool) -> None:
    """Dit si le processus de ce conteneur ou de cette machine vit et peut travailler."""
    from worker.settings import load_settings

    count = require_healthy(load_settings().health_dir, role, alive=alive)
    click.echo(f"{role} : {count} processus {'en vie' if alive else 'au travail'}")
