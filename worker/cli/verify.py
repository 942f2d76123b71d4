"""`python -m worker verify`: are the files of the volume still those that were made?"""

import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from shlex import quote
from typing import TYPE_CHECKING

import click

from common.french import count_of
from worker.cli.actor import system_user
from worker.cli.exits import Exit
from worker.cli.values import CODE_COMMUNE, WholeNumber

if TYPE_CHECKING:
    from worker.exports.integrity import Verified
    from worker.exports.orphans import Orphan


@click.command
@click.option("--commune", type=CODE_COMMUNE, metavar="CODE", help="Seulement les fichiers de cette commune.")
@click.option("--export", "export_id", type=WholeNumber(1), metavar="N°", help="Seulement cet export.")
@click.option("--json", "as_json", is_flag=True, help="Écrire le résultat en JSON, pour un programme.")
@click.pass_context
def verify(context: click.Context, *, commune: str | None, export_id: int | None, as_json: bool) -> None:
    """Vérifier les fichiers prêts.

    Chacun est relu en entier et comparé à son empreinte. Un fichier altéré ne se dépose pas, il se refait.
    """
    from common.logs import configure_logs
    from worker.cli.database import worker_database
    from worker.errors import RefusedError
    from worker.exports.integrity import Scope, count_bytes, verify_files
    from worker.exports.orphans import find_orphans
    from worker.exports.storage import Storage
    from worker.settings import load_settings

    settings = load_settings()
    configure_logs(settings.log_format, settings.log_level)
    storage, scope = Storage(settings.exports_dir), Scope(commune, export_id)
    exports, files, wrong = 0, 0, []
    with worker_database(settings) as engine:
        with _progress_bar(count_bytes(engine, scope)) as read:
            for it in verify_files(engine, storage, scope, actor=system_user(), read=read):
                exports, files = exports + 1, files + it.files
                wrong += [it] if it.findings else []
        orphans = [] if export_id else list(find_orphans(engine, storage, scope.code_commune))
    if export_id and not exports:
        raise RefusedError(f"l'export {export_id} n'a pas de fichier à vérifier : inconnu, pas encore prêt, ou purgé")
    orphans = [it._replace(path=it.path.relative_to(storage.root)) for it in orphans]
    if as_json:
        _print_json(exports, files, wrong, orphans)
    else:
        _tell(exports, files, wrong, orphans, program=context.find_root().command_path)
    if wrong or orphans:
        context.exit(Exit.REFUSED)


def _tell(exports: int, files: int, wrong: "Sequence[Verified]", orphans: "Sequence[Orphan]", *, program: str) -> None:
    from worker.exports.integrity import Fault

    retry = "python -m producers retry" if program == "python -m worker" else f"{program} retry"
    for it in wrong:
        for name, fault in it.findings:
            click.echo(f"{it.code_commune}/{name} (export {it.export_id}) : {fault.label}")
    for orphan in orphans:
        reason = "inconnu de la base" if orphan.export_id is None else f"purgé (export {orphan.export_id}), et revenu"
        click.echo(f"{orphan.path} : {reason}")
    if unusable := [it for it in wrong if {fault for _, fault in it.findings} - {Fault.PERMISSIONS}]:
        click.echo("Ne déposez pas, n'affichez pas ces fichiers. Redemandez-les, ou faites-les refaire :")
    for it in unusable:
        request = f"{quote(it.event_id)} --source {quote(it.source)}"
        click.echo(f"    {retry} {request} --export {it.export_id}")
    if any(orphan.export_id is None for orphan in orphans):
        click.echo("Effacez à la main les fichiers inconnus, s'ils ne servent pas.")
    if any(orphan.export_id is not None for orphan in orphans):
        click.echo(f"« {program} purge » efface de nouveau les fichiers déjà purgés.")
    count = sum(len(it.findings) for it in wrong)
    state = count_of(count, "fichier en défaut", "fichiers en défaut") if count else "tous intacts"
    checked = f"{count_of(exports, 'export vérifié')} ({count_of(files, 'fichier')})"
    click.echo(f"{checked} : {state}." if exports else "Aucun fichier à vérifier.")


def _print_json(exports: int, files: int, wrong: "Sequence[Verified]", orphans: "Sequence[Orphan]") -> None:
    faults = [
        {
            "export_id": it.export_id,
            "source": it.source,
            "event_id": it.event_id,
            "path": f"{it.code_commune}/{name}",
            "fault": fault,
        }
        for it in wrong
        for name, fault in it.findings
    ]
    document = {
        "exports": exports,
        "files": files,
        "wrong": faults,
        "unknown": [str(it.path) for it in orphans if it.export_id is None],
        "came_back": [str(it.path) for it in orphans if it.export_id is not None],
    }
    click.echo(json.dumps(document, ensure_ascii=False))


@contextmanager
def _progress_bar(size: int) -> Iterator[Callable[[int], None]]:
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn

    console = Console(stderr=True)
    columns = TextColumn("Vérification"), BarColumn(), DownloadColumn(), TimeRemainingColumn()
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as bar:
        task = bar.add_task("", total=size)
        yield lambda count: bar.update(task, advance=count)
