"""The law as data: the articles that each tableau cites. docs/loi.md says where and when each article was read.

The code of a tableau is also its value in the contract.
"""

import re
from datetime import date

from common.regimes import Revision, read_regimes

REPERTOIRE_UNIQUE_DEPUIS = date(2019, 1, 1)
"""Loi n° 2016-1048 du 1er août 2016; date fixed by décret n° 2018-350 du 14 mai 2018, art. 5."""

VINGT_JOURS = "vingt_jours"
CINQ_JOURS_REU = "cinq_jours_reu"


_FORMER_CODE = "Code électoral (avant 2019)"
_UNREAD_CODE = "Code électoral (rédaction applicable ici, à vérifier)"
"""Communes with the yearly revision. Its articles in the version in force were not read."""
_PARAGRAPH = re.compile(r" \(.*\)")


def cite(*articles: str, code: str = "Code électoral") -> str:
    """Return « Code électoral, art. L. 20, L. 31 et R. 14 »."""
    *others, last = articles
    return f"{code}, art. {', '.join(others)} et {last}" if others else f"{code}, art. {last}"


_ELECTORS = (
    "Tout électeur de la commune peut réclamer l’inscription d’un électeur omis ou la radiation d’un électeur indûment "
    "inscrit. Il peut aussi contester la décision de radiation ou d’inscription d’un électeur. Le représentant de "
    "l’État a le même droit. Le tribunal se saisit dans les sept jours de la publication (code électoral, art. L. 20, "
    "I)."
)
_OMITTED = (
    "Une personne omise par une erreur matérielle, ou radiée sans la procédure de l’article L. 18, peut saisir "
    "directement le tribunal. Il statue jusqu’au jour du scrutin (art. L. 20, II)."
)
_LATE = (
    "L’électeur concerné, tout électeur de la commune et le représentant de l’État peuvent contester une inscription "
    "faite au titre de l’article L. 30. Ils saisissent le tribunal, qui statue jusqu’au jour du scrutin (art. L. 32 et "
    "L. 20, II)."
)
_APPEALS = {VINGT_JOURS: (_ELECTORS, _OMITTED), CINQ_JOURS_REU: (_LATE, _OMITTED)}


def appeals_of(type_tableau: str, code_commune: str) -> tuple[str, ...]:
    """Return the French sentences that tell citizens who may contest a tableau, until when and before which court.

    Inscriptions under article L. 30 are contested as art. L. 20, II provides (art. L. 32). Empty for the other types.
    """
    sentences = _APPEALS.get(type_tableau, ())
    court = read_regimes().territory_of(code_commune).tribunal
    said = f"Le tribunal compétent est le tribunal {court} de ____________________."
    return (*sentences, said) if sentences else ()


CONSULTATION = "Ce tableau se consulte en mairie ; il n’en est pas remis de copie."
"""Printed on the tableau of article R. 13."""

LAW_OF_PROTECTION = cite("L. 37")
"""The article that forbids to print the address of a protected person."""
LAW_OF_COPIES = cite("L. 37", "R. 20")
"""The articles of the copy of a list that an elector asks for."""
LAW_OF_MEETING = cite("L. 19, III")
"""The article that fixes the days of the commission's meeting before a poll."""
LAW_OF_ANNUAL_MEETING = cite("L. 19, III", "R. 10")
"""The articles that fix the days of the meeting in a year without a poll."""


def law_of(type_: str, scrutin: object, code_commune: str = "") -> str:
    """Return the articles of a tableau, by the table of regimes; without a poll, vingt jours also cites L. 19-1.

    The tableaux of the yearly revision are those of before 2019. In a commune where it goes on, we have not read the
    articles in the version in force: they are « à vérifier » and have no paragraph numbers.
    """
    regimes = read_regimes()
    articles = regimes.articles_of(type_, has_poll=bool(scrutin))
    if regimes.revision_of(type_) is not Revision.ANNUELLE:
        return cite(*articles)
    if regimes.territory_of(code_commune).revision is not Revision.ANNUELLE:
        return cite(*articles, code=_FORMER_CODE)
    return cite(*(_PARAGRAPH.sub("", it) for it in articles), code=_UNREAD_CODE)
