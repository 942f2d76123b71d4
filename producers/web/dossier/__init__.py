"""« Dossier de dépôt »: choose lists and tableaux, download them as one ZIP.

Only lists, tableaux and their reconciliation name electors. The same files give the same bytes: all dates are those of
the record, and neither the time nor the author of the download is included.
"""

import hashlib
import json
import os
from collections.abc import Iterable, Mapping, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass
from datetime import date, datetime
from itertools import chain
from pathlib import Path
from tempfile import TemporaryFile
from textwrap import wrap
from typing import Any
from zipfile import ZipFile, ZipInfo

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from starlette.exceptions import HTTPException
from starlette.responses import Response

from common.calendrier import civil_time
from common.french import count_of, short_date
from producers.records import WORDS, PieceFile
from producers.web.exports.query import AskedFile, rank, read_current, read_made
from producers.web.exports.stored_file import (
    Delivery,
    Download,
    FileAlteredError,
    FileGoneError,
    attachment,
    open_asked,
)
from producers.web.forms import read_numbers
from producers.web.page_context import AWAY, BROKEN, GONE, UNPROCESSABLE, PageContext
from producers.web.registre.query import read_registres
from producers.web.security import AgentCommune
from producers.web.templating import add_words
from schemas.file_state import FileState
from schemas.profiles.platform import PlatformProfile
from schemas.vocabulary import Labelled, Liste, Piece

_WIDTH = 88
"""Maximum line length in characters: Notepad does not wrap long lines."""

_TEXTS = Environment(
    loader=FileSystemLoader(Path(__file__).parent),
    undefined=StrictUndefined,
    autoescape=False,  # noqa: S701 — plain text
    trim_blocks=True,
    lstrip_blocks=True,
)
add_words(_TEXTS)
_TEXTS.filters["day"] = lambda text: short_date(date.fromisoformat(text))
_TEXTS.filters["wrapped"] = lambda text, first="", then="": "\n".join(
    wrap(text, _WIDTH, initial_indent=first, subsequent_indent=then)
)


@dataclass(frozen=True)
class DossierFile:
    """A file of a dossier; for a tableau, also the electors who differ from the list of the day."""

    file: AskedFile
    differences: Sequence[Mapping[str, Any]] = ()

    @property
    def path(self) -> str:
        """Path in the archive: files that must not be deposited are in a folder of their own."""
        it = self.file
        is_apart = (
            it.is_never_deposited
            or it.provisoire_until
            or it.is_incomplete
            or it.recalled_at
            or it.is_rejected
        )
        return f"{'ne-pas-deposer' if is_apart else 'a-deposer'}/{it.file_name}"

    @property
    def moment(self) -> datetime:
        """When the file was made, in the civil time of its commune."""
        return civil_time(self.file.finished_at or self.file.requested_at, self.file.code_commune)


def by_liste(files: Iterable[AskedFile]) -> dict[Liste, list[AskedFile]]:
    """Return the list files that the platform accepts, by list, the newest request first."""
    listes = [it for it in files if not it.is_tableau and not it.is_never_deposited]
    newest_first = sorted(listes, key=lambda file: (-file.request_id, file.export_id))
    return {liste: [it for it in newest_first if it.liste == liste] for liste in Liste}


def pick(files: Sequence[AskedFile]) -> AskedFile | None:
    """Return the file of one list for a dossier, from its files newest first; None if the last one is unusable.

    A file that the platform rejected is never chosen, nor the other format of that request.
    """
    if not files or any(it.is_rejected for it in files if it.request_id == files[0].request_id):
        return None
    return (
        files[0]
        if files[0].state in {FileState.READY, FileState.DEPOSITED, FileState.ACCEPTED}
        else None
    )


def why_lacking(files: Sequence[AskedFile]) -> str:
    if not files:
        return "aucun fichier n'est fait"
    last = next(
        (it for it in files if it.is_rejected and it.request_id == files[0].request_id), files[0]
    )
    match last.state:
        case FileState.REJECTED:
            on = f" le {short_date(last.verdict_on)}" if last.verdict_on else ""
            return f"la plateforme l'a rejetée{on}"
        case FileState.TO_CORRECT if not last.outdated_at:
            return count_of(last.bloquantes, "anomalie bloquante", "anomalies bloquantes")
        case FileState.TO_REDO:
            return f"à refaire, {last.recalled_because}"
        case FileState.OUTDATED | FileState.TO_CORRECT:
            return "le registre a été importé de nouveau depuis"
    return "elle n'a pas été choisie"


def seal(
    root: Path,
    commune: AgentCommune,
    files: Sequence[AskedFile],
    lacking: Sequence[str],
    platform: PlatformProfile,
) -> Delivery:
    """Write the archive of these files to an unnamed temporary file, in this order, after verifying all their bytes.

    `lacking` holds one sentence for each missing list. The caller closes the archive.

    Raises:
        FileGoneError: a file does not exist any more.
        FileAlteredError: a file differs from its record.
        OSError: the disk has no room for the archive.
    """
    held = [DossierFile(file, _read_differences(root, file)) for file in files]
    moment = max(it.moment for it in held)
    texts = {
        "LISEZ-MOI.txt": write_readme(commune, held, lacking, platform),
        "RAPPROCHEMENT.txt": write_reconciliation(commune, held),
    }
    digests = {it.path: it.file.sha256 for it in held}
    digests |= {name: hashlib.sha256(text).hexdigest() for name, text in texts.items()}
    sums = "".join(
        f"{digest}  {path}\n" for path, digest in digests.items()
    )  # the format of `sha256sum`
    with ExitStack() as opened:
        file = opened.enter_context(TemporaryFile())
        with ZipFile(file, "w") as archive:
            for name, text in texts.items():
                archive.writestr(_entry(name, moment), text)
            for it in held:
                _copy(root, it, archive)
            archive.writestr(_entry("SHA256SUMS", moment), sums)
        name = f"dossier-{commune.code}-{moment:%Y%m%d-%H%M%S}.zip"
        delivery = Delivery(PieceFile(name, file.seek(0, os.SEEK_END), ""), file)
        opened.pop_all()
    return delivery


def _entry(path: str, moment: datetime) -> ZipInfo:
    entry = ZipInfo(path, moment.timetuple()[:6])
    entry.external_attr = 0o100644 << 16
    return entry


def _copy(root: Path, it: DossierFile, archive: ZipFile) -> None:
    entry, digest = _entry(it.path, it.moment), hashlib.sha256()
    entry.file_size = it.file.size or 0
    with closing(open_asked(root, it.file)) as delivery, archive.open(entry, "w") as copy:
        for chunk in delivery:
            digest.update(chunk)
            copy.write(chunk)
    if digest.hexdigest() != it.file.sha256:
        raise FileAlteredError(it.file.file_name)


def _read_differences(root: Path, file: AskedFile) -> Sequence[dict[str, Any]]:
    if Piece.RECONCILIATION not in file.pieces:
        return ()
    with closing(open_asked(root, file, Piece.RECONCILIATION)) as delivery:
        found: list[dict[str, Any]] = json.loads(delivery.file.read())["differences"]
    return found


def write_readme(
    commune: AgentCommune,
    files: Sequence[DossierFile],
    lacking: Sequence[str],
    platform: PlatformProfile,
) -> bytes:
    has_tableau = any(it.file.is_tableau and not it.file.is_never_deposited for it in files)
    about = {
        "commune": commune,
        "files": files,
        "lacking": lacking,
        "platform": platform,
        "has_tableau": has_tableau,
    }
    return _write("lisez-moi.txt", **about, WORDS=WORDS)


def _write(template: str, **values: object) -> bytes:
    """Return a text for Notepad: byte order mark and CRLF."""
    return f"\ufeff{_TEXTS.get_template(template).render(values)}".replace("\n", "\r\n").encode()


class Reconciled(Labelled):
    AGREES = "agrees", "La liste et le tableau comptent les mêmes électeurs."
    EXPLAINED = (
        "explained",
        "La liste et le tableau s'accordent à l'électeur près : ceux qui diffèrent sont nommés ici.",
    )
    CONTRADICTS = (
        "contradicts",
        "ATTENTION : la liste et le tableau se contredisent. Vérifiez les mouvements, puis redemandez les deux.",
    )
    OTHER_DAY = (
        "other_day",
        "NON RAPPROCHÉ : la liste de ce dossier est d'un autre jour. Redemandez la liste et le tableau le même jour.",
    )
    OTHER_REGISTER = (
        "other_register",
        "NON RAPPROCHÉ : un import a eu lieu entre la liste et le tableau. Redemandez celui qui a été préparé d'abord.",
    )
    NO_LISTE = (
        "no_liste",
        "Ce dossier n'a pas la liste : le tableau est rapproché du registre de son jour.",
    )
    NOT_RECONCILED = (
        "not_reconciled",
        "NON RAPPROCHÉ : tableau de la révision annuelle, ou préparé avant que le module sache le faire.",
    )


def judge(tableau: AskedFile, liste: AskedFile | None) -> Reconciled:
    known, other = tableau.reconciliation, liste.reconciliation if liste else None
    if known is None or (liste is not None and other is None):
        return Reconciled.NOT_RECONCILED
    failing = {
        Reconciled.CONTRADICTS: bool(known["unexplained"]),
        Reconciled.NO_LISTE: other is None,
        Reconciled.OTHER_REGISTER: other is not None and other["version"] != known["version"],
        Reconciled.OTHER_DAY: other is not None and other["liste_on"] != known["liste_on"],
    }
    if found := next((verdict for verdict, fails in failing.items() if fails), None):
        return found
    if other is not None and other["electeurs"] != known["electeurs"]:
        return Reconciled.CONTRADICTS
    return Reconciled.EXPLAINED if known["differences"] else Reconciled.AGREES


def write_reconciliation(commune: AgentCommune, files: Sequence[DossierFile]) -> bytes:
    """Return the comparison. It names electors, as the lists and tableaux of the dossier do."""
    listes = {it.file.liste: it for it in files if not it.file.is_tableau}
    judged = []
    for it in (it for it in files if it.file.is_tableau):
        liste = listes.get(it.file.liste)
        judged.append((it, judge(it.file, liste.file if liste else None)))
    return _write("rapprochement.txt", commune=commune, listes=listes.values(), tableaux=judged)


_FIELDS = ("export", *(liste.value for liste in Liste))
"""The fields of the form: one choice per list, and any number of tableaux."""
_MOST = 100
_ADVICE = (
    "Le dossier n'a pas été préparé : prévenez votre administrateur, puis redemandez ce fichier."
)


def download(context: PageContext) -> Response:
    """Send the ZIP; if a file is missing or altered, show the reason before any byte is sent."""
    try:
        files = _chosen(context)
        listes = chain.from_iterable(by_liste(files).values())
        to_deposit = [it.liste for it in listes if not (it.is_rejected or it.recalled_at)]
        current = by_liste(read_current(context.services.state, context.commune.code))
        lacking = _say_lacking(context, current, to_deposit)
        archive = seal(
            context.services.settings.exports_dir, context.commune, files, lacking, context.platform
        )
    except HTTPException as impossible:
        return show(context, error=impossible.detail, status=impossible.status_code)
    except FileGoneError as gone:
        return show(context, error=f"« {gone} » n'est plus sur le disque. {_ADVICE}", status=GONE)
    except FileAlteredError as altered:
        error = f"« {altered} » n'est plus le fichier que le module a préparé. {_ADVICE}"
        return show(context, error=error, status=BROKEN)
    except OSError:
        error = "Le module n'a pas pu écrire ce ZIP. Prenez moins de fichiers, ou prévenez votre administrateur."
        return show(context, error=error, status=AWAY)
    download = Download(context.services, context.agent.name, Piece.DOSSIER, files)
    headers = attachment(archive.recorded.file_name, archive.recorded.size)
    sent = download.send(context.request, archive, headers=headers, media_type="application/zip")
    untold = "Qui prend un fichier est noté avant qu'il soit remis, et rien ne peut être noté en ce moment."
    return sent or show(context, error=f"{untold} Recommencez dans quelques minutes.", status=AWAY)


def _chosen(context: PageContext) -> Sequence[AskedFile]:
    query = context.request.query_params
    numbers = read_numbers(words for name in _FIELDS for words in query.getlist(name))
    made = read_made(context.services.state, context.commune.code, numbers)
    files = sorted(made, key=lambda file: (file.is_for_commission, rank(file)))
    listes = [file.liste for file in files if not file.is_tableau]
    if not files:
        raise HTTPException(UNPROCESSABLE, "Choisissez au moins un fichier.")
    if len(listes) != len(set(listes)):
        raise HTTPException(
            UNPROCESSABLE,
            "Une liste se dépose dans un seul format : choisissez un fichier par liste.",
        )
    if len(files) > _MOST:
        raise HTTPException(UNPROCESSABLE, f"Un dossier contient {_MOST} fichiers au plus.")
    if any(file.purged_at for file in files):
        raise HTTPException(GONE, "Un de ces fichiers a été effacé : redemandez-le.")
    return files


def show(context: PageContext, *, error: str = "", status: int = 200) -> Response:
    files = read_current(context.services.state, context.commune.code)
    lists = by_liste(files)
    return context.render(
        "dossier/dossier.html",
        status,
        error=error,
        lists=lists,
        preselected={
            liste: None if _is_deposited(of_liste) else pick(of_liste)
            for liste, of_liste in lists.items()
        },
        lacking=_say_lacking(
            context, lists, [file.liste for it in lists.values() if (file := pick(it))]
        ),
        tableaux=[file for file in files if file.is_tableau and not file.is_for_commission],
        commission=[file for file in files if file.is_for_commission],
    )


def _say_lacking(
    context: PageContext, lists: Mapping[Liste, Sequence[AskedFile]], chosen: Iterable[str]
) -> list[str]:
    registres = read_registres(context.services.state, context.commune.code)
    expected = (liste for liste in Liste if liste in registres or liste is Liste.PRINCIPALE)
    return [
        f"Il manque la {liste.short_label.lower()} : {why_lacking(lists[liste])}."
        for liste in expected
        if liste not in set(chosen) and not _is_deposited(lists[liste])
    ]


def _is_deposited(files: Sequence[AskedFile]) -> bool:
    last = pick(files)
    return last is not None and last.deposited_on is not None
