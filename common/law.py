"""The law as data: each article that a PDF or the screen cites, its source, and the articles of each tableau.

docs/loi.md has the same table. An article that was not read has no source here, and is « non vérifié » in that table.
An article that was read has the text that quotes it, the address of that text and the day of reading. The code of a
tableau is also its value in the contract.
"""

from collections.abc import Mapping
from datetime import date
from enum import StrEnum
from typing import NamedTuple

REPERTOIRE_UNIQUE_DEPUIS = date(2019, 1, 1)
"""Loi n° 2016-1048 du 1er août 2016; date fixed by décret n° 2018-350 du 14 mai 2018, art. 5."""

PREMIER_RECTIFICATIF = "premier_rectificatif"
SECOND_RECTIFICATIF = "second_rectificatif"
ADDITIONS = "additions"
CINQ_JOURS = "cinq_jours"
VINGT_JOURS = "vingt_jours"
CINQ_JOURS_REU = "cinq_jours_reu"


class Regime(StrEnum):
    """The répertoire électoral unique replaced the yearly revision on 1 January 2019 (loi n° 2016-1048)."""

    REVISION_ANNUELLE = "revision_annuelle"
    REPERTOIRE_UNIQUE = "repertoire_unique"


_REVISION, _REPERTOIRE = Regime.REVISION_ANNUELLE, Regime.REPERTOIRE_UNIQUE
_CODES = {_REVISION: "Code électoral (avant 2019)", _REPERTOIRE: "Code électoral"}


class Article(NamedTuple):
    """An article of the Code électoral that a PDF or the screen cites, in its version of one regime."""

    number: str
    regime: Regime
    source: str = ""
    """The text in which the article was read; empty: not read."""
    address: str = ""
    """The address of that text."""
    version: date | None = None
    """The day on which the version that was read entered into force; None: the source does not state it."""
    read_on: date | None = None
    """The day of reading; None: not read."""


_READ_ON = date(2026, 11, 29)
_AUBE = (
    "préfecture de l'Aube, documents à établir à l'approche d'un scrutin",
    (
        "http://www.aube.gouv.fr/index.php/Politiques-publiques/Elections-Citoyennete-Droits-et-devoirs/"
        "Les-elections/Elections-politiques/Listes-electorales-inscriptions-radiations/"
        "Les-documents-a-etablir-a-l-approche-d-un-scrutin"
    ),
)
_QUESTION_1001 = (
    "réponse à la question écrite 1001 (11e législature), qui le cite",
    "https://questions.assemblee-nationale.fr/q11/11-1001QE.htm",
)
_CIRCULAIRE_2013 = (
    "circulaire INTA1317573C, §§ 115 à 117, qui le cite",
    "http://www.paperblog.fr/6967442/la-commune-a-pour-obligation-d-afficher-les-modifications-des-listes-electorales/",
)
_CODE_BEFORE_2019 = (
    "Code électoral, édition d'avant 2019",
    (
        "https://codes-et-lois.fr/code-electoral/"
        "toc-election-deputes-conseillers-generaux-conseillers-municipau-234a69b-texte-integral"
    ),
)
_INSTRUCTION = (
    "instruction INTA1830120J du 21/11/2018, sommaire (titres II.E et III.C)",
    "https://fr.scribd.com/document/899412954/cir-44101",
)
_QUESTION_8164 = (
    "réponse à la question écrite 8164 (16e législature), qui le cite",
    "https://questions.assemblee-nationale.fr/q16/16-8164QE.htm",
)
_CONSEIL_D_ETAT = (
    "CE, 9 novembre 2022, n° 449863, qui le cite",
    "https://master.juricaf.org/arret/FRANCE-CONSEILDETAT-20221109-449863",
)
_COMMENTARY = (
    "commentaire de CE, 9 novembre 2022, n° 449863",
    (
        "https://blog.landot-avocats.net/2022/11/14/"
        "sous-certaines-conditions-tout-electeur-a-droit-a-communication-de-la-liste-electorale-a-jour/"
    ),
)
_CIRCULAIRE = (
    "circulaire sur la commission de contrôle, qui le cite",
    "https://fr.scribd.com/document/899412666/Circulaire-7",
)
_CONSEIL_CONSTITUTIONNEL = (
    "Conseil constitutionnel, dossier sur l'inscription entre les deux tours, qui le cite",
    (
        "http://www.conseil-constitutionnel.fr/conseil-constitutionnel/francais/publications/dossiers-thematiques/"
        "2002-Election-presidentielle/l-inscription-des-electeurs-entre-les-deux-tours.16553.html"
    ),
)
_CODE_IN_FORCE = "Code électoral"
_CHAPTER = "https://juriblio.fr/codes/code-electoral/partie-legislative/livre-i/titre-ier/chapitre-ii"
_LOI_2016 = (
    "loi n° 2016-1048, art. 1er",
    "https://www.legifrance.gouv.fr/codes/section_lc/LEGITEXT000006070239/LEGISCTA000006148455/2019-01-01/",
)

ARTICLES = (
    Article("L. 11-2", _REVISION, *_CIRCULAIRE_2013, read_on=_READ_ON),
    Article("L. 17", _REVISION, *_CODE_BEFORE_2019, read_on=_READ_ON),
    Article("L. 33", _REVISION),
    Article(
        "R. 5",
        _REVISION,
        "Code électoral, édition d'avant 2019",
        "https://codes-et-lois.fr/code-electoral/toc-partie-reglementaire-texte-integral",
        read_on=_READ_ON,
    ),
    Article("R. 10", _REVISION, *_QUESTION_1001, read_on=_READ_ON),
    Article("R. 11", _REVISION),
    Article("R. 16", _REVISION),
    Article("R. 17", _REVISION, *_CIRCULAIRE_2013, read_on=_READ_ON),
    Article("R. 18", _REVISION),
    Article("L. 11", _REPERTOIRE, *_LOI_2016, REPERTOIRE_UNIQUE_DEPUIS, date(2026, 11, 25)),
    Article("L. 17", _REPERTOIRE, *_CONSEIL_D_ETAT, date(2020, 1, 1), _READ_ON),
    Article("L. 19", _REPERTOIRE, *_AUBE, read_on=_READ_ON),
    Article("L. 19-1", _REPERTOIRE, *_COMMENTARY, read_on=_READ_ON),
    Article("L. 20", _REPERTOIRE, *_INSTRUCTION, read_on=_READ_ON),
    Article("L. 30", _REPERTOIRE, _CODE_IN_FORCE, f"{_CHAPTER}/section-3", read_on=_READ_ON),
    Article("L. 31", _REPERTOIRE),
    Article("L. 32", _REPERTOIRE, _CODE_IN_FORCE, f"{_CHAPTER}/section-3/article-l32", read_on=_READ_ON),
    Article("L. 36", _REPERTOIRE, _CODE_IN_FORCE, f"{_CHAPTER}/section-4", read_on=_READ_ON),
    Article(
        "L. 37",
        _REPERTOIRE,
        f"{_CODE_IN_FORCE}, rédaction de la loi du 13 juin 2024",
        f"{_CHAPTER}/section-4",
        read_on=_READ_ON,
    ),
    Article("L. 57", _REPERTOIRE, *_CONSEIL_CONSTITUTIONNEL, read_on=_READ_ON),
    Article("R. 10", _REPERTOIRE, *_CIRCULAIRE, read_on=_READ_ON),
    Article("R. 13", _REPERTOIRE, *_QUESTION_8164, read_on=_READ_ON),
    Article("R. 14", _REPERTOIRE),
)
"""The articles that the PDFs and the screen cite."""

_KNOWN = {(article.number, article.regime) for article in ARTICLES}


class Citation(NamedTuple):
    """An article or a part of it: « L. 17 (alinéa 4) »."""

    number: str
    part: str = ""


def cite(regime: Regime, *citations: Citation) -> str:
    """Return « Code électoral, art. L. 20, L. 31 et R. 14 ».

    Raises:
        KeyError: an article is not in `ARTICLES`.
    """
    if unknown := {(number, regime) for number, _ in citations} - _KNOWN:
        raise KeyError(*unknown)
    *others, last = [f"{number}{part}" for number, part in citations]
    articles = f"{', '.join(others)} et {last}" if others else last
    return f"{_CODES[regime]}, art. {articles}"


class Law(NamedTuple):
    """The articles that a tableau cites, and their regime."""

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
    "inscrit. Il a sept jours à compter de la publication ; le représentant de l’État aussi (code électoral, "
    "art. L. 20, I)."
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
_COURT = "Le tribunal compétent est le {} ____________________."
_WITHOUT_JUDICIAIRE = ("975", "986", "987", "988")
"""Départements without a tribunal judiciaire: the town hall writes the name of the court."""

_APPEALS = {VINGT_JOURS: (_ELECTORS, _OMITTED), CINQ_JOURS_REU: (_LATE, _OMITTED)}


def appeals_of(type_tableau: str, code_commune: str) -> tuple[str, ...]:
    """Return the French sentences that tell citizens who may contest a tableau, until when and before which court.

    Inscriptions under article L. 30 are contested as art. L. 20, II provides (art. L. 32). Empty for the other types.
    """
    sentences = _APPEALS.get(type_tableau, ())
    court = "" if code_commune.startswith(_WITHOUT_JUDICIAIRE) else "tribunal judiciaire de"
    return (*sentences, " ".join(_COURT.format(court).split())) if sentences else ()


CONSULTATION = "Ce tableau se consulte en mairie ; il n’en est pas remis de copie."
"""Printed on the tableau of article R. 13."""

LAW_OF_PROTECTION = cite(_REPERTOIRE, Citation("L. 37"))
"""The article that forbids to print the address of a protected person."""
LAW_OF_MEETING = cite(_REPERTOIRE, Citation("L. 19", ", III"))
"""The article that fixes the days of the commission's meeting before a poll."""
LAW_OF_ANNUAL_MEETING = cite(_REPERTOIRE, Citation("L. 19", ", III"), Citation("R. 10", _ALINEA(3)))
"""The articles that fix the days of the meeting in a year without a poll."""
_ANNUAL = Law(_REPERTOIRE, (Citation("L. 19"), Citation("L. 19-1"), Citation("L. 20"), Citation("R. 13")))


def law_of(type_: str, scrutin: object) -> Law:
    """Return the articles of a tableau; without a poll, the tableau des vingt jours also cites L. 19-1."""
    return _ANNUAL if type_ == VINGT_JOURS and not scrutin else LAWS[type_]
