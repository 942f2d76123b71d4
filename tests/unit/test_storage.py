"""The exports volume: its room is checked before a file is begun."""

import shutil
from pathlib import Path
from types import SimpleNamespace

import pytest

from worker.errors import DiskFullError
from worker.exports.storage import Storage


def test_require_room_takes_the_last_free_byte_and_no_more(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda _path: SimpleNamespace(free=1000))
    storage = Storage(tmp_path / "exports")
    storage.require_room(1000)
    with pytest.raises(DiskFullError):
        storage.require_room(1001)
