"""« Le registre »: upload an export into the arrivals folder, show its preview, then import or discard it.

An import of the register is undone or redated in the same way: preview, then confirmation or not.
"""

import hashlib
import re
from datetime import date
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO

import structlog
from starlette.datastructures import UploadFile
from starlette.exceptions import HTTPException
from starlette.responses import Response

from common.files import CHUNK, hash_file
from common.french import count_of, short_date
from producers.web.exports.spool import write_whole
from producers.web.forms import (
    FormRefused,
    order_faults,
    read_days,
    read_number,
    read_once,
    refuse,
    text,
    texts,
    typed,
    uploaded,
)
from producers.web.page_context import NOT_FOUND, PageContext
from producers.web.registre.query import (
    Apercu,
    count_left,
    count_open,
    find_apercu,
    read_apercus,
    read_imports,
    read_registres,
    sum_up,
)
from producers.web.suivi.requests import note_page, read_declarations, send_request
from schemas.envelope import Data
from schemas.profiles import MOST_BYTES, ProfileError, read_profile, write_profile
from schemas.profiles.source import SourceMapping, SourceProfile, profile_of, read_reu
from schemas.requests import (
    CancelRequested,
    RegistreCorrectionRequested,
    RegistreImportRequested,
    RegistrePreviewRequested,
    RequestReference,
)
from schemas.vocabulary import Liste, PreviewAct, PreviewStatus

FIELDS = ("fichier", "jour", "liste")
_PAGE = "registre"
_LONGEST_NAME = 200
_MOST_OPEN = 30
"""Exports of a commune that wait for a reading or an answer: each may have half a gigabyte, and is kept for a day."""
_MOST_SAID = 12 << 10
"""Characters of a mapping in an event: a request has 16 KiB at most."""
_NO_NAME = re.compile(r"[\x00-\x1f\x7f-\x9f/\\]")

log = structlog.get_logger("producers.web")


def drop(context: PageContext) -> Response:
    """« Voir ce qui changerait »: store the file and request its preview."""
    upload = uploaded(context.form, "fichier")
    found: dict[str, str] = {}
    day = _read_day(context, found, "jour")
    if upload is None:
        found["fichier"] = "choisissez le fichier que vous avez téléchargé du REU"
    elif not upload.size:
        found["fichier"] = "ce fichier est vide : téléchargez-le de nouveau"
    if count_open(context.services.state, context.commune.code) >= _MOST_OPEN:
        found["fichier"] = (
            f"{_MOST_OPEN} exports attendent déjà : répondez-leur, ou choisissez « Ne pas reprendre »"
        )
    liste = text(context.form, "liste")
    if liste and liste not in set(Liste):
        found["liste"] = "choisissez une liste, ou « d'après le fichier »"
    if found or upload is None or day is None:
        if upload is not None and "fichier" not in found:
            found["fichier"] = "choisissez-le de nouveau : un navigateur ne le garde pas"
        raise FormRefused(order_faults(FIELDS, found))
    try:
        form = f"{context.agent.name}/{context.commune.code}/{read_once(context.form)}"
        path, sha256 = _keep(upload.file, context.services.settings.arrivals_dir, form)
    except OSError as error:
        log.warning("arrival_not_kept", error=type(error).__name__)
        reason = f"le service n'a pas pu le garder ({error.strerror}) : attendre n'y changera rien"
        fault = f"{reason}. Montrez ceci à la personne qui administre le service"
        raise FormRefused(order_faults(FIELDS, {"fichier": fault})) from None
    data = RegistrePreviewRequested(
        commune=context.commune.code,
        arrival=path.name,
        sha256=sha256,
        taken_on=day,
        file_name=_NO_NAME.sub(" ", (upload.filename or "").replace("\\", "/").rpartition("/")[2])[
            :_LONGEST_NAME
        ],
        liste=Liste(liste) if liste else None,
        requested_by=context.agent.name,
    )
    try:
        return _send(context, data, f"export du {short_date(day)} déposé")
    except FormRefused:
        path.unlink(missing_ok=True)
        raise


def _keep(content: BinaryIO, folder: Path, form: str) -> tuple[Path, str]:
    """Store an upload, readable by the workers' group only; the same form and content give the same name."""
    folder.mkdir(parents=True, exist_ok=True)
    content.seek(0)
    _, sha256 = hash_file(content)
    content.seek(0)
    path = folder / f"{hashlib.sha256(f'{form}/{sha256}'.encode()).hexdigest()[:32]}.reu"
    write_whole(path, iter(partial(content.read, CHUNK), b""), 0o640)
    return path, sha256


def accept(context: PageContext) -> Response:
    """« Reprendre dans le registre »: confirm exactly the preview that the agent has read, for exactly that file."""
    apercu = _find(context, PreviewStatus.READY)
    if text(context.form, "sha256") != apercu.sha256:
        raise HTTPException(NOT_FOUND)
    if apercu.is_correction:
        reason, field = text(context.form, "raison")[:500], f"raison-{apercu.preview_id}"
        if apercu.is_reason_wanted and not reason:
            refuse(
                [field], {field: "dites pourquoi ces fichiers sont à refaire : le journal le garde"}
            )
        return _answer(context, apercu, f"{apercu.words}, à faire", reason=reason)
    kept = {it["liste"] for it in apercu.found["kept"]}
    accepted = set(texts(context.form, "accepte"))
    found: dict[str, str] = {}
    if (number := apercu.found["lines_rejected"]) and "rejets" not in accepted:
        rejected = count_of(number, "ligne rejetée", "lignes rejetées")
        found["rejets"] = (
            f"cochez que vous reprenez l'export sans ses {rejected}, ou corrigez-les d'abord"
        )
    fields = [f"question-{number}" for number in range(1, len(apercu.found["questions"]) + 1)]
    for field in fields:
        if field not in accepted:
            found[field] = "cochez après avoir vérifié, ou téléchargez de nouveau l'export"
    refuse(("rejets", *fields), found)
    empty = [Liste(it) for it in texts(context.form, "vider") if it in kept]
    accepts = {"accept_rejects": "rejets" in accepted, "accept_changes": bool(fields)}
    return _answer(
        context,
        apercu,
        f"export du {short_date(apercu.taken_on)} à reprendre",
        empty=empty,
        **accepts,
    )


def _answer(context: PageContext, apercu: Apercu, words: str, **said: Any) -> Response:  # noqa: ANN401 — the answers
    data = RegistreImportRequested(
        commune=context.commune.code,
        preview=apercu.preview_id,
        sha256=apercu.sha256,
        requested_by=context.agent.name,
        **said,
    )
    return _send(context, data, words)


def match(context: PageContext) -> Response:
    """« Lire le fichier ainsi »: send what the columns of the file mean, by the answers or by a profile file."""
    apercu = _find(context, PreviewStatus.TO_MATCH)
    matching = apercu.matching
    if matching is None:
        raise HTTPException(NOT_FOUND)
    if upload := uploaded(context.form, "profil"):
        mapping, found = _read_mapping(upload)
    else:
        mapping, found = matching.read(typed(context.form))
    numbered = {f"{name}-{apercu.preview_id}": fault for name, fault in found.items()}
    refuse(numbered, numbered)
    return _answer(context, apercu, f"{apercu.words}, colonnes décrites", mapping=mapping)


def _read_mapping(upload: UploadFile) -> tuple[SourceMapping, dict[str, str]]:
    content = upload.file.read(MOST_BYTES + 1).decode(errors="replace")
    try:
        profile = read_profile(content, SourceProfile, name=upload.filename or "profil")
    except ProfileError as error:
        return SourceMapping(), {"profil": str(error)}
    said = SourceMapping(fields=profile.fields, splits=profile.splits)
    if len(said.model_dump_json()) > _MOST_SAID:
        return said, {
            "profil": "cette correspondance est trop longue ; demandez à votre administrateur de l'installer"
        }
    return said, {}


def export_mapping(context: PageContext) -> Response:
    """« Télécharger cette correspondance »: a profile file that another town hall can load."""
    number = read_number(context.request.query_params.get("apercu", ""))
    shown = read_apercus(context.services.state, context.commune.code, context.services.clock())
    apercu = next((it for it in shown if it.preview_id == number and it.mapping), None)
    if apercu is None:
        raise HTTPException(NOT_FOUND)
    profile = profile_of(apercu.mapping, context.commune.code, context.commune.nom, context.today)
    headers = {"content-disposition": f'attachment; filename="{profile.name}.toml"'}
    return Response(write_profile(profile), media_type="application/toml", headers=headers)


def correct(context: PageContext) -> Response:
    """« Voir ce que changerait … »: request a preview of a correction."""
    number = read_number(text(context.form, "import"))
    imports = read_imports(context.services.state, context.commune.code)
    known = next((it for it in imports if it.import_id == number), None)
    act = text(context.form, "act")
    is_undone = act == PreviewAct.UNDO and known and known.may_be_undone(context.services.clock())
    if known is None or not (is_undone or (act == PreviewAct.REDATE and known.may_be_redated)):
        raise HTTPException(NOT_FOUND)
    field, found = f"jour-{known.import_id}", dict[str, str]()
    day = _read_day(context, found, field) if act == PreviewAct.REDATE else None
    refuse([field], found)
    asked = {
        "commune": context.commune.code,
        "import_id": known.import_id,
        "act": act,
        "taken_on": day,
    }
    data = RegistreCorrectionRequested.model_validate(asked | {"requested_by": context.agent.name})
    said = f"export du {short_date(known.taken_on)}" if known.taken_on else "export"
    words = (
        f"jour de l'{said} à corriger"
        if act == PreviewAct.REDATE
        else f"annulation de l'{said} à préparer"
    )
    return _send(context, data, words)


def give_up(context: PageContext) -> Response:
    """« Ne pas reprendre », « Ne rien changer »: cancel the preview; the worker deletes its file, if any."""
    apercu = _find(context, *(status for status in PreviewStatus if not status.is_terminal))
    request = RequestReference(source=apercu.source, id=apercu.event_id)
    data = CancelRequested(request=request, requested_by=context.agent.name)
    return _send(
        context, data, f"{apercu.words} à {'abandonner' if apercu.is_correction else 'effacer'}"
    )


def _send(context: PageContext, data: Data, words: str) -> Response:
    send_request(context, data, words, page=_PAGE)
    return context.redirect(_PAGE, "#apercus")


def _find(context: PageContext, *states: PreviewStatus) -> Apercu:
    number = read_number(text(context.form, "apercu"))
    apercu = find_apercu(context.services.state, context.commune.code, number) if number else None
    if apercu is None or apercu.status not in states:
        raise HTTPException(NOT_FOUND)
    return apercu


def _read_day(context: PageContext, found: dict[str, str], field: str) -> date | None:
    """Read the day of an export; it has no default, since mouvements depend on it."""
    day = read_days({field: text(context.form, "jour")}, found, until=context.today).get(field)
    if day is None:
        found.setdefault(field, "indiquez le jour où vous l'avez téléchargé du REU")
    return day


def show(context: PageContext) -> Response:
    pending = read_declarations(context, _PAGE)
    state, commune = context.services.state, context.commune.code
    apercus = read_apercus(state, commune, context.services.clock())
    imports = read_imports(state, commune)
    return note_page(
        context,
        "registre/registre.html",
        pending,
        is_waiting=any(it.status.is_at_work for it in apercus),
        apercus=apercus,
        old=[it for it in apercus[1:] if it.status.is_terminal],
        sum_up=sum_up,
        registres=read_registres(state, commune),
        imports=imports,
        undone={it.import_id for it in imports if it.is_undone},
        doubts=count_left(state, commune).get("doutes"),
        form={name: text(context.form, name) for name in ("jour", "liste")},
        PreviewStatus=PreviewStatus,
        title=read_reu().title,
        answers=typed(context.form) if "apercu" in context.form else {},
    )
