"""What may be altered in our processes: a death at the worst moment, or a safeguard taken away."""

import os
from collections.abc import Callable
from pathlib import Path
from signal import SIGKILL
from typing import Any
from unittest.mock import patch

from sqlalchemy import ColumnElement

from worker.exports import models, records, storage
from worker.handlers.making import make_export
from worker.handlers.requests import ingest_request
from worker.housekeeping import housekeeping
from worker.messaging import queues
from worker.notifier import sending


def dies_before_ringing() -> None:
    """The first worker that would ring is killed instead; its rows are committed."""
    _replace(queues.DoorbellQueues, "enqueue", _die_once(queues.DoorbellQueues.enqueue))


def writes_under_the_final_name() -> None:
    """Without a hidden temporary file."""

    def init(self: storage.PendingFile, *arguments: Any) -> None:  # noqa: ANN401
        original(self, *arguments)
        self.temporary = self.path

    original = storage.PendingFile.__init__
    _replace(storage.PendingFile, "__init__", init)


def never_sweeps() -> None:
    """Nobody rings again for forgotten rows."""
    _replace(housekeeping, "sweep", lambda *_, **__: 0)


def ignores_its_lease() -> None:
    """Whoever has worked on a row may change it: no fence."""

    def anybodys(export_id: int, _owner: str) -> ColumnElement[bool]:
        return models.Export.id == export_id

    _replace(records, "is_owned", anybodys)


def forgets_its_mails() -> None:
    """What was sent is not recorded."""
    _replace(sending, "_write", lambda *_, **__: None)
    _replace(sending, "finish_and_note", lambda *_, **__: None)


def gives_up_at_once() -> None:
    """What is away or full is not waited for."""
    _replace(make_export, "is_overdue", lambda *_: True)


def takes_copies_for_new() -> None:
    """The second delivery of a request is not recognised."""
    _replace(ingest_request, "_is_copy", lambda *_: False)


def _replace(owner: object, name: str, value: object) -> None:
    """AttributeError where the name is gone: `tests/contract/test_sabotages.py` calls each alteration."""
    patch.object(owner, name, value).start()


def _die_once(instead_of: Callable[..., None]) -> Callable[..., None]:
    def ring(*arguments: Any) -> None:  # noqa: ANN401
        try:
            (Path(os.environ["FAULTS_FOLDER"]) / "died").touch(exist_ok=False)
        except FileExistsError:
            instead_of(*arguments)
        else:
            os.kill(os.getpid(), SIGKILL)

    return ring
