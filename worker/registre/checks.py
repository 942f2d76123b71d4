"""When an import is refused although the file is a REU export: what looks like an accident must be meant."""

from collections.abc import Sequence

from worker.errors import ImportRefusedError
from worker.registre.reading import Reading
from worker.registre.reject_report import RejectReport
from worker.registre.summary import ListeCount, describe_reasons, format_count, format_number, name_some

MAX_LOSS = 20
"""A list that loses more than so many per cent of its electors is taken for a truncated download."""


def refuse_rejects(reading: Reading, rejects: RejectReport, *, accept: bool) -> None:
    """Refuse a file without a single elector, and rejected lines unless they are accepted."""
    if rejects.reasons and not (accept and reading.lines_kept):
        advice = (
            "Corrigez le fichier, ou acceptez de perdre ces lignes avec --accept-rejects."
            if reading.lines_kept
            else "Aucune ligne ne peut être gardée. Une commune nouvelle s'ajoute par « communes --add CODE NOM »."
        )
        raise ImportRefusedError(
            f"{format_count(rejects.reasons.total(), 'ligne rejetée')} sur {format_number(reading.lines_read)} : "
            f"{describe_reasons(rejects.reasons)}. Le détail est dans {rejects.path}. {advice}"
        )
    if not reading.lines_kept:
        raise ImportRefusedError("le fichier ne contient aucun électeur")


def refuse_loss(listes: Sequence[ListeCount], *, accept: bool) -> None:
    """Refuse lists that lose too many of their electors, unless it is accepted."""
    shrunk = [it for it in listes if it.before and (it.before - it.electeurs) * 100 > it.before * MAX_LOSS]
    if shrunk and not accept:
        named = name_some(
            f"la liste {it.liste} de {it.code_commune} passerait de {format_number(it.before or 0)} "
            f"à {format_count(it.electeurs, 'électeur')}"
            for it in shrunk
        )
        raise ImportRefusedError(
            f"{named}. Le téléchargement est-il complet ? Si ces électeurs sont vraiment partis, ajoutez --accept-loss."
        )
