"""A desk that requests and makes tableaux without a broker, and reads them back by poppler."""

import csv
import io
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from pathlib import Path
from typing import Any

from sqlalchemy import RowMapping

from schemas.envelope import CloudEvent
from schemas.requests import TableauxRenderRequested
from schemas.tableaux import TypeTableau
from tests.integration.export_desk import Desk
from tests.integration.tableau_register import COMMUNE
from tests.parts.pdf import read_text
from worker.access.authorization import Authorization
from worker.handlers.requests.export_plan import plan_tableaux
from worker.handlers.requests.ingest_request import ingest_request

ASKED_AT = datetime.fromisoformat("2027-03-20T09:30:00+01:00")
"""The day after the commission's meeting of the sample register."""


@dataclass(frozen=True)
class Made:
    """A finished tableau: its row and its file."""

    row: RowMapping
    path: Path

    @cached_property
    def content(self) -> bytes:
        return self.path.read_bytes()

    @cached_property
    def pages(self) -> list[str]:
        """The text of each page, with each run of white space as one space."""
        return [" ".join(page.split()) for page in read_text(self.path).split("\f")[:-1]]

    @property
    def text(self) -> str:
        """The text of all pages."""
        return " ".join(self.pages)

    @property
    def anomalies(self) -> list[list[str]]:
        """The lines of the report beside the file, without titles and cures; empty when there is no report."""
        if not self.row["report_name"]:
            return []
        report = self.path.with_name(self.row["report_name"]).read_text("utf-8-sig")
        return [line[:-1] for line in csv.reader(io.StringIO(report), delimiter=";")][1:]


class TableauDesk(Desk):
    """A register, an exports volume, and the handlers that ingest requests and make tableaux."""

    def ask_tableaux(
        self,
        *types: TypeTableau,
        created_at: datetime = ASKED_AT,
        **fields: Any,  # noqa: ANN401
    ) -> list[int]:
        """Create the rows of one request, by default for the principal list."""
        asked = wrap(*types, **fields)
        wanted = plan_tableaux(asked, self.services, Authorization("", self.services, asked))
        return self.ask_files(wanted.files, created_at, wanted.commune)

    def make(self, *types: TypeTableau, **fields: Any) -> Made:  # noqa: ANN401 — see ask_tableaux
        (export_id,) = self.ask_tableaux(*types, **fields)
        return self.finish(export_id)

    def finish(self, export_id: int) -> Made:
        row = self.process(export_id)
        assert row["status"] == "ready", row["error_message"]
        return Made(row, self.root / row["code_commune"] / row["file_name"])

    def refusal(self, event: CloudEvent) -> str:
        """The reason that the sender of a refused request reads."""
        ingest_request(event, self.services)
        row = self.request(event)
        assert row["outcome"] == "refused"
        return str(row["reason"])


def wrap(*types: TypeTableau, **fields: Any) -> CloudEvent:  # noqa: ANN401 — fields of the request
    """The event that requests these tableaux of LIBREVILLE's principal list; `fields` replace its values."""
    asked = {"commune": COMMUNE, "listes": ["P"], "types": types, "requested_by": "mairie"} | fields
    return CloudEvent.wrap(TableauxRenderRequested.model_validate(asked), source="/test")
