"""The fingerprint of a deposited list file: taken once, by a worker, after the deposit was recorded.

A deposit is one row, whatever the size of its file. Its doorbell then rings among those of batches; should that message
be lost, the next file of the list, which needs the fingerprint, takes it.
"""

import structlog
from sqlalchemy import Engine

from schemas.vocabulary import ExportKind, Format
from worker.db.engine import snapshot
from worker.domain.fingerprint import Digests
from worker.exports.depots import Fingerprint, lacks_fingerprint, write_fingerprint
from worker.exports.models import Export
from worker.exports.storage import Storage
from worker.writers.electeurs_file import NotOurFileError
from worker.writers.fingerprint import take_fingerprint

PURGED = "le fichier déposé a été purgé avant que son empreinte soit prise"
NOT_INTACT = "le fichier déposé n'est plus intact sur le volume"

log = structlog.get_logger()


def keep_fingerprint(engine: Engine, storage: Storage, file: Export) -> None:
    """Take and keep the fingerprint of a deposited list file that lacks one; any other file is left alone."""
    if file.kind != ExportKind.LISTE:
        return
    with snapshot(engine) as connection:
        is_lacking = lacks_fingerprint(connection, file.id)
    if is_lacking:
        take_and_keep(engine, storage, file)


def take_and_keep(engine: Engine, storage: Storage, file: Export) -> Fingerprint:
    """Read the file whole. A damaged one is not kept as such: a restored volume may bring it back."""
    taken = _take(storage, file)
    if taken.records is not None:
        with engine.begin() as connection:
            write_fingerprint(connection, file.id, taken)
        log.info("fingerprint_taken", export_id=file.id)
    return taken


def _take(storage: Storage, file: Export) -> Fingerprint:
    if file.purged_at:
        return Fingerprint(reason=PURGED)
    digests = Digests.new()
    path = storage.path(file.code_commune, file.file_name)
    try:
        taken = take_fingerprint(path, Format(file.format), digests)
    except (OSError, NotOurFileError) as error:
        log.warning("fingerprint_not_taken", export_id=file.id, error=type(error).__name__)
        return Fingerprint(reason=NOT_INTACT)
    if taken.sha256 != file.sha256:
        log.warning("fingerprint_not_taken", export_id=file.id, error="altered")
        return Fingerprint(reason=NOT_INTACT)
    return Fingerprint(digests.key, taken.fingerprint)
