"""What is said of a request, in French, for a clerk: the outcome, each file, what to do. No elector's data."""

from collections.abc import Iterator

from common.clock import PARIS
from common.french import agree, capitalized, count_of, format_number, format_size
from schemas.vocabulary import ExportKind, ExportStatus
from worker.domain.texte import clean
from worker.exports.models import Export
from worker.notifier.content import Block, Content, Fact, Item, Link, Tone
from worker.notifier.kinds import Topic
from worker.notifier.news import News
from worker.notifier.texts_listes import LISTES
from worker.notifier.texts_tableaux import TABLEAUX
from worker.notifier.wording import Wording

_WORDINGS = {ExportKind.LISTE: LISTES, ExportKind.TABLEAU: TABLEAUX}

_STATES = {
    ExportStatus.READY: ("prêt", "prêts"),
    ExportStatus.FAILED: ("en échec", "en échec"),
    ExportStatus.CANCELLED: ("annulé", "annulés"),
}

_TONES = {ExportStatus.FAILED: Tone.BAD, ExportStatus.CANCELLED: Tone.QUIET}

_ASK_AGAIN = {
    "disque_plein": "demandez à votre administrateur de libérer de la place, puis refaites la demande.",
    "indisponible": "refaites la demande plus tard ; si l'échec se répète, prévenez votre administrateur.",
}
_ASK_FOR_HELP = "transmettez ce message à votre administrateur, puis refaites la demande."


def describe(news: News, public_url: str) -> Content:
    """The whole message; `public_url` is the address of the screen, when there is one."""
    request, words = news.request, _words(news)
    asked = f" {words.asked}" if words else ""
    return Content(
        topic=news.topic,
        tone=_tone(news),
        subject=_subject(news),
        title=capitalized(outcome(news)),
        lieu=news.lieu,
        summary=f"Résultat de la demande{asked} pour {clean(news.lieu)} : {outcome(news)}.",
        circumstances=tuple(_circumstances(news)),
        items=tuple(_item(export) for export in request.exports),
        warnings=(words.correct_first,) if words and news.bloquantes else (),
        link=_link(news, public_url),
        advice=tuple(_advice(news, words)),
        reference=("Référence de la demande", request.correlation_id),
    )


def outcome(news: News) -> str:
    """What came of it, in a few words: `5 fichiers prêts, 1 en échec, 3 anomalies bloquantes`."""
    if news.is_refused:
        return "demande refusée"
    parts: list[str] = []
    for status, (one, many) in _STATES.items():
        if files := news.files(status):
            words = _words_of(files[0])
            noun = "" if parts else f"{agree(len(files), words.one, words.many)} "
            parts.append(f"{len(files)} {noun}{agree(len(files), one, many)}")
    if len(news.request.exports) == 1:
        parts = [part.removeprefix("1 ") for part in parts]
    if number := news.bloquantes:
        parts.append(clean(count_of(number, "anomalie bloquante")))
    return ", ".join(parts)


def _subject(news: News) -> str:
    """One line: the outcome, the label when there is one file, the commune."""
    exports = news.request.exports
    words = [capitalized(outcome(news)), *([exports[0].label] if len(exports) == 1 else []), news.lieu]
    return clean(" — ".join(word for word in words if word))


def _tone(news: News) -> Tone:
    if news.topic is Topic.READY:
        return Tone.WARNING if news.bloquantes else Tone.GOOD
    return Tone.QUIET if news.topic is Topic.CANCELLED else Tone.BAD


def _circumstances(news: News) -> Iterator[Fact]:
    request = news.request
    yield "Demandé par", request.requested_by or "non précisé"
    yield "Demandé le", f"{request.created_at.astimezone(PARIS):%d/%m/%Y à %H:%M:%S} (heure de Paris)"
    if news.is_refused:
        yield "Motif du refus", request.reason
        yield "Que faire", "corrigez la demande ; la même recevrait la même réponse."


def _item(export: Export) -> Item:
    status = ExportStatus(export.status)
    state, tone = status.label, _TONES.get(status, Tone.GOOD)
    if status is ExportStatus.READY:
        words = _words_of(export)
        state, tone = (words.unsound, Tone.WARNING) if export.bloquantes else (words.sound, Tone.GOOD)
    return Item(export.label, state, tone, tuple(_facts(export)))


def _facts(export: Export) -> Iterator[Fact]:
    yield "Liste", export.nom_liste.label
    match export.status:
        case ExportStatus.READY:
            yield "Fichier", export.file_name
            yield from _words_of(export).facts(export)
            yield "Anomalies bloquantes", format_number(export.bloquantes)
            yield "Remarques", format_number(export.remarques)
            yield "Taille", format_size(export.size or 0)
            yield "SHA-256", export.sha256 or ""
            if export.report_name:
                yield "Rapport d'anomalies", export.report_name
        case ExportStatus.FAILED:
            yield "Raison", export.error_message
            yield "Que faire", _ASK_AGAIN.get(export.error_code, _ASK_FOR_HELP)
        case ExportStatus.CANCELLED:
            yield "Raison", export.error_message


def _link(news: News, public_url: str) -> Link | None:
    if not public_url:
        return None
    url = f"{clean(public_url).rstrip('/')}/demandes/{news.request.id}"
    if news.files(ExportStatus.READY):
        return Link("La page de la demande, où sont les fichiers et les rapports", "Voir les fichiers", url)
    return Link("La page de la demande", "Voir la demande", url)


def _advice(news: News, words: Wording | None) -> Iterator[Block]:
    if words:
        yield from words.next_steps(news.files(ExportStatus.READY))


def _words(news: News) -> Wording | None:
    return _WORDINGS[news.kind] if news.kind else None


def _words_of(export: Export) -> Wording:
    return _WORDINGS[ExportKind(export.kind)]
