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
_LISTES = {"principale": "P", "complémentaire européenne": "CE", "complémentaire municipale": "CM"}


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
    noted_until: date = date.min
    """The day of the last meeting that was noted."""
    waits_for_papers: bool = False
    """Whether a mouvement of the last page of motifs waits for a paper."""
    deposits: list[Judged] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._reason: list[str] = []
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
            (r"/copies$", self._answer_copy),
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
            task = next((it for it in self._list_open(tasks) if it.identity not in waiting), None)
            if task is None:
                return
            self.site.walk.append(f"   {task}")
            if self.follow(task):
                self.followed += 1
                reason, tasks = self._reason, self.read()
                same = next((it for it in tasks if it.identity == task.identity), None)
                is_partial = self.waits_for_papers and "/motifs" in task.href
                if (
                    same
                    and not is_partial
                    and self._read_reason(self._somebody().open(same.href)) == reason
                ):
                    raise DeadEndError(f"the cure was followed, and the task is the same: {task}")
            elif self.waits_for_papers and "/motifs" in task.href:
                waiting.add(task.identity)
            elif task.due is None or task.due < self.today:
                raise DeadEndError(
                    f"nothing true can be done, and no day to wait for is given: {task}"
                )
            else:
                waiting.add(task.identity)
        raise DeadEndError(f"{MOST_STEPS} steps, and still open: {[*map(str, open_ones(tasks))]}")

    def _list_open(self, tasks: list[Task]) -> list[Task]:
        """Return the open tasks, and those that ask for something unknown that the town knows."""
        is_told = self.town.met and max(self.town.met) > self.noted_until
        unknown = [it for it in tasks if it.group == "unknown" and "/reunions" in it.href]
        return [*open_ones(tasks), *(unknown if is_told else ())]

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
        browser = self._somebody()
        self._reason = self._read_reason(browser.open(task.href))
        return self._follow_way(browser, task.href, task)

    def give_export(self) -> None:
        """Give the export of today, and take it over."""
        browser = self._somebody()
        self._give_export(browser, browser.open(self.site.address("registre") + "#deposer"), None)

    def undo_export(self) -> None:
        """Undo the last import, if the page offers it: it was taken over too early."""
        browser = self._somebody()
        page = browser.open(self.site.address("registre"))
        undoing = [it for it in page.forms("/corriger", "act") if it.values["act"] == ["undo"]]
        if undoing:
            form = browser.send(undoing[0], "Voir ce que").form("/reprendre", "apercu")
            if form.has("raison"):
                form.fill("raison", "Export repris trop tôt.")
            browser.send(form, "Annuler")

    def note_poll(self, day: date, libelle: str) -> None:
        """Note a poll of the commune."""
        browser = self._somebody()
        form = browser.open(self.site.address("reunions")).form("/reunions", "libelle")
        form.fill("libelle", libelle)
        form.fill("scrutin", day.isoformat())
        browser.send(form, "Ajouter")

    def note_copy_request(self) -> None:
        """An elector asks for a copy of the principal list."""
        browser = self._somebody()
        form = browser.open(self.site.address("copies")).form("/copies", "demandeur")
        form.fill("demandeur", f"ZZINVENTÉ {self.town.chance.number(1, 99)}")
        form.fill("qualite", "carte")
        form.fill("recue_on", self.today.isoformat())
        browser.send(form, "Noter la demande")

    def ask_listes(self) -> None:
        """Ask for the lists again, without need."""
        browser = self._somebody()
        page = browser.open(self.site.address("listes"))
        if page.forms("/listes", "listes"):
            browser.send(page.form("/listes", "listes"), "Génération")

    @staticmethod
    def _read_reason(page: Page) -> list[str]:
        """Return what the page of a file finds wrong: another reason is another task, in the same words."""
        return [words_of(it) for it in page.main.xpath(".//*[contains(@class, 'notice-error')]")]

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
        numbers = [
            int(it[0].rpartition("/")[2])
            for it in page.links()
            if re.search(r"/exports/\d+$", it[0])
        ]
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
            if "déjà dans le registre" in page.words and task is None:
                return True
            raise DeadEndError(f"the export cannot be taken over: {page.words[:600]}")
        form = taken[0]
        form.fill("accepte", *form.choices("accepte")) if form.has("accepte") else None
        form.fill("vider", *form.choices("vider")) if form.has("vider") else None
        page = browser.send(form, "Reprendre")
        if "Repris dans le registre" not in page.words:
            raise DeadEndError(f"the export was not taken over: {page.words[:600]}")
        self._decide_all(browser, page)
        return True

    def _decide_all(self, browser: Browser, page: Page) -> None:
        """Answer the doubts that the page of the register leads to, if it does."""
        ways = [it[0] for it in page.links("/doutes") if it[1] == "Trancher"]
        for address in ways[:1]:
            page = browser.open(address)
            while page.forms("/doutes", "doubt"):
                self._decide(browser, page, None)
                page = browser.open(address)

    def _decide(self, browser: Browser, page: Page, task: Task | None) -> bool:
        forms = page.forms("/doutes", "doubt")
        if not forms:
            raise DeadEndError(f"no doubt is on the page of {task}")
        panel = next(iter(forms[0].element.xpath("ancestor::section")))
        rows = {
            words_of(row.xpath("./th")[0]).removesuffix(" diffère"): [
                words_of(it) for it in row.xpath("./td")
            ]
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
        self.waits_for_papers = False
        for row in form.element.xpath(".//tbody/tr"):
            is_known |= self._fill_line(form, row)
        if (
            not is_known
            and "export" in parse_qs(urlsplit(page.address).query)
            and self.waits_for_papers
        ):
            return self._publish_incomplete(browser, page)
        if not is_known:
            return False
        browser.send(form, "Enregistrer")
        return True

    def _publish_incomplete(self, browser: Browser, page: Page) -> bool:
        """Publish a tableau of which papers are missing, with the reason, as its page offers."""
        (export,) = parse_qs(urlsplit(page.address).query)["export"]
        page = browser.open(self.site.address("export", export=export))
        ways = page.links(f"/exports/{export}/publication")
        if not ways:
            raise DeadEndError(f"{page.address} does not offer to publish without what is unknown")
        return self._publish(browser, browser.open(ways[0][0]), None)

    def _fill_line(self, form: Form, row: object) -> bool:
        """Fill in what the papers tell of one mouvement, if the page lacks it."""
        cells = [words_of(it) for it in row.xpath("./td")]  # type: ignore[attr-defined]
        number = row.xpath(".//select/@name")[0].rpartition("-")[2]  # type: ignore[attr-defined]
        who = re.sub(r" \([^)]*\)| \d\d/\d\d/\d{4}.*", "", cells[0])
        born = "-".join(reversed(_birth(cells[0]).split("/")))
        days = [date(int(y), int(m), int(d)) for d, m, y in _DAY.findall(cells[1])]
        since, until = (
            (days if len(days) > 1 else [date.min, days[0]]) if days else (date.min, self.today)
        )
        nature = cells[1].split(" ")[0]
        fact = self.town.find(liste_of(cells[1]), nature, who, born, since, until)
        if fact is None:
            raise AssertionError(f"the town does not know {nature} of {who} {born} {since} {until}")
        is_new = False
        day, categorie = f"jour-{number}", f"categorie-{number}"
        if form.has(day) and form.values[day] != [fact.day.isoformat()]:
            form.fill(day, fact.day.isoformat())
            is_new = True
        self.waits_for_papers |= fact.told_on > self.today
        if (
            fact.told_on <= self.today
            and fact.categorie
            and form.values[categorie] != [fact.categorie]
        ):
            form.fill(categorie, fact.categorie)
            is_new = True
        return is_new

    def _note_meeting(self, browser: Browser, page: Page, task: Task) -> bool:
        """Note the meetings that were held. The commission may meet today, if the task asks for it."""
        is_due = task.group == "to_do" and self.today not in self.town.met
        if is_due and self.town.chance.happens(0.4):
            self.town.met.append(self.today)
            if self.town.chance.happens(0.3):
                return False  # it is noted later
        noted = {
            day[0]
            for it in page.links("/reunions")
            if (day := parse_qs(urlsplit(it[0]).query).get("reunion"))
        }
        lacking = [it for it in self.town.met if it.isoformat() not in noted]
        for held in lacking:
            form = page.form("/reunions", "sans_deliberation")
            form.fill("jour", held.isoformat())
            if self.town.chance.happens(0.15):
                form.fill("sans_deliberation", "1")
            page = browser.send(form, "Noter la réunion")
            self.noted_until = max(self.noted_until, held)
        return bool(lacking)

    def _ask_listes(self, browser: Browser, page: Page, task: Task) -> bool:
        form = page.form("/listes", "listes")
        wanted = {code for words, code in _LISTES.items() if words in task.why}
        if not wanted <= set(form.values["listes"]):
            raise DeadEndError(f"{page.address} does not tick {wanted}: {task}")
        browser.send(form, "Génération")
        return True

    def _ask_tableau(self, browser: Browser, page: Page, task: Task | None) -> bool:
        form = page.form("/tableaux", "type")
        if form.values["type"] == ["vingt_jours"] and form.values["reunion"] == [""]:
            form.fill("reunion", self.town.previous.isoformat())
        browser.send(form, "Génération")
        return True

    def _deposit(self, browser: Browser, page: Page, task: Task) -> bool:
        form = page.form("/depot", "jour")
        shown = form.words
        for words, code in _LISTES.items():
            if words in task.why and words not in shown:
                raise DeadEndError(
                    f"the dossier does not hold the list {code} that is ready: {task}"
                )
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
        day = french_day(task.why)
        form = next((it for it in forms if f"déposé le {day:%d/%m/%Y}" in it.around), None)
        if form is None:
            raise DeadEndError(f"{page.address} has no answer to the deposit of {day}: {task}")
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
        page = browser.try_to_send(form, "Enregistrer")
        if page.status == 422:  # the page proposes which files the answer is about
            form = next(it for it in page.forms("/depot/verdict") if it.values["verdict"])
            concerned = [int(it) for it in form.values["export"]]
            browser.send(form, "Enregistrer")
        for it in mine:
            if it.export in concerned:
                it.verdict = "rejete" if is_rejected else "accepte"
        return True

    def _redo_after_answer(self, browser: Browser, page: Page, task: Task) -> bool:
        liste = liste_of(task.title)
        self.town.correct_in_reu(liste, "")
        self.give_export()
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
        """Follow each cure that the page of the tableau names, then make the tableau again."""
        cures = page.main.xpath(".//a[@data-cure and not(@aria-label)]/@href")
        ways = [
            it
            for it in cures
            if re.search(
                r"/(registre|doutes|motifs|reunions|tableaux)$",
                it.partition("?")[0].partition("#")[0],
            )
        ]
        if not ways and "à corriger" in page.words:
            raise DeadEndError(f"{page.address} does not say what to do: {page.words[:900]}")
        for address in (it for it in ways if "/tableaux" not in it):
            self._follow_way(browser, address, task)
        begins = re.search(r"entre la réunion et le (\d\d/\d\d/\d{4})", page.words)
        if begins and (asked := [it for it in cures if "/tableaux?" in it]):
            form = browser.open(asked[0]).form("/tableaux", "type")
            form.fill("reunion", str(french_day(begins[0])))
            browser.send(form, "Génération")
            return True
        browser.send(browser.open(page.address).form("/recommencer"), "")
        return True

    def _follow_way(self, browser: Browser, address: str, task: Task) -> bool:
        path = urlsplit(urldefrag(address)[0]).path
        for ending, way in self._ways:
            if re.search(ending, path):
                return way(browser, browser.open(address), task)
        raise DeadEndError(f"nobody knows what to do at {path}")

    def _answer_copy(self, browser: Browser, page: Page, task: Task) -> bool:
        """The signed engagement came today: hand out the copy, of a register of today."""
        form = next((it for it in page.forms("/copies", "engagement_on")), None)
        if form is None:
            raise DeadEndError(f"{page.address} has no answer to give: {task}")
        form.fill("engagement_on", self.today.isoformat())
        answered = browser.try_to_send(form, "Remettre")
        if answered.status == 422:
            ways = answered.links("/registre")
            if not ways:
                raise DeadEndError(f"{answered.faults}")
            self._follow_way(browser, ways[0][0], task)
            form = browser.open(task.href).form("/copies", "engagement_on")
            form.fill("engagement_on", self.today.isoformat())
            browser.send(form, "Remettre")
        return True

    def _publish(self, browser: Browser, page: Page, task: Task | None) -> bool:
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
