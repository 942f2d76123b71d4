"""`python -m worker import-reu`, `import-mouvements` and `imports`."""

import sys
from collections.abc import Sequence
from dataclasses import asdict
from datetime import date
from functools import partial
from pathlib import Path
from typing import Any

import click
from sqlalchemy import Connection, Engine, Row

from common.calendrier import PARIS, jour_a_paris, now
from common.cli import ParsedType, one_of, together, whole_number
from common.french import count_of, format_number, short_date
from schemas.profiles import ProfileError, is_source, write_profile
from schemas.profiles.platform import read_platform
from schemas.profiles.source import (
    SourceMapping,
    SourceProfile,
    describe_mapping,
    load_sources,
    profile_of,
    read_source,
)
from schemas.vocabulary import Action
from worker.audit import Detail, WordKind, Words, record_audit
from worker.cli.options import (
    CODE_COMMUNE,
    FILE_OR_INPUT,
    JOUR,
    LISTE,
    operator,
    print_json,
    print_recalled,
    print_table,
    reason_option,
    register_database,
    system_user,
)
from worker.errors import ConfigurationError
from worker.handlers.declarations.declare import protect_marked
from worker.handlers.handle_preview import redate
from worker.handlers.handle_preview import undo as undo_import
from worker.registre.communes import read_mapping, set_mapping
from worker.registre.imports.chain import find_contradictions, list_gaps
from worker.registre.imports.history import count_imports, list_imports
from worker.registre.imports.report import (
    Comparison,
    Gap,
    ImportSummary,
    ListeCount,
    Question,
    describe_answers,
    describe_reasons,
    name_some,
)
from worker.registre.mouvements import importer
from worker.registre.reu.importer import Intake, import_file
from worker.settings import load_settings

SHOWN = 20


PROFILE = ParsedType("profil", lambda text: read_source(Path(text)))
LAST = "dernier"


def _require_reason(_context: click.Context, _option: click.Parameter, reason: str | None) -> str:
    if reason is not None and not reason.strip():
        raise click.UsageError(
            "--no-compare demande une raison : pourquoi cet export n'est-il pas comparé ?"
        )
    return reason or ""


_import_options = together(
    click.argument("file", metavar="FICHIER", type=FILE_OR_INPUT),
    click.option(
        "--accept-rejects",
        is_flag=True,
        help="Garder les lignes lisibles quand d'autres sont rejetées.",
    ),
    click.option(
        "--imported-by", metavar="NOM", help="Qui importe ; par défaut, l'utilisateur du système."
    ),
    click.option(
        "--report",
        type=click.Path(path_type=Path),
        metavar="FICHIER",
        is_eager=True,  # before FICHIER, whose conversion reads it
        help="Où écrire les lignes rejetées ; sinon à côté du fichier.",
    ),
    click.option(
        "--json", "as_json", is_flag=True, help="Écrire le résultat en JSON, pour un programme."
    ),
)


@click.command("import-reu")
@_import_options
@click.option(
    "--accept-changes",
    is_flag=True,
    help="Répondre oui aux questions : beaucoup d'électeurs en moins ou changés, bureau disparu, même fichier…",
)
@click.option(
    "--taken-on",
    type=JOUR,
    metavar="AAAA-MM-JJ",
    help="Jour où l'export a été téléchargé du REU ; sinon aujourd'hui. Ses mouvements datent d'avant.",
)
@click.option(
    "--no-compare",
    metavar="RAISON",
    callback=_require_reason,
    help="Ne pas noter qui est venu, parti ou a changé de bureau : une lacune, que les tableaux diront.",
)
@click.option(
    "--empty",
    type=LISTE,
    multiple=True,
    help="Vider cette liste, absente du fichier : personne n'y est plus.",
)
@click.option(
    "--commune",
    type=CODE_COMMUNE,
    help="Commune des électeurs ou des listes à vider, si le fichier ne la dit pas.",
)
@click.option("--liste", type=LISTE, help="Liste des électeurs, si le fichier ne la dit pas.")
@click.option(
    "--profile",
    type=PROFILE,
    metavar="FICHIER",
    help="Profil de ce fichier, ajouté à celui du REU.",
)
def import_reu(
    file: Path,
    *,
    taken_on: date | None,
    imported_by: str | None,
    report: Path | None,
    as_json: bool,
    accept_changes: bool,
    accept_rejects: bool,
    profile: SourceProfile | None,
    **said: Any,  # noqa: ANN401 — the other fields of an Intake
) -> None:
    """Importer la liste électorale du REU.

    FICHIER est l'export CSV « Liste des électeurs actifs », un classeur (.xlsx) ou un ZIP qui le contient, ou « - »,
    l'entrée standard. Chaque liste qui s'y trouve remplace celle du registre, et ce qui change depuis l'export
    précédent devient des mouvements ; les autres listes ne changent pas.
    """
    bar_of = click.progressbar(
        length=100, label="Lecture", file=sys.stderr, hidden=not sys.stderr.isatty()
    )
    with register_database() as engine, bar_of as bar:
        known = _known_profile(engine, said["commune"])
        summary = import_file(
            engine,
            file,
            imported_by=imported_by or system_user(),
            report=report,
            progress=lambda _lines, share: bar.update(round(100 * share) - bar.pos),
            intake=Intake(taken_on, profile=known.joined(profile) if profile else known, **said),
            accept_changes=accept_changes,
            accept_rejects=accept_rejects,
            then=partial(_note_imported, file.name),
        )
    print_summary(summary, as_json=as_json, kept="gardée", rejected="rejetée")
    if not as_json and not summary.unchanged:
        if summary.taken_on and not summary.is_dated:
            click.echo(
                f"Jour de l'export : {short_date(summary.taken_on)}, celui de l'import, faute de --taken-on. S'il a "
                f"été téléchargé plus tôt, indiquez-le : imports --taken-on {summary.import_id} AAAA-MM-JJ."
            )
        for question in summary.questions:
            click.echo(f"Accepté : {question.found}.")
        if summary.comparison:
            print_comparaison(summary.comparison)
        _print_gaps(summary.gaps)
        for it in summary.kept:
            if it.electeurs:
                electeurs = count_of(it.electeurs, "électeur conservé")
                click.echo(
                    f"Liste {it.liste} de {it.code_commune}, absente de ce fichier : {electeurs} (--empty la viderait)."
                )
        _show_listes(summary)


def _known_profile(engine: Engine, commune: str | None) -> SourceProfile:
    try:
        known = load_sources(load_settings().profiles_dir)
    except ProfileError as error:
        raise ConfigurationError(str(error)) from None
    with engine.connect() as connection:
        return known.joined(read_mapping(connection, commune)) if commune else known


def _describe_profile(name: str) -> str:
    path = Path(name)
    return (
        describe_mapping(read_source(path))
        if is_source(path)
        else read_platform(path).form.first_line
    )


@click.command
@click.argument("act", metavar="check|show|forget", type=one_of(["check", "show", "forget"]))
@click.argument("what", metavar="FICHIER|CODE")
def profiles(act: str, what: str) -> None:
    """Vérifier un profil, ou voir ou oublier ce qu'une commune a dit de ses fichiers.

    « check FICHIER » lit un profil. « show CODE » l'écrit pour une commune, « forget CODE » l'efface.
    """
    if act == "check":
        said = ParsedType("profil", _describe_profile).convert(
            what, None, click.get_current_context()
        )
        click.echo(f"{Path(what).name} : valide. {said}")
        return
    code = CODE_COMMUNE.convert(what, None, click.get_current_context())
    with register_database() as engine, engine.begin() as connection:
        mapping = read_mapping(connection, code)
        if not mapping:
            click.echo(f"{code} n'a rien dit de ses fichiers : ils ont la forme du REU.")
        elif act == "show":
            click.echo(
                write_profile(profile_of(mapping, code, code, jour_a_paris(now()))), nl=False
            )
        else:
            set_mapping(connection, code, SourceMapping())
            click.echo(f"Oublié pour {code} : {describe_mapping(mapping)}")


@click.command("import-mouvements")
@_import_options
@click.option(
    "--complete-until",
    type=JOUR,
    metavar="AAAA-MM-JJ",
    help="Jour jusqu'auquel le registre connaît alors tous les mouvements.",
)
@click.option(
    "--profile",
    type=PROFILE,
    metavar="FICHIER",
    help="Profil de ce fichier, s'il a une autre forme.",
)
def import_mouvements(
    file: Path,
    *,
    complete_until: date | None,
    imported_by: str | None,
    as_json: bool,
    **wishes: Any,  # noqa: ANN401 — the other options of an import
) -> None:
    """Importer des mouvements.

    FICHIER est un CSV (UTF-8, point-virgule) ou un classeur (.xlsx) d'inscriptions, de radiations et de changements de
    bureau, qui s'ajoutent à ceux du registre. Un fichier corrigé s'importe après « imports --undo ».
    """
    recalled: list[str] = []

    def note(connection: Connection, import_id: int) -> None:
        _note_imported(file.name, connection, import_id)
        recalled.extend(protect_marked(connection, import_id, by=operator()))

    with register_database() as engine:
        summary = importer.import_mouvements(
            engine,
            file,
            imported_by=imported_by or system_user(),
            complete_until=complete_until,
            **wishes,
            then=note,
        )
        with engine.connect() as connection:
            contradicted = list(find_contradictions(connection, summary.import_id))
    more = {"recalled": recalled, "contradicted": contradicted}
    print_summary(summary, as_json=as_json, kept="mouvement ajouté", rejected="rejeté", **more)
    if as_json:
        return
    print_recalled(recalled)
    if complete_until:
        click.echo(
            f"Tous les mouvements sont connus jusqu'au {short_date(complete_until)}, est-il dit de cet import."
        )
    for said in contradicted:
        click.echo(f"Contredit par les exports du REU, {said}")


@click.command
@click.option(
    "--all", "show_all", is_flag=True, help=f"Tous les imports, pas seulement les {SHOWN} derniers."
)
@click.option(
    "--taken-on",
    type=(whole_number(1), JOUR),
    metavar="N° AAAA-MM-JJ",
    help="Dire de quel jour est l'export d'un import : ses mouvements le suivent.",
)
@click.option(
    "--undo",
    type=ParsedType(
        "nombre", lambda text: 0 if text == LAST else whole_number(1).convert(text, None, None)
    ),
    is_flag=False,
    flag_value=LAST,
    metavar="[N°]",
    help="Annuler un import, le dernier sans numéro : ses listes et ses bureaux redeviennent ce qu'ils étaient, ses "
    "mouvements sont effacés.",
)
@reason_option
def imports(
    *, show_all: bool, taken_on: tuple[int, date] | None, undo: int | None, reason: str
) -> None:
    """Lister les imports, le dernier en tête, et les lacunes qu'ils ont laissées ; en dater ou en annuler un.

    Les imports d'une liste s'annulent l'un après l'autre, en commençant par le dernier, pendant 30 jours.
    """
    if taken_on and undo is not None:
        raise click.UsageError("--taken-on ou --undo, pas les deux à la fois")
    if taken_on:
        import_id, day = taken_on
        with register_database() as engine:
            redated, recalled = redate(engine, import_id, day, actor=system_user(), reason=reason)
        moved = count_of(redated.mouvements, "mouvement daté")
        click.echo(f"Import {import_id} : export du {short_date(day)}, {moved} de ce jour.")
        print_recalled(recalled)
    elif undo is not None:
        with register_database() as engine:
            undone, recalled = undo_import(engine, undo or None, actor=system_user(), reason=reason)
        mouvements = (
            f", {count_of(undone.mouvements, 'mouvement effacé')}" if undone.mouvements else ""
        )
        click.echo(
            f"Import {undone.import_id} ({undone.file_name}) annulé : {count_of(len(undone.restored), 'liste remise')} "
            f"à l'état précédent, {count_of(len(undone.removed), 'liste retirée')} du registre{mouvements}."
        )
        print_recalled(recalled)
    elif reason:
        raise click.UsageError("--reason demande aussi --taken-on ou --undo")
    else:
        with register_database() as engine, engine.connect() as connection:
            found = list_imports(connection, None if show_all else SHOWN)
            others = count_imports(connection) - len(found)
            gaps = list_gaps(connection, [it.id for it in found])
        rows = []
        for it in found:
            state = _describe_state(it, [gap for gap in gaps if gap.import_id == it.id])
            at = f"{it.started_at.astimezone(PARIS):%d/%m/%Y %H:%M}"
            lines = format_number(it.lines_kept), format_number(it.lines_rejected)
            taken = (
                "–"
                if it.taken_on is None
                else short_date(it.taken_on) + ("" if it.is_dated else " ?")
            )
            rows.append((str(it.id), at, taken, it.file_name, *lines, it.imported_by, state))
        titles = "N°", "Importé le", "Export du", "Fichier", "Lignes", "Rejets", "Par", "État"
        print_table(titles, rows, "Aucun import.")
        if others > 0:
            click.echo(f"… et {count_of(others, 'autre import', 'autres imports')} : --all")


def _note_imported(
    file_name: str, connection: Connection, import_id: int, questions: Sequence[Question] = ()
) -> None:
    detail: Detail = [
        Words(WordKind.TEXTE, file_name),
        f", import {import_id}{describe_answers(questions)}",
    ]
    record_audit(connection, Action.REGISTRE_IMPORTED, actor=system_user(), detail=detail)


def print_summary(
    summary: ImportSummary,
    *,
    kept: str,
    rejected: str,
    as_json: bool = False,
    **more: Sequence[str],
) -> None:
    """Print the result; `kept` and `rejected` are the French words for its lines. `more` is said in JSON only."""
    if as_json:
        print_json(asdict(summary) | more)
        return
    if summary.unchanged:
        click.echo(
            f"Ce fichier est déjà dans le registre (import {summary.import_id}) : rien n'a changé."
        )
        if summary.taken_on:
            click.echo(
                f"Il vaut pour le {short_date(summary.taken_on)}. S'il vient d'être téléchargé et que rien n'a bougé "
                "depuis, dites son jour : --taken-on AAAA-MM-JJ. S'il a été pris plus tôt : "
                f"imports --taken-on {summary.import_id} AAAA-MM-JJ."
            )
        return
    counts = [
        count_of(summary.lines_read, "ligne lue"),
        count_of(summary.lines_kept, kept),
        count_of(summary.lines_rejected, rejected),
        count_of(summary.values_cleaned, "valeur nettoyée"),
    ]
    if summary.listes:
        counts.append(count_of(summary.bureaux, "bureau", "bureaux"))
    click.echo(f"Import {summary.import_id} : {', '.join(counts)}.")
    for note in summary.notes:
        click.echo(f"À savoir : {note}.")
    if summary.report:
        click.echo(
            f"Lignes rejetées : {describe_reasons(summary.reasons)}. Détail : {summary.report}"
        )


def print_comparaison(found: Comparison) -> None:
    """Print what changed since the export before, and what to check."""
    if not found.listes:
        click.echo("Aucun mouvement : ces listes n'étaient pas encore dans le registre.")
        return
    counts = (
        count_of(found.inscriptions, "inscription"),
        count_of(found.radiations, "radiation"),
        count_of(found.changements, "changement de bureau", "changements de bureau"),
    )
    click.echo(f"D'après l'export du {short_date(found.jour)} : {', '.join(counts)}.")
    if found.others:
        others = count_of(found.others, "électeur a changé", "électeurs ont changé")
        click.echo(
            f"{others} autrement (adresse, nom d'usage, orthographe) : aucun tableau ne le montre."
        )
    if found.doubts:
        click.echo(
            f"{count_of(found.doubts, 'doute bloque', 'doutes bloquent')} les tableaux tant que personne n'a dit s'il "
            "s'agit de la même personne : page « Doutes », ou « declare »."
        )


def _print_gaps(gaps: Sequence[Gap]) -> None:
    by_period: dict[tuple[date, date], list[Gap]] = {}
    for gap in gaps:
        by_period.setdefault((gap.since, gap.until), []).append(gap)
    for (since, until), some in by_period.items():
        listes = name_some(f"liste {it.liste} de {it.code_commune}" for it in some)
        click.echo(
            f"Lacune : aucun tableau ne pourra couvrir du {short_date(since)} au {short_date(until)} ({listes}), ce "
            "qui a changé entre ces deux exports n'est pas connu. Pour la combler : imports --undo "
            f"{some[0].import_id}, puis le même import sans --no-compare ; ou les mouvements de cette période "
            "(import-mouvements --complete-until)."
        )


def _describe_state(it: Row[Any], gaps: Sequence[Gap]) -> str:
    if it.undone_at:
        return "annulé"
    if not it.finished_at:
        return "en cours ou interrompu"
    said = ["terminé"]
    if gaps:
        since, until = min(gap.since for gap in gaps), max(gap.until for gap in gaps)
        said.append(f"non comparé : lacune du {short_date(since)} au {short_date(until)}")
    if it.complete_until:
        said.append(f"dit complet jusqu'au {short_date(it.complete_until)}")
    return ", ".join(said)


def _show_listes(summary: ImportSummary) -> None:
    by_liste: dict[str, list[ListeCount]] = {}
    for it in summary.listes:
        by_liste.setdefault(it.liste, []).append(it)
    rows = []
    for liste, some in sorted(by_liste.items()):
        commune = some[0].code_commune if len(some) == 1 else count_of(len(some), "commune")
        electeurs, mineurs = (
            sum(getattr(it, name) for it in some) for name in ("electeurs", "mineurs")
        )
        before = [it.before for it in some if it.before is not None]
        said = format_number(electeurs) + (
            f", dont {count_of(mineurs, 'mineur')}" if mineurs else ""
        )
        rows.append((commune, liste, said, format_number(sum(before)) if before else "–"))
    print_table(("Commune", "Liste", "Électeurs", "Avant"), rows, "Aucune liste.")
    if any(it.mineurs for it in summary.listes):
        click.echo(
            "Un mineur inscrit d'avance ne figure dans le fichier de sa liste qu'à ses dix-huit ans."
        )
