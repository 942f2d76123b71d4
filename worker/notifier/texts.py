"""The words of a mail, in French, for a clerk: the outcome, each file, what to do. No elector's data."""

from collections.abc import Iterator

from schemas.vocabulary import ExportKind, ExportStatus
from worker.domain.francais import figures
from worker.domain.heure import PARIS
from worker.domain.texte import clean
from worker.exports.models import Export
from worker.notifier.news import News
from worker.notifier.texts_listes import LISTES
from worker.notifier.texts_tableaux import TABLEAUX
from worker.notifier.wording import Fact, Wording, agree, lines, size_label

_WORDINGS = {ExportKind.LISTE: LISTES, ExportKind.TABLEAU: TABLEAUX}

_STATES = {
    ExportStatus.READY: ("prêt", "prêts"),
    ExportStatus.FAILED: ("en échec", "en échec"),
    ExportStatus.CANCELLED: ("annulé", "annulés"),
}

_ASK_AGAIN = {
    "disque_plein": "demandez à votre administrateur de libérer de la place, puis refaites la demande.",
    "indisponible": "refaites la demande plus tard ; si l'échec se répète, prévenez votre administrateur.",
}
_ASK_FOR_HELP = "transmettez ce message à votre administrateur, puis refaites la demande."


def subject(news: News) -> str:
    """One line: the outcome, the label when there is one file, the commune."""
    exports = news.request.exports
    words = [_capitalized(outcome(news)), *([exports[0].label] if len(exports) == 1 else []), news.lieu]
    return clean(" — ".join(word for word in words if word))


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
        parts.append(clean(f"{figures(number)} {agree(number, 'anomalie bloquante', 'anomalies bloquantes')}"))
    return ", ".join(parts)


def body(news: News, public_url: str) -> str:
    """The whole text of the mail; `public_url` is the page of the exports, when there is one."""
    request = news.request
    words = _words(news)
    asked = f" {words.asked}" if words else ""
    paragraphs = [
        "Bonjour,",
        f"Résultat de la demande{asked} pour {clean(news.lieu)} : {outcome(news)}.",
        "\n".join(lines(_circumstances(news))),
        *(_file(export) for export in request.exports),
        *_what_to_do(news, public_url),
        f"Référence de la demande : {clean(request.correlation_id)}",
        "-- \nModule Préfecture. Message automatique, merci de ne pas y répondre.",
    ]
    return "\n\n".join(paragraphs) + "\n"


def _circumstances(news: News) -> Iterator[Fact]:
    request = news.request
    yield "Demandé par", request.requested_by or "non précisé"
    yield "Demandé le", f"{request.created_at.astimezone(PARIS):%d/%m/%Y à %H:%M:%S} (heure de Paris)"
    if news.is_refused:
        yield "Motif du refus", request.reason
        yield "Que faire", "corrigez la demande ; la même recevrait la même réponse."


def _file(export: Export) -> str:
    return "\n".join([f"{clean(export.label)} — {_state(export)}", *lines(_facts(export), indent="  ")])


def _state(export: Export) -> str:
    status = ExportStatus(export.status)
    if status is ExportStatus.READY:
        return _words_of(export).unsound if export.bloquantes else _words_of(export).sound
    return status.label


def _facts(export: Export) -> Iterator[Fact]:
    yield "Liste", export.nom_liste.label
    match export.status:
        case ExportStatus.READY:
            yield "Fichier", export.file_name
            yield from _words_of(export).facts(export)
            yield "Anomalies bloquantes", figures(export.bloquantes)
            yield "Remarques", figures(export.remarques)
            yield "Taille", size_label(export.size or 0)
            yield "SHA-256", export.sha256 or ""
            if export.report_name:
                yield "Rapport d'anomalies", export.report_name
        case ExportStatus.FAILED:
            yield "Raison", export.error_message
            yield "Que faire", _ASK_AGAIN.get(export.error_code, _ASK_FOR_HELP)
        case ExportStatus.CANCELLED:
            yield "Raison", export.error_message


def _what_to_do(news: News, public_url: str) -> Iterator[str]:
    words = _words(news)
    if words and news.bloquantes:
        yield words.correct_first
    if public_url:
        yield f"La page des exports, où sont les fichiers et les rapports :\n{clean(public_url)}"
    if words:
        yield from words.next_steps(news.files(ExportStatus.READY))


def _words(news: News) -> Wording | None:
    return _WORDINGS[news.kind] if news.kind else None


def _words_of(export: Export) -> Wording:
    return _WORDINGS[ExportKind(export.kind)]


def _capitalized(text: str) -> str:
    return text[:1].upper() + text[1:]
