"""Messages about the import or the correction of an export of the REU, in French; no elector is named."""

from collections.abc import Iterator

from common.french import count_of, format_number, format_second_with_zone, short_date
from common.texte import clean
from schemas.vocabulary import Liste, PreviewAct, PreviewStatus
from worker.arrivals import Preview
from worker.exports.models import Request
from worker.notifier.messages.content import (
    Block,
    Content,
    Heading,
    Item,
    LabelledValue,
    Note,
    PageLink,
    Steps,
    Tone,
    Topic,
)

_STEPS = (
    "Refaites les fichiers et les tableaux qui doivent en tenir compte.",
    "Si l'aperçu annonçait des doutes, tranchez-les : ils bloquent les tableaux.",
)
_REMAKE = ("Refaites les fichiers et les tableaux qui sont marqués « à refaire ».",)
_DONE = {
    PreviewAct.IMPORT: "Registre repris",
    PreviewAct.UNDO: "Reprise annulée",
    PreviewAct.REDATE: "Jour d'un export corrigé",
}
_DROPPED = {PreviewAct.IMPORT: "Export non repris"}
_REFUSED = {PreviewAct.IMPORT: "Export refusé, registre inchangé"}
_SAID = {
    PreviewAct.IMPORT: ("est dans le registre", "n'est pas entré dans le registre"),
    PreviewAct.UNDO: ("n'est plus dans le registre : sa reprise est annulée", "est resté dans le registre"),
    PreviewAct.REDATE: ("porte ce jour dans le registre", "n'a pas pris ce jour dans le registre"),
}
"""Text after success; text otherwise."""


def describe_import(request: Request, preview: Preview, *, lieu: str, public_url: str) -> Content:
    """Return the whole message; `public_url` is the address of the screen, if any."""
    act, is_done = PreviewAct(preview.act), preview.status == PreviewStatus.IMPORTED
    title, topic, tone = _title(act, PreviewStatus(preview.status))
    day, said = short_date(preview.taken_on), _SAID[act][0 if is_done else 1]
    url = f"{clean(public_url).rstrip('/')}/communes/{preview.code_commune}/registre"
    return Content(
        topic=topic,
        tone=tone,
        subject=clean(f"{title} — export du REU du {day} — {lieu}"),
        title=title,
        lieu=lieu,
        summary=clean(f"L'export du REU du {day} {said} pour {lieu}."),
        circumstances=tuple(_import_circumstances(request, preview)),
        items=tuple(_items(preview)) if is_done else (),
        warnings=(),
        link=PageLink("La page du registre", "Voir le registre", url) if public_url else None,
        advice=tuple(_import_advice(act, is_done=is_done)),
        reference=("Référence de la demande", request.correlation_id),
    )


def _title(act: PreviewAct, status: PreviewStatus) -> tuple[str, Topic, Tone]:
    if status is PreviewStatus.IMPORTED:
        return _DONE[act], Topic.READY, Tone.GOOD
    if status is PreviewStatus.DROPPED:
        return _DROPPED.get(act, "Correction abandonnée"), Topic.CANCELLED, Tone.QUIET
    return _REFUSED.get(act, "Correction refusée, registre inchangé"), Topic.FAILED, Tone.BAD


def _import_circumstances(request: Request, preview: Preview) -> Iterator[LabelledValue]:
    yield "Demandé par", request.requested_by
    yield "Demandé le", format_second_with_zone(request.created_at, preview.code_commune)
    yield "Fichier", clean(preview.file_name)
    yield "SHA-256", preview.sha256
    if preview.reason:
        yield "Raison", preview.reason
    found = preview.found or {}
    if files := found.get("files"):
        yield "Mouvements", format_number(found["mouvements"])
        yield "Fichiers à refaire", format_number(files["count"])
    elif changes := found.get("comparison"):
        yield "Inscriptions", format_number(changes["inscriptions"])
        yield "Radiations", format_number(changes["radiations"])
        yield "Changements de bureau", format_number(changes["changements"])
        yield "Doutes", format_number(changes["doubts"])


def _items(preview: Preview) -> Iterator[Item]:
    for it in (preview.found or {}).get("listes", ()):
        before = "nouvelle dans le registre" if it["before"] is None else f"{format_number(it['before'])} avant"
        electeurs = count_of(it["electeurs"], "électeur")
        yield Item(Liste(it["liste"]).label, f"{electeurs} ({before})", Tone.GOOD)


def _import_advice(act: PreviewAct, *, is_done: bool) -> Iterator[Block]:
    if is_done:
        yield Heading("Ce qu'il reste à faire")
        yield Steps(_STEPS if act is PreviewAct.IMPORT else _REMAKE)
    elif act is not PreviewAct.IMPORT:
        yield Note("Le registre est resté tel quel.", "Regardez de nouveau ce qui changerait, sur la page du registre.")
    else:
        yield Note(
            "Le registre est resté tel quel.", "Le fichier est effacé : déposez-le de nouveau pour le reprendre."
        )
