"""`python -m worker reconcile`: whether the list files, the tableaux and the register of a commune agree."""

import json
import os
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from common.cli import ExitCode
from common.french import count_of, short_date
from worker.cli.options import CODE_COMMUNE

if TYPE_CHECKING:
    from worker.handlers.making.reconcile import Checked, CheckedListe, CheckedTableau

_PRIVATE = 0o600


@click.command
@click.option("--commune", required=True, type=CODE_COMMUNE, metavar="CODE", help="Code INSEE de la commune.")
@click.option(
    "--report", type=click.Path(path_type=Path), metavar="FICHIER", help="Y nommer les électeurs qui diffèrent."
)
@click.option("--json", "as_json", is_flag=True, help="Écrire le résultat en JSON, pour un programme.")
@click.pass_context
def reconcile(context: click.Context, *, commune: str, report: Path | None, as_json: bool) -> None:
    """Rapprocher liste, tableaux et registre, à l'électeur près.

    Le dernier fichier de chaque liste est relu et comparé au registre, les derniers tableaux sont composés de nouveau.
    Le code de sortie est 1 si quelque chose ne concorde pas.
    """
    from common.logs import configure_logs
    from worker.compose import build_services
    from worker.handlers.making import reconcile as use_case
    from worker.settings import load_settings

    settings = load_settings()
    configure_logs(settings.log_format, settings.log_level)
    services = build_services(settings, lambda _doorbells: None)
    try:
        found = use_case.reconcile(services, commune)
    finally:
        services.registre.dispose()
        services.engine.dispose()
    if report:
        _write_report(found, report)
    if as_json:
        click.echo(json.dumps(_to_document(commune, found), ensure_ascii=False))
    else:
        for line in _describe(found):
            click.echo(line)
    if not found.agrees:
        context.exit(ExitCode.FAILED)


def _write_report(found: "Checked", path: Path) -> None:
    """For the clerk alone."""
    named = [asdict(it) | {"liste": it.liste.value, "message": it.message} for it in found.unmatched()]
    path.unlink(missing_ok=True)
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, _PRIVATE)
    with open(descriptor, "w", encoding="utf-8") as file:  # noqa: PTH123 — a descriptor
        file.write(f"{json.dumps(named, ensure_ascii=False, indent=2)}\n")


def _to_document(commune: str, found: "Checked") -> dict[str, Any]:
    return {
        "commune": commune,
        "agrees": found.agrees,
        "listes": [
            {
                "export_id": it.export.id,
                "liste": it.export.liste,
                "label": it.export.label,
                "liste_on": it.liste_on.isoformat(),
                "electeurs": it.export.electeurs,
                "is_intact": it.unmatched is not None,
                "came_since": it.count(in_register=True),
                "left_since": it.count(in_register=False),
                "corrected": it.corrected,
                "unexplained": it.count(in_register=True, explained=False)
                + it.count(in_register=False, explained=False),
                "recalled_because": it.recalled_because or None,
                "agrees": it.agrees,
            }
            for it in found.listes
        ],
        "tableaux": [
            {
                "export_id": it.export.id,
                "liste": it.export.liste,
                "label": it.export.label,
                "apres": it.apres,
                "apres_now": it.apres_now,
                "mouvements": it.export.electeurs,
                "mouvements_now": it.mouvements_now,
                "unexplained": it.unexplained,
                "liste_on": it.liste_on.isoformat(),
                "differences": {reason.value: number for reason, number in sorted(it.count().items())},
                "recalled_because": it.recalled_because or None,
                "agrees": it.agrees,
            }
            for it in found.tableaux
        ],
    }


def _describe(found: "Checked") -> Iterator[str]:
    if not found.listes and not found.tableaux:
        yield "Rien à rapprocher : aucun fichier de cette commune n'est sur le volume."
    for liste in found.listes:
        yield f"{liste.export.label} : {_describe_liste(liste)}"
    for tableau in found.tableaux:
        yield f"{tableau.export.label} : {_describe_tableau(tableau)}"


def _describe_liste(it: "CheckedListe") -> str:
    if it.unmatched is None:
        return "NE CONCORDE PAS : le fichier n'est plus celui qui a été fabriqué. Le redemander."
    counted = f"{count_of(it.export.electeurs or 0, 'électeur')} au {short_date(it.liste_on)}"
    if it.recalled_because:
        other = count_of(len(it.unmatched), "électeur diffère", "électeurs diffèrent")
        return f"À REFAIRE : {counted} ; {it.recalled_because}, {other} du registre. Redemander la liste."
    if not it.agrees:
        lost = it.count(in_register=True, explained=False) + it.count(in_register=False, explained=False)
        return f"NE CONCORDE PAS : {counted}, {count_of(lost, 'écart')} que rien n'explique. Redemander la liste."
    came, left = it.count(in_register=True), it.count(in_register=False)
    since = [f"{count_of(came, 'inscription')} et {count_of(left, 'radiation')} depuis"] if came or left else []
    if it.corrected:
        since.append(count_of(it.corrected, "état civil corrigé depuis", "états civils corrigés depuis"))
    return f"concorde avec le registre, {', '.join((counted, *since))}."


def _describe_tableau(it: "CheckedTableau") -> str:
    after = f"{count_of(it.apres, 'électeur')} après, {count_of(it.export.electeurs or 0, 'mouvement')}"
    if it.recalled_because:
        return f"À REFAIRE : {after} ; {it.recalled_because}. Redemander le tableau."
    if it.agrees and not it.differences:
        return f"concorde avec le registre, {after}."
    if it.agrees:
        who = ", ".join(reason.describe_count(number) for reason, number in sorted(it.count().items()))
        return (
            f"concorde avec le registre, {after}. D'avec la liste du {short_date(it.liste_on)} : {who} (--report les "
            "nomme)."
        )
    if it.unexplained:
        return f"NE CONCORDE PAS : {after}, {count_of(abs(it.unexplained), 'écart')} avec la liste que rien n'explique."
    now = f"{it.apres_now} et {it.mouvements_now} d'après le registre"
    if it.corrected and it.corrected == it.apres_now - it.apres:
        now += ", où une date de naissance corrigée depuis change un mineur en électeur ou le contraire"
    return f"NE CONCORDE PAS : {after} ; {now}. Redemander le tableau."
