"""A clerk who follows the cures of « À faire » until nothing is open, and what has to hold at each step."""

import re
from datetime import date

from tests.walker.acts import Acts, days_of, liste_of
from tests.walker.browser import Browser, DeadEndError
from tests.walker.site import Site
from tests.walker.tasks import Task, open_ones, read_tasks
from tests.walker.town import Town

MOST_STEPS = 30


class Clerk:
    """The agents of a town hall: one of them, by chance, does each step."""

    def __init__(self, site: Site, town: Town) -> None:
        self.site, self.town = site, town
        self.acts = Acts(site, town)
        self.followed = 0
        """How many cures were followed to their end."""

    def walk(self) -> None:
        """Follow the cures of this day, the first open task first, until each open task waits for another day.

        Raises:
            DeadEndError: a cure does not lead to its end, or thirty steps were not enough.
        """
        waiting: set[tuple[str, ...]] = set()
        tasks = self.read()
        for _ in range(MOST_STEPS):
            task = next((it for it in self._list_open(tasks) if it.identity not in waiting), None)
            if task is None:
                return
            self.site.walk.append(f"   {task}")
            reason = self._read_reason(task)
            if self.acts.follow(self.acts.somebody(), task.href, task):
                self.followed += 1
                tasks = self.read()
                self._check_changed(task, reason, tasks)
            else:
                self._check_wait(task)
                waiting.add(task.identity)
        raise DeadEndError(f"{MOST_STEPS} steps, and still open: {[*map(str, open_ones(tasks))]}")

    def read(self) -> list[Task]:
        """Return the tasks of today, once what holds for each reading of them was checked."""
        tasks = read_tasks(self.acts.somebody().open(self.site.address("taches")))
        days = [it.due or date.max for it in open_ones(tasks)]
        if days != sorted(days):
            raise DeadEndError(f"the tasks are not in the order of their days: {days}")
        for task in open_ones(tasks):
            self._check_verdict(task)
        return tasks

    def _list_open(self, tasks: list[Task]) -> list[Task]:
        """Return the open tasks, and those that ask for something unknown that the town knows."""
        unknown = [it for it in tasks if it.group == "unknown"]
        return [*open_ones(tasks), *(it for it in unknown if self._knows(it))]

    def _knows(self, task: Task) -> bool:
        """Whether the town knows what a task asks for: a meeting of its days, or that its préfecture wants deposits."""
        if "/reunions" in task.href:
            first, last = _window(task)
            return any(first <= it <= last for it in self.acts.unnoted_meetings)
        return self.town.deposits and "/listes" in task.href

    def _read_reason(self, task: Task) -> tuple[str, ...]:
        """Return what the page of a file finds wrong: another reason is another task, in the same words."""
        if not re.search(r"/exports/\d+$", task.href):
            return ()
        return self.acts.somebody().open(task.href).errors

    def _check_changed(self, task: Task, reason: tuple[str, ...], tasks: list[Task]) -> None:
        """The task is gone or changed, unless the papers did not tell all that it asks for."""
        same = next((it for it in tasks if it.identity == task.identity), None)
        is_partial = self.acts.waits_for_papers and "/motifs" in task.href
        if same and not is_partial and self._read_reason(same) == reason:
            raise DeadEndError(f"the cure was followed, and the task is the same: {task}")

    def _check_wait(self, task: Task) -> None:
        """Nothing true can be done today: the task names a day to come, or the town waits for its papers."""
        waits = self.acts.waits_for_papers and "/motifs" in task.href
        if not waits and (task.due is None or task.due < self.town.day):
            raise DeadEndError(f"nothing true can be done, and no day to wait for is named: {task}")

    def _check_verdict(self, task: Task) -> None:
        """No task calls the bytes rejected that the platform accepted when it last judged them, and the reverse."""
        for liste, last in self.acts.last_judged().items():
            names = liste_of(task.title + task.why) == liste
            is_to_correct = "rejetée" in task.why and names
            is_to_deposit = task.href.endswith("/dossier") and f" {_NAMES[liste]}" in task.why
            if last.verdict == "accepte" and (is_to_correct or is_to_deposit):
                is_wrong = self._is_last(liste, last.export)
            else:
                is_wrong = (
                    last.verdict == "rejete" and is_to_deposit and self._is_last(liste, last.export)
                )
            if is_wrong:
                raise DeadEndError(
                    f"the platform said {last.verdict} of these bytes on {last.day}: {task}"
                )

    def _is_last(self, liste: str, export: int) -> bool:
        """Whether the last file of a list has the bytes of this one."""
        browser = self.acts.somebody()
        page = browser.open(f"{self.site.address('exports')}?genre=liste&liste={liste}")
        found = [re.search(r"/exports/(\d+)$", address) for address, _ in page.links()]
        numbers = [int(it[1]) for it in found if it]
        return bool(numbers) and self._sha(browser, max(numbers)) == self._sha(browser, export)

    def _sha(self, browser: Browser, export: int) -> str:
        page = browser.open(self.site.address("export", export=export))
        found = re.search(r"Empreinte SHA-256 ?([0-9a-f]{64})", page.words)
        return found[1] if found else ""


def _window(task: Task) -> tuple[date, date]:
    """Return the days of the meeting that a task asks about: of the annual one, the year."""
    found = re.search(r"du (\S+) au (\S+) \(art\. L\. 19, III(, et R\. 10)?\)", task.why)
    if found is None:
        return date.min, date.max
    first, last = days_of(f"{found[1]} {found[2]}")
    return (date(first.year, 1, 1) if found[3] else first), last


_NAMES = {
    "P": "liste principale",
    "CE": "liste complémentaire européenne",
    "CM": "liste complémentaire municipale",
}
