"""From the register to a list file: one snapshot, every elector checked, as many lines as electors, all or nothing.

The file is compared with the one that was deposited before it, by the fingerprint of that one (ADR 0012). A deposit is
one row, whatever the size of its file, and a work of the lane of batches takes its fingerprint. If the next file of the
list is made first, its worker takes it.
"""

from pathlib import Path
from typing import Any

import structlog
from sqlalchemy import Connection, Engine
from sqlalchemy.orm import Session

from common.calendrier import civil_day
from common.texte import clean
from schemas.profiles.platform import PlatformProfile, may_be_deposited, read_form
from schemas.vocabulary import Format, Liste, Piece, Severity
from worker.db.engine import reading, snapshot
from worker.domain.fingerprint import Digests, Expected, expect, find_changes, summarise
from worker.errors import CountMismatchError
from worker.exports.depots import Fingerprint, find_last_depot, lacks_fingerprint, write_fingerprint
from worker.exports.lease import STILL_SECONDS, Heartbeat
from worker.exports.models import Export, facts_of, piece_name
from worker.exports.records import announce, mark_ready
from worker.exports.storage import Storage
from worker.registre.checks.facts import has_facts
from worker.registre.communes import NO_VERSION, require_commune
from worker.registre.comparaison.doubts import list_corrections
from worker.registre.imports.chain import read_rests_on
from worker.registre.imports.history import read_basis
from worker.registre.mouvements.queries import has_mouvements, select_between
from worker.services import Services
from worker.work.queue import Claim, finish, release, renew
from worker.writers.columns import ListeSpec, NotOurFileError
from worker.writers.electeurs_file import LISTE_FORMATS, FileDays, take_fingerprint
from worker.writers.precheck import (
    ReportSubject,
    describe_too_large,
    find_anomalies,
    take_census,
    write_report,
)

VALIDATED_BYTES_PER_SECOND = 1 << 20
"""A lower bound of the speed of validation, even on a shared processor."""


def make_liste(export: Export, claim: Claim, heartbeat: Heartbeat, services: Services) -> None:
    """Make the file and its report of anomalies, publish them and record them.

    Raises:
        ExportError: the file cannot be made: a line is missing, or the XML does not follow its schema.
        DiskFullError: the volume has no room now.
        LeaseLostError: another worker holds the row; no file was published.
    """
    liste_format, storage = LISTE_FORMATS[Format(export.format)], services.storage
    with (
        storage.pending(
            export.code_commune, piece_name(export.file_name, Piece.RAPPORT), claim.owner
        ) as report,
        storage.pending(export.code_commune, export.file_name, claim.owner) as file,
    ):
        profile = services.profiles.of(export.code_commune)
        comparison = DepotComparison(services.engine, storage, export, profile)
        with snapshot(services.registre) as connection:
            spec = read_spec(connection, export, services)
            comparison.read_register(connection)
            counted = {"electeurs": spec.basis.electeurs} if spec.basis else {}
            rests_on = [
                it | counted
                for it in read_rests_on(connection, spec.basis.imports if spec.basis else ())
            ]
            census = take_census(connection, spec)
            announce(services.engine, claim, electeurs=census.electeurs)
            storage.require_room(census.electeurs * liste_format.bytes_per_electeur)
            anomalies = find_anomalies(
                connection, spec, census, Format(export.format), ours=services.ruined_values
            )
            subject = ReportSubject(facts_of(export), services.public_url)
            tally = write_report(anomalies, report, subject)
            written = liste_format.write(
                connection, spec, file, heartbeat.progress, cleaning=census.needs_cleaning
            )
        if written != census.electeurs:
            raise CountMismatchError(
                f"{written} lignes écrites pour {census.electeurs} électeurs comptés."
            )
        file.finish()
        if profile.most_bytes and file.size > profile.most_bytes:
            too_large = describe_too_large(file.size, profile.most_bytes)
            write_report([too_large], report, subject, tally)
        if liste_format.validate and profile.xsd:
            heartbeat.expect(STILL_SECONDS + file.size / VALIDATED_BYTES_PER_SECOND)
            liste_format.validate(file.temporary, profile.xsd)

        mark_ready(
            services.engine,
            claim,
            file,
            {Piece.RAPPORT: report} if tally.counts else {},
            electeurs=census.electeurs,
            mineurs=census.mineurs,
            bloquantes=tally.total(Severity.BLOCKING),
            remarques=tally.total(Severity.REMARK),
            anomalies=tally.to_record(),
            differences=comparison.describe(file.temporary),
            rests_on=rests_on,
            reconciliation={
                "liste_on": spec.jour.isoformat(),
                "version": spec.version,
                "electeurs": census.electeurs,
            },
            profile=profile.record(of_liste=True),
        )


def read_spec(connection: Connection, export: Export, services: Services) -> ListeSpec:
    """Return the spec of the list of the row, at the version that the register shows now.

    Raises:
        ExportError: the register no longer holds the commune.
    """
    commune = require_commune(connection, export.code_commune)
    liste = Liste(export.liste)
    version = commune.versions.get(liste, NO_VERSION)
    jour = civil_day(export.request.created_at, commune.code)
    is_ours = services.registre is services.engine
    profile = services.profiles.of(commune.code)
    return ListeSpec(
        code_commune=commune.code,
        nom_commune=clean(commune.nom),
        code_departement=commune.code_departement,
        liste=liste,
        version=version,
        type_liste=profile.type_liste[liste],
        info_liste=profile.info_liste,
        jour=jour,
        has_facts=is_ours and has_facts(connection, commune.code, liste, version, jour),
        basis=read_basis(connection, commune.code, liste.value, version),
        form=profile.form,
    )


PURGED = "le fichier déposé a été purgé avant que son empreinte soit prise"
NOT_INTACT = "le fichier déposé n'est plus intact sur le volume"
OTHER_COLUMNS = "le fichier déposé n'a pas les mêmes colonnes : la préfecture en a changé"

log = structlog.get_logger()


def make_fingerprint(liste: Export, claim: Claim, services: Services) -> None:
    """Take and store the fingerprint of a deposited list file that has none; finish the work."""

    def keep(_written: int) -> bool:
        with services.engine.begin() as connection:
            return bool(renew(connection, [claim], lease_seconds=services.lease_seconds))

    def leave() -> None:
        with services.engine.begin() as connection:
            release(connection, claim, seconds=0)

    with reading(services.engine) as connection:
        is_lacking = lacks_fingerprint(connection, liste.id)
    if is_lacking:
        with Heartbeat(keep, services.lease_seconds, leave, services.stuck):
            _take_and_keep(services.engine, services.storage, liste)
    with services.engine.begin() as connection:
        finish(connection, [claim])


def _take_and_keep(engine: Engine, storage: Storage, file: Export) -> Fingerprint:
    """Read the whole file. A damaged file is not recorded as such: a restored volume may bring it back."""
    taken = _take_fingerprint(storage, file)
    if taken.records is not None:
        with engine.begin() as connection:
            write_fingerprint(connection, file.id, taken)
        log.info("fingerprint_taken", export_id=file.id)
    return taken


def _take_fingerprint(storage: Storage, file: Export) -> Fingerprint:
    if file.purged_at:
        return Fingerprint(reason=PURGED)
    digests = Digests.new()
    path = storage.path(file.code_commune, file.file_name)
    try:
        taken = take_fingerprint(path, Format(file.format), read_form(file.profile), digests)
    except (OSError, NotOurFileError) as error:
        log.warning("fingerprint_not_taken", export_id=file.id, error=type(error).__name__)
        return Fingerprint(reason=NOT_INTACT)
    if taken.sha256 != file.sha256:
        log.warning("fingerprint_not_taken", export_id=file.id, error="altered")
        return Fingerprint(reason=NOT_INTACT)
    return Fingerprint(digests.key, taken.fingerprint)


class DepotComparison:
    """Compares the file of a row with the last deposited one: first the register is read, then the file."""

    def __init__(
        self, engine: Engine, storage: Storage, export: Export, profile: PlatformProfile
    ) -> None:
        """Find the last deposited file of the list, and take its fingerprint if it has none yet."""
        last = None
        if may_be_deposited(profile.record(of_liste=False), export.format):
            with reading(engine) as connection, Session(connection) as session:
                last = find_last_depot(session, export)
        if last and last.fingerprint == Fingerprint():
            last = last._replace(fingerprint=_take_and_keep(engine, storage, last.export))
        self.export, self.form, self.last = export, profile.form, last
        jour = civil_day(export.request.created_at, export.code_commune)
        self.days = FileDays(civil_day(last.asked_at, export.code_commune) if last else jour, jour)
        self.expected: Expected | None = None
        self.corrections = 0

    def read_register(self, connection: Connection) -> None:
        """Count the mouvements between the two files, in the snapshot of the new file."""
        code, liste = self.export.code_commune, Liste(self.export.liste)
        if not self._digests:
            return
        self.corrections = len(list_corrections(connection, code, liste, *self.days))
        if has_mouvements(connection, code, liste):
            found = select_between(connection, code, liste, *self.days)
            self.expected = expect(found, self._digests, *self.days)

    def describe(self, file: Path) -> dict[str, Any] | None:
        """Return for the row how the finished file differs, or why it was not compared; None without a deposit."""
        if self.last is None:
            return None
        about = {
            "export_id": self.last.export.id,
            "label": self.last.export.label,
            "deposited_on": self.last.deposited_on.isoformat(),
        }
        deposited = self.last.fingerprint
        if self._digests is None or deposited.records is None:
            return about | {"reason": deposited.reason}
        if set(read_form(self.last.export.profile).values) != set(self.form.values):
            return about | {"reason": OTHER_COLUMNS}
        taken = take_fingerprint(
            file, Format(self.export.format), self.form, self._digests, self.days
        )
        changes = find_changes(deposited.records, taken.fingerprint)
        return (
            about
            | summarise(changes, taken.of_age_since, self.expected, self.corrections).to_record()
        )

    @property
    def _digests(self) -> Digests | None:
        key = self.last and self.last.fingerprint.key
        return Digests(key) if key else None
