"""Data missing from a tableau: the codes of its anomalies « à compléter », and their description."""

from collections.abc import Iterable, Mapping
from typing import Any

from common.french import count_of

LACKS_DATE = "date_du_mouvement_absente"
LACKS_MOTIF = "motif_absent"
LACKS_BOTH = "date_et_motif_absents"
LACKS_CATEGORIE = "categorie_absente"
"""An inscription without category. It may be one of article L. 30, which belongs on the tableau des cinq jours."""

_LACKS = (
    ({LACKS_DATE, LACKS_BOTH}, ("date", "dates")),
    ({LACKS_MOTIF, LACKS_BOTH}, ("motif", "motifs")),
    ({LACKS_CATEGORIE}, ("inscription sans catégorie", "inscriptions sans catégorie")),
)


def describe_missing(anomalies: Iterable[Mapping[str, Any]]) -> str:
    """Return `12 dates, 4 motifs`, or an empty text. `anomalies`: the records of a file (`code`, `count`)."""
    counts = [(str(it["code"]), int(it["count"])) for it in anomalies]
    found = [(sum(number for code, number in counts if code in codes), words) for codes, words in _LACKS]
    return ", ".join(count_of(number, *words) for number, words in found if number)
