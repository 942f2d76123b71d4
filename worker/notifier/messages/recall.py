"""What is said of files that are to be made again, in French: which, why, what to do. No elector's data."""

from collections.abc import Sequence

from common.clock import PARIS
from common.french import capitalized, count_of
from worker.domain.texte import clean
from worker.exports.models import Export, Recall
from worker.exports.records import RECALLED
from worker.notifier.kinds import Topic
from worker.notifier.messages.content import Content, Heading, Item, LabelledValue, PageLink, Steps, Tone

_STEPS = (
    "Demandez ces fichiers de nouveau.",
    "Si l'un d'eux est affiché ou consultable en mairie, remplacez-le.",
    "Si l'un d'eux est déposé sur e-listelec, déposez le nouveau : le dernier dépôt remplace le précédent.",
)


def describe_recall(recall: Recall, exports: Sequence[Export], *, lieu: str, public_url: str) -> Content:
    """The whole message; `public_url` is the address of the screen, when there is one."""
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
        summary=clean(f"{said} pour {lieu} à partir d'un import qui ne vaut plus : {recall.because}."),
        circumstances=tuple(_circumstances(recall)),
        items=tuple(Item(_name(it), "à refaire", Tone.BAD, tuple(_facts(it))) for it in exports),
        warnings=(),
        link=PageLink("Les fichiers à refaire", "Voir ces fichiers", link) if public_url else None,
        advice=(Heading("Ce qu'il faut faire"), Steps(_STEPS)),
        reference=None,
    )


def _name(export: Export) -> str:
    """Its label, as it was told of: the state says the rest."""
    return export.label.removesuffix(RECALLED)


def _circumstances(recall: Recall) -> list[LabelledValue]:
    at = f"{recall.created_at.astimezone(PARIS):%d/%m/%Y à %H:%M:%S} (heure de Paris)"
    reason = [("Raison", recall.reason)] if recall.reason else []
    return [("Par", recall.recalled_by), ("Le", at), *reason]


def _facts(export: Export) -> list[LabelledValue]:
    taken = export.downloaded_at
    downloaded = [("Téléchargé le", f"{taken.astimezone(PARIS):%d/%m/%Y à %H:%M:%S}")] if taken else []
    return [("Liste", export.nom_liste.label), ("Fichier", export.file_name), *downloaded]
