"""From the register to a list file: one snapshot, every elector checked, as many lines as electors, all or nothing."""

from sqlalchemy import Connection

from common.clock import jour_a_paris
from schemas.vocabulary import Format, Severity
from worker.db.engine import snapshot
from worker.domain.texte import clean
from worker.errors import CountMismatchError
from worker.exports.models import Export
from worker.exports.naming import report_name
from worker.exports.records import announce, mark_ready
from worker.exports.storage import Made, PendingFile
from worker.handlers.compare_depot import DepotComparison
from worker.handlers.services import Services
from worker.registre.checks.suspects import Scope, read_scope
from worker.registre.communes import require_commune
from worker.registre.imports.chain import read_rests_on
from worker.writers import Progress
from worker.writers.columns import ListeSpec
from worker.writers.csv_file import write_csv
from worker.writers.precheck import Census, find_anomalies, take_census
from worker.writers.report import write_report
from worker.writers.xml_file import validate_xml, write_xml

BYTES_PER_ELECTEUR = {Format.CSV: 400, Format.XML: 1_400}
"""Room asked for before a file is begun; a line of the arrêté's example is 200 bytes, an element 900."""

NO_VERSION = -1
"""A list that was never imported has no elector: its file is the header alone."""


def make_liste(export: Export, owner: str, progress: Progress, services: Services) -> None:
    """Make the file and its report of anomalies, publish them and record them.

    Raises:
        ExportError: the file cannot be made; a line is missing, or the XML does not follow its schema.
        DiskFullError: no room now.
        LeaseLostError: the row is in other hands; nothing was published.
    """
    format_ = Format(export.format)
    storage = services.storage
    with (
        storage.pending(export.code_commune, report_name(export.file_name), owner) as report,
        storage.pending(export.code_commune, export.file_name, owner) as file,
    ):
        comparison = DepotComparison.begin(services.engine, storage, export, jour_a_paris(export.request.created_at))
        with snapshot(services.registre) as connection:
            spec = read_spec(connection, export, services)
            comparison.read_register(connection)
            rests_on = read_rests_on(connection, {spec.version})
            census = take_census(connection, spec)
            announce(services.engine, export.id, owner, electeurs=census.electeurs)
            storage.require_room(census.electeurs * BYTES_PER_ELECTEUR[format_])
            anomalies = find_anomalies(connection, spec, census, format_, ours=services.ruined_values)
            tally = write_report(anomalies, report)
            written = _write(connection, spec, census, file, progress, format_=format_)
        if written != census.electeurs:
            raise CountMismatchError(f"{written} lignes écrites pour {census.electeurs} électeurs comptés.")
        stored = file.finish()
        report_stored = report.finish() if tally.counts else None
        if format_ is Format.XML:
            validate_xml(file.temporary, services.xsd)

        made = Made(
            file=stored,
            report=report_stored,
            electeurs=census.electeurs,
            mineurs=census.mineurs,
            bloquantes=tally.total(Severity.BLOCKING),
            remarques=tally.total(Severity.REMARK),
            anomalies=tally.to_record(),
            differences=comparison.describe(file.temporary),
            rests_on=rests_on,
            reconciliation={"liste_on": spec.today, "version": spec.version, "electeurs": census.electeurs},
        )
        mark_ready(services.engine, export.id, owner, made, [report, file] if report_stored else [file])


def read_spec(connection: Connection, export: Export, services: Services) -> ListeSpec:
    """Which list the row asks for, at the version that the register shows now.

    Raises:
        ExportError: the register does not hold the commune any more.
    """
    commune = require_commune(connection, export.code_commune)
    liste = export.nom_liste
    version = commune.versions.get(liste, NO_VERSION)
    jour = jour_a_paris(export.request.created_at)
    is_ours = services.registre is services.engine
    return ListeSpec(
        code_commune=commune.code,
        nom_commune=clean(commune.nom),
        code_departement=commune.code_departement,
        liste=liste,
        version=version,
        type_liste=services.type_liste_codes[liste],
        info_liste=services.info_liste,
        jour=jour,
        scope=read_scope(connection, commune.code, liste, version, jour) if is_ours else Scope.WHOLE,
    )


def _write(
    connection: Connection, spec: ListeSpec, census: Census, file: PendingFile, progress: Progress, *, format_: Format
) -> int:
    if format_ is Format.XML:
        return write_xml(connection, spec, file, progress, cleaning=census.needs_cleaning)
    return write_csv(connection, spec, file, progress, cleaning=census.needs_cleaning, separators=census.has_separators)
