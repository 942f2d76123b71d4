"""The oracle itself, on cases that a person can compute in her head."""

from collections import Counter
from datetime import date

import pytest

from tests.oracle.answers import Figures, Line, Liste, Refused, Tableau
from tests.oracle.comparing import compare
from tests.oracle.comparison import shorten
from tests.oracle.computation import Oracle, in_words
from tests.oracle.history import (
    AskListe,
    AskTableau,
    Bring,
    Change,
    Decide,
    History,
    Import,
    Inscrit,
    Lines,
    Personne,
    Poll,
    Told,
    Undo,
)

JANUARY, MARCH = date(2026, 1, 10), date(2026, 3, 10)
ASKED = date(2026, 3, 20)
ANA, BEA, CLO = (Personne(f"ZZ{name}", name.capitalize(), "1970-05-05") for name in ("ANA", "BEA", "CLO"))
YOUNG = Personne("ZZYOUNG", "Young", "2008-02-01")


def _on(personne: Personne, bureau: str = "0001", numero: int = 1, voie: str = "Rue ba 1") -> Inscrit:
    return Inscrit(personne, bureau, numero, voie)


NEW = _on(CLO, numero=3, voie="Rue ce 3")


def _export(day: date, *lines: Inscrit, is_compared: bool = True) -> Import:
    return Import(day, {"P": lines}, day, is_compared)


def _places(tableau: Tableau) -> list[tuple[str, str, Personne]]:
    return sorted(it.who for it in tableau.lines)


def _tableau(*imports: Import, ask: AskTableau | None = None, poll: Poll | None = None) -> Tableau:
    asked = ask or AskTableau(ASKED, "P", "vingt_jours", JANUARY, MARCH)
    answer = Oracle().answer(History((*imports, *([poll] if poll else []), asked)))[-1]
    assert isinstance(answer, Tableau)
    assert answer.gaps or all(figures.is_even for figures in answer.figures.values())
    return answer


def test_who_came_who_left_who_votes_elsewhere() -> None:
    tableau = _tableau(_export(JANUARY, _on(ANA), _on(BEA)), _export(MARCH, _on(ANA, "0002"), NEW))
    assert tableau.gaps == frozenset()
    assert _places(tableau) == [("I", "0001", CLO), ("I", "0002", ANA), ("II", "0001", ANA), ("II", "0001", BEA)]
    assert tableau.figures["0001"] == Figures(2, 1, 0, 1, 1, 1)
    assert (tableau.figures[""], tableau.mouvements) == (Figures(2, 1, 1, 1, 1, 2), 3)


def test_a_correction_is_asked_about_and_is_no_mouvement() -> None:
    corrected = ANA._replace(naissance="1970-10-10")
    register = _export(JANUARY, _on(ANA)), _export(MARCH, _on(corrected))
    assert _tableau(*register).gaps == {"doutes_ouverts"}
    asked = AskTableau(ASKED, "P", "vingt_jours", JANUARY, MARCH)
    for is_same, lines in ((True, 0), (False, 2)):
        answer = Oracle().answer(History((*register, Decide(ASKED, "P", ANA, corrected, is_same), asked)))[-1]
        assert isinstance(answer, Tableau)
        assert (answer.gaps, len(answer.lines)) == (frozenset(), lines)


def test_what_is_not_known_is_no_neant() -> None:
    first, last = _export(JANUARY, _on(ANA)), _export(MARCH, _on(BEA))
    assert _tableau(first).gaps == {"couverture_fin"}
    assert _tableau(last).gaps == {"couverture_debut"}
    assert _tableau(first, _export(MARCH, _on(BEA), is_compared=False)).gaps == {"couverture_lacune"}
    assert _tableau(first, _export(date(2026, 3, 12), _on(BEA))).gaps == {"couverture_date"}
    assert _tableau(first, _export(date(2026, 3, 12), _on(ANA))).gaps == frozenset(), "nothing has changed"


def test_a_minor_is_inscribed_on_her_birthday_or_for_the_poll() -> None:
    register = _export(JANUARY, _on(ANA), _on(YOUNG)), _export(MARCH, _on(ANA), _on(YOUNG))
    assert _places(_tableau(*register)) == [("I", "0001", YOUNG)]
    early = AskTableau(ASKED, "P", "vingt_jours", JANUARY, date(2026, 1, 31))
    assert _places(_tableau(*register, ask=early)) == []
    poll = Poll(JANUARY, date(2026, 2, 22), "Municipales 2026")
    assert _places(_tableau(*register, ask=early, poll=poll)) == [("I", "0001", YOUNG)]
    answers = Oracle().answer(History((*register, AskListe(date(2026, 1, 31), "P"), AskListe(ASKED, "P"))))
    assert [answer.mineurs for answer in answers if isinstance(answer, Liste)] == [1, 0]


@pytest.mark.parametrize(
    ("naissance", "majority"),
    [
        ("2008-02-29", date(2026, 3, 1)),
        ("2008-02-28", date(2026, 2, 28)),
        ("2008-05-00", date(2026, 5, 1)),
        ("2008-00-00", date(2026, 1, 1)),
    ],
)
def test_the_day_somebody_comes_of_age(naissance: str, majority: date) -> None:
    assert Oracle().majority(Personne("ZZ", "Zz", naissance)) == majority


def test_homonyms_are_told_apart_by_their_street_and_never_merged() -> None:
    before: Lines = (_on(ANA, numero=1, voie="Rue ba 1"), _on(ANA, numero=2, voie="Rue ce 2"))
    assert [change.nature for change in compare(before, before[1:]).changes] == ["radiation"]
    assert [change.nature for change in compare(before[1:], before).changes] == ["inscription"]
    assert compare(before, before[::-1])[:2] == ([], 0)


def test_homonyms_who_have_nothing_in_common_are_told_apart_by_a_guess() -> None:
    before: Lines = (_on(ANA, numero=1, voie="Rue ba 1"), _on(ANA, "0002", numero=2, voie="Rue ce 2"))
    elsewhere = _on(ANA, "0003", numero=3, voie="Rue di 3")
    assert compare(before, (before[0], elsewhere)).guesses == 1
    moved = Change("modification", ANA, "0002", "0003", elsewhere, "changement_bureau")
    assert compare(before, (before[0], elsewhere)).changes == [moved]
    gone = compare(before, (elsewhere,))
    assert (gone.guesses, Counter(it.nature for it in gone.changes)) == (0, {"radiation": 2, "inscription": 1})
    assert compare(before[:1], (elsewhere,)).guesses == 0, "there is no other one"


def test_a_birth_corrected_across_the_majority_is_said() -> None:
    corrected = YOUNG._replace(naissance="1990-02-01")
    register = _export(JANUARY, _on(ANA), _on(YOUNG, numero=2)), _export(MARCH, _on(ANA), _on(corrected, numero=2))
    asked = AskTableau(ASKED, "P", "vingt_jours", JANUARY, MARCH)
    answer = Oracle().answer(History((*register, Decide(ASKED, "P", YOUNG, corrected, is_same=True), asked)))[-1]
    assert isinstance(answer, Tableau)
    assert (answer.remarks, answer.figures[""]) == ({"majorite_corrigee": 1}, Figures(2, 0, 0, 0, 0, 2))


def _brought(*days: int, until: date | None = MARCH, nature: str = "radiation", who: Personne = BEA) -> Bring:
    places = ("0001", "") if nature == "radiation" else ("", "0001")
    lines = tuple(Told(Change(nature, who, *places, _on(who)), date(2026, 2, day)) for day in days)
    return Bring(ASKED, "P", lines, until)


def test_whoever_vouches_is_held_to_the_exports_and_to_what_comes_later() -> None:
    first, last = _export(JANUARY, _on(ANA), _on(BEA), _on(CLO)), _export(MARCH, _on(ANA), is_compared=False)

    def said(*brought: Bring) -> tuple[set[str], Counter[str]]:
        asked = AskTableau(ASKED, "P", "vingt_jours", JANUARY, MARCH)
        answer = Oracle().answer(History((first, last, *brought, asked)))[-1]
        assert isinstance(answer, Tableau)
        return {*answer.gaps}, answer.remarks

    word_only = Counter(["couverture_lacune"])
    assert said(_brought(1, 2)) == (set(), word_only)
    assert said(_brought(1)) == ({"couverture_contredite"}, Counter())
    late = said(_brought(1), _brought(2, until=None))
    assert late == ({"couverture_contredite"}, word_only), "all were there before"
    assert said(_brought(1), _brought(2)) == (set(), word_only)
    assert said(_brought(1, 2, until=None)) == ({"couverture_lacune"}, Counter())
    assert said(_brought(1, 2, until=date(2026, 3, 9))) == ({"couverture_lacune"}, Counter())


def test_an_import_is_undone_after_those_that_followed_it() -> None:
    first, second = _export(JANUARY, _on(ANA)), _export(MARCH, _on(BEA))
    assert Oracle().answer(History((first, second, Undo(ASKED, 0))))[-1] == Refused()
    steps = (first, second, Undo(ASKED, 1), Undo(ASKED, 0), AskListe(ASKED, "P"))
    assert Oracle().answer(History(steps))[-1] == Refused(), "nobody has imported a general list"


def test_a_failing_history_is_made_short() -> None:
    steps = (_export(JANUARY, _on(ANA), _on(BEA)), Undo(ASKED, 0), _export(MARCH, _on(BEA)), Undo(ASKED, 1))
    short = shorten(History(steps), lambda it: any(isinstance(step, Undo) and step.link for step in it.steps))
    assert short.steps == (Import(JANUARY, {}, JANUARY), Import(MARCH, {}, MARCH), Undo(ASKED, 1))


def test_numbers_in_words() -> None:
    known = {0: "zéro", 17: "dix-sept", 21: "vingt et un", 71: "soixante et onze", 80: "quatre-vingts"}
    known |= {81: "quatre-vingt-un", 91: "quatre-vingt-onze", 99: "quatre-vingt-dix-neuf"}
    assert {number: in_words(number) for number in known} == known


def test_a_line_prints_what_the_register_knows_and_no_more() -> None:
    bea = _on(BEA, numero=7, voie="12 BIS Rue ba 1")._replace(usage="ZZUSE", nationalite="Belge")
    tableau = _tableau(_export(JANUARY, _on(ANA)), _export(MARCH, _on(ANA), bea))
    assert tableau.lines == (
        Line(
            part="I",
            section="0001",
            personne=BEA,
            numero="7",
            usage="ZZUSE",
            naissance="05/05/1970 à MARSEILLE (13)",
            adresse="12 BIS Rue ba 1, 13001 MARSEILLE",
            bureau="0001",
            nationalite="",
            date="entre le 10/01/2026 et le 10/03/2026",
            motif="",
        ),
    )
    assert tableau.totals["0001", "I"] == "Total des inscriptions : un (1) électeur"
    assert tableau.incomplete == {"date_absente": 1, "motif_absent": 1}
