"""Fixtures: the installation with the accounts of `deploy/`, the worker's desk, the screen in this process."""

from tests.integration.conftest import deployment, desk
from tests.web.conftest import files, provider, screen_database, web_client
from tests.web.test_security_proxy import deployed

__all__ = ["deployed", "deployment", "desk", "files", "provider", "screen_database", "web_client"]
