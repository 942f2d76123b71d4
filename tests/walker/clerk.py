"""A clerk who follows the cures of « À faire », with what the town knows, until nothing is open."""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import date, timedelta
from urllib.parse import parse_qs, urldefrag, urlsplit

from tests.oracle.history import Personne
from tests.walker.browser import Browser, DeadEndError, Form, Page, words_of
from tests.walker.site import AGENTS, Site
from tests.walker.tasks import Task, open_ones, read_tasks
from tests.walker.town import Town

MOST_STEPS = 30
_DAY = re.compile(r"(\d\d)/(\d\d)/(\d{4})")
_LISTES = {
    "principale": "P",
    "complémentaire européenne": "CE",
    "complémentaire municipale": "CM",
}


def french_day(text: str) -> date | None:
    """Return the first day that a text names."""
    said = _DAY.search(text)
    return date(int(said[3]), int(said[2]), int(said[1])) if said else None


def liste_of(text: str) -> str:
    """Return the list that a text names; the principal one if it names none."""
    return next((code for words, code in _LISTES.items() if words in text), "P")


@dataclass
class Judged:
    """A deposit of a file: its bytes, and what the platform said of them."""

    export: int
    liste: str
    sha256: str
    day: date
    verdict: str = ""


@dataclass
class Clerk:
    """The agents of a town hall: one of them, by chance, does each step."""

    site: Site
    town: Town
    followed: int = 0
    """How many cures were followed to their end."""
    deposits: list[Judged] = field(default_factory=list)
    given_at: date | None = None
    """The day of the last export that was given."""

    def __post_init__(self) -> None:
        self._browsers = [self.site.browser(it) for it in AGENTS]
        self._ways: tuple[tuple[str, Callable[[Browser, Page, Task], bool]], ...] = (
            (r"/registre$", self._give_export),
            (r"/doutes$", self._decide),
            (r"/motifs$", self._complete),
            (r"/reunions$", self._note_meeting),
            (r"/listes$", self._ask_listes),
            (r"/dossier$", self._deposit),
            (r"/depot$", self._note_answer),
            (r"/tableaux$", self._ask_tableau),
            (r"/exports/\d+/publication$", self._publish),
            (r"/exports/\d+/reponse$", self._redo_after_answer),
            (r"/exports/\d+/anomalies$", self._redo_after_anomalies),
            (r"/exports/\d+$", self._redo_tableau),
        )

    @property
    def today(self) -> date:
        return self.town.day

    def walk(self) -> None:
        """Follow the cures of this day, the first open task first, until each open task waits for another day.

        Raises:
            DeadEndError: a cure does not lead to its end, or thirty steps were not enough.
        """
        waiting: set[tuple[str, ...]] = set()
        tasks = self.read()
        for _ in range(MOST_STEPS):
            task = next((it for it in open_ones(tasks) if it.identity not in waiting), None)
            if task is None:
                return
            self.site.walk.append(f"   {task}")
            if self.follow(task):
                self.followed += 1
                tasks = self.read()
                if task.identity in {it.identity for it in tasks}:
                    raise DeadEndError(f"the cure was followed, and the task is the same: {task}")
            elif task.due is None:
                raise DeadEndError(f"nothing can be done, and no day is given: {task}")
            else:
                waiting.add(task.identity)
        raise DeadEndError(f"{MOST_STEPS} steps, and still open: {[*map(str, open_ones(tasks))]}")

    def read(self) -> list[Task]:
        """Return the tasks of today, once what holds for each reading of them was checked."""
        tasks = read_tasks(self._somebody().open(self.site.address("taches")))
        days = [it.due or date.max for it in open_ones(tasks)]
        if days != sorted(days):
            raise DeadEndError(f"the tasks are not in the order of their days: {days}")
        for task in tasks:
            self._check_verdicts(task)
        return tasks

    def follow(self, task: Task) -> bool:
        """Follow a cure; return False if nothing true can be done today.

        Raises:
            DeadEndError: the page is not the one that the task needs, or refuses what is true.
        """
        path = urlsplit(urldefrag(task.href)[0]).path
        browser = self._somebody()
        page = browser.open(task.href)
        for ending, way in self._ways:
            if re.search(ending, path):
                return way(browser, page, task)
        raise DeadEndError(f"nobody knows what to do at {path}")

    def give_export(self, browser: Browser) -> None:
        """Give the export of today, and take it over."""
        self._give_export(browser, browser.open(self.site.address("registre") + "#deposer"), None)

    def _somebody(self) -> Browser:
        return self.town.chance.pick(self._browsers)

    def _check_verdicts(self, task: Task) -> None:
        if task.group != "to_do":
            return
        for liste, last in self._last_deposits().items():
            if last.verdict != "accepte" or liste_of(task.title + task.why) != liste:
                continue
            if "rejetée" in task.why and self._made_sha(liste) == last.sha256:
                raise DeadEndError(f"the platform has accepted these bytes on {last.day}: {task}")

    def _last_deposits(self) -> dict[str, Judged]:
        return {it.liste: it for it in self.deposits}

    def _made_sha(self, liste: str) -> str:
        """Return the SHA-256 of the last file of the list."""
        browser = self._somebody()
        page = browser.open(f"{self.site.address('exports')}?genre=liste&liste={liste}")
        numbers = [int(it[0].rpartition("/")[2]) for it in page.links() if re.search(r"/exports/\d+$", it[0])]
        return self._sha(max(numbers)) if numbers else ""

    def _sha(self, export: int) -> str:
        page = self._somebody().open(self.site.address("export", export=export))
        found = re.search(r"Empreinte SHA-256 ?([0-9a-f]{64})", page.words)
        return found[1] if found else ""

    def _give_export(self, browser: Browser, page: Page, task: Task | None) -> bool:
        form = page.form("/registre", "fichier")
        form.files["fichier"] = "liste.csv", self.town.export()
        form.fill("jour", self.today.isoformat())
        page = browser.send(form, "Voir ce qui changerait")
        taken = page.forms("/registre/reprendre")
        if not taken:
            raise DeadEndError(f"the export cannot be taken over: {page.words[:600]}")
        form = taken[0]
        form.fill("accepte", *form.choices("accepte")) if form.has("accepte") else None
        form.fill("vider", *form.choices("vider")) if form.has("vider") else None
        page = browser.send(form, "Reprendre")
        if "Repris dans le registre" not in page.words:
            raise DeadEndError(f"the export was not taken over: {page.words[:600]}")
        self.given_at = self.today
        return True

    def _decide(self, browser: Browser, page: Page, task: Task) -> bool:
        forms = page.forms("/doutes", "doubt")
        if not forms:
            raise DeadEndError(f"no doubt is on the page of {task}")
        panel = next(iter(forms[0].element.xpath("ancestor::section")))
        rows = {
            words_of(row.xpath("./th")[0]).removesuffix(" diffère"): [words_of(it) for it in row.xpath("./td")]
            for row in panel.xpath(".//tbody/tr")
        }
        left, came = (
            Personne(
                *(rows[label][side] for label in ("Nom de naissance", "Prénoms")),
                "-".join(reversed(_birth(rows["Date de naissance"][side]).split("/"))),
                rows["Lieu de naissance"][side].partition(",")[0],
            )
            for side in (0, 1)
        )
        is_same = self.town.is_same(liste_of(words_of(panel)), left, came)
        form = forms[0]
        form.fill("verifie", "oui")
        browser.send(form, "Même personne" if is_same else "Deux personnes")
        return True

    def _complete(self, browser: Browser, page: Page, task: Task) -> bool:
        forms = page.forms("/motifs", "formulaire")
        if not forms:
            raise DeadEndError(f"no mouvement is on the page of {task}")
        form, is_known = forms[0], False
        for row in form.element.xpath(".//tbody/tr"):
            is_known |= self._fill_line(form, row)
        if not is_known:
            return False
        browser.send(form, "Enregistrer")
        return True

    def _fill_line(self, form: Form, row: object) -> bool:
        """Fill in what the papers tell of one mouvement, if the page lacks it."""
        cells = [words_of(it) for it in row.xpath("./td")]  # type: ignore[attr-defined]
        number = row.xpath(".//select/@name")[0].rpartition("-")[2]  # type: ignore[attr-defined]
        who = re.sub(r" \([^)]*\)| \d\d/\d\d/\d{4}.*", "", cells[0])
        born = "-".join(reversed(_birth(cells[0]).split("/")))
        days = [date(int(y), int(m), int(d)) for d, m, y in _DAY.findall(cells[1])]
        since, until = (days if len(days) > 1 else [date.min, days[0]]) if days else (date.min, self.today)
        nature = cells[1].split(" ")[0]
        fact = self.town.find(liste_of(cells[1]), nature, who, born, since, until)
        if fact is None:
            raise AssertionError(f"the town does not know {nature} of {who} {born} {since} {until}")
        is_new = False
        day, categorie = f"jour-{number}", f"categorie-{number}"
        if form.has(day) and form.values[day] != [fact.day.isoformat()]:
            form.fill(day, fact.day.isoformat())
            is_new = True
        if fact.categorie and form.values[categorie] != [fact.categorie]:
            form.fill(categorie, fact.categorie)
            is_new = True
        return is_new

    def _note_meeting(self, browser: Browser, page: Page, task: Task) -> bool:
        noted = {french for it in page.links() if (french := parse_qs(urlsplit(it[0]).query).get("reunion"))}
        days = {it[0] for it in noted} if noted else set()
        for held in self.town.met:
            if held.isoformat() not in days:
                form = page.form("/reunions", "sans_deliberation")
                form.fill("jour", held.isoformat())
                browser.send(form, "Noter la réunion")
                return True
        return False

    def _ask_listes(self, browser: Browser, page: Page, task: Task) -> bool:
        form = page.form("/listes", "listes")
        wanted = {code for words, code in _LISTES.items() if words in task.why}
        if not wanted <= set(form.values["listes"]):
            raise DeadEndError(f"{page.address} does not tick {wanted}: {task}")
        browser.send(form, "Génération")
        return True

    def _ask_tableau(self, browser: Browser, page: Page, task: Task | None) -> bool:
        form = page.form("/tableaux", "type")
        browser.send(form, "Génération")
        return True

    def _deposit(self, browser: Browser, page: Page, task: Task) -> bool:
        form = page.form("/depot", "jour")
        shown = form.words
        for words, code in _LISTES.items():
            if words in task.why and words not in shown:
                raise DeadEndError(f"the dossier does not hold the list {code} that is ready: {task}")
        exports = [int(it) for it in form.values["export"]]
        items = [words_of(it) for it in form.element.xpath(".//li")]
        browser.send(form, "Marquer")
        for export, words in zip(exports, items, strict=True):
            self.deposits.append(Judged(export, liste_of(words), self._sha(export), self.today))
        return True

    def _note_answer(self, browser: Browser, page: Page, task: Task) -> bool:
        forms = page.forms("/depot/verdict", "verdict")
        if not forms:
            raise DeadEndError(f"no answer can be noted: {task}")
        form = forms[0]
        exports = [int(it) for it in form.choices("export")]
        mine = [it for it in self.deposits if it.export in exports]
        if any(it.day >= self.today for it in mine):
            return False
        is_rejected = self.town.chance.happens(0.3)
        form.fill("verdict", "rejete" if is_rejected else "accepte")
        form.fill("jour", self.today.isoformat())
        concerned = exports
        if is_rejected:
            form.fill("reponse", "Erreur du serveur : fichier non lu. Recommencez le dépôt.")
        browser.send(form, "Enregistrer")
        for it in mine:
            if it.export in concerned:
                it.verdict = "rejete" if is_rejected else "accepte"
        return True

    def _redo_after_answer(self, browser: Browser, page: Page, task: Task) -> bool:
        liste = liste_of(task.title)
        self.town.correct_in_reu(liste, "")
        self.give_export(browser)
        addresses = [it[0] for it in page.links("/listes")]
        if not addresses:
            raise DeadEndError(f"{page.address} does not lead to the request of the list")
        return self._send_listes(browser, addresses[0])

    def _redo_after_anomalies(self, browser: Browser, page: Page, task: Task) -> bool:
        """The REU is corrected for each person whom the page names; its new export is given."""
        wrong = page.main.xpath(".//table[contains(@class, 'anomalies')]/tbody/tr")
        if not wrong:
            raise DeadEndError(f"{page.address} shows no anomaly: {task}")
        for row in wrong:
            cells = [words_of(it) for it in row.xpath("./td")]
            who = re.sub(r"^☐ ?| naissance.*", "", cells[0])
            if "bloquante" in cells[3]:
                self.town.correct_in_reu(liste_of(task.title), who)
        ways = page.links("/registre")
        if not ways:
            raise DeadEndError(f"{page.address} does not lead to the register: {task}")
        return self._give_export(browser, browser.open(ways[0][0]), None)

    def _send_listes(self, browser: Browser, address: str) -> bool:
        browser.send(browser.open(address).form("/listes", "listes"), "Génération")
        return True

    def _redo_tableau(self, browser: Browser, page: Page, task: Task) -> bool:
        """Do what the page of the tableau says, then make it again."""
        said = page.words
        if "Reprendre un export" in said or "comparer un export" in said.lower():
            self.give_export(browser)
        elif "Dates et motifs" in said:
            self._complete(browser, browser.open(self.site.address("motifs")), task)
        elif "doute" in said:
            self._decide(browser, browser.open(self.site.address("doutes")), task)
        page = browser.open(page.address)
        browser.send(page.form("/recommencer"), "")
        return True

    def _publish(self, browser: Browser, page: Page, task: Task) -> bool:
        if page.status != 200:
            raise DeadEndError(f"{page.address}: {page.words[:400]}")
        form = page.form("/publication", "mode")
        if not form.values["mode"] or not form.values["mode"][0]:
            form.fill("mode", "consultation")
        until = date.fromisoformat(form.values["au"][0]) if form.values["au"][0] else None
        if until is None:
            form.fill("au", (self.today + timedelta(days=7)).isoformat())
        if until and until < self.today:
            for name in ("retire", "signe"):
                if form.has(name) and not form.values[name][0]:
                    form.fill(name, self.today.isoformat())
        if form.has("raison") and not form.values["raison"][0]:
            form.fill("raison", "Les papiers ne disent pas pourquoi.")
        browser.send(form, "Enregistrer")
        return True


def _birth(text: str) -> str:
    """Return the date of birth that a text shows, JJ/MM/AAAA with zeros for unknown parts."""
    found = re.search(r"(\d\d)/(\d\d)/(\d{4})", text)
    if found:
        return found[0]
    year = re.search(r"\b(\d\d/)?(\d{4})\b", text)
    return f"00/{(year[1] or '00/')}{year[2]}" if year else "00/00/0000"


def days_between(first: date, last: date) -> Iterator[date]:
    """Yield the days from the first to the last."""
    for number in range((last - first).days + 1):
        yield first + timedelta(days=number)
