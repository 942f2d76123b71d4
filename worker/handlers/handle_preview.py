"""Previews, imports or erases an export of the REU that has arrived; undoes an import or corrects its day."""

import hashlib
import json
from collections.abc import Sequence
from contextlib import suppress
from datetime import date
from functools import partial
from pathlib import Path
from typing import Any

import structlog
from sqlalchemy import Connection, Engine, func, select, update

from common.french import capitalized, short_date
from schemas.profiles.source import SourceMapping, describe_mapping
from schemas.vocabulary import Action, Liste, Nature, PreviewAct, PreviewStatus
from worker.arrivals import (
    BUSY_SECONDS,
    GIVEN_UP,
    TROUBLE_SECONDS,
    Preview,
    begin,
    mark_asked,
    mark_erased,
    mark_imported,
    mark_refused,
    read_preview,
    release,
    seconds_to_rest,
)
from worker.audit import Actor, Detail, WordKind, Words, record_audit
from worker.db.engine import reading
from worker.error_policy import conclude, is_waited_for, until_next_try
from worker.errors import (
    DatabaseAwayError,
    ExhaustedError,
    ImportBusyError,
    ImportRefusedError,
    LeaseLostError,
    RefusedError,
)
from worker.exports.lease import Heartbeat, repeat_until_recorded
from worker.exports.recalls import Resting, Withdrawal, find_resting, recall_files
from worker.registre.communes import read_mapping, set_mapping
from worker.registre.imports.chain import Redating, set_taken_on
from worker.registre.imports.history import UndoSummary, read_state, undo_import
from worker.registre.imports.lines import is_of_spreadsheet
from worker.registre.imports.report import ImportPreview, Question, describe_answers
from worker.registre.models import Electeur, ListeCommunale
from worker.registre.reu.guess import MatchNeededError
from worker.registre.reu.importer import ImportProgress, Intake, import_file, preview_file
from worker.registre.versions import ListeKey, is_shown
from worker.services import Services
from worker.work.queue import Claim, finish, hold, renew
from worker.work.queue import release as release_work

LONGEST_STEP_SECONDS = 25 * 60.0
"""The longest time without progress: the comparison of two exports of a département takes some minutes."""

MOST_NAMED = 20
"""Files that the preview of a correction names."""

_CHANGED = (
    "Le registre ou ses fichiers ont changé depuis que cela vous a été montré ; regardez de nouveau"
)

log = structlog.get_logger()


def begin_preview(connection: Connection, claim: Claim, _services: Services) -> Preview | None:
    """Mark the row of a claimed work as running and return it; None when the work is done or has to wait."""
    begin(connection, claim.subject_id)
    preview = read_preview(connection, claim.subject_id)
    if preview is None:
        log.warning("preview_unknown", preview_id=claim.subject_id)
        finish(connection, [claim])
        return None
    structlog.contextvars.bind_contextvars(preview_id=preview.id, commune=preview.code_commune)
    is_new = preview.status == PreviewStatus.RUNNING
    if is_new and (rest := seconds_to_rest(connection, preview)):
        release(connection, claim, seconds=rest, counts=False)
        return None
    return preview


def process_preview(preview: Preview, claim: Claim, services: Services) -> None:
    """Preview, import or erase an export; record what was found, or why it was refused.

    Raises:
        LeaseLostError: another worker holds the work.
        DatabaseAwayError, ExhaustedError: the work is released, for a process that can do it.
    """
    if not PreviewStatus(preview.status).is_terminal:
        _work(preview, claim, services)
    _erase_ended(claim, services)


def _work(preview: Preview, claim: Claim, services: Services) -> None:
    if claim.starts > services.most_starts:
        mark_refused(services.engine, claim, GIVEN_UP.format(services.most_starts))
        return
    log.info("preview_started", step=preview.status, attempt=claim.starts)
    work = _import if preview.status == PreviewStatus.IMPORTING else _preview

    def keep(lines_read: int) -> bool:
        with services.engine.begin() as connection:
            if not renew(connection, [claim], lease_seconds=services.lease_seconds):
                return False
            read = update(Preview).where(Preview.id == preview.id)
            connection.execute(read.values(lines_read=lines_read))
            return True

    leave = partial(_release, claim, services, seconds=BUSY_SECONDS, counts=True)
    try:
        with Heartbeat(keep, services.lease_seconds, leave, services.stuck) as heartbeat:

            def progress(lines: int, _share: float) -> None:
                heartbeat.progress(lines)
                heartbeat.expect(LONGEST_STEP_SECONDS)

            progress(0, 0)
            if preview.act == PreviewAct.IMPORT:
                work(preview, claim, services.arrivals.find(preview.arrival), progress, services)
            else:
                _correct(preview, claim, services)
    except ImportBusyError:
        log.info("preview_waits")
        _release(claim, services, seconds=BUSY_SECONDS, counts=False)
    except ImportRefusedError as refusal:
        log.warning("preview_refused", step=preview.status)
        said, named = refusal.on_screen, preview.file_name
        # a file keeps the name that the clerk knows
        begun = said if named and said.startswith(named) else capitalized(said)
        mark_refused(services.engine, claim, f"{begun.rstrip('.')}.")
    except LeaseLostError:
        raise
    except Exception as error:  # noqa: BLE001 — a bug must neither stop the worker nor lose the row
        _record_failure(claim, error, services)


def _release(claim: Claim, services: Services, *, seconds: float, counts: bool) -> None:
    def record() -> None:
        with services.engine.begin() as connection:
            release(connection, claim, seconds=seconds, counts=counts)

    repeat_until_recorded(record)


def _record_failure(claim: Claim, error: Exception, services: Services) -> None:
    reason = conclude(error)
    if isinstance(reason, DatabaseAwayError | ExhaustedError):
        counts = isinstance(error, MemoryError)  # the file may be the cause
        _release(claim, services, seconds=BUSY_SECONDS, counts=counts)
        raise reason from error
    if is_waited_for(error):
        log.warning("preview_delayed", error=type(error).__name__)
        _release(claim, services, seconds=TROUBLE_SECONDS, counts=False)
        return
    log.error("preview_crashed", exc_info=error)
    if claim.starts < services.most_failures:
        _release(claim, services, seconds=BUSY_SECONDS, counts=True)
    else:
        mark_refused(services.engine, claim, GIVEN_UP.format(claim.starts))


def _preview(
    preview: Preview, claim: Claim, path: Path, progress: ImportProgress, services: Services
) -> None:
    mapping = _mapping(preview, services)
    intake = _intake(preview, mapping, services)
    try:
        found = preview_file(services.registre, path, intake=intake, progress=progress)
    except MatchNeededError as needed:
        asked = {"matching": needed.matching.model_dump(mode="json")}
        mark_asked(services.engine, claim, PreviewStatus.TO_MATCH, found=asked)
        log.info("preview_to_match", columns=len(needed.matching.columns))
        return
    if found.summary.unchanged:
        day = f" (export du {short_date(found.summary.taken_on)})" if found.summary.taken_on else ""
        raise ImportRefusedError(
            f"Ce fichier est déjà dans le registre{day} : il n'y a rien à reprendre"
        )
    mark_asked(
        services.engine,
        claim,
        PreviewStatus.READY,
        found=_describe(found, mapping),
        register_state=found.state,
    )
    log.info("preview_ready", lines=found.summary.lines_read)


def _import(
    preview: Preview, claim: Claim, path: Path, progress: ImportProgress, services: Services
) -> None:
    by, mapping = Actor(preview.terms["by"], preview.terms["account"]), _mapping(preview, services)

    def then(connection: Connection, import_id: int, questions: Sequence[Question]) -> None:
        mark_imported(connection, claim, import_id)
        said = f"export du {short_date(preview.taken_on)}, import {import_id}{describe_answers(questions)}, "
        detail: Detail = [said, Words(WordKind.TEXTE, preview.file_name)]
        record_audit(
            connection,
            Action.REGISTRE_IMPORTED,
            actor=by,
            code_commune=preview.code_commune,
            detail=detail,
        )
        if preview.terms.get("mapping"):
            set_mapping(connection, preview.code_commune, mapping)
            detail = [Words(WordKind.TEXTE, describe_mapping(mapping))]
            record_audit(
                connection,
                Action.FILE_MATCHED,
                actor=by,
                code_commune=preview.code_commune,
                detail=detail,
            )

    summary = import_file(
        services.registre,
        path,
        imported_by=by.name,
        accept_changes=preview.terms["accept_changes"],
        accept_rejects=preview.terms["accept_rejects"],
        progress=progress,
        intake=_intake(preview, mapping, services)._replace(
            state=preview.register_state, empty=[Liste(liste) for liste in preview.terms["empty"]]
        ),
        then=then,
    )
    log.info("registre_imported", import_id=summary.import_id, lines=summary.lines_read)


def _mapping(preview: Preview, services: Services) -> SourceMapping:
    with reading(services.registre) as connection:
        known = read_mapping(connection, preview.code_commune)
    return known.joined(SourceMapping.model_validate(preview.terms.get("mapping") or {}))


def _intake(preview: Preview, mapping: SourceMapping, services: Services) -> Intake:
    return Intake(
        profile=services.source.joined(mapping),
        taken_on=preview.taken_on,
        commune=preview.code_commune,
        liste=Liste(preview.liste) if preview.liste else None,
        named=preview.file_name,
        sha256=preview.sha256,
    )


def _describe(found: ImportPreview, mapping: SourceMapping) -> dict[str, Any]:
    summary, comparison = found.summary, found.summary.comparison
    changes = ("listes", "inscriptions", "radiations", "changements", "others", "doubts")
    counts = (
        "lines_read",
        "lines_kept",
        "lines_rejected",
        "values_cleaned",
        "bureaux",
        "bureaux_changed",
    )
    return {
        **{name: getattr(summary, name) for name in counts},
        "listes": [
            {"liste": it.liste, "electeurs": it.electeurs, "before": it.before}
            for it in summary.listes
        ],
        "kept": [{"liste": it.liste, "electeurs": it.electeurs} for it in summary.kept],
        "questions": [
            {"kind": it.kind, "liste": it.liste or None, "found": it.found, "cause": it.cause}
            for it in summary.questions
        ],
        "notes": list(summary.notes),
        "reasons": dict(summary.reasons),
        "mapping": mapping.model_dump(mode="json", exclude_defaults=True) if mapping else None,
        "rejections": [list(it) for it in found.rejections],
        "blocking": dict(found.blocking),
        "is_of_spreadsheet": is_of_spreadsheet([*summary.reasons, *found.blocking]),
        "comparison": comparison and {name: getattr(comparison, name) for name in changes},
    }


def _erase_ended(claim: Claim, services: Services) -> None:
    """Delete the file of an ended row, and finish the work. If the deletion fails, it is retried later."""
    with services.engine.begin() as connection:
        preview = read_preview(connection, claim.subject_id)
        if preview is None or not PreviewStatus(preview.status).is_terminal:
            return
        hold(connection, claim)
        try:
            services.arrivals.erase(preview.arrival)
        except OSError as error:
            log.warning("arrival_not_erased", error=type(error).__name__)
            release_work(connection, claim, until_next_try(claim.waits), counts=False)
            return
        mark_erased(connection, preview.id)
        finish(connection, [claim])


_Change = UndoSummary | Redating


class _ShownError(Exception):
    """Rolls back the transaction of a preview; its arguments are the findings and the state of the register."""


def _correct(preview: Preview, claim: Claim, services: Services) -> None:
    """Undo or redate the import in a transaction, which a preview rolls back and a confirmation commits."""
    is_wanted = preview.status == PreviewStatus.IMPORTING
    by = (
        Actor(preview.terms["by"], preview.terms["account"])
        if is_wanted
        else Actor(preview.requested_by)
    )
    import_id = preview.import_id or 0

    def then(connection: Connection, change: _Change) -> None:
        withdrawal = _withdrawal(change, by, preview.terms.get("reason", ""))
        withdrawal = withdrawal._replace(code_commune=preview.code_commune)
        listes = change.listes if isinstance(change, UndoSummary) or _has_moved(change) else ()
        resting = find_resting(connection, withdrawal, listes)
        found = _describe_change(connection, change, resting)
        state = read_state(connection, preview.code_commune)
        if not is_wanted:
            raise _ShownError(found, state)
        if (found, state) != (preview.found, preview.register_state):
            raise ImportRefusedError(_CHANGED)
        mark_imported(connection, claim, import_id)
        with suppress(RefusedError):  # one of them has just been deposited
            if len(recall_files(connection, withdrawal, listes)) == len(resting):
                return
        raise ImportRefusedError(_CHANGED)

    try:
        if preview.act == PreviewAct.UNDO:
            undo_import(services.registre, import_id, only=preview.code_commune, then=then)
        else:
            set_taken_on(
                services.registre, import_id, preview.taken_on, only=preview.code_commune, then=then
            )
    except _ShownError as shown:
        found, state = shown.args
        mark_asked(services.engine, claim, PreviewStatus.READY, found=found, register_state=state)
    log.info(
        "registre_corrected" if is_wanted else "preview_ready", import_id=import_id, act=preview.act
    )


def _describe_change(
    connection: Connection, change: _Change, resting: Sequence[Resting]
) -> dict[str, Any]:
    used = [it.label for it in resting if it.is_used]
    others = [it.label for it in resting if not it.is_used]
    files = {
        "count": len(resting),
        "used": used[:MOST_NAMED],
        "others": others[: max(0, MOST_NAMED - len(used))],
        "digest": hashlib.sha256(json.dumps(resting).encode()).hexdigest(),
    }
    if isinstance(change, Redating):
        before = change.before and change.before.isoformat()
        return {"files": files, "before": before, "mouvements": change.mouvements}
    natures = {
        "inscriptions": change.natures.get(Nature.INSCRIPTION, 0),
        "radiations": change.natures.get(Nature.RADIATION, 0),
        "changements": change.natures.get(Nature.MODIFICATION, 0),
    }
    return {
        "files": files,
        "listes": [
            _count_electeurs(connection, key, change.import_id)
            for key in (*change.restored, *change.removed)
        ],
        "removed": [key.liste for key in change.removed],
        "mouvements": change.mouvements,
        "comparison": natures | {"doubts": change.doubts},
    }


def _count_electeurs(connection: Connection, key: ListeKey, import_id: int) -> dict[str, Any]:
    of_liste = Electeur.code_commune == key.code_commune, Electeur.liste == key.liste
    count = select(func.count(Electeur.id)).where(*of_liste)
    before = connection.scalar(count.where(Electeur.version == import_id))
    return {
        "liste": key.liste,
        "electeurs": connection.scalar(count.join(ListeCommunale, is_shown())),
        "before": before,
    }


def _withdrawal(change: _Change, by: Actor, reason: str) -> Withdrawal:
    if isinstance(change, UndoSummary):
        because = f"l'import {change.import_id} ({change.file_name}) a été annulé"
        return Withdrawal(change.import_id, Action.IMPORT_UNDONE, because, by, reason)
    day = f"l'export de l'import {change.import_id} est du {short_date(change.after)}"
    because = (
        f"{day}, et non du {short_date(change.before)}"
        if change.before and _has_moved(change)
        else day
    )
    action = Action.IMPORT_REDATED
    return Withdrawal(change.import_id, action, because, by, reason, spares_listes=True)


def _has_moved(redating: Redating) -> bool:
    return redating.before not in {None, redating.after}


def undo(
    engine: Engine, import_id: int | None = None, *, actor: str, reason: str = ""
) -> tuple[UndoSummary, list[str]]:
    """Undo an import, by default the last one, and recall the files that rest on it; return their labels.

    Raises:
        ImportRefusedError: it cannot be undone.
        RefusedError: a file was deposited or downloaded to be posted, and there is no `reason`. Nothing has changed.
    """
    recalled: list[str] = []

    def then(connection: Connection, summary: UndoSummary) -> None:
        recalled.extend(
            recall_files(connection, _withdrawal(summary, Actor(actor), reason), summary.listes)
        )

    return undo_import(engine, import_id, then=then), recalled


def redate(
    engine: Engine, import_id: int, day: date, *, actor: str, reason: str = ""
) -> tuple[Redating, list[str]]:
    """Correct the day of the export of an import; if it changes, recall the tableaux that rest on the import.

    Raises:
        ImportRefusedError: it is no import of the REU, or its neighbours do not allow that day.
        RefusedError: a file was deposited or downloaded to be posted, and there is no `reason`. Nothing has changed.
    """
    recalled: list[str] = []

    def then(connection: Connection, redating: Redating) -> None:
        if _has_moved(redating):
            recalled.extend(
                recall_files(
                    connection, _withdrawal(redating, Actor(actor), reason), redating.listes
                )
            )

    return set_taken_on(engine, import_id, day, then=then), recalled
