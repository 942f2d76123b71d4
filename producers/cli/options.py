"""Options that several commands share."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from producers.cli.values import BATCH, COMMUNE, FILE, LISTE, SECONDS

Decorator = Callable[[Callable[..., Any]], Callable[..., Any]]


def together(*options: Decorator) -> Decorator:
    """Several options as one decorator, in the order in which help shows them."""

    def decorate(function: Callable[..., Any]) -> Callable[..., Any]:
        for option in reversed(options):
            function = option(function)
        return function

    return decorate


json_option = click.option(
    "--json", "as_json", is_flag=True, help="Écrit un document JSON, seul, sur la sortie standard."
)

_COMMUNE_HELP = "Code INSEE de la commune : 13900, 2A004."
_listes = click.option(
    "--liste", "listes", type=LISTE, multiple=True, help="P, CE, CM ; répétable. Par défaut : les trois."
)

subject_options = together(click.option("--commune", type=COMMUNE, required=True, help=_COMMUNE_HELP), _listes)
"""Whose files a request is about."""

subjects_options = together(
    click.option("--commune", type=COMMUNE, help=_COMMUNE_HELP),
    click.option(
        "--communes-file",
        type=FILE,
        help="Un lot : une commune par ligne, ou la première colonne d'un CSV ; - pour l'entrée standard.",
    ),
    click.option("--accept-rejects", is_flag=True, help="Laisse de côté les lignes fausses du fichier."),
    click.option(
        "--resume", type=BATCH, metavar="LOT", help="Reprend un lot sous son nom : rien n'est fait deux fois."
    ),
    click.option(
        "--report",
        type=click.Path(dir_okay=False, path_type=Path),
        metavar="FICHIER",
        help="Avec --wait : écrit ce qu'il en est de chaque commune du lot, en CSV.",
    ),
    _listes,
)
"""Whose files one or many requests are about."""

sending_options = together(
    click.option("--requested-by", metavar="NOM", help="Qui demande. Par défaut : le compte du système."),
    click.option("--wait", is_flag=True, help="Attend les fichiers et montre leur avancement (PREFECTURE_STATE_URL)."),
    click.option(
        "--timeout",
        type=SECONDS,
        default="600",
        show_default=True,
        metavar="SECONDES",
        help="Combien de temps attendre, avec --wait.",
    ),
    json_option,
)
"""How a request is sent, and what is shown of it."""
