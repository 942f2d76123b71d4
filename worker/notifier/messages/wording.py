"""The words about lists and tableaux: their names, their facts and the next steps."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

from common.french import format_number
from schemas.tableaux import Edition, TypeTableau, why_never_published
from schemas.vocabulary import FORMATS
from worker.exports.models import Export
from worker.exports.naming import titre_of
from worker.notifier.messages.content import Block, Duties, Heading, LabelledValue, Note, Steps


@dataclass(frozen=True)
class Wording:
    """The words that differ between a list and a tableau."""

    one: str
    many: str
    asked: str
    """The kind of file in the request."""
    sound: str
    """A ready file without blocking anomalies."""
    unsound: str
    """A ready file with blocking anomalies."""
    facts: Callable[[Export], Iterable[LabelledValue]]
    """The facts of a ready file besides those of all files."""
    correct_first: Note
    next_steps: Callable[[Sequence[Export]], Iterable[Block]]
    """What to do with the ready files."""


_CORRECT_LISTE_FIRST = Note(
    "Ne déposez pas un fichier qui a des anomalies bloquantes : e-listelec le rejetterait.",
    "Corrigez dans le registre ce que dit son rapport d'anomalies, puis refaites l'export.",
)

# Source: the préfectures' instructions (Haute-Marne, FAQ du 21/08/2014; Eure; Deux-Sèvres; Puy-de-Dôme).
_DEPOSIT_STEPS = (
    "Téléchargez le fichier sans l'ouvrir ni le renommer : un tableur l'altérerait.",
    (
        "Déposez-le sur e-listelec, liste par liste : un fichier par liste, en CSV ou en XML. Le dernier fichier "
        "déposé remplace le précédent."
    ),
    (
        "Attendez l'accusé de réception, automatique, puis le verdict, qui vient par courriel le lendemain. En cas "
        "d'anomalie, corrigez dans le registre, refaites l'export et déposez de nouveau le fichier entier."
    ),
)


def _liste_facts(export: Export) -> Iterator[LabelledValue]:
    yield "Électeurs", format_number(export.electeurs or 0)
    yield "Mineurs non exportés", format_number(export.mineurs)


def _liste_next_steps(exports: Sequence[Export]) -> Iterator[Block]:
    if any(FORMATS[export.format].may_be_deposited for export in exports):
        yield Heading("Le dépôt sur e-listelec, en trois étapes")
        yield Steps(_DEPOSIT_STEPS)


LISTES = Wording(
    one="fichier",
    many="fichiers",
    asked="de listes électorales",
    sound="prêt à déposer",
    unsound="à corriger avant le dépôt",
    facts=_liste_facts,
    correct_first=_CORRECT_LISTE_FIRST,
    next_steps=_liste_next_steps,
)


_CORRECT_TABLEAU_FIRST = Note(
    "Ne publiez pas un tableau qui a des anomalies bloquantes : il serait faux.",
    "Corrigez dans le registre ou dans les mouvements ce que dit son rapport d'anomalies, puis refaites la demande.",
)

_PROVISOIRE = Note(
    "Ne publiez pas un tableau provisoire : sa période n'est pas terminée.",
    "Refaites la demande à partir du jour indiqué.",
)

_INCOMPLETE = Note(
    "Ne publiez pas un tableau à compléter : il y manque des dates ou des motifs.",
    "Indiquez-les sur la page « Dates et motifs », puis refaites la demande.",
)

# Source: Code électoral, art. L. 20, R. 13 and R. 14.
IN_TOWN_HALL = {
    TypeTableau.VINGT_JOURS: "à tenir sept jours à la disposition des électeurs, puis à retirer",
    TypeTableau.CINQ_JOURS_REU: "à publier cinq jours avant le scrutin, puis à retirer",
}
"""The duties for the published tableaux of today's law."""


def _tableau_facts(export: Export) -> Iterator[LabelledValue]:
    yield "Édition", Edition(export.edition).label
    yield "Pages", format_number(export.pages or 0)
    yield "Mouvements", format_number(export.electeurs or 0)


def _tableau_next_steps(exports: Sequence[Export]) -> Iterator[Block]:
    kinds = [why_never_published(it.type_tableau, it.presentation, it.edition) for it in exports]
    for kind in dict.fromkeys(filter(None, kinds)):
        yield Note(kind.what, kind.instead)
    if any(export.provisoire_until for export in exports):
        yield _PROVISOIRE
    if any(export.a_completer for export in exports):
        yield _INCOMPLETE
    sound = [not (it.bloquantes or it.a_completer or it.provisoire_until) for it in exports]
    public = [export for export, kind, is_sound in zip(exports, kinds, sound, strict=True) if is_sound and not kind]
    if public:
        yield Heading("Ce qu'il reste à faire, une fois le tableau imprimé")
        for type_, titre in dict.fromkeys((it.type_tableau, titre_of(it)) for it in public):
            yield Duties(titre, tuple(_duties(TypeTableau(type_))))


def _duties(type_: TypeTableau) -> Iterator[LabelledValue]:
    yield "Signature", "non exigée ; le maire peut signer"
    yield "En mairie", IN_TOWN_HALL[type_]


TABLEAUX = Wording(
    one="tableau",
    many="tableaux",
    asked="de tableaux",
    sound="prêt à imprimer",
    unsound="à corriger avant l'impression",
    facts=_tableau_facts,
    correct_first=_CORRECT_TABLEAU_FIRST,
    next_steps=_tableau_next_steps,
)
