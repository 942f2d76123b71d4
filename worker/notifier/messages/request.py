"""Messages about a request, a recall and an export of the REU, in French, for a clerk: what is ready, what to do."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from common.french import (
    agree,
    capitalized,
    count_of,
    describe_missing,
    format_number,
    format_second,
    format_second_with_zone,
    short_date,
    without_commands,
)
from schemas.cures import find_cure
from schemas.file_state import FileState, find_state
from schemas.profiles.platform import may_be_deposited, profile_label
from schemas.tableaux import TypeTableau, why_never_published
from schemas.topology import REQUEST_LISTE_EXPORT, REQUEST_TABLEAUX_RENDER
from schemas.vocabulary import (
    ExportKind,
    ExportStatus,
    Liste,
    PreviewAct,
    PreviewStatus,
    RequestOutcome,
    Severity,
    Wish,
)
from worker.arrivals import Preview
from worker.exports.models import Export, Recall, Request, facts_of, titre_of
from worker.exports.records import RECALLED
from worker.notifier.messages.text import Line, Text, Topic, link, write

# Source: Code électoral, art. L. 20, R. 13 and R. 14.
IN_TOWN_HALL = {
    TypeTableau.VINGT_JOURS: "à tenir sept jours à la disposition des électeurs, puis à retirer",
    TypeTableau.CINQ_JOURS_REU: "à publier cinq jours avant le scrutin, ou le jour que fixe un décret, puis à retirer",
    **{
        type_: "à établir pour la révision annuelle, dont le texte est à vérifier"
        for type_ in TypeTableau
        if type_.is_repealed
    },
}
"""The duties for the published tableaux of the law in force in the commune."""


class State(NamedTuple):
    """The French words for the state of one file and of several; `then` follows the first in the line of a file."""

    one: str
    many: str
    then: str = ""


_STATES = {
    FileState.READY: State("prêt", "prêts"),
    FileState.PROVISOIRE: State("provisoire", "provisoires"),
    FileState.TO_CORRECT: State("à corriger", "à corriger"),
    FileState.TO_COMPLETE: State("à compléter", "à compléter", " avant la publication"),
    FileState.TO_REDO: State("à refaire", "à refaire", ", ce dont il vient ne vaut plus"),
    FileState.FAILED: State("en échec", "en échec"),
    FileState.CANCELLED: State("annulé", "annulés"),
}
"""In the order of a message: each file of a request that has just ended is in one of these states."""

_NOUNS = {ExportKind.LISTE: ("fichier", "fichiers"), ExportKind.TABLEAU: ("tableau", "tableaux")}
_ASKED = {
    REQUEST_LISTE_EXPORT: "la demande de listes électorales",
    REQUEST_TABLEAUX_RENDER: "la demande de tableaux",
}

_ASK_AGAIN = {
    "disque_plein": "demandez à votre administrateur de libérer de la place, puis refaites la demande.",
    "indisponible": "refaites la demande plus tard ; si l'échec se répète, prévenez votre administrateur.",
}


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
    def topic(self) -> Topic:
        """The most serious result."""
        if self.is_refused:
            return Topic.REFUSED
        if ExportStatus.FAILED in self.statuses:
            return Topic.FAILED
        return Topic.READY if ExportStatus.READY in self.statuses else Topic.CANCELLED

    @property
    def wishes(self) -> frozenset[Wish]:
        """The wishes of which a recipient needs one; empty for a preview, which its page shows."""
        if self.preview:
            if (
                self.preview.import_request_id != self.request.id
                or PreviewStatus(self.preview.status).is_asked
            ):
                return frozenset()
            return frozenset(
                {Wish.READY if self.preview.status == PreviewStatus.IMPORTED else Wish.FAILED}
            )
        if ExportStatus.READY not in self.statuses:
            return frozenset({Wish.FAILED})
        return frozenset({Wish.READY} if self.is_all_ready else {Wish.READY, Wish.FAILED})

    @property
    def is_all_ready(self) -> bool:
        """Whether the request has files and each is ready."""
        return self.statuses == {ExportStatus.READY}

    @property
    def statuses(self) -> set[str]:
        """The statuses of the files; none for a refused request or a preview."""
        return {it.status for it in self.request.exports}

    @property
    def bloquantes(self) -> int:
        """The blocking anomalies to correct, counted once per list, or per list and type of tableau.

        All formats and presentations have the same anomalies.
        """
        by_subject: dict[tuple[str, str], int] = {}
        for export in self.request.exports:
            if export.status == ExportStatus.READY:
                subject = (export.type_tableau, export.liste)
                by_subject[subject] = max(export.bloquantes, by_subject.get(subject, 0))
        return sum(by_subject.values())


def describe_request(report: RequestReport, public_url: str) -> Text:
    """Return the whole message; `public_url` is the address of the screen, if any."""
    if report.preview:
        return _describe_import(report.request, report.preview, report.lieu, public_url)
    request, exports, said = report.request, report.request.exports, outcome(report)
    valid = [it for it in exports if it.status == ExportStatus.READY and it.recall_id is None]
    asked = _ASKED.get(request.event_type, "la demande")
    return write(
        "request.txt",
        report.topic,
        _join_subject(said, exports[0].label if len(exports) == 1 else "", report.lieu),
        summary=f"Résultat de {asked} pour {report.lieu} : {said}.",
        lines=[Line(it.label, _name_state(it), tuple(_details(it, public_url))) for it in exports],
        url=link(public_url, f"demandes/{request.id}"),
        reference=request.correlation_id,
        request=request,
        is_refused=report.is_refused,
        asked_at=format_second_with_zone(request.created_at, request.code_commune),
        **_advise(valid),
    )


def _join_subject(outcome: str, label: str, lieu: str) -> str:
    return " — ".join(filter(None, (capitalized(outcome), label, lieu)))


def outcome(report: RequestReport) -> str:
    """Return the result in a few words: `4 fichiers prêts, 1 à corriger, 1 en échec, 3 anomalies bloquantes`."""
    if report.is_refused:
        return "demande refusée"
    parts: list[str] = []
    for state, words in _STATES.items():
        if files := [it for it in report.request.exports if _state_of(it) is state]:
            noun = "" if parts else f"{agree(len(files), *_NOUNS[ExportKind(files[0].kind)])} "
            parts.append(f"{len(files)} {noun}{agree(len(files), words.one, words.many)}")
    if len(report.request.exports) == 1:
        parts = [part.removeprefix("1 ") for part in parts]
    if number := report.bloquantes:
        parts.append(count_of(number, "anomalie bloquante"))
    return ", ".join(parts)


def _state_of(export: Export) -> FileState:
    """Return the state of a file that has just ended, before any deposit or publication."""
    facts = {
        "recalled_at": export.recall_id is not None,
        "bloquantes": export.bloquantes,
        "provisoire_until": export.provisoire_until,
        "a_completer": export.a_completer,
    }
    return find_state(ExportStatus(export.status), facts)


def _name_state(export: Export) -> str:
    state = _state_of(export)
    words = f"{_STATES[state].one}{_STATES[state].then}"
    if export.provisoire_until and state is not FileState.TO_REDO:
        words += f", à refaire à partir du {short_date(export.provisoire_until)}"
    return words


def _details(export: Export, public_url: str) -> Iterator[str]:
    match export.status:
        case ExportStatus.READY:
            yield from _what_is_wrong(export, public_url)
            if cure := find_cure(_state_of(export), facts_of(export)):
                yield cure.describe(public_url)
        case ExportStatus.FAILED:
            yield f"Raison : {export.error_message}"
            ask_for_help = (
                "transmettez ce message à votre administrateur, puis refaites la demande."
            )
            yield f"Que faire : {_ASK_AGAIN.get(export.error_code, ask_for_help)}"
        case ExportStatus.CANCELLED:
            yield f"Raison : {export.error_message}"


def _what_is_wrong(export: Export, public_url: str) -> Iterator[str]:
    """Yield the anomalies of the whole file, each with its cure, and what a tableau lacks."""
    if export.bloquantes:
        yield f"Anomalies bloquantes : {format_number(export.bloquantes)}"
    for anomaly in export.anomalies:
        said = anomaly.get("messages", ()) if anomaly["severity"] == Severity.BLOCKING else ()
        yield from (f"À corriger : {without_commands(it)}" for it in said)
        if said and (cure := find_cure(anomaly["code"], facts_of(export))):
            yield cure.describe(public_url)
    if export.a_completer:
        yield f"À compléter : {describe_missing(export.anomalies)}"


def _advise(exports: Sequence[Export]) -> dict[str, Any]:
    listes = [it for it in exports if it.kind == ExportKind.LISTE]
    tableaux = [it for it in exports if it.kind == ExportKind.TABLEAU]
    never = {
        it: why_never_published(it.type_tableau, it.presentation, it.edition, it.code_commune)
        for it in tableaux
    }
    public = [
        it
        for it in tableaux
        if not (never[it] or it.bloquantes or it.a_completer or it.provisoire_until)
    ]
    return {
        "platform": _platform_of(listes),
        "has_unsound_liste": bool(_platform_of(listes)) and any(it.bloquantes for it in listes),
        "has_unsound_tableau": any(it.bloquantes for it in tableaux),
        "never_published": [*dict.fromkeys(filter(None, never.values()))],
        "has_provisoire": any(it.provisoire_until for it in tableaux),
        "has_incomplete": any(it.a_completer for it in tableaux),
        "duties": [
            *dict.fromkeys(
                (titre_of(it), IN_TOWN_HALL[TypeTableau(it.type_tableau)]) for it in public
            )
        ],
    }


def _platform_of(exports: Iterable[Export]) -> str:
    labels = (
        profile_label(it.profile) for it in exports if may_be_deposited(it.profile, it.format)
    )
    return next(labels, "")


def describe_recall(
    recall: Recall, exports: Sequence[Export], *, lieu: str, public_url: str
) -> Text:
    """Return the whole message; `public_url` is the address of the screen, if any."""
    names = [it.label.removesuffix(RECALLED) for it in exports]  # the state repeats it
    is_one = len(exports) == 1
    title = "fichier à refaire" if is_one else f"{count_of(len(exports), 'fichier')} à refaire"
    said = "Ce fichier a été fait" if is_one else "Ces fichiers ont été faits"
    return write(
        "recall.txt",
        Topic.RECALLED,
        _join_subject(title, names[0] if is_one else "", lieu),
        summary=f"{said} pour {lieu} à partir de ce qui ne vaut plus : {recall.because}.",
        lines=[
            Line(name, "à refaire", _downloads(it)) for name, it in zip(names, exports, strict=True)
        ],
        url=link(public_url, f"communes/{recall.code_commune}/exports?etat=a-refaire"),
        recall=recall,
        at=format_second_with_zone(recall.created_at, recall.code_commune),
        platform=_platform_of(exports),
    )


def _downloads(export: Export) -> Sequence[str]:
    at = export.downloaded_at
    return [f"Téléchargé le : {format_second(at, export.code_commune)}"] if at else []


_TITLES = {
    (PreviewAct.IMPORT, Topic.READY): "Registre repris",
    (PreviewAct.UNDO, Topic.READY): "Reprise annulée",
    (PreviewAct.REDATE, Topic.READY): "Jour d'un export corrigé",
    (PreviewAct.IMPORT, Topic.CANCELLED): "Export non repris",
    (PreviewAct.IMPORT, Topic.FAILED): "Export refusé, registre inchangé",
}
_OTHER_TITLES = {
    Topic.CANCELLED: "Correction abandonnée",
    Topic.FAILED: "Correction refusée, registre inchangé",
}
_SAID = {
    PreviewAct.IMPORT: ("est dans le registre", "n'est pas entré dans le registre"),
    PreviewAct.UNDO: (
        "n'est plus dans le registre : sa reprise est annulée",
        "est resté dans le registre",
    ),
    PreviewAct.REDATE: ("porte ce jour dans le registre", "n'a pas pris ce jour dans le registre"),
}
"""Text after success; text otherwise."""


def _describe_import(request: Request, preview: Preview, lieu: str, public_url: str) -> Text:
    topics = {PreviewStatus.IMPORTED: Topic.READY, PreviewStatus.DROPPED: Topic.CANCELLED}
    act, topic = PreviewAct(preview.act), topics.get(PreviewStatus(preview.status), Topic.FAILED)
    title = _TITLES.get((act, topic)) or _OTHER_TITLES[topic]
    is_done = topic is Topic.READY
    export = f"export du REU du {short_date(preview.taken_on)}"
    return write(
        "import.txt",
        topic,
        f"{title} — {export} — {lieu}",
        summary=f"L'{export} {_SAID[act][0 if is_done else 1]} pour {lieu}.",
        lines=[*map(_describe_liste, (preview.found or {}).get("listes", ()))] if is_done else (),
        url=link(public_url, f"communes/{preview.code_commune}/registre"),
        reference=request.correlation_id,
        request=request,
        preview=preview,
        asked_at=format_second_with_zone(request.created_at, preview.code_commune),
        counts=_count_changes(preview),
        is_done=is_done,
        is_import=act is PreviewAct.IMPORT,
    )


def _describe_liste(found: dict[str, Any]) -> Line:
    before = found["before"]
    said = "nouvelle dans le registre" if before is None else f"{format_number(before)} avant"
    return Line(Liste(found["liste"]).label, f"{count_of(found['electeurs'], 'électeur')} ({said})")


def _count_changes(preview: Preview) -> Sequence[tuple[str, str]]:
    found = preview.found or {}
    counts: dict[str, int] = {}
    if files := found.get("files"):
        counts = {"Mouvements": found["mouvements"], "Fichiers à refaire": files["count"]}
    elif changes := found.get("comparison"):
        names = {"Inscriptions": "inscriptions", "Radiations": "radiations"}
        names |= {"Changements de bureau": "changements", "Doutes": "doubts"}
        counts = {name: changes[key] for name, key in names.items()}
    return [(name, format_number(number)) for name, number in counts.items() if number]
