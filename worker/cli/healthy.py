"""`python -m worker healthy`, which a container runs every few seconds: it imports no database."""

import click

from common.cli import one_of
from worker.health import Role, require_healthy
from worker.settings import load_settings


@click.command
@click.argument("role", type=one_of(Role), metavar="worker|notifier")
@click.option(
    "--alive", is_flag=True, help="Seulement s'il vit, même si RabbitMQ ou la base ne répond pas."
)
def healthy(*, role: str, alive: bool) -> None:
    """Dit si le processus de ce conteneur ou de cette machine vit et peut travailler."""
    count = require_healthy(load_settings().health_dir, Role(role), alive=alive)
    click.echo(f"{role} : {count} processus {'en vie' if alive else 'au travail'}")
