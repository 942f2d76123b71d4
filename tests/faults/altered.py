"""The worker or the notifier with one thing altered, which FAULTS_ALTERATION names.

`dramatiq tests.faults.altered` and `python -m tests.faults.altered notifier` stand for `worker.main` and `worker`.
"""

import os
from importlib import import_module

from tests.faults import alterations
from worker.cli.main import main

getattr(alterations, os.environ["FAULTS_ALTERATION"])()
if __name__ == "__main__":
    main()
else:
    import_module("worker.main")
