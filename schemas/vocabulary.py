"""The words of the contract: official codes as values, labels beside."""

import re
from datetime import date
from enum import StrEnum


class Liste(StrEnum):
    """An electoral list, by openElec's short code.

    Source: Code électoral, art. L. 11 (liste générale), LO 227-2 and loi n° 77-729, art. 2-3 (complementary lists).
    """

    PRINCIPALE = "P"
    COMPLEMENTAIRE_EUROPEENNE = "CE"
    COMPLEMENTAIRE_MUNICIPALE = "CM"

    @property
    def label(self) -> str:
        """The full name, as a clerk reads it."""
        return _LISTE_LABELS[self]


class Format(StrEnum):
    """A file format of the arrêté du 12 novembre 2013, art. 2."""

    CSV = "csv"
    XML = "xml"


class FileFormat(StrEnum):
    """A format of the files that we make: those of a list, and PDF for a tableau."""

    CSV = "csv"
    XML = "xml"
    PDF = "pdf"


class ExportKind(StrEnum):
    """What a file is: the electoral list, or a tableau of its changes."""

    LISTE = "liste"
    TABLEAU = "tableau"


class ExportStatus(StrEnum):
    """Where one file of a request stands."""

    QUEUED = "queued"
    RUNNING = "running"
    READY = "ready"
    FAILED = "failed"
    CANCELLED = "cancelled"

    @property
    def label(self) -> str:
        """The state, as a clerk reads it."""
        return _STATUS_LABELS[self]

    @property
    def is_terminal(self) -> bool:
        """Whether nothing more will happen to the file."""
        return self not in UNFINISHED


UNFINISHED = (ExportStatus.QUEUED, ExportStatus.RUNNING)
"""The states of a file that is still to come."""


class RequestOutcome(StrEnum):
    """What became of a request when it was read."""

    ACCEPTED = "accepted"
    REFUSED = "refused"


class Severity(StrEnum):
    """How much an anomaly matters for the deposit."""

    BLOCKING = "bloquante"
    REMARK = "remarque"


class Piece(StrEnum):
    """What is taken of an export: its file, its report of anomalies, or both in a dossier de dépôt."""

    FICHIER = "fichier"
    RAPPORT = "rapport"
    DOSSIER = "dossier"


class Verdict(StrEnum):
    """What e-listelec answered, the day after a deposit."""

    ACCEPTE = "accepte"
    REJETE = "rejete"

    @property
    def label(self) -> str:
        """The answer, as a clerk reads it."""
        return {Verdict.ACCEPTE: "accepté", Verdict.REJETE: "rejeté"}[self]


class DoubtDecision(StrEnum):
    """What somebody says of a radiation and an inscription that may be one person."""

    SAME_PERSON = "same_person"
    TWO_PERSONS = "two_persons"

    @property
    def label(self) -> str:
        """The decision, as a clerk reads it."""
        return {DoubtDecision.SAME_PERSON: "même personne", DoubtDecision.TWO_PERSONS: "deux personnes"}[self]


_LISTE_LABELS = {
    Liste.PRINCIPALE: "Liste principale (générale)",
    Liste.COMPLEMENTAIRE_EUROPEENNE: "Liste complémentaire européenne",
    Liste.COMPLEMENTAIRE_MUNICIPALE: "Liste complémentaire municipale",
}

_STATUS_LABELS = {
    ExportStatus.QUEUED: "en attente",
    ExportStatus.RUNNING: "en cours",
    ExportStatus.READY: "prêt",
    ExportStatus.FAILED: "en échec",
    ExportStatus.CANCELLED: "annulé",
}

_LISTE_ALIASES = {
    "P": Liste.PRINCIPALE,
    "LP": Liste.PRINCIPALE,
    "01": Liste.PRINCIPALE,
    "LISTE PRINCIPALE": Liste.PRINCIPALE,
    "LISTE GENERALE": Liste.PRINCIPALE,
    "CE": Liste.COMPLEMENTAIRE_EUROPEENNE,
    "LCE": Liste.COMPLEMENTAIRE_EUROPEENNE,
    "02": Liste.COMPLEMENTAIRE_EUROPEENNE,
    "LISTE COMPLEMENTAIRE EUROPEENNE": Liste.COMPLEMENTAIRE_EUROPEENNE,
    "CM": Liste.COMPLEMENTAIRE_MUNICIPALE,
    "LCM": Liste.COMPLEMENTAIRE_MUNICIPALE,
    "03": Liste.COMPLEMENTAIRE_MUNICIPALE,
    "LISTE COMPLEMENTAIRE MUNICIPALE": Liste.COMPLEMENTAIRE_MUNICIPALE,
}

_UNACCENT = str.maketrans("ÉÈÊ", "EEE")


def parse_liste(text: str) -> Liste:
    """Read a list under any of its names: openElec's, the REU's (LP, LCE, LCM) or the number (01, 02, 03).

    Raises:
        ValueError: the text names no list.
    """
    key = " ".join(text.upper().split()).translate(_UNACCENT)
    try:
        return _LISTE_ALIASES[key]
    except KeyError:
        known = "P (LP, 01), CE (LCE, 02), CM (LCM, 03)"
        raise ValueError(f"liste inconnue ; listes possibles : {known}") from None


_JOUR = re.compile(r"(?P<Y>\d{4})-(?P<M>\d{2})-(?P<D>\d{2})|(?P<d>\d{1,2})/(?P<m>\d{1,2})/(?P<y>\d{4})", re.ASCII)


def parse_jour(text: str) -> date:
    """Read a day as a program or as a clerk writes it: `2027-04-11`, `11/04/2027`.

    Raises:
        ValueError: neither, or no such day.
    """
    if not (match := _JOUR.fullmatch(text)):
        raise ValueError("date attendue sous la forme AAAA-MM-JJ ou JJ/MM/AAAA")
    try:
        return date(*(int(match[long] or match[short]) for long, short in ("Yy", "Mm", "Dd")))
    except ValueError:
        raise ValueError("ce jour n'existe pas") from None
