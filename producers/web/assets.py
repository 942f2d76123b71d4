"""Files of ours for everybody: style, scripts, icon. Templates name them by `static('screen.css')`.

The address holds a hash of the content, so that a browser keeps it for a year and sees a new release at once. A plain
`/static/screen.css` works too: the browser then asks each time whether it changed (ETag).
"""

import hashlib
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import parse_qs

from jinja2 import Environment
from starlette.responses import Response
from starlette.routing import Mount
from starlette.staticfiles import StaticFiles
from starlette.types import Scope

FOLDER = Path(__file__).parent / "static"
_FOR_EVER = "public, max-age=31536000, immutable"
_ASK_AGAIN = "public, no-cache"
_KEPT = frozenset({200, 206, 304})


class Assets(StaticFiles):
    """The folder `static`, read once for its hashes."""

    def __init__(self) -> None:
        super().__init__(directory=FOLDER)
        self._hashes: Mapping[str, str] = {
            path.relative_to(FOLDER).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()[:16]
            for path in FOLDER.rglob("*")
            if path.is_file()
        }

    def url(self, name: str) -> str:
        """The address of a file, by its path in the folder; KeyError when there is none."""
        return f"/static/{name}?v={self._hashes[name]}"

    async def get_response(self, path: str, scope: Scope) -> Response:
        """The file, with how long it may be kept."""
        response = await super().get_response(path, scope)
        if response.status_code in _KEPT:
            version = parse_qs(scope["query_string"].decode("latin-1")).get("v")
            response.headers["Cache-Control"] = _FOR_EVER if version == [self._hashes.get(path)] else _ASK_AGAIN
        return response

    def mount(self, environment: Environment) -> Mount:
        """The route of the files; templates may name them."""
        environment.globals["static"] = self.url
        return Mount("/static", self, name="static")
