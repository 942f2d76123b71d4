"""Runs a module of the product with other limits of worker/services.py: LIMIT_<name> in the environment.

With ANY_ACCOUNT every account may ask for every commune, because the harness publishes without a program's account.
"""

import os
import runpy
import sys

from worker import services
from worker.access.authorization import Authorization

PREFIX = "LIMIT_"
ANY_ACCOUNT = "ANY_ACCOUNT"


def main() -> None:
    """Set the limits, then run the module of the first argument as `python -m` does."""
    for variable, value in os.environ.items():
        if variable.startswith(PREFIX):
            name = variable.removeprefix(PREFIX)
            setattr(services, name, type(getattr(services, name))(float(value)))
    if os.environ.get(ANY_ACCOUNT):
        setattr(Authorization, "allows", lambda _self, _commune: True)  # noqa: B010 — a method, which mypy guards
    del sys.argv[0]
    runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main()
