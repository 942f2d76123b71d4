"""The worker or the notifier with one thing altered, which FAULTS_ALTERATION names.

`dramatiq tests.faults.altered` and `python -m tests.faults.altered notifier` stand for `worker.main` and `worker`.
"""

import os
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from signal import SIGKILL
from typing import Any
from unittest.mock import patch

from worker.cli.main import main
from worker.messaging.queues import DoorbellQueues


def dies_before_ringing() -> None:
    """The first worker that would enqueue a doorbell is killed instead; its rows are committed."""
    patch.object(DoorbellQueues, "enqueue", _die_once(DoorbellQueues.enqueue)).start()


def _die_once(instead_of: Callable[..., None]) -> Callable[..., None]:
    def enqueue(*arguments: Any) -> None:  # noqa: ANN401
        try:
            (Path(os.environ["FAULTS_FOLDER"]) / "died").touch(exist_ok=False)
        except FileExistsError:
            instead_of(*arguments)
        else:
            os.kill(os.getpid(), SIGKILL)

    return enqueue


ALTERATIONS = {"dies_before_ringing": dies_before_ringing}

ALTERATIONS[os.environ["FAULTS_ALTERATION"]]()
if __name__ == "__main__":
    main()
else:
    import_module("worker.main")
