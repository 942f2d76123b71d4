"""`python -m worker purge`: files older than the delay leave the volume; the notifier does the same each hour."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from common.french import count_of, format_size
from worker.cli.actor import system_user
from worker.cli.exits import Exit
from worker.cli.values import WholeNumber

if TYPE_CHECKING:
    from worker.exports.purge import Due, Purged


@click.command
@click.option("--dry-run", is_flag=True, help="Dire ce qui serait purgé, ne rien faire.")
@click.option("--older-than", type=WholeNumber(0), metavar="JOURS", help="Sinon PREFECTURE_RETENTION_DAYS.")
@click.option("--json", "as_json", is_flag=True, help="Écrire le résultat en JSON, pour un programme.")
@click.pass_context
def purge(context: click.Context, *, dry_run: bool, older_than: int | None, as_json: bool) -> None:
    """Effacer les fichiers anciens.

    Leur ligne reste dans la base, avec leurs comptes et leur empreinte. Les fichiers du volume que la base ne connaît
    pas sont nommés, jamais effacés.
    """
    from common.logs import configure_logs
    from worker.cli.database import worker_database
    from worker.exports.orphans import find_orphans
    from worker.exports.purge import find_due, mark_again, purge_files, total
    from worker.exports.storage import Storage
    from worker.settings import load_settings

    settings = load_settings()
    configure_logs(settings.log_format, settings.log_level)
    days = settings.retention_days if older_than is None else older_than
    if not days and older_than is None:
        raise click.UsageError("PREFECTURE_RETENTION_DAYS vaut 0, rien n'est purgé : donnez --older-than")
    storage = Storage(settings.exports_dir)
    with worker_database(settings) as engine:
        orphans = list(find_orphans(engine, storage))
        due, done = find_due(engine, days), None
        if not dry_run:
            mark_again(engine, [orphan.export_id for orphan in orphans if orphan.export_id is not None])
            done = total(purge_files(engine, storage, days=days, actor=system_user()))
    unknown = [orphan.path.relative_to(storage.root) for orphan in orphans if orphan.export_id is None]
    came_back = [orphan.path.relative_to(storage.root) for orphan in orphans if orphan.export_id is not None]
    if as_json:
        _print_json(days, due, done, unknown, came_back)
    elif done is None:
        _tell_due(days, due, came_back)
    else:
        _tell_done(days, due, done)
    _tell_unknown([] if as_json else unknown)
    if done and done.failures:
        context.exit(Exit.REFUSED)


def _tell_due(days: int, due: "Due", came_back: Sequence[Path]) -> None:
    click.echo(
        f"Seraient purgés : {count_of(due.exports, 'export')} ({format_size(due.size)}) de plus de "
        f"{count_of(days, 'jour')}."
    )
    if due.interrupted:
        click.echo(f"Une purge interrompue serait finie : {count_of(due.interrupted, 'export')}.")
    for path in came_back:
        click.echo(f"Revenu après sa purge, serait effacé : {path}")
    _tell_untold(due)


def _tell_done(days: int, due: "Due", done: "Purged") -> None:
    click.echo(
        f"{count_of(done.exports, 'export purgé')} ({count_of(done.files, 'fichier effacé')}, "
        f"{format_size(done.size)}) : plus de {count_of(days, 'jour')}."
    )
    if done.missing:
        click.echo(f"Fichier déjà absent du volume : {count_of(done.missing, 'export')}.")
    if done.failures:
        count = count_of(done.failures, "export")
        click.echo(f"Échec : le volume refuse d'effacer les fichiers de {count} ; voyez le journal.", err=True)
    _tell_untold(due)


def _tell_untold(due: "Due") -> None:
    if due.untold:
        click.echo(f"Plus anciens, mais gardés tant que personne n'en est prévenu : {count_of(due.untold, 'export')}.")


def _tell_unknown(unknown: Sequence[Path]) -> None:
    for path in unknown:
        click.echo(f"Inconnu de la base, à effacer à la main s'il ne sert pas : {path}")


def _print_json(
    days: int, due: "Due", done: "Purged | None", unknown: Sequence[Path], came_back: Sequence[Path]
) -> None:
    document = {
        "days": days,
        "due": due._asdict(),
        "purged": done._asdict() if done else None,
        "unknown": [str(path) for path in unknown],
        "came_back": [str(path) for path in came_back],
    }
    click.echo(json.dumps(document, ensure_ascii=False))
