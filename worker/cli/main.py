"""The table of commands, and the one place where what went wrong becomes a message and an exit code."""

from collections.abc import Sequence

import click

from common.cli import LazyGroup
from worker.cli.exits import guard

COMMANDS = {
    "migrate": "worker.cli.migrate:migrate",
    "import-reu": "worker.cli.import_reu:import_reu",
    "import-mouvements": "worker.cli.import_mouvements:import_mouvements",
    "import-undo": "worker.cli.imports:import_undo",
    "imports": "worker.cli.imports:imports",
    "bureaux": "worker.cli.bureaux:bureaux",
    "scrutins": "worker.cli.scrutins:scrutins",
    "commissions": "worker.cli.scrutins:commissions",
    "motifs": "worker.cli.motifs:motifs",
    "protections": "worker.cli.protections:protections",
    "communes": "worker.cli.communes:communes",
    "agents": "worker.cli.agents:agents",
    "recipients": "worker.cli.recipients:recipients",
    "senders": "worker.cli.senders:senders",
    "dead-letters": "worker.cli.dead_letters:dead_letters",
    "notifier": "worker.cli.notifier:notifier",
    "purge": "worker.cli.purge:purge",
    "verify": "worker.cli.verify:verify",
    "audit": "worker.cli.audit:audit",
    "diagnose": "worker.cli.diagnose:diagnose",
    "healthy": "worker.cli.healthy:healthy",
}
"""Where each command is; a module is imported only when its command is called or its help is shown."""


@click.group(
    cls=LazyGroup,
    commands_at=COMMANDS,
    epilog="Codes de sortie : 0 fait ; 1 refus ou échec ; 2 commande ou configuration fausse ; 3 service injoignable.",
)
def cli() -> None:
    """Module Préfecture : le registre, les fichiers pour e-listelec et ceux qu'on en prévient."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code, see `worker.cli.exits.Exit`."""
    return guard(lambda: cli.main(arguments, prog_name="python -m worker", standalone_mode=False))
