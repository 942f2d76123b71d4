"""The words of a mail, in French, for a clerk: the outcome, each file, what to do. No elector's data."""

from collections.abc import Iterator

from schemas.vocabulary import ExportStatus
from worker.domain.heure import PARIS
from worker.domain.texte import clean
from worker.exports.models import Export
from worker.notifier.news import News

_STATES = {
    ExportStatus.READY: ("prêt", "prêts"),
    ExportStatus.FAILED: ("en échec", "en échec"),
    ExportStatus.CANCELLED: ("annulé", "annulés"),
}

_CORRECT_FIRST = """\
Ne déposez pas un fichier qui a des anomalies bloquantes : e-listelec le rejetterait.
Corrigez dans le registre ce que dit son rapport d'anomalies, puis refaites l'export."""

# Source: the préfectures' instructions (Haute-Marne, FAQ du 21/08/2014; Eure; Deux-Sèvres; Puy-de-Dôme).
_STEPS = """\
Le dépôt sur e-listelec, en trois étapes :

1. Téléchargez le fichier sans l'ouvrir ni le renommer : un tableur l'altérerait.
2. Déposez-le sur e-listelec, liste par liste : un fichier par liste, en CSV ou en XML.
   Le dernier fichier déposé remplace le précédent.
3. Attendez l'accusé de réception, automatique, puis le verdict, qui vient par courriel
   le lendemain. En cas d'anomalie, corrigez dans le registre, refaites l'export et
   déposez de nouveau le fichier entier."""

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
        if number := len(news.files(status)):
            noun = "" if parts else f"{_agree(number, 'fichier', 'fichiers')} "
            parts.append(f"{number} {noun}{_agree(number, one, many)}")
    if len(news.request.exports) == 1:
        parts = [part.removeprefix("1 ") for part in parts]
    if news.bloquantes:
        parts.append(_anomalies(news.bloquantes))
    return ", ".join(parts)


def body(news: News, public_url: str) -> str:
    """The whole text of the mail; `public_url` is the page of the exports, when there is one."""
    request = news.request
    paragraphs = [
        "Bonjour,",
        f"Résultat de la demande de listes électorales pour {clean(news.lieu)} : {outcome(news)}.",
        "\n".join(_lines(_circumstances(news))),
        *(_file(export) for export in request.exports),
        *_what_to_do(news, public_url),
        f"Référence de la demande : {clean(request.correlation_id)}",
        "-- \nModule Préfecture. Message automatique, merci de ne pas y répondre.",
    ]
    return "\n\n".join(paragraphs) + "\n"


def size_label(size: int) -> str:
    """A size as people read it, in thousands of bytes: `51,2 Ko`."""
    amount, units = float(size), iter(("octets", "Ko", "Mo", "Go"))
    unit = next(units)
    while amount >= 1000 and (larger := next(units, "")):  # noqa: PLR2004 — the International System's kilo
        amount, unit = amount / 1000, larger
    return f"{size} octets" if unit == "octets" else f"{amount:.1f} {unit}".replace(".", ",")


def _circumstances(news: News) -> Iterator[tuple[str, str]]:
    request = news.request
    yield "Demandé par", request.requested_by or "non précisé"
    yield "Demandé le", f"{request.created_at.astimezone(PARIS):%d/%m/%Y à %H:%M:%S} (heure de Paris)"
    if news.is_refused:
        yield "Motif du refus", request.reason
        yield "Que faire", "corrigez la demande ; la même recevrait la même réponse."


def _file(export: Export) -> str:
    return "\n".join([f"{clean(export.label)} — {_state(export)}", *_lines(_facts(export), indent="  ")])


def _state(export: Export) -> str:
    status = ExportStatus(export.status)
    if status is ExportStatus.READY:
        return "à corriger avant le dépôt" if export.bloquantes else "prêt à déposer"
    return status.label


def _facts(export: Export) -> Iterator[tuple[str, str]]:
    yield "Liste", export.nom_liste.label
    match export.status:
        case ExportStatus.READY:
            yield "Fichier", export.file_name
            yield "Électeurs", _number(export.electeurs or 0)
            yield "Mineurs non exportés", _number(export.mineurs)
            yield "Anomalies bloquantes", _number(export.bloquantes)
            yield "Remarques", _number(export.remarques)
            yield "Taille", size_label(export.size or 0)
            yield "SHA-256", export.sha256 or ""
            if export.report_name:
                yield "Rapport d'anomalies", export.report_name
        case ExportStatus.FAILED:
            yield "Raison", export.error_message
            yield "Que faire", _ASK_AGAIN.get(export.error_code, _ASK_FOR_HELP)


def _what_to_do(news: News, public_url: str) -> Iterator[str]:
    if news.bloquantes:
        yield _CORRECT_FIRST
    if public_url:
        yield f"La page des exports, où sont les fichiers et les rapports :\n{clean(public_url)}"
    if news.files(ExportStatus.READY):
        yield _STEPS


def _lines(facts: Iterator[tuple[str, str]], indent: str = "") -> list[str]:
    return [f"{indent}{name} : {clean(value)}" for name, value in facts]


def _anomalies(number: int) -> str:
    return f"{_number(number)} {_agree(number, 'anomalie bloquante', 'anomalies bloquantes')}"


def _agree(number: int, one: str, many: str) -> str:
    return many if number > 1 else one


def _number(number: int) -> str:
    return f"{number:,}".replace(",", " ")


def _capitalized(text: str) -> str:
    return text[:1].upper() + text[1:]
