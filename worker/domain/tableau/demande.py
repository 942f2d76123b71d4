"""A request for one tableau: its type, dates and readers, the mouvements it shows, and the list before it.

The register completes its dates.

Before 2019 each mouvement has its place in one tableau only (circulaire INTA1317573C du 25 juillet 2013, §§ 115 to
117): mouvements that took effect for a poll are not printed again in the tableau rectificatif. Since 2019 a tableau is
a period, from one meeting of the commission de contrôle to the next date. Code électoral, art. L. 19, L. 20, R. 13 and
R. 14.

The electors before a tableau are counted back from a known list: that of the export which ends the period
(`worker.domain.tableau.couverture`), else the current one. The list holds the applied mouvements: those of the
tableau, or of a later one, were not there yet. Mouvements that an earlier tableau of the yearly revision printed count
already: the second tableau rectificatif starts from the list as the first one left it, although both are applied on 1
March. So each tableau begins as the one before it ended. Mouvements that wait since a closed revision do not count.

Minors do not count, however early they were registered: `worker.domain.majorite`.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from functools import cached_property
from typing import Any

from common.calendrier import (
    CalendarScrutin,
    additions_on,
    civil_day,
    cloture,
    cloture_before,
    commission_between,
    counted_back,
    dix_janvier,
    is_mineur,
    last_round,
    meeting_before,
)
from common.french import short_date
from schemas.requests import TableauxRenderRequested
from schemas.tableaux import (
    REPERES,
    Edition,
    Presentation,
    Repere,
    TypeTableau,
    find_wrong_dates,
    name_tableau,
)
from schemas.vocabulary import Categorie, Nature
from worker.domain.identite import Effet, Etat, Mouvement
from worker.domain.tableau.model import MODELES


class DemandeInvalide(Exception):
    """A date is missing, or is impossible for the tableau; the message, in French, names it."""


_MISSING = {
    Repere.DATE_TABLEAU: "indiquer la date de tableau",
    Repere.SCRUTIN: "indiquer la date du scrutin",
    Repere.REUNION: "indiquer la réunion précédente de la commission de contrôle, d'où les mouvements sont comptés",
}
_WRONG_DATE = {
    True: "la date de tableau est le dernier jour de février",
    False: "la date de tableau est le 10 janvier ; le dernier jour de février est celle du second tableau",
}
_ONE_DAY = timedelta(days=1)


@dataclass(frozen=True, kw_only=True)
class Demande:
    """A request for one tableau. Everything that depends on time comes from `requested_at`: same request, same bytes.

    Raises:
        DemandeInvalide: a date that this type of tableau needs is missing, is wrong, or is of another law.
    """

    type: TypeTableau
    requested_at: datetime
    code_commune: str = ""
    """The commune whose civil time counts; empty means Paris."""
    secteur: int = 0
    """The secteur of Paris, Lyon or Marseille whose electors alone it shows; 0: the whole commune."""
    presentation: Presentation = Presentation.COMMUNE
    edition: Edition = Edition.AFFICHAGE
    date_tableau: date | None = None
    scrutin: date | None = None
    scrutins: tuple[date, ...] = ()
    """The other known polls of the commune: a mouvement that waits for one is in its tableau des cinq jours."""
    last_rounds: Mapping[date, date] = field(default_factory=dict)
    """By poll, the day of its last possible round, its own day if there is only one; where it is known."""
    cloture: date | None = None
    """Closing of the list, if it is not the last day of February (as for the second revision of 2015)."""
    publication_due: date | None = None
    """The last day to publish that a text fixes for the poll, if it is not the twentieth day before it."""
    cinq_jours_due: date | None = None
    """The day of the second tableau that a text fixes for the poll, if it is not the fifth day before it."""
    meetings_from: Mapping[date, date] = field(default_factory=dict)
    """By poll, the first possible day of the meeting before it, if it is not the twenty-fourth day before it."""
    reunion: date | None = None
    """The previous meeting, from which mouvements are counted, that day excluded; if the commission did not meet, the
    last day of the previous tableau."""
    until: date | None = None
    """The last day of the mouvements, included: for the tableau des vingt jours, the meeting before the poll.

    The tableau des cinq jours ends five days before the poll at the latest; by default on the day before that."""
    commission: date | None = None
    """The meeting that was declared to the register, if it is the last day."""
    publication: date | None = None
    """The planned day, which is not printed: the mouvements end on the day before."""
    inclure_j5: bool = False
    """Whether the first tableau rectificatif also shows mouvements applied for a poll, as openElec does."""
    is_signed_by_maire: bool = False
    """Whether the mayor signs a tableau that requires no signature."""

    def __post_init__(self) -> None:
        missing = [
            _MISSING[repere] for repere in REPERES[self.type] if getattr(self, repere) is None
        ]
        if self.type is TypeTableau.VINGT_JOURS and not (
            self.scrutin or self.publication or self.until
        ):
            missing.append(
                "indiquer la date du scrutin, celle de la publication ou le dernier jour des mouvements"
            )
        if self.date_tableau and Repere.DATE_TABLEAU in REPERES[self.type]:
            is_second = self.type is TypeTableau.SECOND_RECTIFICATIF
            if is_second != (self.date_tableau == cloture(self.date_tableau.year)):
                missing.append(_WRONG_DATE[is_second])
        if (
            not missing
            and Repere.REUNION in REPERES[self.type]
            and self.required(Repere.REUNION) >= self.last_day
        ):
            missing.append(
                "la réunion à indiquer est la précédente, d'où les mouvements sont comptés : elle vient avant leur "
                f"dernier jour, le {short_date(self.last_day)}"
            )
        missing += [wrong.reason for wrong in find_wrong_dates([self.type], vars(self))]
        if self.until and self.publication and self.publication <= self.until:
            missing.append(
                f"il se publie après le dernier jour de ses mouvements : le {short_date(self.publication)} ne vient "
                f"pas après le {short_date(self.until)}"
            )
        if missing:
            raise DemandeInvalide(f"{self.name} : {' ; '.join(missing)}")

    @property
    def name(self) -> str:
        """The short name, see `name_tableau`."""
        return name_tableau(self.type, self.scrutin, self.publication_due)

    @property
    def titre(self) -> str:
        """The official title."""
        is_of_meeting = self.type is TypeTableau.VINGT_JOURS and self.name != self.type.label
        return self.name if is_of_meeting else MODELES[self.type].titre

    @cached_property
    def jour(self) -> date:
        """The civil day of the request, in the commune."""
        return civil_day(self.requested_at, self.code_commune)

    @property
    def polls(self) -> tuple[date, ...]:
        """All known polls, in order."""
        return tuple(sorted({*self.scrutins, *([self.scrutin] if self.scrutin else [])}))

    def closing_before(self, scrutin: date) -> date:
        """Return the closing of the list before a poll."""
        usual = cloture_before(scrutin)
        return max(self.cloture, usual) if self.cloture and self.cloture < scrutin else usual

    def required(self, repere: Repere) -> date:
        """Return a date that the type of tableau requires; raise DemandeInvalide if it is missing."""
        day: date | None = getattr(self, repere)
        if day is None:
            raise DemandeInvalide(f"{self.name} : {_MISSING[repere]}")
        return day

    @property
    def last_day(self) -> date:
        """The last day of the mouvements of the tableau, included: since 2019, and for the cinq jours.

        A tableau that is published on a day holds the mouvements up to the day before. So does the tableau des cinq
        jours, which is published five days before the poll: it is final on that day.
        """
        if self.type is TypeTableau.VINGT_JOURS:
            if self.until:
                return self.until
            due = (
                self.publication
                or self.publication_due
                or counted_back("vingt_jours", self.required(Repere.SCRUTIN))
            )
            return due - _ONE_DAY
        fifth = self.cinq_jours_due or counted_back("cinq_jours_reu", self.required(Repere.SCRUTIN))
        if self.type is not TypeTableau.CINQ_JOURS_REU:
            return fifth
        return min(
            fifth,
            self.until or fifth - _ONE_DAY,
            self.publication - _ONE_DAY if self.publication else fifth,
        )

    @cached_property
    def age_apres(self) -> date:
        """The day on which electors must be of age to count after the tableau has taken effect.

        For a poll, its day, or that of its second round if one may be held; else the last day of the tableau. Code
        électoral, art. L. 11, II, 1°. Before 2019 every person inscribed by the commission was on the list, and so were
        young people before the day that they were inscribed for (art. L. 11-1 and L. 11-2): all are of age on this day.
        """
        if self.type.is_repealed:
            return date.max
        return self._last_round(self.scrutin) if self.scrutin else self._age_on(self.last_day)

    @cached_property
    def age_avant(self) -> date:
        """The day on which electors must be of age to count before the tableau; the previous tableau ends with it."""
        if self.type.is_repealed or self.type is TypeTableau.CINQ_JOURS_REU:
            return self.age_apres
        return min(self._age_on(self.required(Repere.REUNION)), self.age_apres)

    def _age_on(self, day: date) -> date:
        """From the first day of the commission's meeting on, age counts on the day of the poll."""
        polls = {poll: self._last_round(poll) for poll in self.polls}
        firsts = {poll: self.meetings_from.get(poll, commission_between(poll)[0]) for poll in polls}
        return max(
            (last for poll, last in polls.items() if firsts[poll] <= day <= last), default=day
        )

    def _last_round(self, scrutin: date) -> date:
        return self.last_rounds.get(scrutin, scrutin)

    @property
    def effective_on(self) -> date:
        """The date of the tableau."""
        if self.type.is_repealed and self.type is not TypeTableau.CINQ_JOURS:
            return own_place(self).held_on
        if self.type is TypeTableau.VINGT_JOURS:
            return self.publication or self.last_day + _ONE_DAY
        return self.last_day

    @property
    def final_on(self) -> date:
        """The first civil day, in the commune, on which the tableau is final; before that day it is provisional.

        A tableau of a period is final when the last day of its mouvements is over: that day may still add some. Its own
        date must have come, but need not be over: the tableau des vingt jours is published on the day after its last
        mouvements, and a yearly tableau is lodged on its date, when the commission has ended its work.
        """
        is_period = not self.type.is_repealed or self.type is TypeTableau.CINQ_JOURS
        return max(self.effective_on, self.last_day + _ONE_DAY) if is_period else self.effective_on

    @property
    def is_provisoire(self) -> bool:
        """Whether the tableau is requested before the day on which it is final."""
        return self.jour < self.final_on


_RECTIFICATIFS = {
    TypeTableau.PREMIER_RECTIFICATIF: dix_janvier,
    TypeTableau.SECOND_RECTIFICATIF: cloture,
}


@dataclass(frozen=True)
class Calendrier:
    """The dates that the register knows for one list."""

    scrutins: Mapping[date, CalendarScrutin] = field(default_factory=dict)
    """The polls by their day, in order."""
    reunions: tuple[date, ...] = ()
    """The last days of former tableaux: the meetings; the last day to publish, for a meeting that is deemed not to have
    deliberated before a poll."""

    @cached_property
    def last_rounds(self) -> Mapping[date, date]:
        """The day of the last possible round of each poll, where it is known."""
        return {
            day: last
            for day, it in self.scrutins.items()
            if (last := last_round(it, self.scrutins.values()))
        }

    def poll(self, day: date) -> CalendarScrutin:
        """Return the poll of a day; one with the usual dates if it is not known."""
        return self.scrutins.get(day, CalendarScrutin(day))

    def meeting_before(self, scrutin: date) -> date | None:
        """Return the meeting before the first tableau of a poll, if it is known."""
        poll = self.poll(scrutin)
        return meeting_before(scrutin, self.reunions, poll.window) if poll.has_commission else None

    def publication_before(self, scrutin: date) -> date:
        """Return the last day to publish the first tableau of a poll."""
        return self.poll(scrutin).publication_due or counted_back("vingt_jours", scrutin)


def dates_of(
    asked: TableauxRenderRequested, type_: TypeTableau, calendrier: Calendrier
) -> dict[str, Any]:
    """Return the fields of a Demande for one type of tableau; the Demande checks that they are complete and right.

    Raises:
        DemandeInvalide: the meeting that was given as the previous one is that of the poll.
    """
    needed = REPERES[type_]
    scrutin = (
        asked.scrutin if Repere.SCRUTIN in needed or type_ is TypeTableau.VINGT_JOURS else None
    )
    # If both are requested, the last day and the publication are those of the tableau des vingt jours.
    is_after_another = (
        type_ is TypeTableau.CINQ_JOURS_REU and TypeTableau.VINGT_JOURS in asked.types
    )
    until = None
    if type_ is TypeTableau.VINGT_JOURS:
        until = asked.until or (calendrier.meeting_before(scrutin) if scrutin else None)
    elif type_ is TypeTableau.CINQ_JOURS_REU and not is_after_another:
        until = asked.until
    own = calendrier.poll(scrutin) if scrutin else None
    return {
        "code_commune": asked.commune,
        "secteur": asked.secteur or 0,
        "date_tableau": _date_tableau(asked, type_) if Repere.DATE_TABLEAU in needed else None,
        "scrutin": scrutin,
        "scrutins": tuple(calendrier.scrutins),
        "last_rounds": calendrier.last_rounds,
        "cloture": own and own.cloture,
        "publication_due": own and own.publication_due,
        "cinq_jours_due": own and own.cinq_jours_due,
        "meetings_from": {
            day: it.reunion_first for day, it in calendrier.scrutins.items() if it.reunion_first
        },
        "reunion": _reunion(asked, type_, until, calendrier) if Repere.REUNION in needed else None,
        "until": until,
        "commission": until if until in calendrier.reunions else None,
        "publication": None if is_after_another else asked.publication,
        "inclure_j5": asked.inclure_j5,
        "is_signed_by_maire": asked.signature_maire,
    }


def _date_tableau(asked: TableauxRenderRequested, type_: TypeTableau) -> date | None:
    """Return the requested date; if both tableaux rectificatifs are requested, the date of this one in that year."""
    day = asked.date_tableau
    if day is None or not _RECTIFICATIFS.keys() <= set(asked.types):
        return day
    dates = {rectificatif: dated(day.year) for rectificatif, dated in _RECTIFICATIFS.items()}
    return dates[type_] if day in dates.values() else day


def _reunion(
    asked: TableauxRenderRequested, type_: TypeTableau, until: date | None, calendrier: Calendrier
) -> date | None:
    """Return the day that mouvements are counted from: the end of the previous tableau, at the previous meeting.

    A tableau des cinq jours continues the tableau des vingt jours: from the meeting before the poll, or from the day
    before the last day to publish if the commission did not meet, or is deemed not to have deliberated.
    """
    if type_ is TypeTableau.VINGT_JOURS:
        if asked.reunion and asked.scrutin and not until:
            first, last = calendrier.poll(asked.scrutin).window
            if first <= asked.reunion <= last:
                raise DemandeInvalide(
                    f"{type_.label} : la réunion du {short_date(asked.reunion)} est celle d'avant ce scrutin, où les "
                    "mouvements s'arrêtent : indiquer la réunion précédente, d'où ils sont comptés"
                )
        end = until or (asked.publication and asked.publication - _ONE_DAY)
        if (
            asked.scrutin and not until
        ):  # the first day that is too late for the meeting before the poll
            poll = calendrier.poll(asked.scrutin)
            end = (
                poll.window[0]
                if poll.has_commission
                else calendrier.publication_before(asked.scrutin)
            )
        return asked.reunion or max(
            (day for day in calendrier.reunions if end and day < end), default=None
        )
    given = asked.until if TypeTableau.VINGT_JOURS in asked.types else asked.reunion
    if given or asked.scrutin is None:
        return given
    return (
        calendrier.meeting_before(asked.scrutin)
        or calendrier.publication_before(asked.scrutin) - _ONE_DAY
    )


@dataclass(frozen=True)
class Place:
    """The only historical tableau of a mouvement: its type, and its date de tableau or its poll."""

    type: TypeTableau
    day: date

    @property
    def held_on(self) -> date:
        """The day of the tableau."""
        if self.type is TypeTableau.ADDITIONS:
            return additions_on(self.day) or counted_back("cinq_jours", self.day)
        if self.type is TypeTableau.CINQ_JOURS:
            return counted_back("cinq_jours", self.day)
        return self.day

    @property
    def order(self) -> tuple[date, int, date]:
        """The order of the tableaux: by day, then as the law names them."""
        return self.held_on, [*TypeTableau].index(self.type), self.day


def is_in(mouvement: Mouvement, demande: Demande) -> bool:
    """Return whether the tableau shows the mouvement, which is not that of a minor (`worker.domain.majorite`)."""
    if not demande.type.is_repealed:
        # The tableau des cinq jours shows radiations and the inscriptions of article L. 30 (INTA1830120J, III.C).
        is_all = (
            demande.type is not TypeTableau.CINQ_JOURS_REU or mouvement.nature is Nature.RADIATION
        )
        return is_in_period(mouvement, demande) and (
            is_all or mouvement.categorie is Categorie.INSCRIPTION_L30
        )
    place = place_of(mouvement, demande)
    is_cumulated = demande.inclure_j5 and demande.type is TypeTableau.PREMIER_RECTIFICATIF
    if is_cumulated and place and place.type is TypeTableau.CINQ_JOURS:
        return mouvement.date_tableau == demande.date_tableau
    return place == own_place(demande)


def is_in_period(mouvement: Mouvement, demande: Demande) -> bool:
    """Return whether, since 2019, a mouvement changes the list between the totals of the tableau, shown or not."""
    start = demande.required(Repere.REUNION)
    is_between = mouvement.is_majorite or start < mouvement.date_mouvement <= demande.last_day
    return mouvement.is_listed and is_between


def is_perhaps_l30(mouvement: Mouvement, demande: Demande) -> bool:
    """Return whether a tableau des cinq jours may have to show an inscription without a category."""
    if demande.type is not TypeTableau.CINQ_JOURS_REU or mouvement.nature is not Nature.INSCRIPTION:
        return False
    return mouvement.categorie is Categorie.NON_PRECISEE and is_in_period(mouvement, demande)


def is_misplaced(mouvement: Mouvement, demande: Demande) -> bool:
    """Return whether, under the yearly revision, no tableau shows the mouvement although one should."""
    is_yearly = demande.type.is_repealed
    return is_yearly and mouvement.is_listed and place_of(mouvement, demande) is None


def own_place(demande: Demande) -> Place:
    """Return the place of the mouvements of a historical tableau."""
    return Place(demande.type, demande.required(REPERES[demande.type][0]))


def place_of(mouvement: Mouvement, demande: Demande) -> Place | None:
    """Return the historical tableau of a mouvement, with the known polls and the day of the request.

    None: no tableau shows it (no change of bureau, or an `Election` mouvement that is no inscription or names no poll,
    which the checks report).
    """
    if not mouvement.is_listed:
        return None
    if mouvement.effet is Effet.ELECTION:
        if mouvement.nature is Nature.INSCRIPTION and mouvement.scrutin:
            return Place(TypeTableau.ADDITIONS, mouvement.scrutin)
        return None
    if mouvement.effet is Effet.IMMEDIAT and (scrutin := _poll_of(mouvement, demande)):
        return Place(TypeTableau.CINQ_JOURS, scrutin)
    if mouvement.date_tableau == cloture(mouvement.date_tableau.year):
        return Place(TypeTableau.SECOND_RECTIFICATIF, mouvement.date_tableau)
    return Place(TypeTableau.PREMIER_RECTIFICATIF, mouvement.date_tableau)


def _poll_of(mouvement: Mouvement, demande: Demande) -> date | None:
    """Return the poll that an immediate mouvement was applied for, or waits for: the next one to be held.

    It waits for a poll from the closing of the list before it, and up to five days before it (art. L. 33). After a poll
    held without it, it waits for the next one, or goes to the tableau rectificatif of its date.
    """
    if mouvement.scrutin:
        return mouvement.scrutin
    if mouvement.etat is Etat.APPLIQUE:
        return None
    return next(
        (
            poll
            for poll in demande.polls
            if poll >= demande.jour
            and demande.closing_before(poll)
            < mouvement.date_mouvement
            <= counted_back("cinq_jours", poll)
        ),
        None,
    )


def correction(mouvement: Mouvement, demande: Demande) -> int:
    """Return how the list becomes that before the tableau: -1, undo the mouvement; 1, apply it; 0, neither."""
    born = mouvement.personne.date_naissance
    if not mouvement.is_listed or is_mineur(born, demande.age_avant, demande.jour):
        return 0
    if not demande.type.is_repealed:
        return _correction_since_2019(mouvement, demande)
    is_applied = mouvement.is_applied
    if is_in(mouvement, demande):
        return -1 if is_applied else 0
    place, own = place_of(mouvement, demande), own_place(demande)
    if place is None:
        return 0
    if is_applied:
        return -1 if place.order > own.order else 0
    closed_on = demande.closing_before(min(own.held_on, demande.jour))
    return 1 if closed_on < place.held_on and place.order < own.order else 0


def _correction_since_2019(mouvement: Mouvement, demande: Demande) -> int:
    """Undo listed mouvements that are not before the period; apply those before it that the list does not show."""
    is_before = not mouvement.is_majorite and mouvement.date_mouvement <= demande.required(
        Repere.REUNION
    )
    if mouvement.is_applied:
        return 0 if is_before else -1
    return 1 if is_before and mouvement.etat is Etat.APPLIQUE else 0
