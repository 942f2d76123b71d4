"""Open the embedded mode on a new folder, walk LIBREVILLE's clerk through it, write each page to docs/pictures/."""

import argparse
import os
import re
import sys
import tempfile
from pathlib import Path
from signal import SIGTERM

from tests.parts.browser import Visitor, open_browser
from tests.parts.packages import FRENCH_CHROMIUM, provide
from tests.parts.ports import LOOPBACK, free_port
from tests.parts.process import Process
from tests.parts.town import ROOT
from tests.parts.wait import wait_until
from tests.pictures.walk import Walk

_WINDOW = {"width": 1100, "height": 820}


def main() -> None:
    """Make them all again; 2 for a wrong usage."""
    argparse.ArgumentParser(prog="python -m tests.pictures").parse_args()
    provide(FRENCH_CHROMIUM)
    port = free_port()
    address = f"http://{LOOPBACK}:{port}"
    with tempfile.TemporaryDirectory() as folder:
        home, log = Path(folder), Path(folder) / "run.log"
        environment = {"PATH": os.environ["PATH"], "PREFECTURE_HOME": folder, "PREFECTURE_WEB_PORT": str(port)}
        command = [sys.executable, "-m", "worker.solo", "run"]
        screen = Process(command, env=environment, folder=ROOT, log=log)
        opened = re.compile(re.escape(address) + r"/ouvrir\?cle=\S+")
        wait_until(lambda: opened.search(log.read_text("utf-8")) or not screen.alive, timeout=60, message=address)
        with open_browser() as browser:
            visitor = Visitor(browser, address, viewport=_WINDOW, reduced_motion="reduce")
            visitor.page.goto(opened.findall(log.read_text("utf-8"))[0])
            Walk(visitor.page, home, ROOT / "docs" / "pictures").run()
            visitor.close()
        screen.end(SIGTERM, timeout=20)


if __name__ == "__main__":
    main()
