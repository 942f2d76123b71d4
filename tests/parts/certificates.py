"""A certification authority that lives as long as a test, by Debian's openssl."""

import subprocess
from pathlib import Path
from typing import NamedTuple

from tests.parts.packages import OPENSSL, require


class Certificate(NamedTuple):
    """A certificate and its private key, in PEM files."""

    chain: Path
    key: Path


class Authority:
    """Signs the certificates of servers; its clients trust `root`."""

    def __init__(self, folder: Path, name: str) -> None:
        require(OPENSSL)
        self._folder = folder
        self._own = self._make(name)
        self.root = self._own.chain

    def sign(self, host: str) -> Certificate:
        """Sign a certificate for the server of that name."""
        signed = ["-CA", str(self._own.chain), "-CAkey", str(self._own.key)]
        return self._make(
            f"{self.root.stem}-{host}", *signed, "-addext", f"subjectAltName=DNS:{host}"
        )

    def _make(self, name: str, *options: str) -> Certificate:
        made = Certificate(self._folder / f"{name}.pem", self._folder / f"{name}.key")
        command = [
            str(OPENSSL.program("openssl")),
            "req",
            "-x509",
            "-days",
            "2",
            "-subj",
            f"/CN={name}",
        ]
        command += ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
        command += ["-out", str(made.chain), "-keyout", str(made.key), *options]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        return made
