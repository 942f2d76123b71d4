"""« Dossier de dépôt »: choose lists and tableaux, download them as one ZIP."""

from collections.abc import Iterable, Mapping, Sequence
from itertools import chain

from starlette.responses import Response

from producers.web.dossier.assembly import by_liste, pick, seal, why_lacking
from producers.web.exports.query import AskedFile, rank, read_current, read_made
from producers.web.exports.stored_file import Delivery, Download, FileAlteredError, FileGoneError, attachment
from producers.web.forms import read_numbers
from producers.web.page_context import AWAY, BROKEN, GONE, UNPROCESSABLE, PageContext
from producers.web.registre.query import read_registres
from schemas.vocabulary import Liste, Piece

_FIELDS = ("export", *(liste.value for liste in Liste))
"""The fields of the form: one choice per list, and any number of tableaux."""
_MOST = 100
_ADVICE = "Le dossier n'a pas été préparé : prévenez votre administrateur, puis redemandez ce fichier."

_NOT_WRITTEN = "Le module n'a pas pu écrire ce ZIP. Prenez moins de fichiers, ou prévenez votre administrateur."
_UNNOTED = (
    "Qui prend un fichier est noté avant qu'il soit remis, et rien ne peut être noté en ce moment. Recommencez dans "
    "quelques minutes."
)


class _Impossible(Exception):
    """The dossier cannot be made; the message is for the clerk."""

    def __init__(self, reason: str, status: int = UNPROCESSABLE) -> None:
        super().__init__(reason)
        self.status = status


def download(context: PageContext) -> Response:
    """Send the ZIP; if a file is missing or altered, show the reason before any byte is sent."""
    try:
        files = _chosen(context)
        archive = _seal(context, files)
    except _Impossible as impossible:
        return show(context, error=str(impossible), status=impossible.status)
    download = Download(context.services, context.agent.name, Piece.DOSSIER, files)
    headers = attachment(archive.recorded.file_name, archive.recorded.size)
    sent = download.send(context.request, archive, headers=headers, media_type="application/zip")
    return sent or show(context, error=_UNNOTED, status=AWAY)


def _seal(context: PageContext, files: Sequence[AskedFile]) -> Delivery:
    try:
        current = by_liste(read_current(context.services.state, context.commune.code))
        listes = chain.from_iterable(by_liste(files).values())
        to_deposit = [it.liste for it in listes if not (it.is_rejected or it.recalled_at)]
        lacking = _say_lacking(context, current, to_deposit)
        folder, commune = context.services.settings.exports_dir, context.commune
        return seal(folder, commune.code, commune.nom, files, lacking)
    except FileGoneError as gone:
        raise _Impossible(f"« {gone} » n'est plus sur le disque. {_ADVICE}", GONE) from None
    except FileAlteredError as altered:
        raise _Impossible(f"« {altered} » n'est plus le fichier que le module a préparé. {_ADVICE}", BROKEN) from None
    except OSError:
        raise _Impossible(_NOT_WRITTEN, AWAY) from None


def _chosen(context: PageContext) -> Sequence[AskedFile]:
    query = context.request.query_params
    numbers = read_numbers(words for name in _FIELDS for words in query.getlist(name))
    made = read_made(context.services.state, context.commune.code, numbers)
    files = sorted(made, key=lambda file: (file.is_for_commission, rank(file)))
    listes = [file.liste for file in files if not file.is_tableau]
    if not files:
        raise _Impossible("Choisissez au moins un fichier.")
    if len(listes) != len(set(listes)):
        raise _Impossible("Une liste se dépose dans un seul format : choisissez un fichier par liste.")
    if len(files) > _MOST:
        raise _Impossible(f"Un dossier contient {_MOST} fichiers au plus.")
    if any(file.purged_at for file in files):
        raise _Impossible("Un de ces fichiers a été effacé : redemandez-le.", GONE)
    return files


def show(context: PageContext, *, error: str = "", status: int = 200) -> Response:
    files = read_current(context.services.state, context.commune.code)
    lists = by_liste(files)
    return context.render(
        "dossier/dossier.html",
        status,
        error=error,
        lists=lists,
        preselected={liste: None if _is_deposited(of_liste) else pick(of_liste) for liste, of_liste in lists.items()},
        lacking=_say_lacking(context, lists, [file.liste for it in lists.values() if (file := pick(it))]),
        tableaux=[file for file in files if file.is_tableau and not file.is_for_commission],
        commission=[file for file in files if file.is_for_commission],
    )


def _say_lacking(context: PageContext, lists: Mapping[Liste, Sequence[AskedFile]], chosen: Iterable[str]) -> list[str]:
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
