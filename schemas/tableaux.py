"""Codes of the tableaux: type, layout and edition, with French labels."""

from collections.abc import Callable, Container, Mapping, Sequence
from datetime import date
from enum import StrEnum
from typing import Any, NamedTuple

from schemas.vocabulary import Labelled


class TypeTableau(Labelled):
    """The type of a tableau. The last two exist since 2019, the others until then.

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
        """Whether the tableau is repealed: it is only for dates up to `LAST_REPEALED_DAY`."""
        return self in _INSTEAD


LAST_REPEALED_DAY = date(2018, 12, 31)
"""Last day before the répertoire électoral unique replaced the yearly revision. Loi n° 2016-1048 du 1er août 2016."""

YEARLY_REVISION = "988"
"""What the codes of the communes begin with where the yearly revision goes on: Nouvelle-Calédonie."""

_YEARLY = "le tableau annuel des inscriptions et radiations (vingt_jours)"
_INSTEAD = {
    TypeTableau.PREMIER_RECTIFICATIF: _YEARLY,
    TypeTableau.SECOND_RECTIFICATIF: _YEARLY,
    TypeTableau.ADDITIONS: "le tableau des vingt jours (vingt_jours)",
    TypeTableau.CINQ_JOURS: "le tableau des cinq jours d'aujourd'hui (cinq_jours_reu)",
}
"""The repealed types, with the French name of the tableau that replaces each since 2019."""

_BEFORE = {
    TypeTableau.VINGT_JOURS: "le tableau des additions (additions) ou celui des cinq jours d'alors (cinq_jours)",
    TypeTableau.CINQ_JOURS_REU: "le tableau des cinq jours d'alors (cinq_jours)",
}
"""The types of the current law, with the French name of the tableau that preceded each until 2018."""


class Presentation(Labelled):
    """The layout: one table for the commune, one for each bureau, or the figures only."""

    COMMUNE = "commune", "commune"
    PAR_BUREAU = "par_bureau", "par bureau"
    RECAPITULATIF = "recapitulatif", "récapitulatif"


class Edition(Labelled):
    """The readers of the print: the public, or the commission, which sees the full motif (R. 8)."""

    AFFICHAGE = "affichage", "pour le public"
    COMMISSION = "commission", "pour la commission"


class Repere(StrEnum):
    """A date from which, or up to which, mouvements are counted."""

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
"""The dates that each tableau counts from; the register may supply the meeting (`reunion`) if the request does not."""


class MissingDate(NamedTuple):
    """A field that a request lacks for some types of tableau; any field of `names` is sufficient."""

    names: tuple[str, ...]
    types: tuple[TypeTableau, ...]

    def explain(self, called: Callable[[str], str] = str) -> str:
        """Return a French message; `called` maps a field to the name that the reader knows."""
        first, *others = map(called, self.names)
        instead = f" ({', '.join(f'ou {name}' for name in others)})" if others else ""
        return f"{first} manque, pour {', '.join(self.types)}{instead}"


def find_missing_dates(types: Sequence[TypeTableau], given: Container[str]) -> list[MissingDate]:
    """Return the fields that are required and not `given`; the meeting is left to the register."""
    ways = dict.fromkeys(map(dated_by, TypeTableau))
    needed = [
        MissingDate(names, tuple(type_ for type_ in types if dated_by(type_) == names))
        for names in ways
    ]
    return [it for it in needed if it.types and not any(name in given for name in it.names)]


def name_tableau(type_: TypeTableau, scrutin: object, publication_due: object = None) -> str:
    """Return the short name of a tableau; « des vingt jours » only if it is due on the twentieth day before a poll.

    `publication_due` is the day that a decree or law fixes instead of the twentieth before the poll. A tableau des cinq
    jours of the yearly revision is « avant 2019 » for a poll of then only: the revision goes on in Nouvelle-Calédonie.
    """
    if type_ is TypeTableau.CINQ_JOURS and scrutin and str(scrutin) > str(LAST_REPEALED_DAY):
        return TypeTableau.CINQ_JOURS_REU.label
    is_of_twenty_days = bool(scrutin) and not publication_due
    if type_ is TypeTableau.VINGT_JOURS and not is_of_twenty_days:
        return "Tableau des inscriptions et radiations"
    return type_.label


class WrongDate(NamedTuple):
    """A date of a request on which the law did not provide this type of tableau."""

    name: str
    type: TypeTableau
    day: date
    is_yearly: bool = False
    """Whether the lists of the commune are revised once a year."""

    @property
    def reason(self) -> str:
        """The reason, and the tableau to request instead, in French."""
        if self.is_yearly:
            return (
                f"« {self.type.label} » n'existe pas en Nouvelle-Calédonie : la révision y est annuelle, demandez un "
                "tableau rectificatif, celui des additions ou celui des cinq jours d'avant 2019"
            )
        if self.type.is_repealed:
            exists, instead = (
                "n'existe plus",
                f"il est abrogé depuis le 1er janvier 2019 : demandez {_INSTEAD[self.type]}",
            )
        else:
            exists, instead = (
                "n'existe pas encore",
                f"il date du 1er janvier 2019 : demandez {_BEFORE[self.type]}",
            )
        return f"« {self.type.label} » {exists} le {self.day:%d/%m/%Y}, {instead}"


def find_wrong_dates(types: Sequence[TypeTableau], given: Mapping[str, Any]) -> list[WrongDate]:
    """Return the dates among the `given` fields on which a type of tableau does not exist yet, or is repealed.

    `given` also has the commune: where the yearly revision goes on, its tableaux exist on every day, and no other.
    """
    commune = given.get("commune") or given.get("code_commune") or ""
    is_yearly = str(commune).startswith(YEARLY_REVISION)
    return [
        WrongDate(name, type_, day, is_yearly)
        for type_ in types
        for name in dated_by(type_)
        if isinstance(day := given.get(name), date)
        and type_.is_repealed != (is_yearly or day <= LAST_REPEALED_DAY)
    ]


def dated_by(type_: TypeTableau) -> tuple[str, ...]:
    """Return the fields of a request that date a tableau."""
    if type_ is TypeTableau.VINGT_JOURS:
        return ("scrutin", "until", "publication")
    return (REPERES[type_][0].value,)


class NeverPublished(NamedTuple):
    """The reason why a tableau is never published: a code, what it is and what to do, in French."""

    code: str
    what: str
    instead: str

    @property
    def reason(self) -> str:
        """Both sentences."""
        return f"{self.what} {self.instead}"


def why_never_published(
    type_tableau: str, presentation: str, edition: str, code_commune: str
) -> NeverPublished | None:
    """Return the reason why a tableau is never published, whatever its content; None if it may be."""
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
    is_yearly = code_commune.startswith(YEARLY_REVISION)
    if TypeTableau(type_tableau).is_repealed and not is_yearly:
        return NeverPublished(
            "tableau_abroge",
            "Un tableau d'avant 2019 ne se publie plus : il est abrogé depuis le 1er janvier 2019.",
            "Gardez-le comme archive ou comme duplicata.",
        )
    return None
