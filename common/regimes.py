"""The table of regimes: the electoral law by territory and kind of poll, read from `regimes.toml`.

The calendar, the tasks, the tableaux and docs/loi.md ask this table. A jurist reads and corrects the file, not code. A
fact that a town hall noted wins over the table; where the table has no row, nothing is computed.
"""

import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from enum import StrEnum
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any

from common.texte import fold

_SATURDAY = 5

TABLE = Path(__file__).with_name("regimes.toml")


class Revision(StrEnum):
    """How the lists are kept up to date."""

    PERMANENTE = "permanente"
    """By the répertoire électoral unique, since 2019: a commission de contrôle meets before each poll."""
    ANNUELLE = "annuelle"
    """By commissions that revise the lists once a year, closed at the end of February."""


class Unit(StrEnum):
    """The unit of one commission."""

    COMMUNE = "commune"
    SECTEUR = "secteur"
    CIRCONSCRIPTION = "circonscription"


class Vote(StrEnum):
    """The day of a poll."""

    DIMANCHE = "dimanche"
    SAMEDI = "samedi"
    """The Saturday before the national Sunday."""
    DECRET = "décret"
    """A decree fixes the day for the territory: it is noted, never computed."""
    AUCUN = "aucun"
    """This poll is not held in the territory."""


@dataclass(frozen=True)
class Source:
    """Where a row was read; a row without the day of a reading is « à vérifier »."""

    texte: str = ""
    adresse: str = ""
    version: date | None = None
    """The day since when the version that was read is in force; None: unknown."""
    lu: date | None = None
    citation: str = ""


@dataclass(frozen=True)
class Territory:
    """A territory: the system of its lists and the unit of its commission."""

    cle: str
    nom: str
    codes: tuple[str, ...]
    """Codes of communes, or what they begin with."""
    revision: Revision
    unite: Unit
    tribunal: str
    """The court that appeals go to: « judiciaire », « de première instance »."""
    reunion_annuelle: bool
    """Whether an article gives the days of the meeting in a year without a poll."""
    secteurs: Mapping[int, tuple[str, ...]]
    """The arrondissements municipaux of each secteur, by its number; empty where there are none."""
    source: Source


@dataclass(frozen=True)
class PollRow:
    """A kind of poll in some territories."""

    genre: str
    mots: tuple[str, ...]
    """What the name of the poll contains, without accents."""
    territoires: tuple[str, ...]
    vote: Vote
    entre_les_tours: int | None
    """Days from the first round to the second; 0: one round only; None: the decree of the poll says it."""
    listes: tuple[str, ...]
    source: Source


@dataclass(frozen=True)
class Delay:
    """A day that is counted back from a poll: some days before it, or the Nth of a weekday before it.

    Or the Nth working day before the end of a day.
    """

    cle: str
    nom: str
    revision: Revision
    article: str
    depuis: date
    """The first day of a poll that it counts for."""
    sauf: tuple[str, ...]
    """It does not count for a poll whose name contains one of these, without accents."""
    jours: int | None
    weekday: tuple[int, int] | None
    """The weekday, from Monday = 0, and its rank before the poll."""
    ouvres: int | None
    """Working days, Monday to Friday."""
    source: Source

    def counts_for(self, scrutin: date, libelle: str = "") -> bool:
        """Return whether it counts for a poll, by its day and name."""
        words = fold(libelle)
        return scrutin >= self.depuis and not any(word in words for word in self.sauf)

    def before(self, scrutin: date) -> date:
        """Return the day, for a poll."""
        if self.ouvres:
            back = (scrutin - timedelta(days=number) for number in range(3 * self.ouvres + 2))
            return [day for day in back if day.weekday() < _SATURDAY][self.ouvres - 1]
        if self.weekday is None:
            return scrutin - timedelta(days=self.jours or 0)
        day, rank = self.weekday
        since = (scrutin.weekday() - day) % 7 or 7
        return scrutin - timedelta(days=since + 7 * (rank - 1))


@dataclass(frozen=True)
class Paper:
    """A tableau of a system, with the articles that it cites."""

    code: str
    revision: Revision
    articles: tuple[str, ...]
    sans_scrutin: bool


@dataclass(frozen=True)
class Motif:
    """A category of motif, with the authority that decides it."""

    code: str
    autorite: str
    """« maire », « commission », « INSEE » or « tribunal »."""
    article: str
    """Empty: no article was found."""
    source: Source


@dataclass(frozen=True)
class Regimes:
    """The whole table."""

    territories: Sequence[Territory]
    polls: Sequence[PollRow]
    delays: Sequence[Delay]
    papers: Sequence[Paper]
    motifs: Sequence[Motif]

    @cached_property
    def _delays(self) -> Mapping[str, Delay]:
        return {it.cle: it for it in self.delays}

    def territory_of(self, code_commune: str) -> Territory:
        """Return the territory of a commune: the one with the longest code that its code begins with."""
        matches = [
            (len(code), number)
            for number, it in enumerate(self.territories)
            for code in it.codes
            if code_commune.startswith(code)
        ]
        return self.territories[max(matches)[1]]

    def arrondissements_of(self, code_commune: str, secteur: int) -> tuple[str, ...]:
        """Return the arrondissements of a secteur of Paris, Lyon or Marseille; empty if it has none such."""
        return self.territory_of(code_commune).secteurs.get(secteur, ())

    def rows_of(self, libelle: str, code_commune: str = "") -> list[PollRow]:
        """Return the rows of a poll in a territory, by the words of its name; two if one day elects two assemblies."""
        here = self.territory_of(code_commune).cle
        return [it for it in self.named(libelle) if here in it.territoires]

    def named(self, libelle: str) -> list[PollRow]:
        """Return the rows of a poll in all territories, by the words of its name."""
        words = fold(libelle)
        return [it for it in self.polls if any(word in words for word in it.mots)]

    def lists_of(self, libelle: str) -> set[str] | None:
        """Return the lists whose electors vote at a poll, by its name; None if the name tells no kind of poll.

        Empty: it is held on a list that is none of ours.
        """
        rows = self.named(libelle)
        return {liste for it in rows for liste in it.listes} if rows else None

    def delay(self, cle: str) -> Delay:
        """Return a delay by its key."""
        return self._delays[cle]

    def revision_of(self, code: str) -> Revision:
        """Return the system that a tableau belongs to."""
        return next(it.revision for it in self.papers if it.code == code)

    def articles_of(self, code: str, *, has_poll: bool = True) -> tuple[str, ...]:
        """Return the articles that a tableau cites."""
        rows = [it for it in self.papers if it.code == code]
        return next((it for it in rows if it.sans_scrutin != has_poll), rows[0]).articles


@lru_cache(maxsize=1)
def read_regimes() -> Regimes:
    """Read the table.

    Raises:
        ValueError, KeyError, TypeError: a row lacks a field, has one too many, or a word that the table does not know.
    """
    return parse(TABLE.read_text("utf-8"))


def parse(text: str) -> Regimes:
    """Parse the text of a table; raises as `read_regimes` does."""
    tables = tomllib.loads(text)
    code = tables.pop("code_electoral")
    for row in (it for rows in tables.values() for it in rows if "lu" in it):
        row.setdefault("adresse", code)
    return Regimes(
        territories=[_territory(row) for row in tables.pop("territoire")],
        polls=[_poll(row) for row in tables.pop("scrutin")],
        delays=[_delay(row) for row in tables.pop("delai")],
        papers=[_paper(row) for row in tables.pop("papier")],
        motifs=[Motif(source=_source(row), **row) for row in tables.pop("motif")],
        **tables,
    )


def _source(row: dict[str, Any]) -> Source:
    names = ("texte", "adresse", "version", "lu", "citation")
    return Source(**{name: row.pop(name) for name in names if name in row})


def _territory(row: dict[str, Any]) -> Territory:
    secteurs = {int(number): tuple(codes) for number, codes in row.pop("secteurs", {}).items()}
    return Territory(
        codes=tuple(row.pop("codes")),
        revision=Revision(row.pop("revision")),
        unite=Unit(row.pop("unite")),
        reunion_annuelle=row.pop("reunion_annuelle", True),
        secteurs=secteurs,
        source=_source(row),
        **row,
    )


def _poll(row: dict[str, Any]) -> PollRow:
    source, vote, days = _source(row), Vote(row.pop("vote")), row.pop("entre_les_tours", None)
    row |= {name: tuple(row[name]) for name in ("mots", "territoires", "listes")}
    return PollRow(vote=vote, entre_les_tours=days, source=source, **row)


_WEEKDAYS = ("lundi", "mardi", "mercredi", "jeudi", "vendredi", "samedi", "dimanche")


def _delay(row: dict[str, Any]) -> Delay:
    source, revision = _source(row), Revision(row.pop("revision"))
    jours, ouvres = row.pop("jours", None), row.pop("ouvres", None)
    ranked = [(number, row.pop(name)) for number, name in enumerate(_WEEKDAYS) if name in row]
    if (jours is not None) + (ouvres is not None) + len(ranked) != 1:
        raise ValueError(f"{row['cle']} : jours, jours ouvrés, ou un jour de la semaine")
    weekday, sauf = ranked[0] if ranked else None, tuple(row.pop("sauf", ()))
    return Delay(
        revision=revision,
        jours=jours,
        weekday=weekday,
        ouvres=ouvres,
        sauf=sauf,
        source=source,
        **row,
    )


def _paper(row: dict[str, Any]) -> Paper:
    revision, articles = Revision(row.pop("revision")), tuple(row.pop("articles"))
    without = row.pop("sans_scrutin", False)
    return Paper(revision=revision, articles=articles, sans_scrutin=without, **row)
