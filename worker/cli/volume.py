"""`python -m worker purge` and `verify`: removes old files of the volume, and finds damaged or unknown ones."""

from collections import deque
from collections.abc import Sequence
from shlex import quote

import click

from common.cli import ExitCode, confirm, whole_number
from common.french import count_of, format_size
from common.logs import configure_logs
from common.texte import without_controls
from schemas.vocabulary import Action
from worker.audit import Actor, note_removed, record_audit
from worker.cli.options import CODE_COMMUNE, print_json, system_user, worker_database
from worker.errors import RefusedError
from worker.exports.integrity import (
    UNKNOWN_SECONDS,
    FileFault,
    Orphan,
    Verified,
    find_orphans,
    skip_ids,
    verify_files,
)
from worker.exports.models import Export
from worker.exports.purge import Due, Purged, find_due, purge_files, remove_files, total
from worker.exports.storage import Storage
from worker.registre.imports.history import purge_versions
from worker.registre.imports.report import name_some
from worker.settings import load_settings

_UNKNOWN, _CAME_BACK = "unknown", "came_back"


@click.command
@click.option("--dry-run", is_flag=True, help="Dire ce qui serait purgé, ne rien faire.")
@click.option(
    "--older-than", type=whole_number(0), metavar="JOURS", help="Sinon PREFECTURE_RETENTION_DAYS."
)
@click.option("--yes", is_flag=True, help="Avec --older-than 0, ne pas demander confirmation.")
@click.option(
    "--json", "as_json", is_flag=True, help="Écrire le résultat en JSON, pour un programme."
)
@click.pass_context
def purge(
    context: click.Context, *, dry_run: bool, older_than: int | None, yes: bool, as_json: bool
) -> None:
    """Effacer les fichiers anciens.

    Leur ligne reste dans la base, avec leurs comptes et leur empreinte. Ce qui a été publié ou déposé reste
    un an : cela peut être contesté. Les fichiers du volume que la base ne connaît pas sont nommés, jamais effacés. Les
    versions du registre qu'aucune annulation ne peut plus remettre partent aussi.
    """
    settings = load_settings()
    configure_logs(settings.log_format, settings.log_level)
    days = settings.retention_days if older_than is None else older_than
    if not days and older_than is None:
        raise click.UsageError(
            "PREFECTURE_RETENTION_DAYS vaut 0, rien n'est purgé : donnez --older-than"
        )
    with worker_database(settings) as engine:
        storage = Storage(settings.exports_dir, engine)
        orphans = list(find_orphans(engine, storage))
        due, done = find_due(engine, days), None
        if not (days or dry_run or yes):
            confirm(
                "Tous les fichiers produits seront effacés, ceux d'aujourd'hui compris : "
                f"{count_of(due.exports, 'export')} ({format_size(due.size)}). Ce qui a été publié ou déposé depuis "
                "moins d'un an reste. Continuer ?"
            )
        if not dry_run:
            again, actor = (
                {it.export_id for it in orphans if it.export_id is not None},
                system_user(),
            )
            steps = purge_files(engine, storage, days=days, actor=actor)
            done = total([*steps, remove_files(engine, storage, again, actor=actor)])
            deque(purge_versions(engine, note_removed(Actor(actor))), maxlen=0)
    found = _sort(storage, orphans)
    if as_json:
        print_json({"days": days, "due": due._asdict(), "purged": done and done._asdict(), **found})
    elif done is None:
        size = format_size(due.size)
        click.echo(
            f"Seraient purgés : {count_of(due.exports, 'export')} ({size}) de plus de {count_of(days, 'jour')}."
        )
        for path in found[_CAME_BACK]:
            click.echo(f"Revenu après sa purge, serait effacé : {path}")
    else:
        _show_done(days, done)
    if not as_json:
        _show_kept(due)
    for path in [] if as_json else found[_UNKNOWN]:
        click.echo(f"Inconnu de la base, à effacer à la main s'il ne sert pas : {path}")
    if done and done.failures:
        context.exit(ExitCode.FAILED)


def _show_kept(due: Due) -> None:
    if due.unnotified:
        click.echo(
            f"Plus anciens, mais gardés tant que personne n'en est prévenu : {count_of(due.unnotified, 'export')}."
        )
    if due.proofs:
        click.echo(
            "Plus anciens, mais publiés ou déposés depuis moins d'un an, donc gardés : "
            f"{count_of(due.proofs, 'export')}."
        )


def _show_done(days: int, done: Purged) -> None:
    click.echo(
        f"{count_of(done.exports, 'export purgé')} ({count_of(done.files, 'fichier effacé')}, "
        f"{format_size(done.size)}) : plus de {count_of(days, 'jour')}."
    )
    if done.missing:
        click.echo(f"Fichier déjà absent du volume : {count_of(done.missing, 'export')}.")
    if done.failures:
        count = count_of(done.failures, "export")
        click.echo(
            f"Échec : le volume refuse d'effacer les fichiers de {count} ; voyez le journal.",
            err=True,
        )


def _sort(storage: Storage, orphans: Sequence[Orphan]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {_UNKNOWN: [], _CAME_BACK: []}
    for it in orphans:
        found[_UNKNOWN if it.export_id is None else _CAME_BACK].append(
            str(it.path.relative_to(storage.root))
        )
    return found


@click.command
@click.option(
    "--commune", type=CODE_COMMUNE, metavar="CODE", help="Seulement les fichiers de cette commune."
)
@click.option(
    "--export", "export_id", type=whole_number(1), metavar="N°", help="Seulement cet export."
)
@click.option(
    "--json", "as_json", is_flag=True, help="Écrire le résultat en JSON, pour un programme."
)
@click.option(
    "--accept-volume",
    is_flag=True,
    help="Reconnaître d'abord ce volume, neuf ou restauré, pour le bon.",
)
@click.option(
    "--restored", is_flag=True, help="La base vient d'une sauvegarde, ou d'une copie promue."
)
@click.option(
    "--remove-unknown",
    is_flag=True,
    help="Effacer les fichiers que la base ne connaît pas, qu'il nomme.",
)
@click.pass_context
def verify(
    context: click.Context,
    *,
    commune: str | None,
    export_id: int | None,
    as_json: bool,
    accept_volume: bool,
    restored: bool,
    remove_unknown: bool,
) -> None:
    """Vérifier les fichiers prêts.

    Chacun est relu en entier et comparé à son empreinte. Un fichier altéré ne se dépose pas, il se refait. Avec
    --restored, le volume est reconnu, les fichiers inconnus sont nommés aussitôt, et les numéros sautent : aucun de
    ceux que la base a oubliés n'est redonné.
    """
    settings = load_settings()
    configure_logs(settings.log_format, settings.log_level)
    which = [Export.code_commune == commune] if commune else []
    which += [Export.id == export_id] if export_id else []
    exports, files, wrong = 0, 0, []
    with worker_database(settings) as engine:
        storage = Storage(settings.exports_dir, engine)
        if accept_volume or restored:
            storage.mark()
        if restored:
            skip_ids(engine)
        for it in verify_files(engine, storage, *which, actor=system_user()):
            exports, files = exports + 1, files + it.files
            wrong += [it] if it.findings else []
        seconds = 0 if restored or remove_unknown else UNKNOWN_SECONDS
        orphans = [] if export_id else list(find_orphans(engine, storage, commune, seconds=seconds))
        if remove_unknown:
            unknown = [it.path for it in orphans if it.export_id is None and it.path.is_file()]
            if unknown:
                count = count_of(len(unknown), "fichier inconnu", "fichiers inconnus")
                confirm(
                    f"Effacer {count} de la base, pour toujours : {name_some([it.name for it in unknown])} ?"
                )
            for path in unknown:
                with engine.begin() as connection:
                    code, detail = path.parent.name, f"{path.name}, inconnu de la base"
                    record_audit(
                        connection,
                        Action.FILE_PURGED,
                        actor=system_user(),
                        code_commune=code,
                        detail=detail,
                    )
                path.unlink()
            orphans = [it for it in orphans if it.path.exists()]
    if export_id and not exports:
        raise RefusedError(
            f"l'export {export_id} n'a pas de fichier à vérifier : inconnu, pas encore prêt, ou purgé"
        )
    found = _sort(storage, orphans)
    if as_json:
        faults = [
            {"export_id": it.id, "source": it.request.source, "event_id": it.request.event_id}
            | {"path": f"{it.code_commune}/{name}", "fault": fault}
            for it, _, findings in wrong
            for name, fault in findings
        ]
        print_json({"exports": exports, "files": files, "wrong": faults, **found})
    else:
        orphans = [it._replace(path=it.path.relative_to(storage.root)) for it in orphans]
        _show_verified(exports, files, wrong, orphans, program=context.find_root().command_path)
    if wrong or orphans:
        context.exit(ExitCode.FAILED)


def _show_verified(
    exports: int, files: int, wrong: Sequence[Verified], orphans: Sequence[Orphan], *, program: str
) -> None:
    retry = "python -m producers retry" if program == "python -m worker" else f"{program} retry"
    for it in wrong:
        for name, fault in it.findings:
            click.echo(f"{it.export.code_commune}/{name} (export {it.export.id}) : {fault.label}")
    for orphan in orphans:
        reason = "inconnu de la base, à effacer à la main s'il ne sert pas"
        if orphan.export_id is not None:
            reason = f"purgé, et revenu (export {orphan.export_id}), « {program} purge » l'efface"
        click.echo(f"{orphan.path} : {reason}")
    if unusable := [
        it for it in wrong if {fault for _, fault in it.findings} - {FileFault.PERMISSIONS}
    ]:
        click.echo(
            "Ne déposez pas, n'affichez pas ces fichiers. Redemandez-les, ou faites-les refaire :"
        )
    for it in unusable:
        asked = it.export.request
        line = f"    {retry} {quote(asked.event_id)} --source {quote(asked.source)} --export {it.export.id}"
        click.echo(without_controls(line))
    count = sum(len(it.findings) for it in wrong)
    state = count_of(count, "fichier en défaut", "fichiers en défaut") if count else "tous intacts"
    checked = f"{count_of(exports, 'export vérifié')} ({count_of(files, 'fichier')})"
    click.echo(f"{checked} : {state}." if exports else "Aucun fichier à vérifier.")
