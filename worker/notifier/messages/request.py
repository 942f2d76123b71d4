"""Messages about a request, in French, for a clerk: the outcome, each file, the next steps. No elector's data."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from common.french import (
    agree,
    capitalized,
    count_of,
    format_number,
    format_second,
    format_second_with_zone,
    format_size,
    short_date,
    without_commands,
)
from common.incomplete import describe_missing
from common.texte import clean
from schemas.topology import REQUEST_LISTE_EXPORT, REQUEST_TABLEAUX_RENDER
from schemas.vocabulary import FORMATS, ExportKind, ExportStatus, Piece, PreviewStatus, RequestOutcome, Severity, Wish
from worker.arrivals import Preview
from worker.exports.models import Export, Recall, Request
from worker.exports.records import RECALLED
from worker.notifier.messages.content import Block, Content, Heading, Item, LabelledValue, PageLink, Steps, Tone, Topic
from worker.notifier.messages.wording import LISTES, TABLEAUX, Wording

_KINDS = {REQUEST_LISTE_EXPORT: ExportKind.LISTE, REQUEST_TABLEAUX_RENDER: ExportKind.TABLEAU}

_WORDINGS = {ExportKind.LISTE: LISTES, ExportKind.TABLEAU: TABLEAUX}

_READY = ("prêt", "prêts")
_PROVISOIRE = ("provisoire", "provisoires")
_PROVISOIRE_UNSOUND = ("provisoire, à corriger", "provisoires, à corriger")
_UNSOUND = ("à corriger", "à corriger")
_INCOMPLETE = ("à compléter", "à compléter")
_RECALLED = ("à refaire", "à refaire")
_FAILED = ("en échec", "en échec")
_CANCELLED = ("annulé", "annulés")
_STATES = (_READY, _PROVISOIRE, _PROVISOIRE_UNSOUND, _UNSOUND, _INCOMPLETE, _RECALLED, _FAILED, _CANCELLED)
"""The French words for one file and for several, in the order of a message: each file is in one of these states."""

_TONES = {ExportStatus.FAILED: Tone.BAD, ExportStatus.CANCELLED: Tone.QUIET}

_ASK_AGAIN = {
    "disque_plein": "demandez à votre administrateur de libérer de la place, puis refaites la demande.",
    "indisponible": "refaites la demande plus tard ; si l'échec se répète, prévenez votre administrateur.",
}
_ASK_FOR_HELP = "transmettez ce message à votre administrateur, puis refaites la demande."


@dataclass(frozen=True)
class RequestReport:
    """A completed request with its files and its preview of an export of the REU, if any."""

    request: Request
    lieu: str
    """The commune as a clerk reads it: `LIBREVILLE (13900)`."""
    preview: Preview | None = None

    @property
    def is_refused(self) -> bool:
        """Whether the request was refused: it has no files."""
        return self.request.outcome == RequestOutcome.REFUSED

    @property
    def kind(self) -> ExportKind | None:
        """The kind of all files of the request; None for a refused request of an unknown type."""
        exports = self.request.exports
        return ExportKind(exports[0].kind) if exports else _KINDS.get(self.request.event_type)

    @property
    def topic(self) -> Topic:
        """The most serious result."""
        if self.is_refused:
            return Topic.REFUSED
        if self.files(ExportStatus.FAILED):
            return Topic.FAILED
        return Topic.READY if self.files(ExportStatus.READY) else Topic.CANCELLED

    @property
    def wishes(self) -> frozenset[Wish]:
        """The wishes of which a recipient needs one; empty for a preview, which its page shows."""
        if self.preview:
            is_imported = self.preview.status == PreviewStatus.IMPORTED
            of_import = frozenset({Wish.READY if is_imported else Wish.FAILED})
            return of_import if self.preview.import_request_id == self.request.id else frozenset()
        has_ready = bool(self.files(ExportStatus.READY))
        is_all_ready = has_ready and len(self.files(ExportStatus.READY)) == len(self.request.exports)
        return frozenset(({Wish.READY} if has_ready else set()) | (set() if is_all_ready else {Wish.FAILED}))

    @property
    def bloquantes(self) -> int:
        """The blocking anomalies to correct, counted once per list, or per list and type of tableau.

        All formats and presentations have the same anomalies.
        """
        by_subject: dict[tuple[str, str], int] = {}
        for export in self.files(ExportStatus.READY):
            subject = (export.type_tableau, export.liste)
            by_subject[subject] = max(export.bloquantes, by_subject.get(subject, 0))
        return sum(by_subject.values())

    def files(self, status: ExportStatus) -> list[Export]:
        """Return the files with this status."""
        return [export for export in self.request.exports if export.status == status]


def describe_request(report: RequestReport, public_url: str) -> Content:
    """Return the whole message; `public_url` is the address of the screen, if any."""
    request, words = report.request, _words(report)
    asked = f" {words.asked}" if words else ""
    return Content(
        topic=report.topic,
        tone=_tone(report),
        subject=_subject(report),
        title=capitalized(outcome(report)),
        lieu=report.lieu,
        summary=f"Résultat de la demande{asked} pour {clean(report.lieu)} : {outcome(report)}.",
        circumstances=tuple(_circumstances(report)),
        items=tuple(_item(export) for export in request.exports),
        warnings=(words.correct_first,) if words and report.bloquantes else (),
        link=_link(report, public_url),
        advice=tuple(_advice(report, words)),
        reference=("Référence de la demande", request.correlation_id),
    )


def outcome(report: RequestReport) -> str:
    """Return the result in a few words: `4 fichiers prêts, 1 à corriger, 1 en échec, 3 anomalies bloquantes`."""
    if report.is_refused:
        return "demande refusée"
    parts: list[str] = []
    for files, (one, many) in _by_state(report):
        if files:
            words = _words_of(files[0])
            noun = "" if parts else f"{agree(len(files), words.one, words.many)} "
            parts.append(f"{len(files)} {noun}{agree(len(files), one, many)}")
    if len(report.request.exports) == 1:
        parts = [part.removeprefix("1 ") for part in parts]
    if number := report.bloquantes:
        parts.append(clean(count_of(number, "anomalie bloquante")))
    return ", ".join(parts)


def _by_state(report: RequestReport) -> Iterator[tuple[list[Export], tuple[str, str]]]:
    for words in _STATES:
        yield [export for export in report.request.exports if _state_of(export) is words], words


def _state_of(export: Export) -> tuple[str, str] | None:
    """Return the words of a file in `_STATES`; an unusable file is never called ready. None: it is unfinished."""
    match export.status:
        case ExportStatus.FAILED | ExportStatus.CANCELLED as ended:
            return _FAILED if ended == ExportStatus.FAILED else _CANCELLED
        case ExportStatus.READY if export.recall_id is not None:
            return _RECALLED
        case ExportStatus.READY if export.provisoire_until:
            return _PROVISOIRE_UNSOUND if export.bloquantes else _PROVISOIRE
        case ExportStatus.READY if export.bloquantes:
            return _UNSOUND
        case ExportStatus.READY:
            return _INCOMPLETE if export.a_completer else _READY
    return None


def _subject(report: RequestReport) -> str:
    """Return one line: the outcome, the label when there is one file, the commune."""
    exports = report.request.exports
    words = [capitalized(outcome(report)), *([exports[0].label] if len(exports) == 1 else []), report.lieu]
    return clean(" — ".join(word for word in words if word))


def _tone(report: RequestReport) -> Tone:
    if report.topic is Topic.READY:
        ready = report.files(ExportStatus.READY)
        is_unfit = report.bloquantes or any(
            it.provisoire_until or it.a_completer or it.recall_id is not None for it in ready
        )
        return Tone.WARNING if is_unfit else Tone.GOOD
    return Tone.QUIET if report.topic is Topic.CANCELLED else Tone.BAD


def _circumstances(report: RequestReport) -> Iterator[LabelledValue]:
    request = report.request
    yield "Demandé par", request.requested_by or "non précisé"
    yield "Demandé le", format_second_with_zone(request.created_at, request.code_commune)
    if report.is_refused:
        yield "Motif du refus", request.reason
        yield "Que faire", "corrigez la demande ; la même recevrait la même réponse."


def _item(export: Export) -> Item:
    status = ExportStatus(export.status)
    state, tone = status.label, _TONES.get(status, Tone.GOOD)
    if status is ExportStatus.READY:
        words = _words_of(export)
        state, tone = (words.unsound, Tone.WARNING) if export.bloquantes else (words.sound, Tone.GOOD)
        if not FORMATS[export.format].may_be_deposited:
            state = status.label
        if export.a_completer and not export.bloquantes:
            state, tone = "à compléter avant la publication", Tone.WARNING
        if export.provisoire_until:
            wrong = ", à corriger" if export.bloquantes else ""
            state = f"provisoire{wrong}, à refaire à partir du {short_date(export.provisoire_until)}"
            tone = Tone.WARNING
    if export.recall_id is not None:
        state, tone = "à refaire, ce dont il vient ne vaut plus", Tone.BAD
    return Item(export.label, state, tone, tuple(_facts(export)))


def _facts(export: Export) -> Iterator[LabelledValue]:
    yield "Liste", export.nom_liste.label
    match export.status:
        case ExportStatus.READY:
            yield "Fichier", export.file_name
            yield from _words_of(export).facts(export)
            yield "Anomalies bloquantes", format_number(export.bloquantes)
            for anomaly in export.anomalies:
                if anomaly["severity"] == Severity.BLOCKING:
                    yield from (("À corriger", without_commands(said)) for said in anomaly.get("messages", ()))
            if export.a_completer:
                yield "À compléter", describe_missing(export.anomalies)
            yield "Remarques", format_number(export.remarques)
            yield "Taille", format_size(export.size or 0)
            yield "SHA-256", export.sha256 or ""
            if report := export.pieces.get(Piece.RAPPORT):
                yield "Rapport d'anomalies", report.file_name
        case ExportStatus.FAILED:
            yield "Raison", export.error_message
            yield "Que faire", _ASK_AGAIN.get(export.error_code, _ASK_FOR_HELP)
        case ExportStatus.CANCELLED:
            yield "Raison", export.error_message


def _link(report: RequestReport, public_url: str) -> PageLink | None:
    if not public_url:
        return None
    url = f"{clean(public_url).rstrip('/')}/demandes/{report.request.id}"
    if report.files(ExportStatus.READY):
        return PageLink("La page de la demande, où sont les fichiers et les rapports", "Voir les fichiers", url)
    return PageLink("La page de la demande", "Voir la demande", url)


def _advice(report: RequestReport, words: Wording | None) -> Iterator[Block]:
    if words:
        yield from words.next_steps([it for it in report.files(ExportStatus.READY) if it.recall_id is None])


def _words(report: RequestReport) -> Wording | None:
    return _WORDINGS[report.kind] if report.kind else None


def _words_of(export: Export) -> Wording:
    return _WORDINGS[ExportKind(export.kind)]


_STEPS = (
    "Demandez ces fichiers de nouveau.",
    "Si l'un d'eux est affiché ou consultable en mairie, remplacez-le.",
    "Si l'un d'eux est déposé sur e-listelec, déposez le nouveau : le dernier dépôt remplace le précédent.",
)


def describe_recall(recall: Recall, exports: Sequence[Export], *, lieu: str, public_url: str) -> Content:
    """Return the whole message; `public_url` is the address of the screen, if any."""
    many = len(exports) > 1
    title = f"{count_of(len(exports), 'fichier')} à refaire" if many else "fichier à refaire"
    subject = [capitalized(title), *([] if many else [_name(exports[0])]), lieu]
    said = "Ces fichiers ont été faits" if many else "Ce fichier a été fait"
    link = f"{clean(public_url).rstrip('/')}/communes/{recall.code_commune}/exports?etat=a-refaire"
    return Content(
        topic=Topic.RECALLED,
        tone=Tone.BAD,
        subject=clean(" — ".join(subject)),
        title=capitalized(title),
        lieu=lieu,
        summary=clean(f"{said} pour {lieu} à partir de ce qui ne vaut plus : {recall.because}."),
        circumstances=tuple(_recall_circumstances(recall)),
        items=tuple(Item(_name(it), "à refaire", Tone.BAD, tuple(_recall_facts(it))) for it in exports),
        warnings=(),
        link=PageLink("Les fichiers à refaire", "Voir ces fichiers", link) if public_url else None,
        advice=(Heading("Ce qu'il faut faire"), Steps(_STEPS)),
        reference=None,
    )


def _name(export: Export) -> str:
    """Return the label without its end, which the state repeats."""
    return export.label.removesuffix(RECALLED)


def _recall_circumstances(recall: Recall) -> list[LabelledValue]:
    at = format_second_with_zone(recall.created_at, recall.code_commune)
    reason = [("Raison", recall.reason)] if recall.reason else []
    return [("Par", recall.recalled_by), ("Le", at), *reason]


def _recall_facts(export: Export) -> list[LabelledValue]:
    taken = export.downloaded_at
    downloaded = [("Téléchargé le", format_second(taken, export.code_commune))] if taken else []
    return [("Liste", export.nom_liste.label), ("Fichier", export.file_name), *downloaded]
