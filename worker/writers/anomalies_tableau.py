"""An anomaly of a mouvement or of a bureau, as a line of the report beside the file."""

from worker.domain.composition import SANS_BUREAU
from worker.domain.controles import AnomalieBureau, AnomalieMouvement
from worker.domain.lignes import format_bureau, format_numero
from worker.writers.precheck import Anomaly


def to_anomaly(found: AnomalieMouvement | AnomalieBureau) -> Anomaly:
    """The line that a clerk works through."""
    if isinstance(found, AnomalieBureau):
        return Anomaly(found.code, found.severity, found.champ, found.message, bureau=found.bureau or SANS_BUREAU)
    personne = found.mouvement.personne
    return Anomaly(
        code=found.code,
        severity=found.severity,
        column=found.champ,
        message=found.message,
        bureau=format_bureau(found.mouvement),
        numero=format_numero(found.mouvement),
        nom=personne.nom_naissance,
        prenoms=personne.prenoms,
        naissance=personne.date_naissance,
    )
