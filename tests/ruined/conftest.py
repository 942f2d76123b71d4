"""The fixture of commands."""

from tests.integration.conftest import run

__all__ = ["run"]
