"""The law as data: each article that we print, with what is known of it, and what each tableau rests on.

Nothing is guessed: what nobody noted is empty here, and « non vérifié » in docs/loi.md, which has the same table.
Whoever reads an article notes the version that was read, and the day. A tableau is named by its code, which is also its
value in the contract.
"""

from collections.abc import Mapping
from datetime import date
from enum import StrEnum
from typing import NamedTuple

REPERTOIRE_UNIQUE_DEPUIS = date(2019, 1, 1)
"""Loi n° 2016-1048 du 1er août 2016, as dated by décret n° 2018-350 du 14 mai 2018, art. 5."""

PREMIER_RECTIFICATIF = "premier_rectificatif"
SECOND_RECTIFICATIF = "second_rectificatif"
ADDITIONS = "additions"
CINQ_JOURS = "cinq_jours"
VINGT_JOURS = "vingt_jours"
CINQ_JOURS_REU = "cinq_jours_reu"


class Regime(StrEnum):
    """The law of 1 August 2016 replaced the yearly revision by the répertoire électoral unique on 1 January 2019."""

    REVISION_ANNUELLE = "revision_annuelle"
    REPERTOIRE_UNIQUE = "repertoire_unique"


_REVISION, _REPERTOIRE = Regime.REVISION_ANNUELLE, Regime.REPERTOIRE_UNIQUE
_CODES = {_REVISION: "Code électoral (avant 2019)", _REPERTOIRE: "Code électoral"}


class Article(NamedTuple):
    """An article of the Code électoral that we print, as it was under one regime."""

    number: str
    regime: Regime
    source: str = ""
    """The texts through which it was read; empty: nobody says that it was."""
    version: date | None = None
    """The day from which what was read is in force; None: nobody noted it."""
    read_on: date | None = None
    """None: nobody noted it."""


_CODE = "Code électoral"
_INSTRUCTION = f"{_CODE} ; instruction INTA1830120J, III.C"

ARTICLES = (
    Article("L. 11-2", _REVISION, _CODE),
    Article("L. 17", _REVISION, _CODE),
    Article("L. 33", _REVISION, _CODE),
    Article("R. 5", _REVISION, _CODE),
    Article("R. 10", _REVISION, _CODE),
    Article("R. 11", _REVISION, _CODE),
    Article("R. 16", _REVISION, _CODE),
    Article("R. 17", _REVISION, _CODE),
    Article("R. 18", _REVISION, _CODE),
    Article("L. 11", _REPERTOIRE, "loi n° 2016-1048, art. 1er", REPERTOIRE_UNIQUE_DEPUIS, date(2026, 11, 25)),
    Article("L. 17", _REPERTOIRE, version=date(2020, 1, 1)),
    Article("L. 19", _REPERTOIRE, _CODE),
    Article("L. 20", _REPERTOIRE, _INSTRUCTION),
    Article("L. 30", _REPERTOIRE, _INSTRUCTION),
    Article("L. 31", _REPERTOIRE, _INSTRUCTION),
    Article("L. 37", _REPERTOIRE, _CODE),
    Article("R. 13", _REPERTOIRE, f"{_CODE} ; réponse ministérielle qui le cite"),
    Article("R. 14", _REPERTOIRE, _INSTRUCTION),
)
"""Those of the papers, and of the screen's dates."""

_KNOWN = {(article.number, article.regime) for article in ARTICLES}


class Citation(NamedTuple):
    """An article, or a part of it: « L. 17 (alinéa 4) »."""

    number: str
    part: str = ""


def cite(regime: Regime, *citations: Citation) -> str:
    """« Code électoral, art. L. 20, L. 31 et R. 14 ».

    Raises:
        KeyError: an article of which `ARTICLES` knows nothing.
    """
    if unknown := {(number, regime) for number, _ in citations} - _KNOWN:
        raise KeyError(*unknown)
    *others, last = [f"{number}{part}" for number, part in citations]
    articles = f"{', '.join(others)} et {last}" if others else last
    return f"{_CODES[regime]}, art. {articles}"


class Law(NamedTuple):
    """What a tableau rests on: the articles, and the regime they belong to."""

    regime: Regime
    citations: tuple[Citation, ...]

    @property
    def reference_legale(self) -> str:
        """The articles as the tableau prints them."""
        return cite(self.regime, *self.citations)


_ALINEA = " (alinéa {})".format

LAWS: Mapping[str, Law] = {
    PREMIER_RECTIFICATIF: Law(_REVISION, (Citation("R. 5"), Citation("R. 10"), Citation("R. 11"))),
    SECOND_RECTIFICATIF: Law(_REVISION, (Citation("R. 16"),)),
    ADDITIONS: Law(
        _REVISION,
        (Citation("L. 11-2", _ALINEA(2)), Citation("L. 17", _ALINEA(4)), Citation("R. 10", _ALINEA(3))),
    ),
    CINQ_JOURS: Law(_REVISION, (Citation("L. 33", _ALINEA(2)), Citation("R. 17"), Citation("R. 18"))),
    VINGT_JOURS: Law(_REPERTOIRE, (Citation("L. 19"), Citation("L. 20"), Citation("R. 13"))),
    CINQ_JOURS_REU: Law(_REPERTOIRE, (Citation("L. 20", " (II)"), Citation("L. 30"), Citation("R. 14"))),
}

_ELECTORS = (
    "Un électeur de la commune peut demander l’inscription d’un électeur omis ou la radiation d’un électeur indûment "
    "inscrit. Il a sept jours à compter de la publication ; le préfet aussi (code électoral, art. L. 20, I)."
)
_OMITTED = (
    "Une personne omise par une erreur matérielle, ou radiée sans la procédure de l’article L. 18, peut saisir "
    "directement le tribunal. Il statue jusqu’au jour du scrutin (art. L. 20, II)."
)
_COURT = "Le tribunal compétent est le tribunal judiciaire de ____________________."

APPEALS: Mapping[str, tuple[str, ...]] = {
    VINGT_JOURS: (_ELECTORS, _OMITTED, _COURT),
    CINQ_JOURS_REU: (_ELECTORS, _OMITTED, _COURT),
}
"""Who may contest a tableau, until when and before which court, as the posted page says it to a citizen."""
CONSULTATION = "Ce tableau se consulte en mairie ; il n’en est pas remis de copie."
"""Of the tableau of article R. 13."""

LAW_OF_PROTECTION = cite(_REPERTOIRE, Citation("L. 37"))
"""Why no tableau prints the address of a protected person."""
LAW_OF_MEETING = cite(_REPERTOIRE, Citation("L. 19", ", III"))
"""Between which days the commission de contrôle meets before a poll."""
