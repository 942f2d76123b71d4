"""`python -m worker migrate`: bring the database to the form that this release needs."""

import click

from common.french import count_of


@click.command
def migrate() -> None:
    """Préparer ou mettre à jour la base.

    Les communes du Code officiel géographique qui manquent sont ajoutées.
    """
    from worker.cli.database import worker_database
    from worker.db import migrate as migrations
    from worker.registre.communes import load_reference

    with worker_database() as engine:
        before, newest = migrations.current_revision(engine)
        migrations.migrate(engine)
        with engine.begin() as connection:
            added = load_reference(connection)
    done = "déjà à jour" if before == newest else f"mise à jour ({before or 'vide'} → {newest})"
    click.echo(f"Base de données {done} ; {count_of(added, 'commune ajoutée')}.")
