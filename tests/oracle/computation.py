"""The expected content of each file of a history, from the specification alone: independent of worker/.

Sources: Code électoral, art. L. 11, L. 19, L. 20, L. 30, L. 31, R. 13, R. 14; the register's and the tableaux'
specifications. Days are the declared ones; the real days of the exports are unknown here.
"""

from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from itertools import pairwise, zip_longest
from typing import NamedTuple

from tests.oracle.comparing import plain
from tests.oracle.coverage import Coverage, Gap, Window
from tests.oracle.history import (
    BIRTHPLACES,
    LISTES,
    Answer,
    AskListe,
    AskTableau,
    Change,
    Figures,
    History,
    Inscrit,
    Line,
    Liste,
    Meeting,
    Personne,
    Poll,
    Refused,
    Tableau,
    Told,
)
from tests.oracle.register import Joined, Link

DAYS_TO_SECOND_ROUND = {"Municipales": 7, "Présidentielle": 14}
"""By the first word of a poll's name: Code électoral, art. L. 56; Constitution, art. 7. Others have one round."""
VOTES = {"Municipales": "P CM", "Présidentielle": "P", "Européennes": "P CE", "Référendum": "P"}
"""The lists whose electors vote, by the first word of a poll's name: art. LO 227-1; loi n° 77-729, art. 2."""
MOTIFS = {
    "": "",
    "inscription_volontaire": "Inscription volontaire",
    "inscription_office": "Inscription d’office",
    "inscription_judiciaire": "Inscription judiciaire",
    "inscription_l30": "Inscription au titre de l’article L. 30",
    "radiation_deces": "Décès",
    "radiation_autre_commune": "Autre commune",
    "radiation_judiciaire": "Décision du tribunal",
    "radiation_maire": "Décision du maire",
    "radiation_commission": "Décision de la commission de contrôle",
    "radiation_insee": "Radiation par l’INSEE",
    "radiation_transfert": "Transfert par fusion de communes",
    "inscription_commission": "Décision de la commission de contrôle",
    "inscription_transfert": "Transfert par fusion de communes",
    "changement_bureau": "Changement de bureau",
}
"""The printed text of a category: the specification of the tableaux, « The page »."""
TWO_MONTHS = timedelta(days=62)
OUTSIDE_THE_UNION = ("Suisse", "Britannique")
_TOTALS = {"I": "Total des inscriptions", "II": "Total des radiations"}
_UNITS = (
    "zéro un deux trois quatre cinq six sept huit neuf dix "
    "onze douze treize quatorze quinze seize dix-sept dix-huit dix-neuf"
)
_TENS = {
    20: "vingt",
    30: "trente",
    40: "quarante",
    50: "cinquante",
    60: "soixante",
    80: "quatre-vingt",
}


class Ages(NamedTuple):
    """A period ]start, end], the days on which age counts for its first and its last number, the day of the request."""

    start: date
    end: date
    first: date
    last: date
    asked_on: date


class Shown(NamedTuple):
    """A mouvement of a tableau, and its day as far as it is known."""

    change: Change
    days: tuple[date, ...]
    """One day, or the days of the two exports between which it lies; before the first export, `date.min` first."""
    is_applied: bool = True
    """Whether the list shows it; else its number is provisional."""


@dataclass
class Oracle(Coverage):
    """The computed files."""

    meetings: list[date] = field(default_factory=list)
    rounds: dict[date, date] = field(default_factory=dict)
    """Polls, each with the day of its last round."""
    votes: dict[date, list[str]] = field(default_factory=dict)
    """Polls, each with the lists whose electors vote."""

    def answer(self, history: History) -> list[Answer]:
        """The expected answer to each step; None: not compared."""
        self.commune = history.commune
        return [getattr(self, f"_{type(step).__name__.lower()}")(step) for step in history.steps]

    def _meeting(self, step: Meeting) -> None:
        self.meetings.append(step.held_on)

    def _poll(self, step: Poll) -> None:
        later = DAYS_TO_SECOND_ROUND.get(step.libelle.split()[0], 0)
        self.rounds[step.held_on] = step.held_on + timedelta(days=later)
        self.votes[step.held_on] = VOTES.get(step.libelle.split()[0], "P CE CM").split()

    # The list file.

    def _askliste(self, step: AskListe) -> Answer:
        if not self.knows(step.liste):
            return Refused()
        chain = self.chains.get(step.liste)
        everybody = chain[-1].held if chain else ()
        electeurs = [it for it in everybody if self.is_of_age(it.personne, step.day)]
        head = (
            "GEM"[LISTES.index(step.liste)],
            f"{step.day:%d/%m/%Y}",
            *self.commune[2::-2],
            self.commune.nom.upper(),
        )
        mineurs = len(everybody) - len(electeurs)
        of_electors = self.anomalies(step.liste, electeurs) + Counter(
            mineurs_non_exportes=int(mineurs > 0)
        )
        return Liste(
            electeurs=tuple(
                self.filed(it, step.liste) for it in sorted(electeurs, key=lambda it: it[1:3])
            ),
            mineurs=mineurs,
            heads=frozenset({head} if electeurs else ()),
            anomalies=of_electors + self.anomalies_of_export(step),
        )

    def anomalies_of_export(self, step: AskListe) -> Counter[str]:
        """The report's anomalies of the export under the file: too old, changed since, or without this list."""
        if not (chain := self.chains.get(step.liste)):
            return Counter()
        last = max(
            (link for it in self.chains.values() for link in it), key=lambda link: link.number
        )
        return +Counter(
            export_ancien=int(
                step.day - min(chain[-1].parts.values(), default=chain[-1].day) > TWO_MONTHS
            ),
            registre_modifie=int(not chain[-1].is_intact),
            liste_absente=int(
                chain[-1].day < last.day
            ),  # lists may be exported one by one, on one day
        )

    def filed(self, it: Inscrit, liste: str) -> Inscrit:
        """The line of an elector in the file: no order number, a nationality on the complementary lists only."""
        usage = "" if it.usage == it.personne.nom else it.usage
        return it._replace(
            numero=0, usage=usage, nationalite="" if liste == "P" else it.nationalite
        )

    def anomalies(self, liste: str, electeurs: Sequence[Inscrit]) -> Counter[str]:
        """The report's anomalies by code: of the file, of its bureaux, of its electors."""
        return +Counter(
            numero_general_absent=int(bool(electeurs)),
            canton_absent=len({it.bureau for it in electeurs}),
            date_partielle=sum("-00" in it.personne.naissance for it in electeurs),
            nationalite_hors_union=sum(it.nationalite in OUTSIDE_THE_UNION for it in electeurs)
            * (liste != "P"),
            nationalite_francaise=sum(it.nationalite == "Française" for it in electeurs)
            * (liste != "P"),
            nom_usage_identique=sum(it.usage == it.personne.nom for it in electeurs),
            **self.anomalies_of_doubles(electeurs),
        )

    def anomalies_of_doubles(self, electeurs: Sequence[Inscrit]) -> Counter[str]:
        """Electors of the same name and birth in any spelling: at one address, or at several."""
        homes = Counter((plain(it.personne), it.voie) for it in electeurs)
        persons = Counter(plain(it.personne) for it in electeurs)
        return Counter(
            electeur_en_double=sum(number for number in homes.values() if number > 1),
            homonyme=sum(
                persons[plain(it.personne)] > 1 == homes[plain(it.personne), it.voie]
                for it in electeurs
            ),
        )

    # The tableaux since 2019.

    def _asktableau(self, step: AskTableau) -> Answer:
        period = self.period(step)
        is_vote = not step.scrutin or step.liste in self.votes.get(step.scrutin, [step.liste])
        if not self.knows(step.liste) or not period or not is_vote:
            return Refused()
        start, last = period
        whole, partial = self.whole(step.liste)
        chain = self.until_base(whole, min(last, step.day))
        is_provisional = last >= step.day
        rounds = self.rounds | (
            {step.scrutin: self.rounds.get(step.scrutin, step.scrutin)} if step.scrutin else {}
        )
        of_poll = rounds[step.scrutin] if step.scrutin else None
        ages = Ages(
            start,
            last,
            (of_poll if step.type == "cinq_jours_reu" else None) or self.age_day(start, rounds),
            of_poll or self.age_day(last, rounds),
            step.day,
        )
        shown = self.shown(step.liste, chain, partial, ages)
        printed = [it for it in shown if self.is_printed(it.change, step.type)]
        gaps = set(self.gaps(Window(step.liste, chain, start, min(last, step.day), is_provisional)))
        if (
            not printed
            and not is_provisional
            and (unknown := Gap("couverture_inconnue", is_blocking=False)) in gaps
        ):
            gaps = gaps - {unknown} | {Gap("couverture_inconnue")}
        if any(self.asked_about(link, ages) for link in (*chain, *partial)):
            gaps.add(Gap("doutes_ouverts"))
        if chain:
            gaps |= {*self.ruined(step.liste, chain[-1].held, printed)}
        remarks = Counter(gap.code for gap in gaps if not gap.is_blocking)
        guesses = [day for link in (*chain, *partial) for day in link.guesses]
        remarks["homonymes_supposes"] = sum(start < day <= last for day in guesses)
        remarks["majorite_corrigee"] = int(self.is_corrected(chain, ages))
        beside = [*self.told(step.liste), *(Told(*it) for link in partial for it in link.dated)]
        figures = self.figures(
            chain, beside, [it.change for it in shown], [it.change for it in printed], ages
        )
        is_on_no_list = not chain and any(it.is_applied for it in shown)
        if is_on_no_list or any(it.avant < 0 or it.apres < 0 for it in figures.values()):
            gaps.add(Gap("bilan_impossible"))
        lines = [line for it in printed for line in self.lines_of(it, step)]
        return Tableau(
            first=start + timedelta(days=1),
            last=last,
            gaps=frozenset(gap.code for gap in gaps if gap.is_blocking),
            remarks=+remarks,
            is_provisional=is_provisional,
            lines=tuple(sorted(lines, key=order)),
            mouvements=len(printed),
            figures=figures,
            incomplete=self.incomplete(shown, step.type),
            totals=self.totals(printed, {*figures}),
            exports=self.exports(step, chain, partial, (start, min(last, step.day))),
        )

    def shown(
        self, liste: str, chain: Sequence[Link], partial: Sequence[Link], ages: Ages
    ) -> list[Shown]:
        """The mouvements of a period: from exports, from files, and from electors who come of age.

        `partial`: exports of some arrondissements since the last whole list; the tableau is not covered then.
        """
        compared = [
            Shown(change, (day,) if link.day_of(change) else self.days(former, day))
            for former, link in pairwise(chain)
            for change, day in link.dated
            if self.is_of_period(change, day, ages)
        ]
        told = [
            Shown(change, (day,), file.is_applied)
            for file in self.brought
            for change, day in file.lines
            if file.liste == liste and self.is_of_period(change, day, ages)
        ]
        of_parts = [
            it
            for link in partial
            for change, day in link.dated
            for it in self.of_part(chain, change, day, ages)
        ]
        return compared + told + of_parts + self.coming_of_age(chain, ages)

    def of_part(
        self, chain: Sequence[Link], change: Change, day: date, ages: Ages
    ) -> Iterator[Shown]:
        """A mouvement of an arrondissement; a minor's counts from the day they come of age."""
        since = self.begins_to_count(change.personne, ages)
        is_early = change.nature == "inscription" and day < since and ages.start < since <= ages.end
        if self.is_of_period(change, day, ages) or is_early:
            yield Shown(change, self.days(chain[-1], day))

    def ruined(
        self, liste: str, everybody: Sequence[Inscrit], printed: Sequence[Shown]
    ) -> Iterator[Gap]:
        """What blocks the list's file, for electors whom a tableau shows as arrivals.

        Once the list of today says it no longer, it is a remark: the tableau tells what was.
        """
        today = self.chains[liste][-1].held
        for who in {
            plain(it.change.personne)[:3] for it in printed if it.change.nature != "radiation"
        }:
            then, now = (
                self.anomalies(liste, [it for it in lines if plain(it.personne)[:3] == who])
                for lines in (everybody, today)
            )
            for code in {*then} & {"electeur_en_double", "nationalite_hors_union"}:
                yield Gap(code) if code in now else Gap("corrigee_depuis", is_blocking=False)

    def days(self, former: Link, day: date) -> tuple[date, ...]:
        """The days between which a mouvement lies: those of the export before it and of the export that shows it."""
        return (former.day, day) if former.day < day else (day,)

    def is_printed(self, change: Change, type_: str) -> bool:
        """Whether a tableau names a mouvement: since 2019 that of R. 14 names radiations and inscriptions under L. 30.

        Source: instruction INTA1830120J, III.C.
        """
        return (
            type_ == "vingt_jours"
            or change.nature == "radiation"
            or change.categorie == "inscription_l30"
        )

    def incomplete(self, shown: Sequence[Shown], type_: str) -> Counter[str]:
        """The number of days and categories that R. 13 and R. 14 require and the register lacks."""
        named = [it for it in shown if it.change.nature != "modification"]
        without = [it for it in named if not it.change.categorie]
        dated = [it for it in named if not it.change.categorie.endswith("_transfert")]
        undated = [it for it in dated if len(it.days) > 1 and type_ == "vingt_jours"]
        return +Counter(date_absente=len(undated), motif_absent=len(without))

    def age_day(self, day: date, rounds: Mapping[date, date]) -> date:
        """The day on which age counts for an elector of `day`: L. 11 II 1°.

        From the first day of the commission's meeting for a poll until its last round, that round; else the day itself.
        """
        lasting = [
            last for poll, last in rounds.items() if poll - timedelta(days=24) <= day <= last
        ]
        return max(lasting, default=day)

    def period(self, step: AskTableau) -> tuple[date, date] | None:
        """The meeting before, excluded, and the last day, included; None: the register does not know them.

        Art. R. 13: since the last meeting, to that for the poll, which is held between the 24th and the 21st day before
        it (L. 19); without one to the 21st, since the tableau is published on the 20th. Art. R. 14: since that day, to
        the sixth before the poll, the eve of the day on which the tableau is published.
        """
        start: date | None = None
        last: date | None = None
        due = (
            (self.meeting_of(step.scrutin) or step.scrutin - timedelta(days=21))
            if step.scrutin
            else None
        )
        if step.scrutin and step.type == "cinq_jours_reu":
            start, last = step.reunion or due, step.scrutin - timedelta(days=6)
        elif last := step.until or due:
            start = step.reunion or max((it for it in self.meetings if it < last), default=None)
        if (
            start
            and step.scrutin
            and step.type == "vingt_jours"
            and start >= step.scrutin - timedelta(days=24)
        ):
            # The meeting for the poll, which ends the mouvements, unless the commission met again for it.
            last = last if last == self.meeting_of(step.scrutin) else None
        return (start, last) if start and last and start < last else None

    def meeting_of(self, scrutin: date) -> date | None:
        days = [
            it
            for it in self.meetings
            if scrutin - timedelta(days=24) <= it <= scrutin - timedelta(days=21)
        ]
        return max(days, default=None)

    def is_of_period(self, change: Change, day: date, ages: Ages) -> bool:
        """Whether a mouvement is an elector's, in the period: the meeting's own day belongs to the tableau before.

        An arrival until the birthday is a minor's, who counts from then on.
        """
        return ages.start < day <= ages.end and self.begins_to_count(change.personne, ages) < day

    def begins_to_count(self, personne: Personne, ages: Ages) -> date:
        """The day from which a person on the list is an elector, in the tableau of a period.

        The birthday. Before the period, if the age on its first day is that of a poll at which the person is of age; at
        its end, if the person comes of age later but for the poll of its last day.
        """
        majority = self.majority(personne)
        if majority <= ages.first:
            return date.min
        return majority if majority <= ages.end else ages.end if majority <= ages.last else date.max

    def coming_of_age(self, chain: Sequence[Link], ages: Ages) -> list[Shown]:
        """The people registered in advance who become electors in the period.

        The line has the values of the last export taken until the birthday, and the day and the category of the entry
        as far as they are known. Who has no entry was on the list at the birthday, or at the end of the period.
        """
        found: list[Shown] = []
        said: dict[Personne, tuple[str, tuple[date, ...]]] = {}
        moved = {
            it.personne for link in chain for it in link.changes if it.nature == "modification"
        }
        gone = (
            set(self.gone_for_good(chain)) - moved
        )  # a change of bureau shows that they were on the list
        for place, (link, following) in enumerate(zip_longest(chain, chain[1:])):
            leaving = following.dated if following else ()
            left = {
                (it.personne, it.ancien): day for it, day in leaving if it.nature == "radiation"
            }
            entered = [(it.inscrit, day) for it, day in link.dated if it.nature == "inscription"]
            former = chain[place - 1] if place else link
            said |= {
                it.personne: (it.categorie, (day,) if link.day_of(it) else self.days(former, day))
                for it, day in link.dated
                if it.nature == "inscription"
            }
            came = {it for it, _ in entered}
            for inscrit in sorted(
                self.known_now(chain, place), key=lambda it: it not in came
            ):  # homonyms after them
                who = inscrit.personne
                if who in gone:
                    continue
                since = self.begins_to_count(who, ages)
                alike = (
                    it for it in entered if (it[0].personne, it[0].bureau) == (who, inscrit.bureau)
                )
                entry = next(alike, None)
                entered = [
                    it for it in entered if it is not entry
                ]  # one person may be on a list twice
                on_list = entry[1] if entry else link.day
                is_shown = on_list <= since and (
                    following is None or since < left.get((who, inscrit.bureau), following.day)
                )
                if is_shown and ages.start < since <= ages.end:
                    seen_by = min(self.majority(who), ages.end, ages.asked_on)
                    # of one of several homonyms
                    categorie, days = said.pop(who, ("", (date.min, seen_by)))
                    change = Change("inscription", who, "", inscrit.bureau, inscrit, categorie)
                    found.append(Shown(change, days))
        return found

    def gone_for_good(self, chain: Sequence[Link]) -> Iterator[Personne]:
        """The people whom another service has deleted, and whom no later export holds."""
        for place, link in enumerate(chain):
            held = {it.personne for later in chain[place + 1 :] for it in later.held}
            yield from (it for it in link.gone if it not in held)

    def places_of(self, change: Change) -> list[tuple[str, str]]:
        """Part and bureau of each line: a change of bureau is an addition to one and a removal from the other."""
        came = [("I", change.nouveau)] if change.nouveau else []
        left = [("II", change.ancien)] if change.ancien else []
        return came + left

    @property
    def is_left_out(self) -> bool:
        """Whether a tableau leaves the commune out of addresses: not where postal codes tell arrondissements."""
        return (
            self.commune.adresse[1] == self.commune.nom.upper() and not self.commune.arrondissements
        )

    def lines_of(self, shown: Shown, step: AskTableau) -> list[Line]:
        """The lines of a mouvement, with all printed values."""
        change, it = shown.change, shown.change.inscrit
        who = change.personne
        _, departement, pays = BIRTHPLACES[who.commune]
        values = {
            "numero": str(it.numero if shown.is_applied else 0),
            "usage": "" if it.usage == who.nom else it.usage,
            "naissance": f"{who.jour} à {who.commune} ({pays if departement == '99' else departement})",
            "adresse": it.voie
            if self.is_left_out
            else f"{it.voie}, {' '.join(self.commune.adresse)}",
            "bureau": " → ".join(filter(None, (change.ancien, change.nouveau))),
            "nationalite": "" if step.liste == "P" else it.nationalite,
            "date": self.printed(shown.days) if step.type == "vingt_jours" else "",
            "motif": MOTIFS[change.categorie],
        }
        return [Line(part, section, who, **values) for part, section in self.places_of(change)]

    def printed(self, days: Sequence[date]) -> str:
        """A day, as far as it is known."""
        first, *later = [f"{day:%d/%m/%Y}" for day in days]
        if days[0] == date.min:
            return f"le {later[0]} au plus tard"
        return f"entre le {first} et le {later[0]}" if later else first

    def totals(
        self, printed: Sequence[Shown], sections: Collection[str]
    ) -> dict[tuple[str, str], str]:
        """The sentence at the end of each part. In the commune's, a change of bureau is counted in part I only."""
        places = [
            (it.change, part, section)
            for it in printed
            for part, section in self.places_of(it.change)
        ]
        places += [
            (it, part, "") for it, part, _ in places if part == "I" or it.nature != "modification"
        ]
        found = {}
        for section in sections:
            for part, title in _TOTALS.items():
                natures = [
                    it.nature for it, of_part, of in places if (of_part, of) == (part, section)
                ]
                moved = natures.count("modification")
                total = f"{title} : {count('électeur', len(natures))}"
                changes = f", dont {count('changement', moved)} de bureau" if moved else ""
                found[section, part] = total + changes
        return found

    def exports(
        self,
        step: AskTableau,
        chain: Sequence[Link],
        partial: Sequence[Link],
        period: tuple[date, date],
    ) -> str:
        """The note with the exports under a tableau: from the export of the meeting to that of the last day.

        Also the export from which electors are counted, the last of `chain`; it alone if a file of mouvements is
        declared complete.
        """
        start, last = period
        first = max((link.day for link in chain if link.day <= start), default=start)
        end = min((link.day for link in chain if link.day >= last), default=last)
        of_period = [it for it in chain if first <= it.day <= end]
        used = [*of_period, *chain[-1:], *(it for it in partial if start < it.day <= last)]
        named = list({link.day: link for link in used}.values())
        word = self.word(last)
        if word and chain:
            named = [chain[-1]]
        said = [
            f"du {it.day:%d/%m/%Y} ({len(it.lines)} personne{'s' * (len(it.lines) > 1)})"
            for it in named
        ]
        listed = ", ".join(said[:-1]) + " et " * (len(said) > 1) + "".join(said[-1:])
        source = (
            f"le registre, lu pour la demande du {step.day:%d/%m/%Y} à {self.commune.hour:02}:00"
        )
        if said:
            exports = "l’export" if len(said) == 1 else "les exports"
            source = f"{exports} du répertoire électoral unique {listed}, mineurs compris"
        until = (
            f", et les mouvements dits complets jusqu’au {word.complete_until:%d/%m/%Y}"
            if word
            else ""
        )
        return f"D’après {source}{until}."

    def figures(
        self,
        chain: Sequence[Link],
        beside: Sequence[Told],
        shown: Sequence[Change],
        printed: Sequence[Change],
        ages: Ages,
    ) -> dict[str, Figures]:
        """Electors before and after, from the exports; arrivals and departures, from the mouvements.

        `beside`: the mouvements that no comparison of whole lists found.
        """
        is_beside = (
            self.brought or beside or any(link.said or isinstance(link, Joined) for link in chain)
        )
        counted = self.count_back if is_beside else self.count
        before, after = (
            counted(chain, beside, ages.start, ages.first),
            counted(chain, beside, ages.end, ages.last),
        )
        if not chain:  # a mouvement that is not applied yet counts in the tableau of its period, and in no other
            before, after = Counter(), after - before
        natures = Counter(
            (it.nature, part, of) for it in printed for part, of in self.places_of(it)
        )
        others = Counter((part, of) for it in shown for part, of in self.places_of(it))
        others.subtract((part, of) for it in printed for part, of in self.places_of(it))
        bureaux = {of for _, of in others} | set(before) | set(after)
        figures = {
            bureau: Figures(
                before[bureau],
                natures["inscription", "I", bureau],
                natures["modification", "I", bureau],
                natures["radiation", "II", bureau],
                natures["modification", "II", bureau],
                after[bureau],
                others["I", bureau] - others["II", bureau],
            )
            for bureau in bureaux
        }
        totals = [sum(column) for column in zip(*figures.values(), strict=True)] or [0] * 7
        return figures | {"": Figures(*totals)}

    def count(
        self,
        chain: Sequence[Link],
        beside: Sequence[Told],  # noqa: ARG002
        day: date,
        age_day: date,
    ) -> Counter[str]:
        """Electors of each bureau at the end of a day, as far as the exports until then show."""
        known = [place for place, link in enumerate(chain) if link.day <= day]
        everybody = self.known_now(chain, known[-1]) if known else ()
        return Counter(it.bureau for it in everybody if self.is_of_age(it.personne, age_day))

    def count_back(
        self, chain: Sequence[Link], beside: Sequence[Told], day: date, age_day: date
    ) -> Counter[str]:
        """The same where mouvements have days of their own: from the last of these exports, back or on to a day.

        A list without any export shows no electors: its mouvements are not applied yet.
        """
        now = Counter(
            it.bureau
            for it in (chain[-1].held if chain else ())
            if self.is_of_age(it.personne, age_day)
        )
        shown_on = chain[-1].day if chain else date.min
        known = [(change, of, True) for link in chain for change, of in link.dated]
        told = [(change, of, of <= shown_on) for change, of in beside]
        for change, of, is_shown in [*known, *told]:
            sign = (not is_shown and of <= day) - (is_shown and of > day)
            if self.is_of_age(change.personne, age_day):
                now[change.nouveau] += sign * bool(change.nouveau)
                now[change.ancien] -= sign * bool(change.ancien)
        return now

    # Guesses, doubts, corrections.

    def is_corrected(self, chain: Sequence[Link], ages: Ages) -> bool:
        """Whether a correction moved a birthday across the majority: the tableau before ended with another number."""
        return any(
            self.is_of_age(old, ages.first) != self.is_of_age(new, ages.first)
            for whole in chain
            for link in (whole.links if isinstance(whole, Joined) else (whole,))
            if link.day > ages.start
            for old, new in link.corrections.items()
        )

    def asked_about(self, link: Link, ages: Ages) -> bool:
        """Whether one of the mouvements of the tableau has an open doubt."""
        of_period = [it for it, day in link.dated if self.is_of_period(it, day, ages)]
        return any({*pair} & {it.personne for it in of_period} for pair in link.open_doubts)


def order(line: Line) -> tuple[str, ...]:
    """Sort by bureau, part, names and date of birth; accents count only where two names are otherwise equal."""
    who, bare = line.personne, plain(line.personne)
    return (
        line.section or "~",
        line.part,
        bare.nom,
        who.nom,
        bare.prenoms,
        who.prenoms,
        who.naissance,
    )


def count(noun: str, number: int) -> str:
    """`douze (12) électeurs`."""
    return f"{in_words(number)} ({number}) {noun}{'s' * (number > 1)}"


def in_words(number: int) -> str:
    """A number below one hundred in French words, as in France."""
    units = _UNITS.split()
    ten = max((it for it in _TENS if it <= number), default=0)
    unit = number - ten
    if not ten or not unit:
        return units[number] if not ten else _TENS[ten] + "s" * (ten == 80)
    link = " et " if unit in (1, 11) and ten != 80 else "-"
    return f"{_TENS[ten]}{link}{units[unit]}"
