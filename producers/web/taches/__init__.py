"""The tasks of a commune, in the order of their legal days: one state and one button each.

From the export of the REU to the signed certificate. A fact that no record contains is shown as unknown.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from types import MappingProxyType
from typing import NamedTuple

from starlette.responses import Response

from common.calendrier import annual_window
from common.french import capitalized, count_of, short_date, weekday_date
from producers.web.copies import CopieState, read_open
from producers.web.depot import (
    content_of,
    find_held,
    find_refused,
    find_to_answer,
    find_to_redo,
    read_deposited,
)
from producers.web.dossier import by_liste, pick, why_lacking
from producers.web.echeances import Agenda, Calendar, DueTableau, read_calendar
from producers.web.exports.query import AskedFile, read_current
from producers.web.page_context import PageContext
from producers.web.registre.query import count_left
from schemas.cures import CURES, Facts, Link, Todo, find_cure
from schemas.file_state import FileState
from schemas.profiles.platform import PlatformProfile
from schemas.vocabulary import Liste, Toned

OLD_EXPORT = timedelta(days=30)
"""Age from which a new export of the REU is requested (our choice: no text gives a limit)."""


class TaskState(Toned):
    LATE = "late", "en retard", "error"
    TO_DO = "to_do", "à faire", "warning"
    TO_COME = "to_come", "pas encore", "idle"
    UNKNOWN = "unknown", "on ne sait pas", "idle"
    DONE = "done", "fait", "ok"


class StepState(Toned):
    """Where a month stands at one of its four steps."""

    TO_DO = "to_do", "à faire", "warning"
    UNKNOWN = "unknown", "on ne sait pas", "idle"
    WAITING = "waiting", "réponse attendue", "info"
    TO_COME = "to_come", "pas encore", "idle"
    DONE = "done", "fait", "ok"


class Step(NamedTuple):
    """One of the four steps of a month, with its page."""

    label: str
    state: StepState
    page: str


class Cure(NamedTuple):
    """What cures a task: its code in `schemas.cures`, and the facts that select the thing on the page."""

    code: Todo
    facts: Facts = MappingProxyType({})

    @property
    def label(self) -> str:
        return CURES[self.code].label


@dataclass(frozen=True)
class Task:
    title: str
    state: TaskState
    why: str
    button: Cure
    due: date | None = None


@dataclass(frozen=True)
class Situation:
    """The records of a commune today; None where a record is missing."""

    today: date
    calendar: Calendar
    current: Sequence[AskedFile]
    deposited: Sequence[AskedFile]
    platform: PlatformProfile
    doubts: int | None = None
    incomplete: int | None = None
    copies: Sequence[CopieState] = ()
    """The requests for a copy of the list that expect an answer."""


def find_tasks(it: Situation) -> list[Task]:
    return [
        *_about_registre(it),
        *_about_mouvements(it),
        *_about_reunion(it),
        *_about_listes(it),
        *_about_deposits(it),
        *_about_tableaux(it),
        *_about_copies(it),
    ]


HORIZON = timedelta(days=120)
"""Tasks that are due later are not listed (our choice: longer than from the closing of the list to its certificate)."""


def without_far_ones(tasks: Sequence[Task], today: date) -> list[Task]:
    """Return the tasks without those that are still to come and due after the horizon."""
    last = today + HORIZON
    return [it for it in tasks if not (it.state is TaskState.TO_COME and it.due and it.due > last)]


def in_order(tasks: Iterable[Task]) -> Mapping[str, list[Task]]:
    """Group the tasks by state; in a group by legal day, then those without a day, in the order of the procedure."""
    groups: dict[str, list[Task]] = {"to_do": [], "to_come": [], "unknown": [], "done": []}
    for task in tasks:
        groups["to_do" if task.state is TaskState.LATE else task.state.value].append(task)
    for group in groups.values():
        group.sort(key=lambda task: task.due or date.max)
    return groups


def _about_registre(it: Situation) -> Iterator[Task]:
    title, button = "Déposer l'export du REU", Cure(Todo.EXPORT)
    listes = it.calendar.registres.values()  # the next export does not hold a list without electors
    filled = [registre for registre in listes if registre.electeurs != 0] or listes
    days = [day for registre in filled if (day := registre.taken_on)]
    if not it.calendar.registres:
        why = "Aucun registre n'est importé : sans lui, rien ne peut être préparé."
        yield Task(title, TaskState.TO_DO, why, button)
    elif not days:
        why = (
            "Un autre logiciel tient le registre à jour : le registre ne dit pas de quand il date."
        )
        yield Task(title, TaskState.DONE, why, button)
    else:
        age = (it.today - min(days)).days
        why = (
            f"Il date de {count_of(age, 'jour')} ({short_date(min(days))})."
            if age
            else "Il date d'aujourd'hui."
        )
        yield Task(title, TaskState.TO_DO if age > OLD_EXPORT.days else TaskState.DONE, why, button)


def _about_copies(it: Situation) -> Iterator[Task]:
    """Yield a task for each request: silence for a month is a refusal."""
    for copie in it.copies:
        rest = (
            "Sa réponse n'a pas de fichier valable."
            if copie.decision
            else "Un mois sans réponse vaut refus."
        )
        why = f"Demande reçue le {short_date(copie.recue_on)}. {rest}"
        state = TaskState.LATE if copie.last_day < it.today else TaskState.TO_DO
        title, button = (
            f"Répondre à la demande de copie n° {copie.numero}",
            Cure(Todo.COPIE, {"numero": copie.numero}),
        )
        yield Task(title, state, why, button, copie.last_day)


def _about_mouvements(it: Situation) -> Iterator[Task]:
    if not it.calendar.registres:
        return
    left = "doute attend votre réponse.", "doutes attendent votre réponse."
    button = Cure(Todo.DOUTES)
    yield _count(it.doubts, "Régler les doutes", left, "s'il reste des doutes à trancher", button)
    left = "mouvement n'a pas de date ou de motif.", "mouvements n'ont pas de date ou de motif."
    title, button = "Compléter les dates et les motifs", Cure(Todo.MOTIFS)
    yield _count(
        it.incomplete, title, left, "s'il manque des dates ou des motifs aux mouvements", button
    )


def _count(
    number: int | None, title: str, left: tuple[str, str], unknown: str, button: Cure
) -> Task:
    if number is None:
        return Task(title, TaskState.UNKNOWN, f"Cette page ne sait pas {unknown}.", button)
    if number:
        return Task(title, TaskState.TO_DO, count_of(number, *left), button)
    return Task(title, TaskState.DONE, "Il n'en reste aucun.", button)


def _about_reunion(it: Situation) -> Iterator[Task]:
    if it.calendar.is_yearly:
        return
    if poll := it.calendar.to_renew:
        why = (
            f"Ses membres sont nommés de nouveau après le scrutin du {short_date(poll.jour)} (art. R. 7). "
            "Une fois qu'elle s'est réunie, notez-en le jour."
        )
        title = "Renouveler la commission de contrôle"
        ends = [last for agenda in it.calendar.agendas for last in (agenda.cycle.window or ())[1:]]
        ends += [annual_window(it.today.year + later)[1] for later in (0, 1)]
        due = min(last for last in ends if last >= it.today)
        yield Task(title, TaskState.TO_DO, why, Cure(Todo.REUNION), due)
    asked = [agenda for agenda in it.calendar.agendas if agenda.cycle.window]
    annual = [agenda for agenda in asked if agenda.scrutin is None]
    polls = [agenda for agenda in asked if agenda.scrutin]
    is_met = any(reunion.jour.year == it.today.year for reunion in it.calendar.reunions)
    is_due = any(
        agenda.cycle.window[0].year <= it.today.year for agenda in annual if agenda.cycle.window
    )
    if not (is_met or polls or is_due):
        why = f"Aucune réunion n'est notée en {it.today.year}. Si elle a eu lieu, notez-en le jour."
        yield Task(_NOTE_THE_MEETING, TaskState.UNKNOWN, why, Cure(Todo.REUNION))
    for agenda in (*annual, *polls[:1]):
        yield _meet(it, agenda)


_NOTE_THE_MEETING = "Noter la réunion de la commission de contrôle"


def _meet(it: Situation, agenda: Agenda) -> Task:
    first, last = agenda.cycle.window or (date.min, date.max)
    is_annual = agenda.scrutin is None
    title, button = _NOTE_THE_MEETING, Cure(Todo.REUNION)
    if is_annual:
        title = f"Réunir la commission de contrôle ({first.year})"
    if met := agenda.cycle.reunion:
        held = "" if met.has_deliberated else ", qui n’a pas délibéré"
        why = f"{agenda.title} : réunion du {short_date(met.jour)}{held}."
        return Task(title, TaskState.DONE, why, button)
    law = "art. L. 19, III, et R. 10" if is_annual else "art. L. 19, III"
    why = f"{agenda.title} : elle se réunit du {short_date(first)} au {short_date(last)} ({law})."
    if not is_annual and it.today > last:
        why = f"{why} Sans elle, le tableau est publié tel quel au plus tard le vingtième jour."
    if is_annual or it.today > last:
        about = f" n'est notée en {first.year}" if is_annual else " n'est notée"
        why = f"{why} Aucune réunion{about}. Si elle a eu lieu, notez-en le jour."
    if it.today > last:  # nobody can hold it any more: only a meeting that was held can be noted
        return Task(title, TaskState.UNKNOWN, why, button, last)
    return Task(
        title, TaskState.TO_DO if it.today >= first else TaskState.TO_COME, why, button, last
    )


def _about_listes(it: Situation) -> Iterator[Task]:
    if not it.calendar.registres or not it.platform.deposits_wanted:
        return
    listes = {
        liste: files
        for liste, files in by_liste(it.current).items()
        if liste in it.calendar.registres
    }
    yield _prepare(it, listes)
    for liste, files in listes.items():
        if _is_to_correct(files):
            yield _correct(liste, files[0])
    picked = {liste: pick(files) for liste, files in listes.items()}
    fit = {liste: file for liste, file in picked.items() if file and file.state is FileState.READY}
    refused, held = find_refused(it.deposited), find_held(it.deposited)
    for liste, file in fit.items():
        if content_of(file) in refused:
            yield _correct(liste, refused[content_of(file)], is_same=True)
    judged = {*refused, *held}
    ready = [_named(liste) for liste, file in fit.items() if content_of(file) not in judged]
    if ready:
        why = f"{'Prête' if len(ready) == 1 else 'Prêtes'} : {', '.join(ready)}."
        if any(not file.is_tableau for file in find_to_redo(it.deposited, it.current)):
            why += " Le nouveau dépôt remplace celui qui a été rejeté, ou qui ne vaut plus."
        yield Task(f"Déposer sur {it.platform.label}", TaskState.TO_DO, why, Cure(Todo.DOSSIER))


def _prepare(it: Situation, listes: Mapping[Liste, Sequence[AskedFile]]) -> Task:
    """Return the task to make the files of the lists that have none to deposit."""
    reasons: dict[str, list[str]] = {}
    for liste, files in listes.items():
        if pick(files) is None and not _is_to_correct(files):
            reasons.setdefault(why_lacking(files), []).append(_named(liste))
    lacking = [f"{capitalized(reason)} : {', '.join(names)}." for reason, names in reasons.items()]
    state = TaskState.TO_DO if lacking else TaskState.DONE
    if lacking and not it.deposited:  # no text says which préfectures still want deposits
        state = TaskState.UNKNOWN
        lacking.insert(0, "Votre préfecture veut-elle encore un dépôt ? Demandez-le-lui.")
    why = (
        " ".join(lacking)
        or "Chaque liste de la commune a son fichier, fait sur le registre d'aujourd'hui ou déposé."
    )
    return Task("Préparer les listes", state, why, Cure(Todo.LISTES))


def _is_to_correct(files: Sequence[AskedFile]) -> bool:
    return (
        bool(files)
        and files[0].state in {FileState.TO_CORRECT, FileState.REJECTED}
        and not files[0].outdated_at
    )


def _correct(liste: Liste, file: AskedFile, *, is_same: bool = False) -> Task:
    """Return the task to correct a list; `is_same`: its new file is the same as this one, which was rejected."""
    button = Cure(Todo.LISTE_REJECTED, file.facts)
    on = f" le {short_date(file.verdict_on)}" if file.verdict_on else ""
    why = f"La plateforme l'a rejetée{on}."
    if is_same:
        same = f"Refaite, elle est la même que celle que la plateforme a rejetée{on}"
        why = f"{same} : le registre n'a pas changé depuis."
    elif file.state is not FileState.REJECTED:
        number = count_of(file.bloquantes, "anomalie bloquante", "anomalies bloquantes")
        why = f"{number} : la plateforme la rejetterait."
        button = Cure(Todo.LISTE_TO_CORRECT, file.facts)
    # The REU is right where a spreadsheet has damaged the export: each anomaly says what to do.
    what = "anomalie" if file.state is FileState.TO_CORRECT else "ligne de la réponse"
    why = f"{why} Faites ce que dit chaque {what}, puis donnez le nouvel export."
    if file.state is FileState.REJECTED:
        why = f"{why} Si la réponse ne demande rien, déposez de nouveau la même liste."
    return Task(f"Corriger la {_named(liste)}", TaskState.TO_DO, why, button)


def _about_deposits(it: Situation) -> Iterator[Task]:
    waiting, title = find_to_answer(it.deposited), "Noter la réponse de la plateforme"
    for deposit in waiting:
        names = ", ".join(dict.fromkeys(_named(file.liste) for file in deposit))
        on = deposit[0].deposited_on or it.today
        why = f"Déposé le {short_date(on)} : {names}. La réponse arrive par courriel, en général le lendemain matin."
        state = TaskState.TO_DO if on < it.today else TaskState.TO_COME
        yield Task(title, state, why, Cure(Todo.ANSWER))
    if not waiting and (last := next((file for file in it.deposited if file.verdict), None)):
        yield Task(title, TaskState.DONE, f"La dernière : {last.state.label}.", Cure(Todo.DEPOTS))


def _about_tableaux(it: Situation) -> Iterator[Task]:
    seen: set[int] = set()
    for agenda in it.calendar.agendas:
        for due in agenda.due:
            yield from _about_due(it, agenda, due)
            seen |= {file.export_id for file in due.files}
    newer: set[tuple[str, ...]] = set()
    for file in it.calendar.tableaux:  # newest first
        if not (file.published_on and file.may_be_published):
            continue
        is_replaced = bool(file.recalled_at) and _place_of(file) in newer
        newer.add(_place_of(file))
        if file.export_id not in seen and not is_replaced:  # of past polls, or without a poll
            yield from _about_publication(it, file, file.published_on)


def _place_of(file: AskedFile) -> tuple[str, ...]:
    """Return what a tableau and the one that is published in its place have in common."""
    asked = file.parameters
    return file.type_tableau, file.liste, str(asked.get("scrutin") or asked.get("until"))


def _about_due(it: Situation, agenda: Agenda, due: DueTableau) -> Iterator[Task]:
    ask = {"ask": due.query}
    left_out = {*due.unfinished, *due.beyond_register}
    for liste in (it for it in due.missing if it not in left_out):
        if liste != Liste.PRINCIPALE and (
            due.made or due.unfinished or Liste.PRINCIPALE in due.missing
        ):
            continue  # a complementary list does not vote at every poll: see « Échéances »
        why = f"{agenda.title}, {_named(liste)} : à publier le {weekday_date(due.day)}."
        if left := [number for number, file in due.of_secteurs.items() if file is None]:
            why += f" {count_of(len(left), 'secteur reste', 'secteurs restent')} sur {len(due.of_secteurs)}."
        state = _until(it, due.day)
        if it.today < due.day:
            state, why = TaskState.TO_COME, f"{why} Demandé plus tôt, il serait provisoire."
        yield Task(f"Préparer le {_in_sentence(due)}", state, why, Cure(Todo.ASK, ask), due.day)
    # No export to come can cure a tableau beyond the register: « Échéances » still shows its day.
    for file in (it for it in due.unfinished.values() if it.liste not in due.beyond_register):
        yield _finish(it, f"{agenda.title}, {_named(file.liste)}", due, file)
    for file in due.files:
        yield from _about_publication(it, file, due.day)


def _finish(it: Situation, about: str, due: DueTableau, file: AskedFile) -> Task:
    """Return the task about a file of a tableau that is due and may not be published."""
    state, ask = _until(it, due.day), {"ask": due.query}
    verb, why, button = "Refaire", "", Cure(Todo.ASK_AGAIN, ask)
    if file.state is FileState.PROVISOIRE and file.provisoire_until:
        state = TaskState.TO_COME if it.today < file.provisoire_until else state
        why = f"provisoire, à refaire à partir du {short_date(file.provisoire_until)}."
    elif file.state is FileState.TO_COMPLETE and file.lacks_only_entries:
        verb, button = "Publier", Cure(Todo.PUBLISH, file.facts)
        why = f"{file.missing}, que le registre ne connaît pas. Publiez-le en disant pourquoi."
    elif file.state is FileState.TO_COMPLETE:
        verb, button = "Compléter", Cure(Todo.COMPLETE, file.facts)
        why = f"{file.missing} à indiquer, puis à refaire."
    elif file.state is FileState.TO_CORRECT and file.outdated_at:
        # What was wrong may be cured: « reprendre un export » would lead to an export that is there.
        button = Cure(Todo.ASK_AGAIN, file.facts)
        why = "le registre a été importé de nouveau depuis."
    elif file.state is FileState.TO_REDO:
        # What it was asked with is what holds no longer: the form takes the dates of the law.
        why = f"{file.recalled_because}."
        why += " Publiez le nouveau à la place de l'ancien." if file.published_on else ""
    else:
        verb, button = "Corriger", Cure(Todo.CORRECT, file.facts)
        number = count_of(file.bloquantes, "anomalie bloquante", "anomalies bloquantes")
        why = f"{number if file.state is FileState.TO_CORRECT else file.state.label}."
    return Task(f"{verb} le {_in_sentence(due)}", state, f"{about} : {why}", button, due.day)


def _in_sentence(due: DueTableau) -> str:
    return due.titre[:1].lower() + due.titre[1:]


def _about_publication(it: Situation, file: AskedFile, due: date) -> Iterator[Task]:
    def button(todo: Todo) -> Cure:
        return Cure(todo, file.facts)

    scrutin = file.parameters.get("scrutin")  # two polls may be a week apart
    of_poll = f", scrutin du {short_date(date.fromisoformat(scrutin))}" if scrutin else ""
    title, what = "Certifier la publication", f"{file.titre}, {_named(file.liste)}{of_poll}."
    until = file.published_until
    if file.published_on is None:
        if file.may_be_published:
            yield Task("Publier le tableau", _until(it, due), what, button(Todo.PUBLISH), due)
    elif file.certified_on:
        why = f"{what} Certificat signé le {short_date(file.certified_on)}."
        yield Task(title, TaskState.DONE, why, button(Todo.CERTIFIED))
    elif until is None:
        why = f"{what} Publié depuis le {short_date(file.published_on)} ; le dernier jour n'est pas noté."
        yield Task(title, TaskState.TO_DO, why, button(Todo.END))
    elif it.today <= until:
        why = f"{what} Publié jusqu'au {short_date(until)} : le certificat se signe ensuite."
        yield Task(title, TaskState.TO_COME, why, button(Todo.FOLLOW))
    else:
        why = (
            f"{what} Publié jusqu'au {short_date(until)} : le certificat est à signer par le maire."
        )
        yield Task(title, TaskState.TO_DO, why, button(Todo.CERTIFY))
    if until:
        yield _withdraw(it, file, what, until)


def _withdraw(it: Situation, file: AskedFile, what: str, until: date) -> Task:
    title, button = "Retirer le tableau", Cure(Todo.WITHDRAW, file.facts)
    if file.withdrawn_on:
        why = f"{what} Retiré le {short_date(file.withdrawn_on)}."
        return Task(title, TaskState.DONE, why, button._replace(code=Todo.WITHDRAWN))
    due = until + timedelta(days=1)
    if it.today <= until:
        why = f"{what} Il reste à la disposition des électeurs jusqu'au {short_date(until)} inclus."
        return Task(title, TaskState.TO_COME, why, button, due)
    why = f"{what} La publication est terminée depuis le {short_date(until)} : retirez-le, puis notez le jour."
    return Task(title, TaskState.TO_DO, why, button, due)


def _until(it: Situation, due: date) -> TaskState:
    """Return the state of a task by the day it is due; later than in thirty days (our choice), it is to come."""
    if due < it.today:
        return TaskState.LATE
    return TaskState.TO_DO if due - it.today <= timedelta(days=30) else TaskState.TO_COME


def find_steps(it: Situation, tasks: Sequence[Task]) -> list[Step]:
    """Return the steps of this month, from the tasks of the page; only two if the platform wants no deposit.

    While a new export is to be given, a step that was finished for the former one has not begun.
    """
    export = _state_of(tasks, Todo.EXPORT)
    has_day = any(registre.taken_on for registre in it.calendar.registres.values())
    if (
        it.calendar.registres and not has_day
    ):  # another program keeps the register, and tells no day
        export = StepState.UNKNOWN
    dates = _state_of(tasks, Todo.DOUTES, Todo.MOTIFS)
    steps = [Step("Export", export, "registre"), Step("Dates", dates, "motifs")]
    if it.platform.deposits_wanted:
        files = _state_of(tasks, Todo.LISTES, Todo.LISTE_TO_CORRECT, Todo.LISTE_REJECTED)
        steps += [
            Step("Fichiers", files, "listes"),
            Step("Déposé", _find_deposit(tasks, files), "depot"),
        ]
    if export is not StepState.TO_DO:
        return steps
    is_over = {StepState.DONE, StepState.WAITING}
    return [one._replace(state=StepState.TO_COME) if one.state in is_over else one for one in steps]


def _find_deposit(tasks: Sequence[Task], files: StepState) -> StepState:
    codes = {task.button.code for task in tasks}
    if Todo.DOSSIER in codes:
        return StepState.TO_DO
    if files is not StepState.DONE:
        return StepState.UNKNOWN if files is StepState.UNKNOWN else StepState.TO_COME
    if Todo.ANSWER in codes:
        return StepState.WAITING
    return StepState.DONE if Todo.DEPOTS in codes else StepState.UNKNOWN


def _state_of(tasks: Sequence[Task], *codes: Todo) -> StepState:
    """Return the least finished state of the tasks of these codes; to come if there is none."""
    found = [task.state for task in tasks if task.button.code in codes]
    states = {StepState.TO_DO if it is TaskState.LATE else StepState(it.value) for it in found}
    return next((state for state in StepState if state in states), StepState.TO_COME)


def _named(liste: str) -> str:
    return Liste(liste).short_label.lower()


def show(context: PageContext) -> Response:
    state, commune = context.services.state, context.commune.code
    left = count_left(state, commune)
    situation = Situation(
        today=context.today,
        calendar=read_calendar(state, commune, context.today),
        current=read_current(state, commune),
        deposited=read_deposited(state, commune),
        platform=context.platform,
        doubts=left.get("doutes"),
        incomplete=left.get("motifs"),
        copies=read_open(context) if left else (),
    )
    found = find_tasks(situation)
    near = without_far_ones(found, context.today)
    return context.render(
        "taches/taches.html",
        has_scrutin=bool(situation.calendar.scrutins),
        tasks=in_order(near),
        steps=find_steps(situation, found),
        far=len(found) - len(near),
        horizon=context.today + HORIZON,
        cure_of=lambda task: _link(context, task.button),
    )


def _link(context: PageContext, cure: Cure) -> Link | None:
    return find_cure(cure.code, {"commune": context.commune.code, **cure.facts})
