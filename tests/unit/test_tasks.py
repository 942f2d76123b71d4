"""What a commune has to do, in order: each task with one true state, and nothing that the record does not say."""

from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from producers.web.echeances.agenda import Calendar, CalendarReunion, CalendarScrutin, build_agenda
from producers.web.exports.query import AskedFile
from producers.web.listes.query import Registre
from producers.web.taches.tasks import Situation, Task, TaskState, find_tasks, in_order
from schemas.tableaux import TypeTableau
from tests.unit.asked_files import DAY, NOON, ready_list, ready_tableau

POLL = CalendarScrutin(date(2026, 12, 20), "Élection municipale partielle", None)
FOR_POLL = {"parameters": {"scrutin": "2026-12-20"}}
CINQ_JOURS = FOR_POLL | {"type_tableau": TypeTableau.CINQ_JOURS_REU.value}
TO_DO, TO_COME, DONE, LATE = TaskState.TO_DO, TaskState.TO_COME, TaskState.DONE, TaskState.LATE


def tasks_of(
    *files: AskedFile,
    today: date = DAY,
    imported_at: datetime | None = NOON,
    scrutins: tuple[CalendarScrutin, ...] = (),
    reunions: tuple[CalendarReunion, ...] = (),
    **known: int,
) -> list[Task]:
    registres = {"P": Registre("P", 100, imported_at, taken_on=imported_at and imported_at.date())}
    tableaux = [file for file in reversed(files) if file.is_tableau]
    agendas = [build_agenda(it, reunions, tableaux, ["P"]) for it in scrutins]
    deposited = sorted((it for it in files if it.deposited_on), key=lambda it: -it.export_id)
    calendar = Calendar(agendas, reunions, registres)
    return find_tasks(Situation(today, calendar, files, deposited, tableaux, **known))


def states(tasks: list[Task]) -> dict[str, TaskState]:
    return {task.title: task.state for task in tasks}


def test_a_commune_without_a_register_is_asked_for_the_export_first() -> None:
    tasks = find_tasks(Situation(DAY, Calendar([], [], {}), [], [], []))
    assert (tasks[0].title, tasks[0].state) == ("Déposer l'export du REU", TO_DO)
    assert {task.state for task in tasks[1:]} == {TaskState.UNKNOWN}


@pytest.mark.parametrize(("days", "state"), [(0, DONE), (30, DONE), (31, TO_DO), (34, TO_DO)])
def test_an_export_of_more_than_thirty_days_is_asked_for_again(days: int, state: TaskState) -> None:
    task = tasks_of(imported_at=datetime(2026, 11, 25, 12, tzinfo=UTC) - timedelta(days=days))[0]
    assert task.state is state
    assert (f"Il date de {days} jours" in task.why) == (days > 0)


def test_a_register_of_another_software_has_no_age() -> None:
    task = tasks_of(imported_at=None)[0]
    assert (task.state, "ne dit pas de quand" in task.why) == (DONE, True)


@pytest.mark.parametrize(
    ("facts", "expected"),
    [
        ({}, {"Préparer les listes": DONE, "Déposer sur e-listelec": TO_DO}),
        ({"bloquantes": 9}, {"Préparer les listes": DONE, "Corriger la liste principale": TO_DO}),
        ({"bloquantes": 9, "outdated_at": NOON}, {"Préparer les listes": TO_DO}),
        ({"outdated_at": NOON}, {"Préparer les listes": TO_DO}),
        ({"recalled_at": NOON, "recalled_because": "essai"}, {"Préparer les listes": TO_DO}),
        ({"deposited_on": DAY}, {"Préparer les listes": DONE, "Noter la réponse de la plateforme": TO_COME}),
        (
            {"deposited_on": DAY - timedelta(days=1)},
            {"Préparer les listes": DONE, "Noter la réponse de la plateforme": TO_DO},
        ),
        (
            {"deposited_on": DAY, "verdict": "accepte"},
            {"Préparer les listes": DONE, "Noter la réponse de la plateforme": DONE},
        ),
        (
            {"deposited_on": DAY, "verdict": "rejete"},
            {
                "Préparer les listes": DONE,
                "Corriger la liste principale": TO_DO,
                "Noter la réponse de la plateforme": DONE,
            },
        ),
        (
            {"deposited_on": DAY, "verdict": "rejete", "outdated_at": NOON},
            {"Préparer les listes": TO_DO, "Noter la réponse de la plateforme": DONE},
        ),
    ],
)
def test_a_list_asks_for_one_thing_at_a_time(facts: dict[str, Any], expected: dict[str, TaskState]) -> None:
    found = states(tasks_of(ready_list(1, **facts)))
    about_listes = {
        title: state
        for title, state in found.items()
        if title in {"Préparer les listes", "Déposer sur e-listelec", "Noter la réponse de la plateforme"}
        or title.startswith("Corriger")
    }
    assert about_listes == expected


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
        assert "Déposer sur e-listelec" not in states(tasks_of(*files))


def test_what_was_refused_and_made_again_of_the_same_register_is_to_be_corrected() -> None:
    refused = ready_list(1, request_id=1, sha256="a" * 64, deposited_on=DAY, verdict="rejete", verdict_on=DAY)
    again = ready_list(2, request_id=2, sha256="a" * 64)
    tasks = tasks_of(refused, again)
    (task,) = [task for task in tasks if task.title == "Corriger la liste principale"]
    assert "la même que celle que la plateforme a rejetée" in task.why
    assert task.button.export == refused.export_id
    assert "Déposer sur e-listelec" not in states(tasks)
    corrected = ready_list(3, request_id=3, sha256="b" * 64)
    assert states(tasks_of(refused, corrected))["Déposer sur e-listelec"] is TO_DO


@pytest.mark.parametrize(
    ("today", "facts", "title", "state"),
    [
        (date(2026, 11, 10), None, "Préparer le tableau des cinq jours", TO_COME),
        (date(2026, 12, 14), None, "Préparer le tableau des cinq jours", TO_COME),
        (date(2026, 12, 15), None, "Préparer le tableau des cinq jours", TO_COME),
        (date(2026, 12, 16), None, "Préparer le tableau des cinq jours", TO_DO),
        (date(2026, 12, 17), None, "Préparer le tableau des cinq jours", LATE),
        (date(2026, 12, 1), {"bloquantes": 2}, "Corriger le tableau des cinq jours", TO_DO),
        (
            date(2026, 12, 15),
            {"provisoire_until": date(2026, 12, 16)},
            "Refaire le tableau des cinq jours",
            TO_COME,
        ),
        (
            date(2026, 12, 16),
            {"provisoire_until": date(2026, 12, 16)},
            "Refaire le tableau des cinq jours",
            TO_DO,
        ),
        (date(2026, 12, 16), {}, "Afficher le tableau", TO_DO),
        (date(2026, 12, 17), {}, "Afficher le tableau", LATE),
        (date(2026, 12, 16), {"published_on": date(2026, 12, 15)}, "Certifier l'affichage", TO_DO),
        (
            date(2026, 12, 16),
            {"published_on": date(2026, 12, 15), "published_until": date(2026, 12, 16)},
            "Certifier l'affichage",
            TO_COME,
        ),
        (
            date(2026, 12, 17),
            {"published_on": date(2026, 12, 15), "published_until": date(2026, 12, 16)},
            "Certifier l'affichage",
            TO_DO,
        ),
        (
            date(2026, 12, 17),
            {
                "published_on": date(2026, 12, 15),
                "published_until": date(2026, 12, 16),
                "certified_on": date(2026, 12, 17),
            },
            "Certifier l'affichage",
            DONE,
        ),
    ],
)
def test_a_tableau_goes_from_yet_to_come_to_certified(
    today: date, facts: dict[str, Any] | None, title: str, state: TaskState
) -> None:
    files = [] if facts is None else [ready_tableau(1, **CINQ_JOURS | facts)]
    found = tasks_of(*files, today=today, scrutins=(POLL,))
    about = [task for task in found if "cinq jours" in task.title or task.title in {"Afficher le tableau", title}]
    assert [(task.title, task.state) for task in about] == [(title, state)]


def test_a_published_tableau_of_a_poll_that_is_over_is_still_to_be_certified() -> None:
    file = ready_tableau(1, **CINQ_JOURS, published_on=DAY, published_until=DAY)
    found = tasks_of(file, today=date(2027, 1, 5))
    assert states(found)["Certifier l'affichage"] is TO_DO


@pytest.mark.parametrize(
    ("today", "reunions", "state"),
    [
        (date(2026, 11, 25), (), TO_COME),
        (date(2026, 11, 26), (), TO_DO),
        (date(2026, 11, 29), (), TO_DO),
        (date(2026, 11, 30), (), LATE),
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
    for title in ("Régler les doutes", "Compléter les motifs", "Noter la réunion de la commission de contrôle"):
        assert found[title] is TaskState.UNKNOWN, "no poll is guessed either"
    known = {task.title: task for task in tasks_of(doubts=2, sans_motif=0)}
    assert (known["Régler les doutes"].state, known["Régler les doutes"].why[:1]) == (TO_DO, "2")
    assert known["Compléter les motifs"].state is DONE


def test_each_task_stands_in_one_group_and_has_a_button_and_a_reason() -> None:
    found = tasks_of(ready_list(1, bloquantes=1), ready_tableau(2, **CINQ_JOURS), scrutins=(POLL,))
    groups = in_order(found)
    assert sorted(map(id, found)) == sorted(id(task) for group in groups.values() for task in group)
    assert all(task.title and task.why and task.button.label and task.button.page for task in found)
