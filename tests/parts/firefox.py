"""Debian's Firefox, driven by Marionette, the protocol that is built into it (WebDriver's commands over a socket)."""

import json
import os
import socket
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from tests.parts.packages import FIREFOX, require
from tests.parts.ports import LOOPBACK, free_port
from tests.parts.process import Process
from tests.parts.wait import PATIENCE_SECONDS, wait_until

Element = Mapping[str, str]
"""The key of a reference to an element, in WebDriver's protocol."""

_PREFERENCES: dict[str, str | int | bool] = {
    "browser.download.folderList": 2,
    "browser.helperApps.neverAsk.saveToDisk": "application/zip,application/pdf,text/csv",
    "browser.shell.checkDefaultBrowser": False,
    "app.normandy.enabled": False,
    "app.update.disabledForTesting": True,
    "datareporting.policy.dataSubmissionEnabled": False,
    "datareporting.policy.dataSubmissionPolicyBypassNotification": True,
    "extensions.update.enabled": False,
    "intl.accept_languages": "fr-FR",
    "network.captive-portal-service.enabled": False,
    "network.connectivity-service.enabled": False,
    "pdfjs.disabled": True,
    "services.settings.server": "data:,",
    "toolkit.telemetry.enabled": False,
}


class BrowserRefusedError(Exception):
    """Firefox refuses a command, for this reason."""


class Firefox:
    """The browser, headless, with a profile of its own; it downloads into `downloads`."""

    def __init__(self, folder: Path, downloads: Path) -> None:
        require(FIREFOX)
        self.downloads = downloads
        profile, port = folder / "profile", free_port()
        profile.mkdir(parents=True)
        preferences = {**_PREFERENCES, "marionette.port": port, "browser.download.dir": str(downloads)}
        written = (f"user_pref({json.dumps(name)}, {json.dumps(value)});\n" for name, value in preferences.items())
        (profile / "user.js").write_text("".join(written), "utf-8")
        environment = {"PATH": os.environ["PATH"], "HOME": str(folder), "TZ": "Europe/Paris", "MOZ_HEADLESS": "1"}
        command: list[str | Path] = [
            FIREFOX.program("firefox-esr"),
            "--marionette",
            "--no-remote",
            "--profile",
            profile,
            "about:blank",
        ]
        self._process = Process(command, env=environment, folder=folder, log=folder / "firefox.log")
        self._count = 0
        connected = wait_until(lambda: self._connect(port), message="Firefox")
        assert connected
        self._socket = connected
        self._stream = self._socket.makefile("rb")
        self._read()  # Firefox's greeting
        timeouts = {"pageLoad": PATIENCE_SECONDS * 1000, "script": PATIENCE_SECONDS * 1000}
        self.command("NewSession", capabilities={"alwaysMatch": {"timeouts": timeouts}})

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._stream.close()
        self._socket.close()
        self._process.kill()

    def run(self, script: str, *arguments: object) -> Any:  # noqa: ANN401 — what the script returns
        """Run the body of a JavaScript function in the page; its return value."""
        return self.command("ExecuteScript", script=script, args=list(arguments))

    def command(self, name: str, **parameters: object) -> Any:  # noqa: ANN401 — of the command
        """The result of a WebDriver command.

        Raises:
            BrowserRefusedError: Firefox refused it.
        """
        self._count += 1
        sent = json.dumps([0, self._count, f"WebDriver:{name}", parameters]).encode()
        self._socket.sendall(b"%d:%b" % (len(sent), sent))
        _, _, error, result = self._read()
        if error:
            raise BrowserRefusedError(f"{name}: {error['error']}, {error['message']}")
        return result["value"] if isinstance(result, dict) and result.keys() == {"value"} else result

    def _read(self) -> Any:  # noqa: ANN401 — JSON
        length = b""
        while (byte := self._stream.read(1)) != b":":
            if not byte:
                raise BrowserRefusedError("Firefox is gone")
            length += byte
        return json.loads(self._stream.read(int(length)))

    def _connect(self, port: int) -> socket.socket | None:
        with suppress(OSError):
            return socket.create_connection((LOOPBACK, port), timeout=2 * PATIENCE_SECONDS)
        assert self._process.alive, "Firefox ended"
        return None
