"""Electors who come of age: inscribed in the right tableau, and in no count before, whatever happened until then."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from common.calendrier import (
    CalendarScrutin,
    find_cycles,
    is_mineur,
    last_birth,
    last_round,
    majorite_on,
)
from common.french import LACKS_BOTH, LACKS_ENTRY
from schemas.tableaux import Edition, Presentation, TypeTableau
from schemas.vocabulary import Categorie, Liste, Nature, Severity
from tests.unit.mouvements_samples import MOUVEMENT, mouvement
from worker.domain.identite import Effet, Etat, Mouvement
from worker.domain.majorite import OfAge, Period
from worker.domain.tableau.composition import BureauElecteurs, ListeDeCommune, compose_tableau
from worker.domain.tableau.controles import Reason, Reconciliation, check_tableau, find_differences
from worker.domain.tableau.couverture import Link
from worker.domain.tableau.demande import Calendrier, Demande, is_in
from worker.domain.tableau.model import Tableau

VINGT_JOURS, CINQ_JOURS_REU = TypeTableau.VINGT_JOURS, TypeTableau.CINQ_JOURS_REU
TODAY = date(2027, 6, 1)
NOON = datetime(2027, 6, 1, 10, tzinfo=UTC)
BEFORE, MEETING = date(2026, 9, 18), date(2027, 3, 19)
POLL, SECOND_ROUND = date(2027, 4, 11), date(2027, 4, 18)
ROUNDS = {POLL: SECOND_ROUND}
VINGT = Demande(
    type=VINGT_JOURS,
    requested_at=NOON,
    reunion=BEFORE,
    until=MEETING,
    scrutin=POLL,
    last_rounds=ROUNDS,
)
CINQ = Demande(
    type=CINQ_JOURS_REU, requested_at=NOON, reunion=MEETING, scrutin=POLL, last_rounds=ROUNDS
)
ENTRY = mouvement(
    effet=Effet.IMMEDIAT,
    etat=Etat.APPLIQUE,
    categorie=Categorie.NON_PRECISEE,
    motif="",
    nom_naissance="GERBOISE",
)
LEAVING = mouvement(ENTRY, nature=Nature.RADIATION, ancien_bureau="0001", nouveau_bureau="")


@dataclass(frozen=True)
class Registre:
    """A current list and its mouvements; an elector's number is their position from 1."""

    electeurs: Sequence[Mouvement] = ()
    mouvements: Sequence[Mouvement] = ()
    versions: Mapping[int, Sequence[Mouvement]] = field(default_factory=dict)
    """By import: the electors of the exports that are kept."""

    def stream(self) -> Iterator[Mouvement]:
        return iter([replace(one, id=number) for number, one in enumerate(self.mouvements, 1)])

    def young(
        self, born_after: str, born_until: str, version: int | None = None
    ) -> Iterator[Mouvement]:
        listed = self._listed() if version is None else self.versions[version]
        return (it for it in listed if born_after < it.personne.date_naissance <= born_until)

    def fetch(self, ids: Sequence[int]) -> Iterator[Mouvement]:
        known = {it.id: it for it in (*self._listed(), *self.stream())}
        return (known[id_] for id_ in ids)

    def narrow(self, after: date, born_after: str, *, waiting: bool = False) -> "Registre":
        """A register with only the mouvements that a source must return."""
        return replace(
            self,
            mouvements=[
                one
                for one in self.mouvements
                if one.date_mouvement > after
                or one.personne.date_naissance > born_after
                or (waiting and one.etat is Etat.ACTIF)
            ],
        )

    def _listed(self) -> list[Mouvement]:
        return [replace(one, id=-number) for number, one in enumerate(self.electeurs, 1)]

    def shown(self, demande: Demande) -> list[tuple[Nature, date, str]]:
        """Nature, day and bureau of the lines of a tableau."""
        source = OfAge(Period.of(demande), self)
        tableau = self.compose(demande, source)
        ids = [one.id for one in source.stream()]
        by_id = {one.id: one for one in source.stream()}
        assert list(source.fetch(ids)) == [by_id[id_] for id_ in ids]
        (commune,) = tableau.sections
        lignes = [ligne for partie in commune.parties for ligne in partie.lignes]
        assert len(lignes) == tableau.mouvements
        return sorted(
            (one.nature, one.date_mouvement, one.nouveau_bureau or one.ancien_bureau)
            for one in by_id.values()
            if is_in(one, demande)
        )

    def compose(self, demande: Demande, source: OfAge | None = None) -> Tableau:
        counted = Counter(
            one.nouveau_bureau
            for one in self.electeurs
            if not is_mineur(one.personne.date_naissance, demande.age_avant, demande.jour)
        )
        bureaux = [BureauElecteurs(code, "", number) for code, number in counted.items()]
        liste = ListeDeCommune("13900", "LIBREVILLE", Liste.PRINCIPALE, bureaux)
        return compose_tableau(demande, liste, source or OfAge(Period.of(demande), self))


def _entry(born: date, entered: date, **values: object) -> Mouvement:
    birth = born.replace(year=born.year - 18).isoformat()
    return mouvement(ENTRY, date_naissance=birth, date_mouvement=entered, **values)


def test_a_birth_of_less_than_sixteen_years_gives_no_date_in_the_future() -> None:
    """The date of birth is a mistake, which blocks: the line has the day of its entry, and no category is guessed."""
    entry = _entry(date(2042, 1, 1), MEETING)
    registre = Registre([entry], [entry])
    assert registre.shown(VINGT) == [(Nature.INSCRIPTION, MEETING, entry.nouveau_bureau)]
    (line,) = OfAge(Period.of(VINGT), registre).stream()
    assert (line.categorie, line.is_majorite) == (Categorie.NON_PRECISEE, False)


@pytest.mark.parametrize(
    ("born", "expected"),
    [
        ("2008-11-25", date(2026, 11, 25)),
        ("2008-02-29", date(2026, 3, 1)),
        ("2008-00-00", date(2026, 1, 1)),
        ("2008-08-00", date(2026, 8, 1)),
        ("2008-02-31", date(2026, 3, 1)),
        ("2008-12-32", date(2027, 1, 1)),
        ("", None),
        ("2008", None),
    ],
)
def test_the_day_of_majority(born: str, expected: date | None) -> None:
    assert majorite_on(born) == expected


@given(
    st.one_of(
        st.dates(date(2007, 1, 1), date(2009, 12, 31)).map(date.isoformat),
        st.builds(
            "{:04}-{:02}-{:02}".format,
            st.integers(2007, 2009),
            st.integers(0, 12),
            st.integers(0, 31),
        ),
    )
)
def test_the_day_before_she_is_a_minor(born: str) -> None:
    day = majorite_on(born)
    assert day
    assert is_mineur(born, day - timedelta(1))
    assert not is_mineur(born, day)
    assert born <= last_birth(day)


LATE_ROUND = POLL + timedelta(days=14)


@pytest.mark.parametrize(
    ("libelle", "others", "expected"),
    [
        ("Élection présidentielle, 1er tour", {}, LATE_ROUND),
        ("Élections municipales", {}, SECOND_ROUND),
        ("ÉLECTIONS LÉGISLATIVES PARTIELLES", {}, SECOND_ROUND),
        ("Élections européennes", {SECOND_ROUND: ""}, POLL),
        ("Référendum", {}, POLL),
        ("Élections municipales, 2nd tour", {}, POLL),
        ("Élections municipales (second tour)", {}, POLL),
        ("", {POLL: "", SECOND_ROUND: ""}, SECOND_ROUND),
        ("", {date(2027, 4, 26): ""}, None),
        ("", {}, None),
        # a second round that was noted wins over the usual interval
        ("Élections législatives", {LATE_ROUND: "Élections législatives, 2nd tour"}, LATE_ROUND),
        ("Élections législatives", {LATE_ROUND: "Élections législatives"}, LATE_ROUND),
        ("Élections législatives", {LATE_ROUND: ""}, LATE_ROUND),
        ("Élection présidentielle", {SECOND_ROUND: "Second tour"}, SECOND_ROUND),
        ("Législatives", {SECOND_ROUND: "", LATE_ROUND: "2e tour"}, LATE_ROUND),
        # another poll does not
        ("Élections législatives", {LATE_ROUND: "Municipale partielle"}, SECOND_ROUND),
        ("Élections législatives", {LATE_ROUND: "Législative, 1er tour"}, SECOND_ROUND),
        ("Élections législatives", {date(2027, 4, 26): "2nd tour"}, SECOND_ROUND),
    ],
)
def test_the_last_round_that_may_be_held(
    libelle: str, others: Mapping[date, str], expected: date | None
) -> None:
    noted = [CalendarScrutin(day, name) for day, name in others.items()]
    assert last_round(CalendarScrutin(POLL, libelle), noted) == expected


def test_the_noted_second_round_of_papeete_gives_the_age_and_asks_for_nothing() -> None:
    """Rounds two weeks apart, as in 2022: of age on 17 June, an elector votes at the second round of 19 June."""
    first = CalendarScrutin(date(2027, 6, 5), "Élections législatives, 1er tour")
    second = CalendarScrutin(date(2027, 6, 19), "Élections législatives, 2nd tour")
    known = Calendrier({it.jour: it for it in (first, second)})
    asked = replace(VINGT, until=date(2027, 5, 13), scrutin=first.jour)
    demande = replace(asked, last_rounds=known.last_rounds)
    assert demande.age_apres == second.jour
    young = _entry(date(2027, 6, 17), BEFORE)
    assert len(Registre([young], [young]).shown(demande)) == 1
    notes = Registre([young], [young]).compose(demande).notes
    assert any("le 19/06/2027 au plus tard" in note for note in notes)
    cycles = find_cycles(date(2027, 4, 1), [first, second], [])
    assert [(it.scrutin, it.is_second_round) for it in cycles if it.scrutin] == [
        (first, False),
        (second, True),
    ]


@pytest.mark.parametrize(
    ("born", "vingt", "cinq"),
    [
        (BEFORE, False, False),  # of age on the day of the meeting: in the tableau that ended there
        (BEFORE + timedelta(1), True, False),
        (MEETING, True, False),
        (POLL, True, False),
        (SECOND_ROUND, True, False),
        (SECOND_ROUND + timedelta(1), False, False),
    ],
)
def test_who_is_on_the_list_is_inscribed_on_coming_of_age(
    born: date, *, vingt: bool, cinq: bool
) -> None:
    """Without an entry: on the list on the birthday, or at the end of the period if that comes first."""
    registre = Registre([_entry(born, date(2026, 1, 1))])
    expected = [(Nature.INSCRIPTION, min(born, MEETING), "0001")]
    assert registre.shown(VINGT) == (expected if vingt else [])
    assert registre.shown(CINQ) == (expected if cinq else [])


JOUR = date(2027, 3, 15)
"""The day of a request before the meeting: the poll and the birthday before it are still to come."""


@pytest.mark.parametrize(
    ("entered", "after", "printed"),
    [
        (date(2027, 1, 20), None, "20/01/2027"),
        (date(2027, 1, 20), date(2026, 12, 15), "entre le 15/12/2026 et le 20/01/2027"),
        (None, None, "le 15/03/2027 au plus tard"),
    ],
)
def test_no_day_to_come_is_printed_for_an_elector_who_comes_of_age(
    entered: date | None, after: date | None, printed: str
) -> None:
    """Of age on the day of the poll: the line has the noted day of the inscription, and no motif that nobody gave."""
    known = replace(_entry(POLL, entered or BEFORE), after=after)
    registre = Registre([known], [known] if entered else [])
    at = datetime(JOUR.year, JOUR.month, JOUR.day, 10, tzinfo=UTC)
    for edition in Edition:
        tableau = registre.compose(replace(VINGT, requested_at=at, edition=edition))
        ((line,), _) = [[*partie.lignes] for partie in tableau.sections[0].parties]
        assert (line.date, line.motif) == (printed, "")


def test_an_elector_listed_before_the_first_export_is_to_be_read_in_the_reu() -> None:
    unseen, seen = _entry(POLL, BEFORE), replace(_entry(POLL, MEETING), after=BEFORE)
    for registre, code in (
        (Registre([unseen]), LACKS_ENTRY),
        (Registre([seen], [seen]), LACKS_BOTH),
    ):
        found = check_tableau(VINGT, OfAge(Period.of(VINGT), registre), (), {"0001"})
        assert [(it.code, it.severity) for it in found] == [(code, Severity.TO_COMPLETE)]


def test_an_entry_after_the_birthday_is_of_its_own_day() -> None:
    one = _entry(date(2026, 12, 1), date(2027, 1, 15))
    assert Registre([one], [one]).shown(VINGT) == [(Nature.INSCRIPTION, date(2027, 1, 15), "0001")]


def test_who_left_as_a_minor_was_nobody() -> None:
    left = replace(
        LEAVING, personne=_entry(MEETING, BEFORE).personne, date_mouvement=date(2027, 1, 10)
    )
    assert Registre([], [left]).shown(VINGT) == []
    after = replace(
        left, date_mouvement=MEETING, personne=_entry(date(2027, 1, 10), BEFORE).personne
    )
    assert Registre([], [after]).shown(VINGT) == [
        (Nature.INSCRIPTION, date(2027, 1, 10), "0001"),
        (Nature.RADIATION, MEETING, "0001"),
    ]


def test_a_minor_is_on_no_page() -> None:
    born = SECOND_ROUND + timedelta(1)
    came, left = (
        _entry(born, date(2026, 10, 1)),
        replace(LEAVING, personne=_entry(born, BEFORE).personne),
    )
    registre = Registre([came], [came, replace(left, date_mouvement=date(2026, 11, 1))])
    assert registre.shown(VINGT) == []
    (commune,) = registre.compose(VINGT).sections
    assert (commune.bilan.avant, commune.bilan.apres) == (0, 0)
    assert Registre([], [replace(left, date_mouvement=date(2027, 4, 1))]).shown(VINGT) == [], (
        "on the list, and no elector"
    )


def test_the_motif_is_the_one_that_somebody_gave() -> None:
    one = _entry(date(2026, 12, 1), BEFORE)
    said = replace(one, categorie=Categorie.INSCRIPTION_VOLONTAIRE, motif="Emménagement")
    office = replace(one, categorie=Categorie.INSCRIPTION_OFFICE)
    for known, expected in (
        (one, (Categorie.NON_PRECISEE, "")),
        (said, (Categorie.INSCRIPTION_VOLONTAIRE, "Emménagement")),
        (office, (Categorie.INSCRIPTION_OFFICE, "")),
        (replace(office, motif="Naturalisation"), (Categorie.INSCRIPTION_OFFICE, "Naturalisation")),
    ):
        (shown,) = OfAge(Period.of(VINGT), Registre([one], [known])).stream()
        assert (shown.categorie, shown.motif) == expected
    (derived,) = OfAge(Period.of(VINGT), Registre([one])).stream()
    assert (derived.categorie, derived.motif) == (Categorie.NON_PRECISEE, "")
    notes = Registre([one]).compose(replace(VINGT, edition=Edition.COMMISSION)).notes
    assert (
        "S’y ajoutent les électeurs inscrits avant leurs dix-huit ans, qui les ont le 18/04/2027 au plus tard "
        "(Code électoral, art. L. 11, II, 1°)." in notes
    )


SECOND = date(2026, 12, 15)
"""The day of export 2."""


def test_a_corrected_name_has_the_address_of_the_day() -> None:
    """Corrected after the birthday; when a twin is corrected too, the two cannot be told apart."""
    born = date(2026, 12, 20)
    day = f"{born.replace(year=born.year - 18)}"
    then = _named(
        replace(_entry(born, BEFORE), numero=2), "AVANT", "1 RUE DE CE JOUR", is_protegee=True
    )
    now = _named(replace(then, numero=3), "APRES", "3 RUE PLUS TARD")
    registre = Registre([now], versions={2: [then], 3: [now]})
    links = [
        Link(
            day,
            is_dated=True,
            is_compared=True,
            import_id=number,
            electeurs=1,
            is_kept=number in registre.versions,
        )
        for number, day in enumerate((BEFORE, SECOND, MEETING), 1)
    ]

    def shown(
        *corrected: tuple[str, str], of: Registre = registre
    ) -> list[tuple[int, str, str, bool]]:
        source = OfAge(Period.of(VINGT), of, links, corrected)
        arrived = [it for it in source.stream() if it.is_majorite]
        return [
            (it.numero, it.personne.nom_naissance, it.personne.adresse, it.personne.is_protegee)
            for it in arrived
        ]

    later = (3, "APRES", "3 RUE PLUS TARD", False)
    assert shown((day, day)) == [(2, "APRES", "1 RUE DE CE JOUR", True)]
    assert shown() == [later], "nobody said that they are one person"
    assert shown((day, "2008-12-21")) == [later], "it is of another person"
    twins = replace(registre, versions={2: [then, _named(then, "JUMELLE", "")], 3: [now]})
    assert shown((day, day), of=twins) == [later]


def test_an_elector_in_two_bureaux_has_the_number_of_each() -> None:
    """As in two arrondissements of Lyon: the entry in one bureau gave its number to both lines."""
    born = date(2026, 12, 20)
    before = replace(_entry(born, BEFORE), numero=30)
    entry = replace(_entry(born, SECOND), nouveau_bureau="0003", numero=49)
    shown = OfAge(Period.of(VINGT), Registre([before, entry], [entry])).stream()
    assert sorted((it.nouveau_bureau, it.numero) for it in shown) == [("0001", 30), ("0003", 49)]


def _named(one: Mouvement, nom: str, adresse: str, *, is_protegee: bool = False) -> Mouvement:
    personne = replace(one.personne, nom_naissance=nom, adresse=adresse, is_protegee=is_protegee)
    return replace(one, personne=personne)


# For any history: a second computation, day by day, of the electors on the list and of age.

DAYS = st.dates(date(2026, 6, 1), date(2027, 5, 31))
FAR = date(2026, 1, 1)
MEETINGS = [date(2026, 7, 10), BEFORE, MEETING, date(2027, 5, 10)]
HISTORY = [
    Demande(type=VINGT_JOURS, requested_at=NOON, reunion=MEETINGS[0], until=BEFORE),
    VINGT,
    CINQ,
]
"""From the first meeting on, each begins where the one before it ended; the last one ends five days before."""


@dataclass(frozen=True)
class Life:
    """The life of an elector: the bureau from each day on, "" elsewhere."""

    number: int
    born: str
    stays: Mapping[date, str]

    def on(self, day: date) -> str:
        return self.stays[max(since for since in self.stays if since <= day)]

    def mouvements(self) -> Iterator[Mouvement]:
        for before, since in pairwise(sorted(self.stays)):
            ancien, nouveau = self.stays[before], self.stays[since]
            if ancien != nouveau:
                nature = Nature.MODIFICATION if ancien and nouveau else Nature.INSCRIPTION
                yield self._moving(
                    Nature.RADIATION if not nouveau else nature, since, ancien, nouveau
                )

    def now(self, jour: date = TODAY) -> Mouvement:
        return self._moving(Nature.INSCRIPTION, FAR, "", self.on(jour))

    def _moving(self, nature: Nature, day: date, ancien: str, nouveau: str) -> Mouvement:
        return mouvement(
            ENTRY,
            nature=nature,
            date_mouvement=day,
            ancien_bureau=ancien,
            nouveau_bureau=nouveau,
            nom_naissance=f"N{self.number}",
            date_naissance=self.born,
        )


@st.composite
def lives(draw: st.DrawFn) -> list[Life]:
    births = st.one_of(
        st.dates(date(2008, 6, 1), date(2009, 6, 30)).map(date.isoformat),
        st.sampled_from(["2009-00-00", "2009-04-00", "2008-12-00", "1950-01-01", "", "2009"]),
    )
    stay = st.sampled_from(["", "0001", "0002"])
    drawn = draw(
        st.lists(st.tuples(births, stay, st.dictionaries(DAYS, stay, max_size=4)), max_size=8)
    )
    return [
        Life(number, born, {FAR: first, **stays})
        for number, (born, first, stays) in enumerate(drawn)
    ]


@pytest.mark.slow
@given(lives(), st.sampled_from(HISTORY), st.dates(date(2026, 9, 19), date(2027, 6, 1)))
def test_who_is_on_the_list_or_in_the_tableau_only_is_named(
    all_of_them: list[Life], asked: Demande, jour: date
) -> None:
    asked = replace(asked, requested_at=datetime(jour.year, jour.month, jour.day, 10, tzinfo=UTC))
    moved = [one for life in all_of_them for one in life.mouvements() if one.date_mouvement <= jour]
    registre = Registre([life.now(jour) for life in all_of_them if life.on(jour)], moved)
    last_day = min(asked.last_day, jour)  # the future is not known yet
    counted = {
        it.number
        for it in all_of_them
        if it.on(last_day) and not is_mineur(it.born, asked.age_apres, jour)
    }
    listed = {it.number for it in all_of_them if it.on(jour) and not is_mineur(it.born, jour)}
    found = list(find_differences(asked, registre))
    named = {
        is_on: {it.nom_naissance for it in found if it.reason.is_on_liste is is_on}
        for is_on in (True, False)
    }
    net = Counter(it.nom_naissance for it in found if it.reason.is_on_liste)
    net.subtract(Counter(it.nom_naissance for it in found if not it.reason.is_on_liste))
    assert {nom for nom, number in net.items() if number > 0} == {
        f"N{number}" for number in listed - counted
    }
    assert {nom for nom, number in net.items() if number < 0} == {
        f"N{number}" for number in counted - listed
    }
    assert {f"N{number}" for number in listed ^ counted} <= named[True] | named[False]
    apres = (
        registre.compose(replace(asked, presentation=Presentation.COMMUNE)).sections[-1].bilan.apres
    )
    reconciliation = Reconciliation(
        jour, 1, len(listed), asked.last_day, asked.age_apres, apres, found
    )
    assert reconciliation.unexplained == 0
    assert replace(reconciliation, electeurs=len(listed) + 1).unexplained == 1


def test_what_is_not_applied_is_a_reason() -> None:
    jour = MEETING + timedelta(1)
    asked = replace(VINGT, requested_at=datetime(2027, 3, 20, 10, tzinfo=UTC))
    waits = replace(ENTRY, etat=Etat.ACTIF, date_mouvement=date(2027, 1, 1))
    leaves = replace(LEAVING, etat=Etat.ACTIF, date_mouvement=date(2027, 1, 2))
    to_come, since = _entry(POLL, date(2026, 1, 1)), replace(ENTRY, date_mouvement=jour)
    found = find_differences(asked, Registre([to_come, since], [waits, leaves, since]))
    assert [(it.reason, it.to_record()["message"]) for it in found] == [
        (Reason.CAME_SINCE, "inscription du 20/03/2027, après le tableau"),
        (
            Reason.OF_AGE_LATER,
            "dix-huit ans le 11/04/2027 : compte pour le tableau, pas encore sur la liste",
        ),
        (
            Reason.STILL_TO_COME,
            "inscription du 01/01/2027, qui n'est pas encore appliquée à la liste",
        ),
        (
            Reason.STILL_TO_LEAVE,
            "radiation du 02/01/2027, qui n'est pas encore appliquée à la liste",
        ),
    ]


def test_a_reason_without_a_day_names_the_two_days_around_it() -> None:
    asked = replace(VINGT, requested_at=datetime(2027, 3, 25, 10, tzinfo=UTC))
    since = replace(ENTRY, date_mouvement=date(2027, 3, 25), after=MEETING + timedelta(1))
    (found,) = find_differences(asked, Registre([since], [since]))
    assert (
        found.to_record()["message"]
        == "inscription entre le 20/03/2027 et le 25/03/2027, après le tableau"
    )


def test_the_yearly_revision_is_as_the_register_tells_it() -> None:
    yearly = Demande(
        type=TypeTableau.PREMIER_RECTIFICATIF, requested_at=NOON, date_tableau=date(2014, 1, 10)
    )
    young = mouvement(MOUVEMENT, date_naissance="1996-02-20")
    assert list(OfAge(Period.of(yearly), Registre([young], [young])).stream()) == [young]
    assert list(find_differences(yearly, Registre([young], [young]))) == []
