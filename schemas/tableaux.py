"""The words of the tableaux: which one, how it is laid out, for whom it is printed; labels beside."""

from collections.abc import Callable, Container, Mapping, Sequence
from datetime import date
from enum import StrEnum
from typing import Any, NamedTuple

from schemas.vocabulary import Labelled


class TypeTableau(Labelled):
    """Which tableau of changes. The last two exist since 2019, the others until then.

    Source: Code électoral before 2019, art. L. 11-2, L. 33, R. 10 and R. 16; since 2019, art. R. 13 and R. 14.
    """

    PREMIER_RECTIFICATIF = "premier_rectificatif", "Premier tableau rectificatif"
    SECOND_RECTIFICATIF = "second_rectificatif", "Second tableau rectificatif"
    ADDITIONS = "additions", "Tableau des additions"
    CINQ_JOURS = "cinq_jours", "Tableau des cinq jours (avant 2019)"
    VINGT_JOURS = "vingt_jours", "Tableau des vingt jours"
    CINQ_JOURS_REU = "cinq_jours_reu", "Tableau des cinq jours"

    @property
    def is_repealed(self) -> bool:
        """Whether the law knows this tableau no more: it is for dates until `LAST_REPEALED_DAY` only."""
        return self in _INSTEAD


LAST_REPEALED_DAY = date(2018, 12, 31)
"""The répertoire électoral unique replaced the yearly revision on the next day. Loi n° 2016-1048 du 1er août 2016."""

_YEARLY = "le tableau annuel des inscriptions et radiations (vingt_jours)"
_INSTEAD = {
    TypeTableau.PREMIER_RECTIFICATIF: _YEARLY,
    TypeTableau.SECOND_RECTIFICATIF: _YEARLY,
    TypeTableau.ADDITIONS: "le tableau des vingt jours (vingt_jours)",
    TypeTableau.CINQ_JOURS: "le tableau des cinq jours d'aujourd'hui (cinq_jours_reu)",
}
"""The repealed types, and what is asked for since 2019 instead."""

_BEFORE = {
    TypeTableau.VINGT_JOURS: "le tableau des additions (additions) ou celui des cinq jours d'alors (cinq_jours)",
    TypeTableau.CINQ_JOURS_REU: "le tableau des cinq jours d'alors (cinq_jours)",
}
"""The types of today's law, and what was asked for until 2018 instead."""


class Presentation(Labelled):
    """One table for the commune, one for each bureau, or the figures only."""

    COMMUNE = "commune", "commune"
    PAR_BUREAU = "par_bureau", "par bureau"
    RECAPITULATIF = "recapitulatif", "récapitulatif"


class Edition(Labelled):
    """Whom the print is for: posted in public, or read by the commission, which sees the full motif (R. 8)."""

    AFFICHAGE = "affichage", "pour le public"
    COMMISSION = "commission", "pour la commission"


class Repere(StrEnum):
    """A date that mouvements are counted from or to: without it nobody knows which ones are meant."""

    DATE_TABLEAU = "date_tableau"
    SCRUTIN = "scrutin"
    REUNION = "reunion"


REPERES = {
    TypeTableau.PREMIER_RECTIFICATIF: (Repere.DATE_TABLEAU,),
    TypeTableau.SECOND_RECTIFICATIF: (Repere.DATE_TABLEAU,),
    TypeTableau.ADDITIONS: (Repere.SCRUTIN,),
    TypeTableau.CINQ_JOURS: (Repere.SCRUTIN,),
    TypeTableau.VINGT_JOURS: (Repere.REUNION,),
    TypeTableau.CINQ_JOURS_REU: (Repere.SCRUTIN, Repere.REUNION),
}
"""What each tableau is counted from; where the request does not say the meeting (`reunion`), the register may."""


class MissingDate(NamedTuple):
    """A field that a request lacks for some types of tableau; any of `names` will do."""

    names: tuple[str, ...]
    types: tuple[TypeTableau, ...]

    def explain(self, called: Callable[[str], str] = str) -> str:
        """What is missing, in French; `called` gives the name under which the reader knows a field."""
        first, *others = map(called, self.names)
        instead = f" ({', '.join(f'ou {name}' for name in others)})" if others else ""
        return f"{first} manque, pour {', '.join(self.types)}{instead}"


def find_missing_dates(types: Sequence[TypeTableau], given: Container[str]) -> list[MissingDate]:
    """What must be said beside the fields that are `given`; the meeting is for the register to know."""
    needed = [
        MissingDate((repere,), tuple(type_ for type_ in types if repere in REPERES[type_]))
        for repere in (Repere.DATE_TABLEAU, Repere.SCRUTIN)
    ]
    if TypeTableau.VINGT_JOURS in types:
        needed.append(MissingDate((Repere.SCRUTIN, "until", "publication"), (TypeTableau.VINGT_JOURS,)))
    return [it for it in needed if it.types and not any(name in given for name in it.names)]


_WITHOUT_A_POLL = "Tableau des inscriptions et radiations"
"""What the tableau des vingt jours is called when no poll is twenty days away."""


def name_tableau(type_: TypeTableau, scrutin: object, publication_due: object = None) -> str:
    """The short name of a tableau; without a poll, or on another day by decree, it is not « des vingt jours ».

    `publication_due` is the day that a text fixes instead of the twentieth before the poll.
    """
    is_of_twenty_days = bool(scrutin) and not publication_due
    return _WITHOUT_A_POLL if type_ is TypeTableau.VINGT_JOURS and not is_of_twenty_days else type_.label


class WrongDate(NamedTuple):
    """A date of a request at which the law knew, or knows, no tableau of this type."""

    name: str
    type: TypeTableau
    day: date

    @property
    def reason(self) -> str:
        """Why, and which tableau to ask for, in French."""
        if self.type.is_repealed:
            exists, instead = (
                "n'existe plus",
                f"il est abrogé depuis le 1er janvier 2019 : demandez {_INSTEAD[self.type]}",
            )
        else:
            exists, instead = "n'existe pas encore", f"il date du 1er janvier 2019 : demandez {_BEFORE[self.type]}"
        return f"« {self.type.label} » {exists} le {self.day:%d/%m/%Y}, {instead}"


def find_wrong_dates(types: Sequence[TypeTableau], given: Mapping[str, Any]) -> list[WrongDate]:
    """The dates among the fields `given` at which a type of tableau did not exist, or exists no more."""
    return [
        WrongDate(name, type_, day)
        for type_ in types
        for name in dated_by(type_)
        if isinstance(day := given.get(name), date) and type_.is_repealed != (day <= LAST_REPEALED_DAY)
    ]


def dated_by(type_: TypeTableau) -> tuple[str, ...]:
    """The fields of a request that say of when a tableau is."""
    if type_ is TypeTableau.VINGT_JOURS:
        return ("scrutin", "until", "publication")
    return (REPERES[type_][0].value,)


class NeverPublished(NamedTuple):
    """Why a tableau is never published: a code, what it is, and what to do with it, in French."""

    code: str
    what: str
    instead: str

    @property
    def reason(self) -> str:
        """Both sentences."""
        return f"{self.what} {self.instead}"


def why_never_published(type_tableau: str, presentation: str, edition: str) -> NeverPublished | None:
    """Why a tableau is never published, whatever it holds; None when it may be."""
    if edition == Edition.COMMISSION:
        return NeverPublished(
            "exemplaire_commission",
            "L'exemplaire de la commission ne se publie pas : ses motifs sont complets.",
            "Imprimez-le pour la commission seulement. Demandez à part le tableau à publier.",
        )
    if presentation == Presentation.RECAPITULATIF:
        return NeverPublished(
            "recapitulatif",
            "Un récapitulatif ne se publie pas : il ne nomme aucun électeur.",
            "Publiez le tableau lui-même, pour la commune ou par bureau.",
        )
    if TypeTableau(type_tableau).is_repealed:
        return NeverPublished(
            "tableau_abroge",
            "Un tableau d'avant 2019 ne se publie plus : il est abrogé depuis le 1er janvier 2019.",
            "Gardez-le comme archive ou comme duplicata.",
        )
    return None
