"""What a mail says of list files only: their electors, and how they are deposited."""

from collections.abc import Iterator, Sequence

from common.french import format_number
from worker.exports.models import Export
from worker.notifier.content import Block, Fact, Heading, Note, Steps
from worker.notifier.wording import Wording

_CORRECT_FIRST = Note(
    "Ne déposez pas un fichier qui a des anomalies bloquantes : e-listelec le rejetterait.",
    "Corrigez dans le registre ce que dit son rapport d'anomalies, puis refaites l'export.",
)

# Source: the préfectures' instructions (Haute-Marne, FAQ du 21/08/2014; Eure; Deux-Sèvres; Puy-de-Dôme).
_STEPS = (
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


def _facts(export: Export) -> Iterator[Fact]:
    yield "Électeurs", format_number(export.electeurs or 0)
    yield "Mineurs non exportés", format_number(export.mineurs)


def _next_steps(exports: Sequence[Export]) -> Iterator[Block]:
    if exports:
        yield Heading("Le dépôt sur e-listelec, en trois étapes")
        yield Steps(_STEPS)


LISTES = Wording(
    one="fichier",
    many="fichiers",
    asked="de listes électorales",
    sound="prêt à déposer",
    unsound="à corriger avant le dépôt",
    facts=_facts,
    correct_first=_CORRECT_FIRST,
    next_steps=_next_steps,
)
