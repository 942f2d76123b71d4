"""Every fault, in the order of the table."""

from types import ModuleType

from tests.faults import broker, database, mail, messages, volume, workers
from tests.faults.fault import Fault


def _of(module: ModuleType) -> list[Fault]:
    return [it for it in vars(module).values() if isinstance(it, Fault)]


FAULTS = {it.slug: it for module in (workers, messages, broker, database, volume, mail) for it in _of(module)}
"""By the word that names each on the command line."""

SHORT = [it for it in FAULTS.values() if it.is_short]
"""What `make test` plays."""
