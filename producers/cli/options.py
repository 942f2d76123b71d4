"""Options that several commands share."""

from collections.abc import Callable
from typing import Any

import click

from producers.cli.values import COMMUNE, LISTE, SECONDS

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

subject_options = together(
    click.option("--commune", type=COMMUNE, required=True, help="Code INSEE de la commune : 13900, 2A004."),
    click.option("--liste", "listes", type=LISTE, multiple=True, help="P, CE, CM ; répétable. Par défaut : les trois."),
)
"""Whose files a request is about."""

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
