"""The register of the faults: a town large enough to interrupt a file in the middle, and its mouvements."""

import tempfile
from itertools import cycle, islice
from pathlib import Path
from typing import Any

from schemas.envelope import CloudEvent
from schemas.requests import ListeExportRequested, TableauxRenderRequested
from schemas.tableaux import Presentation, TypeTableau
from schemas.vocabulary import Format, Liste
from tests.parts.databases import Template
from tests.parts.town import AGENT, TODAY, prepare_libreville
from worker.db.engine import build_engine
from worker.demo.libreville import LIBREVILLE, demo_calendrier, set_demo_calendrier, write_mouvements
from worker.registre.mouvements.importer import import_mouvements

ELECTEURS = 10_000
SOURCE = "/test/faults"


def _prepare(url: str) -> None:
    prepare_libreville(url, ELECTEURS)
    engine = build_engine(url)
    with engine.begin() as connection:
        set_demo_calendrier(connection, TODAY)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "libreville-mouvements.csv"
        write_mouvements(path, TODAY)
        import_mouvements(engine, path, imported_by="test")
    engine.dispose()


FAULTS_TEMPLATE = Template("faults", _prepare)


def make_requests(count: int) -> list[CloudEvent]:
    """Requests for one file each: lists as CSV and as XML, tableaux as PDF."""
    wanted: tuple[ListeExportRequested | TableauxRenderRequested, ...] = (
        _liste(Format.CSV),
        _tableau(Presentation.PAR_BUREAU),
        _liste(Format.XML),
        _tableau(Presentation.COMMUNE),
    )
    return [CloudEvent.wrap(asked, source=SOURCE) for asked in islice(cycle(wanted), count)]


def _liste(format_: Format) -> ListeExportRequested:
    return ListeExportRequested(**_common(), formats=[format_])


def _tableau(presentation: Presentation) -> TableauxRenderRequested:
    return TableauxRenderRequested(
        **_common(),
        types=[TypeTableau.VINGT_JOURS],
        presentations=[presentation],
        scrutin=demo_calendrier(TODAY).scrutin,
    )


def _common() -> dict[str, Any]:
    return {"commune": LIBREVILLE.code, "listes": [Liste.PRINCIPALE], "requested_by": AGENT}
