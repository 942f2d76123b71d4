"""What breaks while a long tableau is drawn: each time one file, the same as of a quiet day, and one mail."""

import hashlib
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from pypdf import PdfReader

from tests.integration.tableau_register import (
    INSCRIPTION,
    REUNION,
    REUNION_PRECEDENTE,
    SCRUTIN,
    named,
    write_mouvements,
)
from tests.parts.databases import Template
from tests.parts.mail import Mailbox
from tests.parts.town import Town, prepare_libreville
from tests.parts.wait import wait_until
from worker.db.engine import build_engine

LINES = 10_000
ASKED: dict[str, Any] = {"types": ["vingt_jours"], "scrutin": SCRUTIN, "reunion": REUNION_PRECEDENTE, "until": REUNION}


def _prepare(url: str) -> None:
    prepare_libreville(url)
    engine = build_engine(url)
    write_mouvements(engine, [INSCRIPTION | named(f"LANTERNE {number:04}") for number in range(LINES)])
    engine.dispose()


pytestmark = [pytest.mark.faults, pytest.mark.database(Template("ten-thousand-mouvements", _prepare))]


@pytest.fixture
def town(postgres_url: str, amqp_url: str, tmp_path: Path, mailbox: Mailbox) -> Iterator[Town]:
    town = Town(postgres_url, amqp_url, tmp_path, mailbox.port)
    yield town
    town.close()


@pytest.mark.slow
def test_a_worker_killed_in_the_middle_is_replaced(town: Town, mailbox: Mailbox) -> None:
    town.start_notifier()
    worker = town.start_worker()
    event = town.ask_tableaux(**ASKED)
    wait_until(lambda: _size_of_a_part(town) > 0, message="a tableau being drawn")
    worker.kill()
    (left,) = [name for name in town.files() if name.endswith(".part") and ".pdf." in name]
    assert left.startswith(".tableau-vingt_jours-P-13900-commune-")
    assert town.exports_of(event)[0]["status"] == "running"
    town.start_worker()
    (export,) = town.wait_for(event)
    (mail,) = mailbox.wait_for(1)

    files = [name for name in town.files() if name.endswith(".pdf")]
    assert files == [export["file_name"]]
    content = (town.exports / "13900" / export["file_name"]).read_bytes()
    assert (len(content), hashlib.sha256(content).hexdigest()) == (export["size"], export["sha256"])
    assert content.endswith(b"%%EOF\n")
    assert len(PdfReader(BytesIO(content)).pages) == export["pages"] > 300
    assert export["electeurs"] == export["lines_written"] == LINES + 3, "three come of age"
    assert [row["attempts"] for row in town.rows("SELECT attempts FROM export")] == [2]
    assert export["label"] in mail.message["Subject"]
    assert len(mailbox.mails) == 1


def _size_of_a_part(town: Town) -> int:
    return sum(path.stat().st_size for path in town.exports.glob("13900/.tableau-*pdf.*.part"))
