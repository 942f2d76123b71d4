"""« Sauvegarder, restaurer »: save all data of this computer as one encrypted file, or restore such a file."""

import os
from collections.abc import Iterator
from typing import IO

from starlette.exceptions import HTTPException
from starlette.responses import Response, StreamingResponse

from common.calendrier import civil_time, now
from common.files import CHUNK
from producers.web.exports.stored_file import attachment
from producers.web.forms import Faults, order_faults, text, uploaded
from producers.web.page_context import NOT_FOUND, UNPROCESSABLE, BackupError, Backups, PageContext
from producers.web.security import forget

FIELDS = ("phrase", "confirmation", "fichier", "ouverture", "agent")
_PAGE = "sauvegarde"
_SHORTEST = 12


def save(context: PageContext) -> Response:
    """« Sauvegarder »: send the file without keeping a copy."""
    passphrase, again = _passphrase(context, "phrase"), _passphrase(context, "confirmation")
    found: dict[str, str] = {}
    if len(passphrase) < _SHORTEST:
        found["phrase"] = f"donnez {_SHORTEST} caractères au moins : plusieurs mots se retiennent mieux"
    elif passphrase != again:
        found["confirmation"] = "ce n'est pas la même phrase : donnez-la deux fois"
    if found:
        return show(context, faults=order_faults(FIELDS, found))
    try:
        file = _backups(context).save(passphrase, agent=context.agent.name)
    except BackupError as error:
        return show(context, failure=str(error))
    made_at = civil_time(now(), context.commune.code)
    headers = attachment(f"prefecture-{made_at:%Y%m%d-%H%M%S}.sauvegarde", os.fstat(file.fileno()).st_size)
    return StreamingResponse(_pieces(file), headers=headers, media_type="application/octet-stream")


def check(context: PageContext) -> Response:
    """« Vérifier la sauvegarde »: show the content of a backup; nothing is replaced."""
    upload = uploaded(context.form, "fichier")
    passphrase = _passphrase(context, "ouverture")
    found: dict[str, str] = {}
    if upload is None:
        found["fichier"] = "choisissez le fichier de la sauvegarde"
    if not passphrase:
        found["ouverture"] = "donnez la phrase de passe de cette sauvegarde"
        found.setdefault("fichier", "choisissez-le de nouveau : un navigateur ne le garde pas")
    if found or upload is None:
        return show(context, faults=order_faults(FIELDS, found))
    try:
        _backups(context).check(upload.file, passphrase)
    except BackupError as error:
        return show(context, failure=str(error))
    return context.redirect(_PAGE, "contenu")


def replace(context: PageContext) -> Response:
    """« Remplacer par cette sauvegarde »: restore exactly the backup that was shown."""
    checked = _backups(context).checked()
    if checked is None or text(context.form, "apercu") != checked[0]:
        raise HTTPException(NOT_FOUND)
    word, holding = checked
    agent = text(context.form, "agent") or (holding.agents[0] if len(holding.agents) == 1 else "")
    if agent not in holding.agents:
        return show(context, faults=order_faults(FIELDS, {"agent": "dites quel agent vous êtes"}))
    try:
        _backups(context).replace(word, agent=agent)
    except BackupError as error:
        return show(context, failure=str(error))
    forget(context.request)  # the session refers to the replaced data
    return context.render("registre/sauvegarde.html", is_replaced=True)


def leave(context: PageContext) -> Response:
    _backups(context).leave()
    return context.redirect(_PAGE)


def show(context: PageContext, *, faults: Faults | None = None, failure: str = "") -> Response:
    backups = _backups(context)
    checked = backups.checked()
    return context.render(
        "registre/sauvegarde.html",
        UNPROCESSABLE if faults or failure else 200,
        is_replaced=False,
        faults=faults,
        failure=failure,
        present=backups.describe(),
        word=checked[0] if checked else "",
        holding=checked[1] if checked else None,
    )


def _backups(context: PageContext) -> Backups:
    if context.services.backups is None:
        raise HTTPException(NOT_FOUND)
    return context.services.backups


def _passphrase(context: PageContext, name: str) -> str:
    """Return the passphrase as typed: leading and trailing spaces belong to it."""
    given = context.form.get(name, "")
    return given if isinstance(given, str) else ""


def _pieces(file: IO[bytes]) -> Iterator[bytes]:
    with file:
        while piece := file.read(CHUNK):
            yield piece
