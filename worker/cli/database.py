"""The databases of the settings, for the time of a command."""

from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import Engine

from worker.db.engine import build_engine
from worker.errors import RefusedError
from worker.settings import Settings, load_settings


@contextmanager
def worker_database(settings: Settings | None = None) -> Iterator[Engine]:
    """The worker's own database: requests, files, agents, and the register when it has no other."""
    engine = build_engine((settings or load_settings()).database_url.get_secret_value())
    try:
        yield engine
    finally:
        engine.dispose()


@contextmanager
def register_database() -> Iterator[Engine]:
    """The register, to write to it.

    Raises:
        RefusedError: another service holds it, and feeds it by its own means.
    """
    settings = load_settings()
    if settings.registre_url is not None and settings.registre_url != settings.database_url:
        raise RefusedError(
            "le registre est tenu par un autre logiciel (PREFECTURE_REGISTRE_URL) : c'est lui qu'il faut mettre à jour"
        )
    with worker_database(settings) as engine:
        yield engine
