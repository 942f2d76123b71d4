"""Drafts: what an agent has typed in the forms of a page and not sent, kept on the server field by field.

A file for each agent and page, readable by this account only, deleted with its last field or after three days. Browsers
without scripts have no drafts.
"""

import errno
import hashlib
import json
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from threading import Lock

from producers.web.exports.spool import write_whole

MOST_BYTES = 1 << 18
"""Bytes of one draft: a form of three hundred fields with long texts."""
MOST_PAGES = 50
"""Drafts of one agent: the oldest is deleted for a new one. The browser names the page, and may invent it."""
SECONDS = 3 * 86_400
_Draft = dict[str, dict[str, str]]


class Drafts:
    """The directory of the drafts; a change raises OSError if the disk refuses it or the draft becomes too large."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._lock = Lock()

    def read(self, agent: str, page: str) -> _Draft:
        with suppress(OSError, ValueError):
            found: _Draft = json.loads(self._path(agent, page).read_bytes())
            return found
        return {}

    def keep(self, agent: str, page: str, form: str, fields: Mapping[str, str | None]) -> None:
        """Store the fields of a form beside those stored before; None deletes a field."""
        with self._changing(agent, page) as draft:
            both = draft.get(form, {}) | dict(fields)
            draft[form] = {name: value for name, value in both.items() if value is not None}

    def drop(self, agent: str, page: str, form: str) -> None:
        """Delete the draft of a form that was sent, or of all forms of the page for an empty `form`."""
        with self._changing(agent, page) as draft:
            for name in [form] if form else [*draft]:
                draft.pop(name, None)

    @contextmanager
    def _changing(self, agent: str, page: str) -> Iterator[_Draft]:
        path = self._path(agent, page)
        with self._lock:
            draft = self.read(agent, page)
            yield draft
            content = json.dumps(
                {form: fields for form, fields in draft.items() if fields}
            ).encode()
            if content == b"{}":
                path.unlink(missing_ok=True)
            elif len(content) > MOST_BYTES:
                raise OSError(errno.EFBIG, "the draft is too large")
            else:
                self._directory.mkdir(mode=0o700, parents=True, exist_ok=True)
                others = set(self._directory.glob(f"{_digest(agent)}-*")) - {path}
                for oldest in sorted(others, key=lambda it: it.stat().st_mtime)[: 1 - MOST_PAGES]:
                    oldest.unlink()
                write_whole(path, [content])

    def cleanup(self) -> None:
        """Delete the drafts that are older than three days; runs with each page that has a form."""
        for path in self._directory.glob("*"):
            with suppress(OSError):
                if path.stat().st_mtime < time.time() - SECONDS:
                    path.unlink()

    def _path(self, agent: str, page: str) -> Path:
        return self._directory / f"{_digest(agent)}-{_digest(page)}"


def _digest(name: str) -> str:
    return hashlib.sha256(name.encode()).hexdigest()
