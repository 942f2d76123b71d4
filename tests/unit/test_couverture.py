"""Each gap in the register's knowledge of a tableau's period is reported, with what to do; else there is no report."""

from dataclasses import replace
from datetime import UTC, date, datetime

import pytest

from schemas.tableaux import TypeTableau
from schemas.vocabulary import Severity
from worker.domain.tableau.couverture import (
    Chain,
    CompleteUntil,
    DayCount,
    LateMouvements,
    Link,
    WaitingMouvements,
    base_of,
    check_couverture,
    exports_used,
)
from worker.domain.tableau.demande import Demande

REUNION_PRECEDENTE, REUNION, SCRUTIN = date(2026, 9, 10), date(2026, 11, 20), date(2026, 12, 13)
AT, AFTER = REUNION, date(2026, 11, 25)
DEMANDE = Demande(
    type=TypeTableau.VINGT_JOURS,
    requested_at=datetime(2026, 11, 26, 9, tzinfo=UTC),
    reunion=REUNION_PRECEDENTE,
    until=REUNION,
    scrutin=SCRUTIN,
)
FIRST = Link(REUNION_PRECEDENTE, is_dated=True, is_compared=False)
YEARLY = Demande(
    type=TypeTableau.PREMIER_RECTIFICATIF, requested_at=DEMANDE.requested_at, date_tableau=date(2014, 1, 10)
)


def _link(day: date, undated: int = 0, *, is_dated: bool = True, is_compared: bool = True) -> Link:
    return Link(day, is_dated, is_compared, undated)


def _words(complete_until: date | None, import_id: int = 4) -> list[CompleteUntil]:
    return [CompleteUntil(complete_until, import_id)] if complete_until else []


def _found(*links: Link, complete_until: date | None = None, demande: Demande = DEMANDE) -> list[tuple[str, Severity]]:
    return [(it.code, it.severity) for it in check_couverture(demande, Chain(links, _words(complete_until)))]


def _used(chain: Chain) -> list[date]:
    return [link.taken_on for link in exports_used(DEMANDE, chain)]


def test_exports_before_and_at_the_end_cover_a_period() -> None:
    chain = Chain([FIRST, _link(date(2026, 10, 15), 30), _link(AT, 12)])
    assert list(check_couverture(DEMANDE, chain)) == []
    assert _used(chain) == [REUNION_PRECEDENTE, date(2026, 10, 15), AT]


def test_what_came_after_the_end_is_no_matter_unless_it_may_be_of_the_period() -> None:
    assert _found(FIRST, _link(AT, 12), _link(AFTER, 50)) == []
    assert _found(FIRST, _link(AFTER)) == [], "compared, and nothing has changed until the 25th"
    assert _found(FIRST, _link(AFTER, 66)) == [("couverture_date", Severity.BLOCKING)]


@pytest.mark.parametrize("day", [AT, AFTER])
def test_an_export_of_which_nobody_said_the_day_ends_no_period(day: date) -> None:
    """It may have been taken a fortnight before the meeting."""
    assert _found(FIRST, _link(day, is_dated=False)) == [("couverture_date", Severity.BLOCKING)]
    assert _found(FIRST, _link(AT, 3, is_dated=False), _link(AFTER)) == [("couverture_date", Severity.BLOCKING)]
    (said,) = check_couverture(DEMANDE, Chain([FIRST, _link(day, is_dated=False)]))
    assert "n'a pas de jour indiqué : s'il a été pris avant le 20/11/2026, ce qui a changé depuis" in said.message


def test_an_export_that_was_not_compared_is_a_gap() -> None:
    assert _found(FIRST, _link(date(2026, 10, 1), is_compared=False), _link(AT)) == [
        ("couverture_lacune", Severity.BLOCKING)
    ]


def test_a_gap_after_the_period_is_one_only_if_electors_are_counted_back_across_it() -> None:
    gap = [("couverture_lacune", Severity.BLOCKING)]
    later = _link(AFTER, is_compared=False)
    assert _found(FIRST, _link(AT), later) == [], "electors are counted from the export that ends the period"
    gone = replace(_link(AT), electeurs=100, held=0)
    assert _found(FIRST, gone, later) == gap, "of which the version is not kept any more"
    assert _used(Chain([FIRST, gone, later])) == [REUNION_PRECEDENTE, AT, AFTER]
    assert _found(FIRST, _link(AT), _link(AT, is_compared=False)) == gap, "of the last day, the last export ends it"
    assert _found(FIRST, replace(gone, held=100), later) == []


def test_an_export_of_the_day_of_the_meeting_begins_a_period() -> None:
    """Mouvements of that day do not belong to the period."""
    chain = Chain([_link(date(2026, 9, 1)), _link(REUNION_PRECEDENTE, 5), _link(AT)])
    assert list(check_couverture(DEMANDE, chain)) == []
    assert _used(chain) == [REUNION_PRECEDENTE, AT]


def test_a_list_that_was_changed_by_another_way_than_an_import_is_said() -> None:
    last = replace(_link(AT), electeurs=120, held=117)
    chain = Chain([replace(FIRST, electeurs=120), last], listed=117)
    assert base_of(DEMANDE, chain) is None
    (said,) = check_couverture(DEMANDE, chain)
    assert (said.code, said.severity) == ("couverture_contredite", Severity.BLOCKING)
    assert said.message == (
        "Le registre a été modifié hors import : l'export du 20/11/2026 donnait 120 électeurs, le registre en a 117. "
        "Annuler cet import (imports --undo), le reprendre (import-reu), puis redemander le tableau."
    )
    assert "couverture_contredite" in [it.code for it in check_couverture(YEARLY, chain)]
    assert list(check_couverture(DEMANDE, replace(chain, links=[chain.links[0], replace(last, held=120)]))) == []


def test_a_comparison_alone_gives_the_exact_number() -> None:
    """Three electors were deleted between two exports: the comparison found them again, as inscriptions."""
    chain = Chain([replace(FIRST, electeurs=120), replace(_link(AT, 8), electeurs=125, growth=8)])
    (said,) = check_couverture(DEMANDE, chain)
    assert (said.code, said.severity) == ("couverture_contredite", Severity.BLOCKING)
    assert said.message == (
        "De l'export du 10/09/2026 (120 électeurs) à celui du 20/11/2026 (125 électeurs), les mouvements en feraient "
        "128 : le registre a été modifié hors import. Annuler ces deux imports, le dernier d'abord (imports --undo), "
        "puis les reprendre (import-reu)."
    )


def test_nothing_is_known_before_the_first_export_nor_after_the_last() -> None:
    assert _found(_link(date(2026, 10, 1), is_compared=False), _link(AT)) == [("couverture_debut", Severity.BLOCKING)]
    assert _found(FIRST, _link(date(2026, 11, 1), 4)) == [("couverture_fin", Severity.BLOCKING)]
    assert _found(FIRST) == [("couverture_fin", Severity.BLOCKING)]


def test_a_provisional_tableau_is_not_held_to_its_end() -> None:
    coming = replace(DEMANDE, type=TypeTableau.CINQ_JOURS_REU, until=None, reunion=REUNION)
    assert coming.is_provisoire
    assert _found(FIRST, _link(AT), demande=coming) == [("couverture_fin", Severity.REMARK)]
    assert _found(FIRST, _link(AT), _link(date(2026, 11, 26)), demande=coming) == []


def test_a_producer_may_vouch_for_the_period() -> None:
    assert _found(complete_until=AT) == []
    assert _found(FIRST, _link(AFTER, 66, is_dated=False), complete_until=AFTER) == []
    assert _used(Chain([FIRST, _link(AT)], _words(AFTER))) == [AT], "only that which electors are counted from"
    uncompared = _link(AT, is_compared=False)
    assert _found(FIRST, uncompared, complete_until=AFTER) == [("couverture_lacune", Severity.REMARK)], "only a word"
    assert _found(complete_until=date(2026, 11, 19)) == [("couverture_inconnue", Severity.REMARK)]
    assert _found() == [("couverture_inconnue", Severity.REMARK)]


@pytest.mark.parametrize("asked", [DEMANDE, YEARLY])
def test_neant_is_not_stated_of_what_nobody_told(asked: Demande) -> None:
    (said,) = check_couverture(asked, Chain(), is_neant=True)
    assert (said.code, said.severity) == ("couverture_inconnue", Severity.BLOCKING)
    assert said.message.endswith("Sans cela, « Néant » serait inventé.")


COUNTED = replace(FIRST, electeurs=100)
WORD = Chain(words=_words(AFTER))


def _word(link: Link, *, young: int = 0, **daily: DayCount) -> list[tuple[str, Severity]]:
    days = {date(2026, int(day[1:3]), int(day[3:])): tally for day, tally in daily.items()}
    chain = Chain([COUNTED, link], _words(AFTER), daily=days, births=["2010-01-01"] * young)
    return [(it.code, it.severity) for it in check_couverture(DEMANDE, chain)]


def test_a_word_that_the_exports_contradict_covers_nothing() -> None:
    """Ten electors fewer between two exports, three mouvements in a file that is declared complete."""
    gone = replace(_link(AT, is_compared=False), electeurs=90)
    contradicted, alone = ("couverture_contredite", Severity.BLOCKING), ("couverture_lacune", Severity.REMARK)
    assert _word(gone, d1015=DayCount(0, 3)) == [contradicted]
    assert _word(gone, d1015=DayCount(2, 12)) == [alone], "so many left: only that nobody compared is said"
    assert _word(gone, d1015=DayCount(2, 12), d0911=DayCount(1, 0)) == [contradicted]
    assert _word(gone, d1015=DayCount(0, 9), d1120=DayCount(0, 1)) == [alone], "on the day of an export: in it or not"
    assert _word(replace(gone, electeurs=110), d1120=DayCount(10, 0)) == [alone], "so for inscriptions"
    assert _word(replace(gone, electeurs=110), d1120=DayCount(9, 0)) == [contradicted]
    assert _word(gone, d0901=DayCount(0, 10), d1121=DayCount(0, 10)) == [contradicted], "on other days: no matter"
    assert _word(gone, d1015=DayCount(0, 12), young=2) == [alone], "minors are in exports, and perhaps in no file"
    assert _word(gone, d1015=DayCount(0, 13), young=2) == [contradicted]


def test_what_came_after_all_was_said_to_be_there_takes_the_word_back() -> None:
    late = [LateMouvements(7, date(2026, 10, 3), 2), LateMouvements(7, date(2026, 10, 5), 1)]
    (said,) = check_couverture(DEMANDE, replace(WORD, late=late))
    assert (said.code, said.severity) == ("couverture_contredite", Severity.BLOCKING)
    assert said.message == (
        "3 mouvements sont venus ensuite (du 03/10/2026 au 05/10/2026, import 7), alors que l'import 4 était dit "
        "complet jusqu'au 25/11/2026 : il en manquait. Vérifier qu'il n'en manque plus, et le dire du dernier fichier "
        "(import-mouvements --complete-until)."
    )
    elsewhere = [LateMouvements(7, REUNION_PRECEDENTE, 2), LateMouvements(7, date(2026, 11, 21), 1)]
    assert list(check_couverture(DEMANDE, replace(WORD, late=elsewhere))) == [], "of other periods"


def test_the_last_word_that_covers_a_period_is_the_one_that_counts() -> None:
    """One file until the 25th, another one until the 20th: for the period until the 20th, the second one counts."""
    late = [LateMouvements(7, date(2026, 10, 3), 2)]
    chain = replace(WORD, words=[CompleteUntil(AFTER, 4), CompleteUntil(AT, 7)], late=late)
    assert list(check_couverture(DEMANDE, chain)) == []
    (said,) = check_couverture(replace(DEMANDE, until=AFTER), chain)
    assert "alors que l'import 4 était dit complet jusqu'au 25/11/2026" in said.message


def test_a_gap_after_what_somebody_vouched_for_is_one() -> None:
    """Electors are counted back across it, and its mouvements are unknown."""
    later = replace(_link(AFTER, is_compared=False), electeurs=90)
    gone = replace(_link(AT), electeurs=100, held=0)
    alone = Chain([COUNTED, gone, later], _words(AT))
    assert [(it.code, it.severity) for it in check_couverture(DEMANDE, alone)] == [
        ("couverture_lacune", Severity.BLOCKING)
    ]
    vouched = [(it.code, it.severity) for it in check_couverture(DEMANDE, replace(alone, words=_words(AFTER)))]
    assert vouched == [("couverture_contredite", Severity.BLOCKING)]
    as_many = replace(alone, links=[*alone.links[:2], replace(later, electeurs=100)], words=_words(AFTER))
    assert [it.severity for it in check_couverture(DEMANDE, as_many)] == [Severity.REMARK]
    kept = replace(alone, links=[COUNTED, replace(gone, held=100), later])
    assert list(check_couverture(DEMANDE, kept)) == [], "electors are counted from the export that ends the period"


def test_mouvements_beside_a_comparison_are_told_twice() -> None:
    """No comparison knows an elector who comes and leaves between two exports: only a different total is too much."""
    chain = Chain([COUNTED, replace(_link(AT, 2), electeurs=102, growth=2)], daily={date(2026, 10, 15): DayCount(2, 0)})
    (said,) = check_couverture(DEMANDE, chain)
    assert (said.code, said.severity) == ("couverture_contredite", Severity.BLOCKING)
    assert said.message == (
        "De l'export du 10/09/2026 (100 électeurs) à celui du 20/11/2026 (102 électeurs), les mouvements en feraient "
        "104 : à ceux que donne la comparaison de ces deux exports s'en ajoutent d'un autre fichier, sans doute les "
        "mêmes. Annuler l'import de ce fichier (imports --undo), ou le corriger ; les motifs se disent à part (motifs)."
    )
    assert list(check_couverture(DEMANDE, replace(chain, daily={date(2026, 10, 15): DayCount(1, 1)}))) == []
    assert list(check_couverture(DEMANDE, replace(chain, daily={date(2026, 9, 1): DayCount(2, 0)}))) == []


def test_what_waits_to_be_applied_leaves_no_totals_that_follow_each_other() -> None:
    """One tableau ended with an elector with whom the next one did not begin."""
    in_it, before = WaitingMouvements(date(2026, 10, 3), 2), WaitingMouvements(date(2026, 9, 1), 1)
    vouched = Chain(words=_words(AT), waiting=[in_it])
    (said,) = check_couverture(DEMANDE, vouched)
    assert (said.code, said.severity) == ("couverture_attente", Severity.BLOCKING)
    assert said.message == (
        "2 mouvements attendent encore (du 03/10/2026, état « actif » dans leur fichier) : la liste ne dit pas s'ils "
        "ont pris effet, et les totaux de ce tableau et du suivant ne se suivraient pas. S'ils ont pris effet, "
        "reprendre un export du REU qui les montre (import-reu) et annuler l'import de ce fichier (imports --undo)."
    )
    (said,) = check_couverture(DEMANDE, replace(vouched, waiting=[before, in_it]))
    assert said.message.startswith("3 mouvements attendent encore (du 01/09/2026 au 03/10/2026, ")
    assert [it.code for it in check_couverture(DEMANDE, replace(vouched, waiting=[before]))] == ["couverture_attente"]
    later = WaitingMouvements(date(2026, 11, 21), 1)
    assert list(check_couverture(DEMANDE, replace(vouched, waiting=[later]))) == [], "of the next one"
    listed = Chain([FIRST, _link(AT)], waiting=[before])
    assert list(check_couverture(DEMANDE, listed)) == [], "an export taken since tells who is on the list"
    coming = replace(DEMANDE, type=TypeTableau.CINQ_JOURS_REU, until=None, reunion=REUNION)
    severities = {
        it.day: next(
            anomalie.severity
            for anomalie in check_couverture(coming, Chain(waiting=[it]))
            if anomalie.code == "couverture_attente"
        )
        for it in (later, in_it)
    }
    assert severities == {later.day: Severity.REMARK, in_it.day: Severity.BLOCKING}, "it may take effect until the day"


@pytest.mark.parametrize("complete_until", [None, date(2014, 1, 9), date(2014, 1, 10)])
def test_before_2019_only_a_producer_can_tell(complete_until: date | None) -> None:
    is_known = complete_until == date(2014, 1, 10)
    expected = [] if is_known else [("couverture_inconnue", Severity.REMARK)]
    assert _found(FIRST, _link(AT), complete_until=complete_until, demande=YEARLY) == expected
