"""`python -m worker motifs`: why electors came or left, when an export of the REU did not say it."""

from pathlib import Path

import click

from common.french import count_of


@click.command
@click.option("--commune", required=True, metavar="CODE", help="Code INSEE de la commune.")
@click.option("--export", "to", type=click.Path(path_type=Path), metavar="FICHIER", help="Écrire le CSV à compléter.")
@click.option("--import", "source", type=click.Path(path_type=Path), metavar="FICHIER", help="Noter le CSV complété.")
def motifs(*, commune: str, to: Path | None, source: Path | None) -> None:
    """Compléter les catégories et les motifs des mouvements.

    L'export du REU ne dit pas pourquoi un électeur est venu ou parti : la case du tableau reste vide tant que la mairie
    ne l'a pas dit. Écrivez le fichier, complétez ses deux dernières colonnes, puis notez-le.
    """
    from worker.cli.database import register_database
    from worker.registre.mouvements.motifs import count_unsaid, read_motifs, write_motifs

    if to and source:
        raise click.UsageError("--export ou --import, pas les deux à la fois")
    code = commune.upper()
    with register_database() as engine, engine.begin() as connection:
        if source:
            noted = read_motifs(connection, code, source)
            click.echo(f"{count_of(noted, 'mouvement complété')}.")
        if to:
            written = write_motifs(connection, code, to)
            if written:
                click.echo(f"{count_of(written, 'mouvement')} à compléter dans {to} : il contient des noms.")
                return
        unsaid = count_unsaid(connection, code)
    click.echo(f"{count_of(unsaid, 'mouvement')} sans catégorie.")
