"""What a clerk does on each page: the page must hold the thing that the task names, and take what is true."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, timedelta
from urllib.parse import parse_qs, urldefrag, urlsplit

from lxml.html import HtmlElement

from tests.oracle.history import Personne
from tests.walker.browser import Browser, DeadEndError, Form, Page, plain, words_of
from tests.walker.site import AGENTS, Site
from tests.walker.tasks import Task
from tests.walker.town import Line, Town

UNFIT = 422
_DAY = re.compile(r"(\d\d)/(\d\d)/(\d{4})")
_COUNT = re.compile(r"(\d+) (?:doute|mouvement|anomalie)")
_LISTES = {"principale": "P", "complémentaire européenne": "CE", "complémentaire municipale": "CM"}


def liste_of(text: str) -> str:
    """Return the list that a text names; the principal one if it names none."""
    return next((code for words, code in _LISTES.items() if words in text), "P")


def days_of(text: str) -> list[date]:
    """Return the days that a text names."""
    return [date(int(year), int(month), int(day)) for day, month, year in _DAY.findall(text)]


@dataclass
class Judged:
    """The deposit of a file, and what the platform said of it."""

    export: int
    liste: str
    day: date
    verdict: str = ""


class Acts:
    """The pages, and what the agents of a town do there."""

    def __init__(self, site: Site, town: Town) -> None:
        self.site, self.town = site, town
        self.deposits: list[Judged] = []
        self.waits_for_papers = False
        """Whether a mouvement of the last page of motifs waits for a paper."""
        self._noted_until = date.min
        self._polls: set[date] = set()
        self._browsers = [site.browser(it) for it in AGENTS]
        self._ways: dict[str, Callable[[Browser, Page, Task], bool]] = {
            r"/registre$": lambda browser, page, _: self._give(browser, page),
            r"/doutes$": self._decide,
            r"/motifs$": self._complete,
            r"/reunions$": self._note_meeting,
            r"/listes$": self._ask_listes,
            r"/dossier$": self._deposit,
            r"/depot$": self._note_answer,
            r"/tableaux$": self._ask_tableau,
            r"/copies$": self._answer_copy,
            r"/exports/\d+/publication$": self._publish,
            r"/exports/\d+/reponse$": self._redo_after_answer,
            r"/exports/\d+/anomalies$": self._redo_after_anomalies,
            r"/exports/\d+$": self._redo_tableau,
        }

    def somebody(self) -> Browser:
        return self.town.chance.pick(self._browsers)

    def follow(self, browser: Browser, address: str, task: Task) -> bool:
        """Follow a cure; return False if nothing true can be done today.

        Raises:
            DeadEndError: the page is not the one that the task needs, or refuses what is true.
        """
        path = urlsplit(urldefrag(address)[0]).path
        for ending, way in self._ways.items():
            if re.search(ending, path):
                return way(browser, browser.open(address), task)
        raise DeadEndError(f"nobody knows what to do at {path}")

    @property
    def unnoted_meetings(self) -> list[date]:
        """The meetings that were held and that no clerk has noted."""
        return [it for it in self.town.met if it > self._noted_until]

    def last_judged(self) -> dict[str, Judged]:
        """Return the last deposit of each list, by list, once it has its answer."""
        return {it.liste: it for it in self.deposits if it.verdict}

    # What no task asks for.

    def give_export(self) -> None:
        """Give the export of today, and take it over."""
        browser = self.somebody()
        self._give(browser, browser.open(self.site.address("registre") + "#deposer"))

    def undo_export(self) -> None:
        """Undo the last import, if the page offers it: it was taken over too early."""
        browser = self.somebody()
        page = browser.open(self.site.address("registre"))
        undoing = [it for it in page.forms("/corriger", "act") if it.values["act"] == ["undo"]]
        if undoing:
            form = browser.send(undoing[0], "Voir ce que").form("/reprendre", "apercu")
            if form.has("raison"):
                form.fill("raison", "Export repris trop tôt.")
            browser.send(form, "Annuler")

    def note_poll(self, day: date, libelle: str) -> None:
        """Note a poll of the commune; on a Sunday there is one."""
        if day in self._polls:
            return
        self._polls.add(day)
        browser = self.somebody()
        form = browser.open(self.site.address("reunions")).form("/reunions", "libelle")
        form.fill("libelle", libelle)
        form.fill("scrutin", day.isoformat())
        browser.send(form, "Ajouter")

    def note_copy_request(self) -> None:
        """An elector asks for a copy of the principal list."""
        browser = self.somebody()
        form = browser.open(self.site.address("copies")).form("/copies", "demandeur")
        form.fill("demandeur", f"ZZINVENTÉ {self.town.chance.number(1, 9999)}")
        form.fill("qualite", "carte")
        form.fill("recue_on", self.town.day.isoformat())
        browser.send(form, "Noter la demande")

    def ask_listes(self) -> None:
        """Ask for the lists again, without need."""
        browser = self.somebody()
        form = browser.open(self.site.address("listes")).form("/listes", "listes")
        if form.values["listes"]:
            self._ask(browser, form)

    # The pages of the cures.

    def _give(self, browser: Browser, page: Page) -> bool:
        """Give the export of today; take it over, unless the register has it, and answer the doubts."""
        form = page.form("/registre", "fichier")
        form.files["fichier"] = "liste.csv", self.town.export()
        form.fill("jour", self.town.day.isoformat())
        page = browser.send(form, "Voir ce qui changerait")
        taken = page.forms("/registre/reprendre")
        if not taken:
            raise DeadEndError(f"the export cannot be taken over: {page.words[:600]}")
        form = taken[0]
        for name in ("accepte", "vider"):
            if form.has(name):
                form.fill(name, *form.choices(name))
        page = browser.send(form, "Reprendre")
        if "Repris dans le registre" not in page.words:
            raise DeadEndError(f"the export was not taken over: {page.words[:600]}")
        for address, words in page.links("/doutes"):
            if words == "Trancher":
                self._decide_all(browser, address)
        return True

    def _decide_all(self, browser: Browser, address: str) -> None:
        while forms := browser.open(address).forms("/doutes", "doubt"):
            self._answer_doubt(browser, forms[0])

    def _decide(self, browser: Browser, page: Page, task: Task) -> bool:
        forms = page.forms("/doutes", "doubt")
        _require_count(page, task, len(forms), most=7)
        self._answer_doubt(browser, forms[0])
        return True

    def _answer_doubt(self, browser: Browser, form: Form) -> None:
        (panel,) = form.element.xpath("ancestor::section")
        rows = {
            words_of(row.xpath("./th")[0]).removesuffix(" diffère"): [
                words_of(it) for it in row.xpath("./td")
            ]
            for row in panel.xpath(".//tbody/tr")
        }
        left, came = (
            Personne(
                rows["Nom de naissance"][side],
                rows["Prénoms"][side],
                _birth(rows["Date de naissance"][side]),
                rows["Lieu de naissance"][side].partition(",")[0],
            )
            for side in (0, 1)
        )
        is_same = self.town.is_same(liste_of(words_of(panel)), left, came)
        form.fill("verifie", "oui")
        browser.send(form, "Même personne" if is_same else "Deux personnes")

    def _complete(self, browser: Browser, page: Page, task: Task) -> bool:
        forms = [it for it in page.forms("/motifs", "formulaire") if it.element.xpath(".//tbody")]
        export = parse_qs(urlsplit(page.address).query).get("export", [""])[0]
        if not export:
            _require_count(page, task, len(page.main.xpath(".//tbody/tr")), most=40)
        if not forms:
            raise DeadEndError(f"no mouvement is on {page.address}: {task}")
        self.waits_for_papers = False
        known = [self._fill_line(forms[0], row) for row in forms[0].element.xpath(".//tbody/tr")]
        if any(known):
            browser.send(forms[0], "Enregistrer")
            return True
        return bool(export) and self._publish_incomplete(browser, export, task)

    def _fill_line(self, form: Form, row: HtmlElement) -> bool:
        """Fill in what the papers tell of one mouvement; return whether the page lacked it."""
        cells = [words_of(it) for it in row.xpath("./td")]
        number = row.xpath(".//select/@name")[0].rpartition("-")[2]
        who = re.sub(r" \([^)]*\)| \d\d/\d\d/\d{4}.*", "", cells[0])
        line = Line(liste_of(cells[1]), cells[1].split(" ")[0], who, _birth(cells[0]))
        days = days_of(cells[1])
        since, until = days[0] if len(days) > 1 else date.min, days[-1] if days else self.town.day
        # What happened on the day of an export, after it: the page takes no day before the next one.
        fact = self.town.find(line, since - timedelta(days=1) if len(days) > 1 else since, until)
        if fact is None:
            raise AssertionError(f"the town does not know {line} between {since} and {until}")
        told = {f"jour-{number}": f"{fact.day:%d/%m/%Y}"}
        if len(days) > 1 and fact.day < since:
            told, self.waits_for_papers = {}, True
        elif fact.told_on <= self.town.day:
            told[f"categorie-{number}"] = fact.categorie
        else:
            self.waits_for_papers = True
        new = {
            name: it for name, it in told.items() if form.has(name) and form.values[name] != [it]
        }
        for name, value in new.items():
            form.fill(name, value)
        return bool(new)

    def _publish_incomplete(self, browser: Browser, export: str, task: Task) -> bool:
        """Publish a tableau of which papers are missing, with the reason, as its page offers."""
        page = browser.open(self.site.address("export", export=export))
        ways = page.links(f"/exports/{export}/publication")
        if not ways:
            raise DeadEndError(f"{page.address} does not offer to publish without what is unknown")
        return self._publish(browser, browser.open(ways[0][0]), task)

    def _note_meeting(self, browser: Browser, page: Page, task: Task) -> bool:
        """Note the meetings that were held. The commission may meet today, if the task asks for it."""
        is_due = task.group == "to_do" and self.town.day not in self.town.met
        if is_due and self.town.chance.happens(0.4):
            self.town.met.append(self.town.day)
            if self.town.chance.happens(0.3):
                return False  # it is noted later
        lacking = self.unnoted_meetings
        for held in lacking:
            form = page.form("/reunions", "sans_deliberation")
            form.fill("jour", held.isoformat())
            if self.town.chance.happens(0.15):
                form.fill("sans_deliberation", "1")
            if form.has("reason"):
                form.fill("reason", "La réunion est notée en retard.")
            page = browser.send(form, "Noter la réunion")
            self._noted_until = held
        return bool(lacking)

    def _ask_listes(self, browser: Browser, page: Page, task: Task) -> bool:
        form = page.form("/listes", "listes")
        wanted = {code for words, code in _LISTES.items() if words in task.why}
        if not wanted <= set(form.values["listes"]):
            raise DeadEndError(f"{page.address} does not tick {wanted}: {task}")
        self._ask(browser, form)
        return True

    def _ask(self, browser: Browser, form: Form) -> None:
        """Ask for lists, also for those that the page says the clerk has already."""
        answered = browser.try_to_send(form, "Génération")
        if answered.status == UNFIT:
            browser.send(answered.form("/listes", "listes"), "Refaire quand même")

    def _ask_tableau(self, browser: Browser, page: Page, task: Task) -> bool:
        form = page.form("/tableaux", "type")
        if not form.values["type"] or liste_of(task.why) not in form.values["listes"]:
            raise DeadEndError(f"{page.address} does not hold the tableau of {task}")
        if form.values["type"] == ["vingt_jours"] and form.values["reunion"] == [""]:
            form.fill("reunion", self.town.previous.isoformat())
        browser.send(form, "Génération")
        return True

    def _deposit(self, browser: Browser, page: Page, task: Task) -> bool:
        form = page.form("/depot", "jour")
        for words, code in _LISTES.items():
            if words in task.why and words not in form.words:
                raise DeadEndError(f"the dossier does not hold the list {code}: {task}")
        items = [words_of(it) for it in form.element.xpath(".//li")]
        for export, words in zip(form.values["export"], items, strict=True):
            self.deposits.append(Judged(int(export), liste_of(words), self.town.day))
        browser.send(form, "Marquer")
        return True

    def _note_answer(self, browser: Browser, page: Page, task: Task) -> bool:
        """Note the platform's answer, which comes the day after the deposit; it rejects some deposits."""
        (day,) = days_of(task.why)
        forms = page.forms("/depot/verdict", "verdict")
        form = next((it for it in forms if f"déposé le {day:%d/%m/%Y}" in it.around), None)
        if form is None:
            raise DeadEndError(f"{page.address} has no answer to the deposit of {day}: {task}")
        exports = {int(it) for it in form.choices("export")}
        if day >= self.town.day:
            return False
        verdict = "rejete" if self.town.chance.happens(0.3) else "accepte"
        form.fill("verdict", verdict)
        form.fill("jour", self.town.day.isoformat())
        if verdict == "rejete":
            form.fill("reponse", self._platform_says(form))
        answered = browser.try_to_send(form, "Enregistrer")
        if answered.status == UNFIT:  # the page proposes which files the answer is about
            form = next(it for it in answered.forms("/depot/verdict") if it.values["verdict"])
            exports = {int(it) for it in form.values["export"]}
            browser.send(form, "Enregistrer")
        for it in self.deposits:
            if it.export in exports:
                it.verdict = verdict
        return True

    def _platform_says(self, form: Form) -> str:
        """Return why the platform rejects a deposit: it could not read the file, or a person of a list is wrong."""
        unread = "Erreur du serveur : fichier non lu. Recommencez le dépôt."
        liste = self.town.chance.pick([it for words, it in _LISTES.items() if words in form.around])
        lines = self.town.world.listes[liste]
        if not lines or self.town.chance.happens(0.5):
            return unread
        who = self.town.chance.pick(lines).personne
        return f"{who.nom} {who.prenoms} : adresse inconnue."

    def _redo_after_answer(self, browser: Browser, page: Page, task: Task) -> bool:
        """Correct in the REU those whom the answer names, and ask for the list again.

        An answer that names nobody of the list asks for no correction: the same list is deposited again.
        """
        liste = liste_of(task.title)
        named = page.main.xpath(".//table[@aria-label='Électeurs que la réponse nomme']/tbody/tr")
        if named:
            for row in named:
                self.town.correct_in_reu(liste, plain(row.xpath("string(./th/text())")))
            self.follow(browser, page.require_link("/registre"), task)
        form = browser.open(page.require_link("/listes")).form("/listes", "listes")
        if form.values["listes"] != [liste]:
            raise DeadEndError(f"{form.page.address} does not tick the list {liste}: {task}")
        self._ask(browser, form)
        return bool(named) or self._deposit(
            browser, browser.open(page.require_link("/dossier")), task
        )

    def _redo_after_anomalies(self, browser: Browser, page: Page, task: Task) -> bool:
        """The REU is corrected for each person whom the page names; its new export is given."""
        rows = page.main.xpath(".//table[contains(@class, 'anomalies')]/tbody/tr")
        wrong = [[words_of(it) for it in row.xpath("./td")] for row in rows]
        blocking = [cells for cells in wrong if "bloquante" in cells[3]]
        if not blocking:
            raise DeadEndError(f"{page.address} shows no blocking anomaly: {task}")
        for cells in blocking:
            who = re.sub(r"^☐ ?| naissance.*", "", cells[0])
            self.town.correct_in_reu(liste_of(task.title + task.why), who)
        return self.follow(browser, page.require_link("/registre"), task)

    def _redo_tableau(self, browser: Browser, page: Page, task: Task) -> bool:
        """Follow each cure that the page of the tableau names, then make the tableau again."""
        cures = page.main.xpath(".//p//a[@data-cure]/@href")
        if not cures and (named := page.links("/anomalies")):
            self._redo_after_anomalies(browser, browser.open(named[0][0]), task)
        elif not cures:
            raise DeadEndError(f"{page.address} does not say what to do: {page.words[:900]}")
        begins = re.search(r"entre la réunion et le (\d\d/\d\d/\d{4})", page.words)
        for address in cures:
            if begins and "/tableaux?" in address:
                form = browser.open(address).form("/tableaux", "type")
                form.fill("reunion", days_of(begins[0])[0].isoformat())
                browser.send(form, "Génération")
                return True
            if "/doutes" in address:
                self._decide_all(browser, address)
            else:
                self.follow(browser, address, task)
        browser.send(browser.open(page.address).form("/recommencer"))
        return True

    def _answer_copy(self, browser: Browser, page: Page, task: Task) -> bool:
        """The signed engagement came today: hand out the copy, of a recent register."""
        for _ in range(2):
            form = page.form("/copies", "engagement_on")
            form.fill("engagement_on", self.town.day.isoformat())
            answered = browser.try_to_send(form, "Remettre")
            if answered.status != UNFIT:
                return True
            self.follow(browser, answered.require_link("/registre"), task)
            page = browser.open(task.href)
        raise DeadEndError(f"the copy cannot be handed out: {answered.faults}")

    def _publish(self, browser: Browser, page: Page, task: Task) -> bool:
        form = page.form("/publication", "mode")
        if liste_of(task.why) != liste_of(page.words):
            raise DeadEndError(f"{page.address} is not about the tableau of {task}")
        if not any(form.values["mode"]):
            form.fill("mode", "consultation")
        last = form.values["au"][0] or (self.town.day + timedelta(days=7)).isoformat()
        form.fill("au", last)
        for name in ("retire", "signe"):
            if last < self.town.day.isoformat() and form.has(name) and not form.values[name][0]:
                form.fill(name, self.town.day.isoformat())
        if form.has("raison") and not form.values["raison"][0]:
            form.fill("raison", "Les papiers ne disent pas tout.")
        browser.send(form, "Enregistrer")
        return True


def _require_count(page: Page, task: Task, shown: int, *, most: int) -> None:
    """The page shows as many things as the task counts, if one page can.

    Raises:
        DeadEndError: it shows another number.
    """
    said = _COUNT.search(task.why)
    if said and shown != min(int(said[1]), most):
        raise DeadEndError(f"{page.address} shows {shown} things of {said[1]}: {task}")


def _birth(text: str) -> str:
    """Return the date of birth that a text shows, AAAA-MM-JJ with zeros for unknown parts."""
    found = re.search(r"(\d\d)/(\d\d)/(\d{4})", text)
    return f"{found[3]}-{found[2]}-{found[1]}" if found else ""
