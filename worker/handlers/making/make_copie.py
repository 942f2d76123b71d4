"""The files of a copy of a list for an elector: the undertaking to sign, the copy as PDF and CSV, the refusal.

Code électoral, art. L. 37 and R. 20: a copy has the columns of R. 20 and no other, and masks the address of protected
persons. Its number is on every page, in the metadata of the PDF and in the name of the CSV.
"""

from codecs import getwriter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from itertools import groupby
from operator import attrgetter, itemgetter
from pathlib import Path
from typing import Any

from sqlalchemy import ColumnElement, Connection, func, select
from sqlalchemy.orm import Session

from common.calendrier import YOUNGEST, last_birth
from common.files import SheetWriter, Sink
from common.french import at_commune, format_moment, long_date, of_commune, short_date
from common.law import LAW_OF_COPIES, LAW_OF_PROTECTION
from schemas.tableaux import Edition
from schemas.vocabulary import CopieFile, FileFormat, Format, Qualite, Severity
from worker.db.engine import snapshot
from worker.domain.letter import BLANK, Letter, mairie
from worker.domain.tableau.model import LigneRules, Tableau
from worker.errors import ExportError
from worker.exports.lease import Heartbeat
from worker.exports.models import Copie, Export
from worker.exports.records import announce, mark_ready
from worker.handlers.making.make_liste import read_spec
from worker.registre.checks.facts import is_of_age
from worker.registre.imports.chain import read_rests_on
from worker.registre.models import ORDRE, Electeur
from worker.registre.mouvements.queries import select_entries
from worker.registre.reference import arrondissements_of, name_departement
from worker.registre.versions import is_on_liste
from worker.services import Services
from worker.work.queue import Claim
from worker.writers import Progress
from worker.writers.columns import ListeSpec
from worker.writers.precheck import Tally, find_anomalies, take_census

_BLOCK = 500
_REMEDIES = "Voies et délais de recours"
"""The line of a template below which the remedies stand."""
_SIGNS_REFUSAL = "Le maire, ou par délégation :"
_BYTES_PER_ELECTEUR = 1_200

COLUMNS = {
    "bureau": "Bureau",
    "numero": "N° d’ordre",
    "nom_naissance": "Nom de naissance",
    "nom_usage": "Nom d’usage",
    "prenoms": "Prénoms",
    "naissance": "Date et lieu de naissance",
    "adresse": "Adresse",
}
"""The columns of article R. 20: the values of a Ligne, with their titles."""
Line = tuple[str, ...]
_RULES = LigneRules(Edition.AFFICHAGE, has_nationalite=False, has_dates=False)
_VALUES = attrgetter(*COLUMNS)


def among(spec: ListeSpec, bureau: str = "") -> tuple[ColumnElement[bool], ...]:
    """Return the conditions of the electors of a copy: of age on its day, of the list or of one bureau."""
    on_liste = is_on_liste(spec.code_commune, spec.liste.value, spec.version)
    of_age = is_of_age(last_birth(spec.jour), last_birth(spec.jour, YOUNGEST))
    return (on_liste, of_age, Electeur.code_bureau == bureau) if bureau else (on_liste, of_age)


def select_lines(
    connection: Connection, spec: ListeSpec, bureau: str, progress: Progress, commune: str = ""
) -> Iterator[Line]:
    """Yield the electors of a copy, in the order of the list; `commune`: the name that addresses leave out."""
    rules = replace(_RULES, commune=commune, code_commune=spec.code_commune)
    entries = select_entries(connection, spec.code_commune, *among(spec, bureau), order=ORDRE)
    for place, entry in enumerate(entries, 1):
        bureau, numero, *rest = _VALUES(rules.to_ligne(entry))
        yield bureau, numero if entry.numero else "", *rest
        if place % _BLOCK == 0:
            progress(place)


def write_csv(lines: Iterable[Line], sink: Sink) -> None:
    """Write a copy for a spreadsheet: no value can become a formula."""
    file: Any = sink
    text: Any = getwriter("utf-8-sig")(file)
    writer = SheetWriter(text)
    writer.write(COLUMNS.values())
    for line in lines:
        writer.write(line)


def write_pdf(head: Tableau, lines: Iterable[Line], sink: Sink) -> int:
    """Draw a copy, each bureau under its title, which its lines do not repeat; return the number of pages."""
    from worker.pdf.render import render_copie  # fonts and reportlab: the CSV does without

    sections = (
        (f"Bureau {code}", map(itemgetter(slice(1, None)), rows))
        for code, rows in groupby(lines, key=itemgetter(0))
    )
    _, *titles = COLUMNS.values()
    return render_copie(head, titles, sections, sink)


def compose_head(spec: ListeSpec, export: Export, copie: Copie) -> Tableau:
    """Return the top of each page of a copy: the number is in the title and in the mention."""
    edition, number = CopieFile(export.edition), export.parameters["numero"]
    known = f"D’après l’export du REU du {short_date(spec.basis.taken_on)}. " if spec.basis else ""
    of_day = f"liste au {short_date(spec.basis.taken_on)} – " if spec.basis else ""
    place = f"Une adresse sans commune est {at_commune(spec.nom_commune)}."
    masked = f"L’adresse d’une personne protégée n’est pas communiquée ({LAW_OF_PROTECTION})."
    return Tableau(
        type="",
        presentation="",
        titre=f"{edition.label} n° {number}",
        reference_legale=LAW_OF_COPIES,
        nom_commune=spec.nom_commune,
        code_commune=spec.code_commune,
        departement=name_departement(spec.code_departement),
        liste=f"{spec.liste.label} — {spec.liste.value}",
        objet=f"Bureau {copie.bureau} seulement" if copie.bureau else "Toute la commune",
        edite_le=f"{known}Édité le {format_moment(export.request.created_at, spec.code_commune)}",
        is_provisoire=False,
        sections=(),
        signatures=None,
        notes=(masked, *(() if arrondissements_of(spec.code_commune) else (place,))),
        mention=f"Copie n° {number} – {of_day}usage commercial interdit",
    )


def compose_letter(spec: ListeSpec, export: Export, copie: Copie) -> Letter:
    """Return the undertaking that the elector signs, or the refusal with the ways of appeal."""
    edition = CopieFile(export.edition)
    words = Path(__file__).with_name(f"{edition}.txt").read_text("utf-8").strip()
    liste = f"{spec.liste.short_label.lower()} {of_commune(spec.nom_commune)}"
    said = {
        "recue_on": long_date(copie.recue_on),
        "qualite": Qualite(copie.qualite).label.lower(),
        "liste": liste,
    }
    said |= {"demandeur": copie.demandeur, "motif": copie.motif}
    corps, _, recours = words.partition(_REMEDIES)
    town_hall = mairie(of_commune(spec.nom_commune))
    elector = copie.demandeur, f"Adresse : {BLANK}", BLANK, BLANK
    is_refus = edition is CopieFile.REFUS
    number = export.parameters["numero"]
    edited = format_moment(export.request.created_at, spec.code_commune)
    return Letter(
        titre=f"{edition.label} n° {number}",
        nom_commune=spec.nom_commune,
        expediteur=town_hall if is_refus else elector,
        destinataire=elector if is_refus else town_hall,
        lieu=f"{spec.nom_commune}, le {BLANK[:20]}",
        objet=f"{edition.label} n° {number}",
        reference=f"demande n° {number} – {LAW_OF_COPIES}",
        corps=_fill(corps, said),
        recours=_fill(recours, said),
        signataire=_SIGNS_REFUSAL if is_refus else f"Le demandeur : {copie.demandeur}",
        pied=(f"Lettre éditée le {edited}.",),
        has_cachet=is_refus,
    )


def _fill(words: str, said: Mapping[str, str]) -> tuple[str, ...]:
    return tuple(it.format_map(said) for it in words.strip().split("\n\n") if it)


def make_copie(export: Export, claim: Claim, heartbeat: Heartbeat, services: Services) -> None:
    """Make one file of a copy, publish it and record it.

    Raises:
        ExportError: its record is no longer kept, or the list has no elector.
        LeaseLostError: another worker holds the row; no file was published.
    """
    with snapshot(services.engine) as connection:
        copie = Session(connection).get(Copie, export.parameters["copie"])
    if copie is None:
        raise ExportError("Cette demande de copie n'est plus gardée : notez-la de nouveau.")
    edition, number, tally, pages = CopieFile(export.edition), 0, Tally(), None
    with (
        services.storage.pending(export.code_commune, export.file_name, claim.owner) as file,
        snapshot(services.registre) as connection,
    ):
        spec = read_spec(connection, export, services)
        if edition is CopieFile.COPIE:
            number = connection.scalar(select(func.count()).where(*among(spec, copie.bureau))) or 0
            if not number:
                raise ExportError(
                    "Aucun électeur de cette liste, ou de ce bureau : il n'y a rien à remettre."
                )
            announce(services.engine, claim, electeurs=number)
            services.storage.require_room(number * _BYTES_PER_ELECTEUR)
            census = take_census(connection, spec)
            for anomaly in find_anomalies(
                connection, spec, census, Format.CSV, ours=services.ruined_values
            ):
                tally.add(anomaly)
            ours = copie.bureau, heartbeat.progress
            if export.format == FileFormat.CSV:
                write_csv(select_lines(connection, spec, *ours), file)
            else:
                left_out = "" if arrondissements_of(spec.code_commune) else spec.nom_commune
                lines = select_lines(connection, spec, *ours, left_out)
                pages = write_pdf(compose_head(spec, export, copie), lines, file)
        else:
            from worker.pdf.letter import render_letter

            pages = render_letter(compose_letter(spec, export, copie), file)
        file.finish()
        mark_ready(
            services.engine,
            claim,
            file,
            {},
            electeurs=number,
            mineurs=0,
            bloquantes=tally.total(Severity.BLOCKING),
            remarques=0,
            anomalies=tally.to_record(),
            pages=pages,
            rests_on=read_rests_on(connection, spec.basis.imports if spec.basis and number else ()),
            profile=services.profiles.of(export.code_commune).record(of_liste=True)
            | {"formats": []},
        )
