"""Names and labels of files, as openElec's users know them, unique for ever."""

from datetime import datetime, timedelta
from itertools import count

from sqlalchemy import select
from sqlalchemy.orm import Session

from schemas.vocabulary import Format, Liste
from worker.domain.heure import PARIS
from worker.exports.models import Export


def allocate_name(
    session: Session, code_commune: str, liste: Liste, format_: Format, created_at: datetime
) -> tuple[str, str]:
    """The file name and the label of one export, at the first second from `created_at` (Paris) that no file has.

    Two requests in one second, and October's repeated hour, take the next free second; the label says the same one.
    """
    local = created_at.astimezone(PARIS).replace(tzinfo=None, microsecond=0)
    for seconds in count():
        moment = local + timedelta(seconds=seconds)
        name = f"liste-{liste}-{code_commune}-{moment:%Y%m%d-%H%M%S}.{format_}"
        if session.scalar(select(Export.id).where(Export.file_name == name)) is None:
            return name, f"Liste {liste} du {moment:%d/%m/%Y %H:%M:%S} [{format_}]"
    raise AssertionError  # count() never ends


def report_name(file_name: str) -> str:
    """The name of the report of anomalies beside a file: the CSV and the XML of one second have each their own."""
    stem, _, extension = file_name.rpartition(".")
    return f"{stem}-{extension}-anomalies.csv"
