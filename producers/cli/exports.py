"""`exports`: the latest files, as openElec's section « Derniers exports » shows them."""

import click

from common.cli import ExitCode
from producers.cli.options import json_option
from producers.cli.values import COMMUNE, LIMIT
from producers.settings import load_settings


@click.command("exports", short_help="Montre les derniers exports.")
@click.option("--commune", type=COMMUNE, help="Code INSEE. Par défaut : toutes les communes.")
@click.option("--limit", type=LIMIT, default="10", show_default=True, metavar="NOMBRE", help="Combien en montrer.")
@click.option("--ids", is_flag=True, help="Montre aussi l'identifiant de chaque demande et le numéro du fichier.")
@json_option
def command(commune: str | None, limit: int, *, ids: bool, as_json: bool) -> ExitCode:
    """Montre les derniers exports, le plus récent d'abord (PREFECTURE_STATE_URL)."""
    from producers.state import State

    settings = load_settings()
    with State(settings.require_state_url()) as state:
        exports, total = state.latest(commune, limit), state.count(commune)
    if as_json:
        from producers.cli.documents import exports_document, print_document

        print_document(exports_document(exports, settings.exports_dir) | {"total": total})
    else:
        from producers.cli.render import make_console, print_exports, print_others

        console = make_console()
        print_exports(console, exports, with_ids=ids)
        print_others(console, len(exports), total)
    return ExitCode.DONE
