"""The tasks of a commune in order, each with one true state; the tableaux of a poll, and those that fulfil it."""

from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from common.calendrier import CalendarReunion, CalendarScrutin, cycle_of, find_cycles
from common.french import LACKS_BOTH, LACKS_ENTRY
from producers.web.depot import content_of, find_refused
from producers.web.echeances import Agenda, Calendar, build_agenda
from producers.web.exports.query import AskedFile
from producers.web.registre.query import Registre
from producers.web.taches import (
    HORIZON,
    Situation,
    Task,
    TaskState,
    find_steps,
    find_tasks,
    in_order,
    without_far_ones,
)
from schemas.profiles.platform import read_shipped
from schemas.tableaux import TypeTableau
from tests.unit.asked_files import DAY, NOON, ready_list, ready_tableau

APRIL_POLL = date(2027, 4, 11)
SCRUTIN = CalendarScrutin(APRIL_POLL, "Élections municipales", None)
LISTES = ["P", "CE", "CM"]
MADE_FOR = {"scrutin": APRIL_POLL.isoformat()}


def _agenda(*tableaux: AskedFile, scrutin: CalendarScrutin = SCRUTIN) -> Agenda:
    return build_agenda(cycle_of(scrutin, []), tableaux, LISTES)


def test_each_secteur_of_a_town_has_its_tableau() -> None:
    """Paris, Lyon and Marseille: that of the whole commune is none of R. 13."""
    poll = CalendarScrutin(date(2027, 4, 11), "Élection présidentielle, 1er tour")
    asked = {"parameters": {"scrutin": poll.jour.isoformat()}, "published_on": DAY}
    tableaux = [ready_tableau(number, secteur=number, **asked) for number in range(1, 9)]
    whole = ready_tableau(9, **asked)
    for made, is_made in (([whole], False), (tableaux[1:], False), (tableaux, True)):
        first, second = build_agenda(cycle_of(poll), made, ["P"], secteurs=range(1, 9)).due
        assert (first.is_made, first.is_published, first.missing == []) == (is_made,) * 3
        assert second.of_secteurs == dict.fromkeys(range(1, 9))
    (first, _) = build_agenda(cycle_of(poll), tableaux, ["P"]).due
    assert not first.is_made, "nor is that of a secteur the commune's"


def test_the_closing_that_the_register_knows_wins() -> None:
    agenda = _agenda(scrutin=CalendarScrutin(APRIL_POLL, "", date(2027, 2, 28)))
    assert agenda.last_day_to_register == date(2027, 2, 28)


@pytest.mark.parametrize(
    ("facts", "is_made"),
    [
        ({"parameters": MADE_FOR}, True),
        ({"parameters": {"scrutin": "2026-12-06"}}, False),
        ({"parameters": MADE_FOR, "edition": "commission"}, False),
        ({"parameters": MADE_FOR, "a_completer": 1}, False),
        ({"parameters": MADE_FOR, "a_completer": 1, "published_on": date(2027, 3, 20)}, True),
        ({"parameters": MADE_FOR, "type_tableau": "cinq_jours_reu"}, False),
        ({"parameters": MADE_FOR, "liste": "CM"}, False),
        ({"parameters": {"scrutin": None, "until": "2027-03-19"}}, True),
        ({"parameters": {"scrutin": None, "until": "2027-03-30"}}, False),
        ({"parameters": {"scrutin": None, "until": None, "publication": "2027-03-22"}}, True),
        ({"parameters": {}}, False),
    ],
)
def test_a_tableau_answers_its_own_poll_only(facts: dict[str, object], *, is_made: bool) -> None:
    vingt_jours, _ = _agenda(ready_tableau(1, **facts)).due
    assert vingt_jours.is_made is is_made


def test_the_newest_tableau_of_each_list_is_shown_and_the_others_are_named() -> None:
    newest, older = ready_tableau(2, parameters=MADE_FOR), ready_tableau(1, parameters=MADE_FOR)
    due = _agenda(newest, older).due[0]
    assert due.made == {"P": newest}
    assert due.missing == ["CM"], "CE does not vote at a municipal poll"
    assert due.is_made


def test_the_principal_list_stands_first_though_its_tableau_was_made_first() -> None:
    made = [
        ready_tableau(number, parameters=MADE_FOR, liste=liste)
        for number, liste in ((3, "CM"), (2, "CE"), (1, "P"))
    ]
    assert list(_agenda(*made).due[0].made) == LISTES


def test_what_cannot_be_posted_is_not_done() -> None:
    provisional = ready_tableau(3, parameters=MADE_FOR, provisoire_until=APRIL_POLL)
    wrong = ready_tableau(2, parameters=MADE_FOR, bloquantes=1)
    due = _agenda(provisional, wrong).due[0]
    assert (due.made, due.unfinished, due.is_made) == ({}, {"P": provisional}, False)
    assert due.is_late(APRIL_POLL)
    recalled = ready_tableau(4, parameters=MADE_FOR, recalled_at=NOON)
    assert _agenda(recalled).due[0].unfinished == {"P": recalled}
    right = ready_tableau(1, parameters=MADE_FOR)
    due = _agenda(provisional, wrong, right).due[0]
    assert (due.made, due.unfinished, due.is_made) == ({"P": right}, {}, True)


def test_a_tableau_that_ends_before_a_list_came_stays_on_the_calendar_as_out_of_reach() -> None:
    cycle = cycle_of(SCRUTIN, [])
    end = cycle.last_day(cycle.due[0])
    for came, beyond in ((end, ["CM"]), (end - timedelta(days=1), [])):
        first, second = build_agenda(cycle, [], ["P", "CM"], {"P": DAY, "CM": came}).due
        assert (first.missing, second.missing) == (["P", "CM"], ["P", "CM"])
        assert (first.beyond_register, second.beyond_register) == (beyond, [])


POLL = CalendarScrutin(date(2026, 12, 20), "Élection municipale partielle", None)
FOR_POLL = {"parameters": {"scrutin": "2026-12-20"}}
POSTED = {"published_on": date(2026, 12, 15), "published_until": date(2026, 12, 16)}
COMING = {"provisoire_until": date(2026, 12, 15)}
CINQ_JOURS = FOR_POLL | {"type_tableau": TypeTableau.CINQ_JOURS_REU.value}
LISTES_MADE, CORRECT = "Préparer les listes", "Corriger la liste principale"
DEPOSIT, ANSWER = "Déposer sur e-listelec", "Noter la réponse de la plateforme"
TO_DO, TO_COME, DONE, LATE = TaskState.TO_DO, TaskState.TO_COME, TaskState.DONE, TaskState.LATE
UNKNOWN = TaskState.UNKNOWN


def tasks_of(*files: AskedFile, **known: Any) -> list[Task]:  # noqa: ANN401 — of `situation_of`
    return find_tasks(situation_of(*files, **known))


def situation_of(
    *files: AskedFile,
    today: date = DAY,
    imported_at: datetime | None = NOON,
    register_since: date | None = None,
    scrutins: tuple[CalendarScrutin, ...] = (),
    reunions: tuple[CalendarReunion, ...] = (),
    wanted: bool = True,
    to_renew: CalendarScrutin | None = None,
    emptied: Registre | None = None,
    **known: Any,  # noqa: ANN401 — of Situation
) -> Situation:
    registres = {"P": Registre("P", 100, imported_at, taken_on=imported_at and imported_at.date())}
    registres |= {"CE": emptied} if emptied else {}
    tableaux = [file for file in reversed(files) if file.is_tableau]
    cycles = find_cycles(today, scrutins, reunions, register_since)
    first_days = {"P": register_since} if register_since else {}
    agendas = [build_agenda(it, tableaux, ["P"], first_days) for it in cycles]
    deposited = sorted((it for it in files if it.deposited_on), key=lambda it: -it.export_id)
    calendar = Calendar(agendas, tableaux, reunions, registres, register_since, to_renew=to_renew)
    platform = read_shipped().model_copy(update={"deposits_wanted": wanted})
    return Situation(today, calendar, files, deposited, platform, **known)


def states(tasks: list[Task]) -> dict[str, TaskState]:
    return {task.title: task.state for task in tasks}


def test_where_deposits_are_not_wanted_there_is_no_task_to_deposit() -> None:
    assert states(tasks_of(ready_list(1)))[DEPOSIT] == TO_DO
    titles = " ".join(states(tasks_of(ready_list(1), wanted=False)))
    assert "Déposer sur" not in titles
    assert LISTES_MADE not in titles


ANNUAL = "Réunir la commission de contrôle (2026)"
NOTE = "Noter la réunion de la commission de contrôle"
TABLEAU = "tableau des inscriptions et radiations"


@pytest.mark.parametrize(
    ("today", "state"),
    [
        (date(2026, 11, 19), TO_COME),
        (date(2026, 11, 20), TO_DO),
        (date(2026, 12, 30), TO_DO),
        (date(2026, 12, 31), UNKNOWN),
        (date(2027, 1, 31), UNKNOWN),
    ],
)
def test_the_annual_meeting_is_asked_for_in_a_year_without_a_poll(
    today: date, state: TaskState
) -> None:
    task = next(task for task in tasks_of(today=today) if task.title == ANNUAL)
    assert (task.state, task.due) == (state, date(2026, 12, 30))
    assert "du 20/11/2026 au 30/12/2026 (art. L. 19, III, et R. 10)" in task.why
    assert "Aucune réunion n'est notée en 2026. Si elle a eu lieu, notez-en le jour." in task.why


MARCH = CalendarScrutin(date(2026, 3, 15), "Élections municipales, 1er tour")


def test_a_meeting_that_a_poll_called_and_nobody_held_does_not_replace_the_annual_one() -> None:
    """R. 10, third paragraph, asks whether the commission has met since 1 January."""
    known: dict[str, Any] = {"scrutins": (MARCH,), "register_since": date(2025, 6, 1)}
    assert ANNUAL not in states(tasks_of(today=date(2026, 2, 22), **known)), (
        "the poll's may be held"
    )
    assert states(tasks_of(today=date(2026, 3, 17), **known))[ANNUAL] is TO_COME
    assert states(tasks_of(today=date(2026, 12, 2), **known))[ANNUAL] is TO_DO
    assert states(tasks_of(today=date(2027, 1, 5), **known))[ANNUAL] is UNKNOWN
    held = (CalendarReunion(date(2026, 2, 20)),)
    assert ANNUAL not in states(tasks_of(today=date(2026, 12, 2), reunions=held, **known))
    in_autumn = (CalendarReunion(date(2026, 12, 1)),)
    assert states(tasks_of(today=date(2026, 12, 2), reunions=in_autumn, **known))[ANNUAL] is DONE


def test_the_annual_meeting_of_a_year_that_is_over_is_dropped_in_february() -> None:
    found = states(tasks_of(today=date(2027, 2, 1)))
    assert ANNUAL not in found
    assert found["Réunir la commission de contrôle (2027)"] is TO_COME
    known_later = states(tasks_of(today=date(2027, 1, 5), register_since=date(2027, 1, 4)))
    assert ANNUAL not in known_later, "the module did not know the commune in 2026"


def test_a_meeting_without_a_poll_calls_for_its_tableau_the_day_after() -> None:
    meeting = (CalendarReunion(date(2026, 11, 24)),)
    tasks = tasks_of(reunions=meeting)
    assert states(tasks)[ANNUAL] is DONE
    task = next(task for task in tasks if task.title == f"Préparer le {TABLEAU}")
    assert (task.state, task.due) == (TO_DO, DAY)
    assert task.button.facts["ask"] == "type=vingt_jours&until=2026-11-24"

    made = ready_tableau(1, parameters={"scrutin": None, "until": "2026-11-24"})
    assert states(tasks_of(made, reunions=meeting))["Publier le tableau"] is TO_DO
    other = ready_tableau(1, parameters={"scrutin": None, "until": "2026-11-20"})
    assert f"Préparer le {TABLEAU}" in states(tasks_of(other, reunions=meeting))
    for_poll = ready_tableau(1, parameters={"scrutin": "2026-12-20", "until": "2026-11-24"})
    assert f"Préparer le {TABLEAU}" in states(tasks_of(for_poll, reunions=meeting))


def test_a_meeting_that_did_not_deliberate_does_not_move_the_tableau() -> None:
    held = CalendarReunion(date(2026, 11, 27), has_deliberated=False)
    tasks = {
        task.title: task
        for task in tasks_of(today=date(2026, 11, 28), scrutins=(POLL,), reunions=(held,))
    }
    assert (tasks[NOTE].state, "qui n’a pas délibéré" in tasks[NOTE].why) == (DONE, True)
    assert tasks["Préparer le tableau des vingt jours"].due == date(2026, 11, 30)


def test_a_commune_without_a_register_is_asked_for_the_export_first() -> None:
    tasks = find_tasks(Situation(DAY, Calendar([], [], [], {}), [], [], read_shipped()))
    assert (tasks[0].title, tasks[0].state) == ("Déposer l'export du REU", TO_DO)
    assert {task.state for task in tasks[1:]} == {TaskState.UNKNOWN}


def test_no_commission_is_asked_for_where_the_lists_are_revised_once_a_year() -> None:
    """In Nouméa; elsewhere a commission that has to be renewed is a task."""
    poll = CalendarScrutin(date(2026, 3, 15), "Élections municipales")
    asked = {
        yearly: states(
            find_tasks(
                Situation(
                    DAY,
                    Calendar([], [], [], {}, to_renew=poll, is_yearly=yearly),
                    [],
                    [],
                    read_shipped(),
                )
            )
        )
        for yearly in (True, False)
    }
    assert not [title for title in asked[True] if "commission" in title]
    assert asked[False]["Renouveler la commission de contrôle"] is TO_DO
    assert asked[False]["Noter la réunion de la commission de contrôle"] is TaskState.UNKNOWN


def test_a_commission_is_renewed_before_it_meets_next() -> None:
    tasks = tasks_of(to_renew=MARCH, today=date(2026, 9, 1))
    (task,) = [it for it in tasks if it.title == "Renouveler la commission de contrôle"]
    assert (task.state, task.due) == (TO_DO, date(2026, 12, 30))


def test_an_emptied_list_does_not_make_the_export_old() -> None:
    """No later export holds it, so that its day stays."""
    emptied = Registre("CE", 0, NOON, taken_on=date(2026, 1, 3))
    found = states(tasks_of(emptied=emptied))
    assert found["Déposer l'export du REU"] is DONE
    filled = Registre("CE", 1, NOON, taken_on=date(2026, 1, 3))
    assert states(tasks_of(emptied=filled))["Déposer l'export du REU"] is TO_DO


@pytest.mark.parametrize(("days", "state"), [(0, DONE), (30, DONE), (31, TO_DO), (34, TO_DO)])
def test_an_export_of_more_than_thirty_days_is_asked_for_again(days: int, state: TaskState) -> None:
    task = tasks_of(imported_at=datetime(2026, 11, 25, 12, tzinfo=UTC) - timedelta(days=days))[0]
    assert task.state is state
    assert (f"Il date de {days} jours" in task.why) == (days > 0)


@pytest.mark.parametrize(
    ("facts", "expected"),
    [
        ({}, {LISTES_MADE: DONE, DEPOSIT: TO_DO}),
        ({"bloquantes": 9}, {LISTES_MADE: DONE, CORRECT: TO_DO}),
        ({"bloquantes": 9, "outdated_at": NOON}, {LISTES_MADE: UNKNOWN}),
        ({"outdated_at": NOON}, {LISTES_MADE: UNKNOWN}),
        ({"recalled_at": NOON, "recalled_because": "essai"}, {LISTES_MADE: UNKNOWN}),
        ({"deposited_on": DAY}, {LISTES_MADE: DONE, ANSWER: TO_COME}),
        ({"deposited_on": DAY - timedelta(days=1)}, {LISTES_MADE: DONE, ANSWER: TO_DO}),
        ({"deposited_on": DAY, "verdict": "accepte"}, {LISTES_MADE: DONE, ANSWER: DONE}),
        (
            {"deposited_on": DAY, "verdict": "rejete"},
            {LISTES_MADE: DONE, CORRECT: TO_DO, ANSWER: DONE},
        ),
        (
            {"deposited_on": DAY, "verdict": "rejete", "outdated_at": NOON},
            {LISTES_MADE: TO_DO, ANSWER: DONE},
        ),
    ],
)
def test_a_list_asks_for_one_thing_at_a_time(
    facts: dict[str, Any], expected: dict[str, TaskState]
) -> None:
    found = states(tasks_of(ready_list(1, **facts)))
    about_listes = {
        title: state
        for title, state in found.items()
        if title in {LISTES_MADE, DEPOSIT, ANSWER} or title.startswith("Corriger")
    }
    assert about_listes == expected


def test_until_a_deposit_is_noted_nobody_knows_whether_the_prefecture_wants_the_lists() -> None:
    made, deposited = ready_list(1, outdated_at=NOON), ready_list(2, liste="CM", deposited_on=DAY)
    for files in ((), (made,)):
        tasks = tasks_of(*files)
        (task,) = [it for it in tasks if it.title == LISTES_MADE]
        assert task.state is UNKNOWN
        assert task.why.startswith("Votre préfecture veut-elle encore un dépôt ?")
        steps = {step.label: step.state.value for step in find_steps(situation_of(*files), tasks)}
        assert (steps["Fichiers"], steps["Déposé"]) == ("unknown", "unknown")
    (task,) = [it for it in tasks_of(made, deposited) if it.title == LISTES_MADE]
    assert (task.state, task.why.startswith("Le registre")) == (TO_DO, True)


@given(
    st.fixed_dictionaries(
        {
            "bloquantes": st.sampled_from((0, 9)),
            "recalled_at": st.sampled_from((None, NOON)),
            "outdated_at": st.sampled_from((None, NOON)),
            "purged_at": st.sampled_from((None, NOON)),
            "format": st.sampled_from(("csv", "xml")),
        }
    )
)
def test_what_was_refused_is_never_to_be_deposited_again(facts: dict[str, Any]) -> None:
    refused = ready_list(1, **facts | {"deposited_on": DAY, "verdict": "rejete"})
    twin = ready_list(2, request_id=1, format="csv" if facts["format"] == "xml" else "xml")
    for files in ((refused,), (refused, twin)):
        assert DEPOSIT not in states(tasks_of(*files))


def test_what_was_refused_and_made_again_of_the_same_register_is_to_be_corrected() -> None:
    refused = ready_list(
        1, request_id=1, sha256="a" * 64, deposited_on=DAY, verdict="rejete", verdict_on=DAY
    )
    again = ready_list(2, request_id=2, sha256="a" * 64)
    tasks = tasks_of(refused, again)
    (task,) = [task for task in tasks if task.title == CORRECT]
    assert "la même que celle que la plateforme a rejetée" in task.why
    assert "Si la réponse ne demande rien, déposez de nouveau la même liste." in task.why
    assert task.button.facts["export"] == refused.export_id
    assert DEPOSIT not in states(tasks)
    corrected = ready_list(3, request_id=3, sha256="b" * 64)
    assert states(tasks_of(refused, corrected))[DEPOSIT] is TO_DO


def test_two_empty_lists_with_the_same_bytes_are_judged_apart() -> None:
    same = {"sha256": "a" * 64, "electeurs": 0}
    refused = {"deposited_on": DAY, "verdict": "rejete", "verdict_on": DAY}
    ce, cm = (ready_list(it, liste=code, **same, **refused) for it, code in ((1, "CE"), (2, "CM")))
    found = find_refused([cm, ce])
    assert [found[content_of(it)].export_id for it in (ce, cm)] == [1, 2]


def test_the_last_verdict_on_a_content_counts_not_an_earlier_one() -> None:
    same = {"sha256": "a" * 64, "deposited_on": DAY, "verdict_on": DAY}
    refused = ready_list(1, request_id=1, verdict="rejete", **same)
    accepted = ready_list(2, request_id=2, verdict="accepte", **same)
    again = ready_list(3, request_id=3, sha256="a" * 64)
    found = states(tasks_of(refused, accepted, again))
    assert CORRECT not in found, "the platform has accepted these bytes since"
    assert DEPOSIT not in found, "the platform has these bytes"
    refused_since = ready_list(4, request_id=4, verdict="rejete", **same)
    after = ready_list(5, request_id=5, sha256="a" * 64)
    assert states(tasks_of(refused, accepted, refused_since, after))[CORRECT] is TO_DO


@pytest.mark.parametrize("last", [{"sha256": "b" * 64, "verdict": "accepte"}, {"sha256": "b" * 64}])
def test_an_accepted_list_is_to_deposit_again_once_another_deposit_replaced_it(
    last: dict[str, Any],
) -> None:
    accepted = ready_list(
        1, request_id=1, sha256="a" * 64, deposited_on=DAY, verdict="accepte", verdict_on=DAY
    )
    replaced = ready_list(2, request_id=2, deposited_on=DAY, **last)
    again = ready_list(3, request_id=3, sha256="a" * 64)
    assert states(tasks_of(accepted, replaced, again))[DEPOSIT] is TO_DO


@pytest.mark.parametrize("facts", [{"verdict": "accepte", "recalled_at": NOON}, {}])
def test_a_deposited_list_that_is_made_again_with_the_same_bytes_is_not_to_deposit(
    facts: dict[str, Any],
) -> None:
    """It was recalled, or its answer is to come."""
    same = {"sha256": "a" * 64}
    accepted = ready_list(1, request_id=1, **same, deposited_on=DAY, **facts)
    again = ready_list(2, request_id=2, **same)
    assert DEPOSIT not in states(tasks_of(accepted, again))
    other = ready_list(2, request_id=2, sha256="b" * 64)
    assert states(tasks_of(accepted, other))[DEPOSIT] is TO_DO


def test_a_task_that_is_far_ahead_is_not_listed() -> None:
    tasks = tasks_of(scrutins=(SCRUTIN,))
    (task,) = [it for it in tasks if it.title == "Préparer le tableau des cinq jours"]
    assert task.due
    assert task in without_far_ones(tasks, task.due - HORIZON)
    assert task not in without_far_ones(tasks, task.due - HORIZON - timedelta(days=1))
    kept = {it.title for it in tasks if it.state is not TO_COME}
    assert kept <= {it.title for it in without_far_ones(tasks, date(2020, 1, 1))}


def test_tasks_stand_in_the_order_of_their_legal_days() -> None:
    tasks = tasks_of(
        ready_list(1), today=date(2026, 12, 16), scrutins=(POLL,), doubts=1, incomplete=1
    )
    to_do = in_order(tasks)["to_do"]
    assert (to_do[0].state, to_do[0].due) == (LATE, date(2026, 11, 30))
    days = [task.due for task in to_do if task.due]
    assert days == sorted(days)
    assert all(task.due for task in to_do[: len(days)]), "those without a day come after"


@pytest.mark.parametrize(
    ("today", "facts", "title", "state"),
    [
        (date(2026, 11, 10), None, "Préparer le tableau des cinq jours", TO_COME),
        (date(2026, 12, 14), None, "Préparer le tableau des cinq jours", TO_COME),
        (date(2026, 12, 15), None, "Préparer le tableau des cinq jours", TO_DO),
        (date(2026, 12, 16), None, "Préparer le tableau des cinq jours", LATE),
        (date(2026, 12, 1), {"bloquantes": 2}, "Corriger le tableau des cinq jours", TO_DO),
        (date(2026, 12, 14), COMING, "Refaire le tableau des cinq jours", TO_COME),
        (date(2026, 12, 15), COMING, "Refaire le tableau des cinq jours", TO_DO),
        (date(2026, 12, 15), {"a_completer": 4}, "Compléter le tableau des cinq jours", TO_DO),
        (date(2026, 12, 16), {"a_completer": 4}, "Compléter le tableau des cinq jours", LATE),
        (
            date(2026, 12, 15),
            {"a_completer": 4, "published_on": date(2026, 12, 15)},
            "Certifier la publication",
            TO_DO,
        ),
        (date(2026, 12, 15), {}, "Publier le tableau", TO_DO),
        (date(2026, 12, 16), {}, "Publier le tableau", LATE),
        (
            date(2026, 12, 16),
            {"published_on": date(2026, 12, 15)},
            "Certifier la publication",
            TO_DO,
        ),
        (date(2026, 12, 16), POSTED, "Certifier la publication", TO_COME),
        (date(2026, 12, 17), POSTED, "Certifier la publication", TO_DO),
        (
            date(2026, 12, 17),
            POSTED | {"certified_on": date(2026, 12, 17)},
            "Certifier la publication",
            DONE,
        ),
    ],
)
def test_a_tableau_goes_from_yet_to_come_to_certified(
    today: date, facts: dict[str, Any] | None, title: str, state: TaskState
) -> None:
    files = [] if facts is None else [ready_tableau(1, **CINQ_JOURS | facts)]
    found = tasks_of(*files, today=today, scrutins=(POLL,))
    about = [
        task
        for task in found
        if "cinq jours" in task.title or task.title in {"Publier le tableau", title}
    ]
    assert [(task.title, task.state) for task in about] == [(title, state)]


@pytest.mark.parametrize(
    ("today", "withdrawn_on", "state"),
    [
        (date(2026, 12, 22), None, TO_COME),
        (date(2026, 12, 23), None, TO_DO),
        (date(2027, 2, 1), None, TO_DO),
        (date(2027, 2, 1), date(2026, 12, 23), DONE),
    ],
)
def test_a_published_tableau_is_to_withdraw_from_the_day_after_its_last_one(
    today: date, withdrawn_on: date | None, state: TaskState
) -> None:
    days = {
        "published_on": date(2026, 12, 15),
        "published_until": date(2026, 12, 22),
        "withdrawn_on": withdrawn_on,
    }
    (task,) = [
        it
        for it in tasks_of(ready_tableau(1, **CINQ_JOURS, **days), today=today)
        if "Retirer" in it.title
    ]
    assert (task.title, task.state, task.button.facts["export"]) == ("Retirer le tableau", state, 1)
    assert task.due == (None if withdrawn_on else date(2026, 12, 23))


RECAPITULATIF = CINQ_JOURS | {"presentation": "recapitulatif"}


def test_a_wrong_tableau_is_made_again_once_the_register_was_imported_again() -> None:
    """Its page would ask for an export that the register has."""
    wrong = FOR_POLL | {"bloquantes": 1}
    today = date(2026, 11, 30)
    found = tasks_of(ready_tableau(1, **wrong), today=today, scrutins=(POLL,))
    assert "Corriger le tableau des vingt jours" in states(found)
    file = ready_tableau(1, **wrong, outdated_at=NOON)
    (task,) = [it for it in tasks_of(file, today=today, scrutins=(POLL,)) if "Refaire" in it.title]
    assert (task.title, task.button.code) == (
        "Refaire le tableau des vingt jours",
        "tableau_provisoire",
    )
    assert "listes=P" in str(task.button.facts["ask"])


def test_a_published_tableau_of_a_meeting_that_was_noted_later_is_made_again_by_its_legal_dates() -> (
    None
):
    """Its own dates are those before the meeting: the same request would be recalled once more."""
    recalled = FOR_POLL | POSTED | {"recalled_at": NOON, "recalled_because": "réunion du 27/11"}
    file = ready_tableau(1, **recalled)
    found = tasks_of(file, today=date(2026, 12, 15), scrutins=(POLL,))
    (task,) = [it for it in found if it.title == "Refaire le tableau des vingt jours"]
    assert task.button.code == "tableau_provisoire"
    assert task.button.facts == {"ask": "type=vingt_jours&scrutin=2026-12-20"}
    assert "réunion du 27/11. Publiez le nouveau à la place de l'ancien." in task.why


def test_a_recalled_tableau_of_a_list_that_the_register_has_no_more_is_not_to_make_again() -> None:
    recalled = FOR_POLL | {"recalled_at": NOON, "recalled_because": "l'import 3 a été annulé"}
    found = tasks_of(
        ready_tableau(1, **recalled), ready_tableau(2, **recalled, liste="CM"), scrutins=(POLL,)
    )
    again = [it.why for it in found if it.title == "Refaire le tableau des vingt jours"]
    assert ["liste principale" in it for it in again] == [True]


@pytest.mark.parametrize("other", [{}, {"parameters": {"scrutin": "2026-12-13"}}])
def test_a_recalled_tableau_is_not_to_withdraw_once_another_is_published_in_its_place(
    other: dict[str, Any],
) -> None:
    recalled = ready_tableau(1, **FOR_POLL | POSTED | {"recalled_at": NOON} | other)
    published = ready_tableau(2, **FOR_POLL | POSTED)
    found = tasks_of(recalled, published, today=date(2026, 12, 20), scrutins=(POLL,))
    withdrawn = [it for it in found if it.title == "Retirer le tableau"]
    assert [it.button.facts["export"] for it in withdrawn] == ([2, 1] if other else [2])
    assert "liste principale, scrutin du 20/12/2026." in withdrawn[0].why
    assert len({it.why for it in withdrawn}) == len(withdrawn), "each names its poll"


def test_a_tableau_that_lacks_what_no_page_can_note_is_to_publish_with_the_reason() -> None:
    """« Dates et motifs » lists the mouvements of the register: it has none of an elector who came before it."""
    for code, title in ((LACKS_ENTRY, "Publier"), (LACKS_BOTH, "Compléter")):
        anomalies = [{"code": code, "severity": "a_completer", "count": 1, "messages": []}]
        file = ready_tableau(1, **FOR_POLL, a_completer=1, anomalies=anomalies)
        found = states(tasks_of(file, today=date(2026, 11, 30), scrutins=(POLL,)))
        assert found[f"{title} le tableau des vingt jours"] is TO_DO


def test_a_recapitulatif_is_never_the_tableau_that_is_due() -> None:
    found = tasks_of(ready_tableau(1, **RECAPITULATIF), today=date(2026, 12, 15), scrutins=(POLL,))
    assert states(found)["Préparer le tableau des cinq jours"] is TO_DO
    assert "Publier le tableau" not in states(found)


@pytest.mark.parametrize(
    "facts", [RECAPITULATIF, CINQ_JOURS | {"edition": "commission"}, {"type_tableau": "cinq_jours"}]
)
def test_what_is_never_published_has_no_task_of_a_publication(facts: dict[str, Any]) -> None:
    file = ready_tableau(1, **facts, published_on=DAY, published_until=DAY)
    assert not file.may_be_published
    assert (
        not {"Certifier la publication", "Retirer le tableau"}
        & states(tasks_of(file, today=date(2027, 1, 5))).keys()
    )


@pytest.mark.parametrize(
    ("today", "reunions", "state"),
    [
        (date(2026, 11, 25), (), TO_COME),
        (date(2026, 11, 26), (), TO_DO),
        (date(2026, 11, 29), (), TO_DO),
        (date(2026, 11, 30), (), UNKNOWN),
        (date(2026, 11, 30), (CalendarReunion(date(2026, 11, 28), ""),), DONE),
    ],
)
def test_the_meeting_is_asked_for_in_its_days(
    today: date, reunions: tuple[CalendarReunion, ...], state: TaskState
) -> None:
    found = states(tasks_of(today=today, scrutins=(POLL,), reunions=reunions))
    assert found["Noter la réunion de la commission de contrôle"] is state


def test_what_the_record_does_not_say_is_said_to_be_unknown() -> None:
    found = states(tasks_of())
    for title in ("Régler les doutes", "Compléter les dates et les motifs"):
        assert found[title] is TaskState.UNKNOWN
    known = {task.title: task for task in tasks_of(doubts=2, incomplete=0)}
    assert (known["Régler les doutes"].state, known["Régler les doutes"].why[:1]) == (TO_DO, "2")
    assert known["Compléter les dates et les motifs"].state is DONE


def test_a_list_to_correct_is_cured_as_each_anomaly_says() -> None:
    """The REU is right where a spreadsheet has damaged the export: nothing is to be corrected there."""
    tasks = tasks_of(ready_list(1, bloquantes=9))
    (task,) = [task for task in tasks if task.title == CORRECT]
    assert "Corrigez dans le REU" not in task.why
    assert "Faites ce que dit chaque anomalie, puis donnez le nouvel export." in task.why
