"""A history in the real product: its commands' use cases in this process, and its files read from their bytes."""

import csv
import io
import json
import re
import shutil
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import date, datetime, time, timedelta
from pathlib import Path
from typing import Any
from unittest.mock import patch
from zoneinfo import ZoneInfo

from sqlalchemy import Row, RowMapping, event, text

from common.calendrier import CalendarReunion, CalendarScrutin, now
from schemas.declarations import CompletedMotif, DoubtDecided
from schemas.envelope import CloudEvent
from schemas.requests import ListeExportRequested
from schemas.tableaux import TypeTableau
from schemas.vocabulary import DoubtDecision, ExportStatus
from schemas.vocabulary import Liste as CodeListe
from tests.integration.export_desk import Desk
from tests.integration.tableau_desk import TableauDesk
from tests.oracle.history import (
    BIRTHPLACES,
    COMMUNES,
    LIBREVILLE,
    Answer,
    AskListe,
    AskTableau,
    Bring,
    Commune,
    Complete,
    Decide,
    Done,
    Edit,
    Figures,
    History,
    Import,
    Inscrit,
    Line,
    Lines,
    Liste,
    Meeting,
    Personne,
    Poll,
    Redate,
    Refused,
    Step,
    Tableau,
    Told,
    Undo,
)
from tests.parts.databases import SqliteFiles, Template
from tests.parts.pdf import read_elements
from tests.unit.reu_sample import ELECTEUR, write_mouvements, write_reu
from worker.access.authorization import Authorization
from worker.audit import Actor
from worker.db.engine import build_engine
from worker.db.migrate import migrate
from worker.errors import PrefectureError
from worker.handlers.declarations.declare import declare
from worker.handlers.requests.export_plan import plan_listes
from worker.registre.communes import add_commune
from worker.registre.comparaison.doubts import list_doubts
from worker.registre.imports.chain import set_taken_on
from worker.registre.imports.history import undo_import
from worker.registre.mouvements.importer import import_mouvements
from worker.registre.mouvements.queries import note_motifs
from worker.registre.reu.importer import Intake, import_file
from worker.registre.scrutins import add_reunion, remove_scrutin, select_scrutins, set_scrutin
from worker.work.queue import FILES, claim

_NUMERO = re.compile(r"^\d+(?: BIS| TER)?")
_LABELS = {
    "P": "Liste principale",
    "CE": "Liste complémentaire européenne",
    "CM": "Liste complémentaire municipale",
}


def _prepare(url: str) -> None:
    engine = build_engine(url)
    migrate(engine)
    with engine.begin() as connection:
        for commune in COMMUNES:
            add_commune(connection, commune.code, commune.nom)
        for poll in select_scrutins(connection):  # those of decrees: a history draws its own
            remove_scrutin(connection, poll.code_commune, poll.jour)
    engine.dispose()


EMPTY_COMMUNE = Template("oracle-commune", _prepare)

_COUNTED = {"homonymes_supposes", "majorite_corrigee", "corrigee_depuis"}
_TERMS = {
    "Électeurs avant": "avant",
    "Inscriptions": "inscriptions",
    "Arrivées d’un autre bureau": "arrivees",
    "Radiations": "radiations",
    "Départs vers un autre bureau": "departs",
    "Autres mouvements, non portés à ce tableau": "others",
    "Électeurs après": "apres",
}
_TERM = re.compile(rf"({'|'.join(_TERMS)}) ?([+−=]?) ?(−?\d+)")
_CHANGES = re.compile(r"Changements de bureau sur cette liste, sans effet sur ce total : (\d+)")
_EMPTY = re.compile(r" : néant\. Électeurs avant et après : (\d+)\.$")
_COLUMNS = {
    "N° d’ordre": "numero",
    "Nom de naissance": "nom",
    "Nom d’usage": "usage",
    "Prénoms": "prenoms",
    "Date et lieu de naissance": "naissance",
    "Adresse": "adresse",
    "Bureau": "bureau",
    "Nationalité": "nationalite",
    "Date du mouvement": "date",
    "Motif": "motif",
}
_SHARED_DATE = re.compile(r"Date des mouvements(?:, sauf indication)? : (entre le .*)")
_PERIOD = re.compile(r"(?:du|depuis le) (\d\d/\d\d/\d{4}),? (?:au|jusqu’au) (\d\d/\d\d/\d{4})\.")


class Product:
    """An installation with a commune without any import; each history begins in that state.

    All share one engine, since its compiled statements are most of the cost of a small history.
    """

    def __init__(self, url: str, folder: Path, restore: Callable[[], object]) -> None:
        """Use the database at `url`; `restore` empties it, once all connections are closed."""
        self._folder, self._restore = folder, restore
        self._engine = build_engine(url)
        if self._engine.dialect.name == "sqlite":  # these rows need not survive a power cut
            event.listen(
                self._engine,
                "connect",
                lambda connection, _: connection.execute("PRAGMA synchronous=OFF"),
            )
        self._begin()

    def play(self, history: History) -> list[Answer]:
        self._begin()
        self._commune = history.commune
        answers = []
        for step in history.steps:
            day = (step.again if isinstance(step, AskTableau) else None) or step.day
            with patch("common.calendrier.datetime", _clock_at(self._hour(day))):
                answers.append(self._take(step))
        return answers

    def close(self) -> None:
        self._engine.dispose()

    def _begin(self) -> None:
        self._engine.dispose()
        self._restore()
        self._desk = TableauDesk(self._engine, self._folder / "exports")
        shutil.rmtree(self._desk.root, ignore_errors=True)
        self._imports: list[int | None] = []
        self._asked = 0
        self._instants: dict[AskTableau, datetime] = {}
        self._commune = LIBREVILLE

    def _take(self, step: Step) -> Answer:
        try:
            return getattr(self, f"_{type(step).__name__.lower()}")(step)  # type: ignore[no-any-return]
        except PrefectureError:
            return Refused()

    def _meeting(self, step: Meeting) -> None:
        with self._engine.begin() as connection:
            add_reunion(connection, self._commune.code, CalendarReunion(step.held_on))

    def _poll(self, step: Poll) -> None:
        with self._engine.begin() as connection:
            set_scrutin(
                connection,
                CalendarScrutin(step.held_on, step.libelle, code_commune=self._commune.code),
            )

    def _import(self, step: Import) -> Answer:
        self._imports.append(None)
        path = write_reu(self._folder / "reu.csv", reu_rows(step.listes, self._commune))
        summary = import_file(
            self._engine,
            path,
            imported_by="oracle",
            accept_changes=step.is_accepted,
            intake=Intake(
                step.taken_on,
                "" if step.is_compared else "essai",
                [CodeListe(liste) for liste in step.emptied],
                self._commune.code,
            ),
        )
        if summary.unchanged:
            return Done(is_unchanged=True)
        self._imports[-1] = summary.import_id
        found = summary.comparison
        return Done(found.inscriptions, found.radiations, found.changements) if found else Done()

    def _bring(self, step: Bring) -> Answer:
        path = write_mouvements(
            self._folder / "mouvements.csv", map(_mouvement_of(step, self._commune), step.lines)
        )
        summary = import_mouvements(
            self._engine, path, imported_by="oracle", complete_until=step.complete_until
        )
        return Done(is_unchanged=summary.unchanged)

    def _undo(self, step: Undo) -> Answer:
        number = self._imports[step.link]
        if number is None:
            return None
        undo_import(self._engine, number)
        return Done()

    def _redate(self, step: Redate) -> Answer:
        number = self._imports[step.link]
        if number is None:
            return None
        set_taken_on(self._engine, number, step.taken_on)
        return Done()

    def _decide(self, step: Decide) -> Answer:
        """Answer « one person » once only: a person who is on the list twice leaves a doubt for each line."""
        said = DoubtDecision.SAME_PERSON if step.is_same else DoubtDecision.TWO_PERSONS
        about = step.liste, step.left[:3], step.came[:3]
        with self._engine.begin() as connection:
            open_doubts = list_doubts(connection, self._commune.code)
            meant = [it for it in open_doubts if (it.liste, *_who(it)) == about]
            for doubt in meant[:1] if step.is_same else meant:
                note = DoubtDecided(doubt=doubt.doute, decision=said)
                declare(connection, self._commune.code, note, by=Actor("oracle"), now=now())
        return Done() if meant else Refused()

    def _complete(self, step: Complete) -> Answer:
        """Complete the mouvement as a clerk does on the page of dates and motifs."""
        query = """SELECT max(id) FROM mouvement WHERE liste = :liste AND nature = :nature AND nom_naissance = :nom
                   AND prenoms = :prenoms AND date_naissance = :naissance AND import_id IN (SELECT id FROM import
                   WHERE kind = 'reu') AND doubt_id IS NULL"""
        about = {"liste": step.liste, "nature": step.nature} | step.personne._asdict()
        with self._engine.begin() as connection:
            number = connection.scalar(
                text(query), {it: about[it] for it in about if it != "commune"}
            )
            if number is None:
                return Refused()
            said = {"mouvement": number, "categorie": step.categorie}
            said |= {"jour": step.jour} if step.jour else {}
            note_motifs(connection, self._commune.code, [CompletedMotif.model_validate(said)])
        return Done()

    def _edit(self, step: Edit) -> Answer:
        about = {"liste": step.liste} | step.personne._asdict()
        listes = "SELECT count(*) FROM liste WHERE liste = :liste AND code_commune = :code"
        query = """DELETE FROM electeur WHERE liste = :liste AND nom_naissance = :nom AND prenoms = :prenoms
                   AND date_naissance = :naissance AND commune_naissance = :commune AND version =
                   (SELECT version FROM liste WHERE liste = :liste AND code_commune = :code)"""
        with self._engine.begin() as connection:
            is_known = connection.scalar(
                text(listes), {"liste": step.liste, "code": self._commune.code}
            )
            connection.execute(text(query), about | {"code": self._commune.code})
        return Done() if is_known else Refused()

    def _askliste(self, step: AskListe) -> Answer:
        export = ask_liste(
            self._desk, self._commune.code, CodeListe(step.liste), self._instant(step.day)
        )
        row = self._make(export, is_interrupted=step.is_interrupted)
        _, *records = csv.reader(io.StringIO(self._desk.read(row).decode()), delimiter=";")
        return Liste(
            electeurs=tuple(map(_inscrit, records)),
            mineurs=row["mineurs"],
            heads=frozenset((record[0], *record[2:6]) for record in records),
            anomalies=Counter({it["code"]: it["count"] for it in _anomalies_of(row)}),
        )

    def _asktableau(self, step: AskTableau) -> Answer:
        dates = {"reunion": step.reunion, "until": step.until, "scrutin": step.scrutin}
        (export,) = self._desk.ask_tableaux(
            TypeTableau(step.type),
            created_at=self._instant_of(step),
            listes=[step.liste],
            commune=self._commune.code,
            presentations=["par_bureau"],
            **{name: day for name, day in dates.items() if day},
        )
        row = self._make(export, is_interrupted=step.is_interrupted)
        return read_tableau(
            row, read_elements(self._desk.root / self._commune.code / row["file_name"])
        )

    def _make(self, export: int, *, is_interrupted: bool) -> RowMapping:
        """Make a file; if interrupted, its process ends with the claim, and another makes it."""
        if is_interrupted:
            with self._engine.begin() as connection:
                for kind in FILES:
                    claim(connection, kind, "a process that ends", lease_seconds=0)
            self._engine.dispose()
            self._desk = TableauDesk(self._engine, self._folder / "exports")
        row = self._desk.process(export)
        assert row["status"] == ExportStatus.READY, row["error_message"]
        return row

    def _instant_of(self, step: AskTableau) -> datetime:
        """The instant of the request; of one that is made again, that of the first one."""
        first = replace(step, again=None)
        return self._instants.setdefault(first, self._instant(step.day))

    def _instant(self, day: date) -> datetime:
        """The next instant of a day; each request has its own."""
        self._asked += 1
        return self._hour(day) + timedelta(seconds=self._asked)

    def _hour(self, day: date) -> datetime:
        return datetime.combine(day, time(self._commune.hour), ZoneInfo(self._commune.zone))


def ask_liste(desk: Desk, commune: str, liste: CodeListe, created_at: datetime) -> int:
    """The row of a requested list file.

    Raises:
        RefusedError: the register has no such list.
    """
    asked = ListeExportRequested(commune=commune, listes=[liste], requested_by="mairie")
    event = CloudEvent.wrap(asked, source="/oracle")
    plan = plan_listes(event, desk.services, Authorization("", desk.services, event))
    (export,) = desk.ask_files(plan.files, created_at, plan.commune)
    return export


@dataclass
class _Page:
    """The tags of a tableau in reading order."""

    lines: list[Line] = field(default_factory=list)
    figures: dict[str, Figures] = field(default_factory=dict)
    totals: dict[tuple[str, str], str] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    _section: str = ""
    _part: str = ""
    _shared_date: str = ""
    _titles: list[str] = field(default_factory=list)

    def read(self, tag: str, texts: list[str]) -> None:
        """One element: a title, a paragraph or the cells of a row."""
        text = " ".join(texts)
        if tag == "H2":
            self._section = text.split()[1] if text.startswith("Bureau ") else ""
            if empty := _EMPTY.search(text):
                self.figures[self._section] = Figures(avant=int(empty[1]), apres=int(empty[1]))
        elif tag == "H3":
            self._part = text.split(".")[0]
        elif tag == "TR" and texts[0] in _COLUMNS:
            self._titles = [_COLUMNS[title] for title in texts]
        elif tag == "TR":
            self.lines.append(self._line(dict(zip(self._titles, texts, strict=True))))
        elif text.startswith("Total "):
            self.totals[self._section, self._part] = text
        elif term := _TERM.fullmatch(text):
            known = self.figures.get(self._section, Figures())
            name, value = _TERMS[term[1]], int(term[3].replace("−", "-"))
            is_left = name == "others" and term[2] == "−"
            self.figures[self._section] = known._replace(**{name: -value if is_left else value})
        elif changes := _CHANGES.fullmatch(text):
            both = int(changes[1])
            self.figures[""] = self.figures[""]._replace(arrivees=both, departs=both)
        else:
            if shared := _SHARED_DATE.fullmatch(text):
                self._shared_date = shared[1]
            self.notes.append(text)

    def _line(self, cells: dict[str, str]) -> Line:
        born, commune = re.findall(r"(\d\d/\d\d/\d{4}) à (.*) \(", cells["naissance"])[0]
        personne = Personne(
            cells.pop("nom"), cells.pop("prenoms"), "-".join(reversed(born.split("/"))), commune
        )
        date_of_line = cells.pop("date", "") or self._shared_date
        return Line(
            self._part, self._section, personne, **{"nationalite": "", "date": date_of_line} | cells
        )


def read_tableau(row: RowMapping, elements: Iterable[tuple[str, list[str]]]) -> Tableau:
    """The content of a tableau by bureau, and of its row."""
    page = _Page()
    for tag, texts in elements:
        page.read(tag, texts)
    period = next(found for note in page.notes if (found := _PERIOD.search(note)))
    first, last = (datetime.strptime(day, "%d/%m/%Y").date() for day in period.groups())  # noqa: DTZ007 — a day
    anomalies = _anomalies_of(row)
    return Tableau(
        first=first,
        last=last,
        gaps=frozenset(it["code"] for it in anomalies if it["severity"] == "bloquante"),
        remarks=_remarks_of(anomalies),
        is_provisional="PROVISOIRE" in page.notes,
        lines=tuple(page.lines),
        mouvements=row["electeurs"],
        figures=page.figures,
        incomplete=_incomplete_of(anomalies),
        totals=page.totals,
        exports=next((note for note in page.notes if note.startswith("D’après ")), ""),
        digest=row["sha256"],
    )


def _anomalies_of(row: RowMapping) -> list[dict[str, Any]]:
    found = row["anomalies"] or "[]"
    anomalies: list[dict[str, Any]] = json.loads(found) if isinstance(found, str) else found
    return anomalies  # SQLite returns JSON as text


@contextmanager
def open_on_sqlite(folder: Path) -> Iterator[Product]:
    """An installation on an SQLite database in a folder."""
    files = SqliteFiles(folder)
    path = folder / "oracle.sqlite3"
    product = Product(f"sqlite:///{path}", folder, lambda: files.create(path, EMPTY_COMMUNE))
    yield product
    product.close()


def _clock_at(instant: datetime) -> type[datetime]:
    class Clock(datetime):
        @classmethod
        def now(cls, tz: Any = None) -> "Clock":  # noqa: ANN401 — as the class it replaces
            return cls.fromtimestamp(instant.timestamp(), tz)

    return Clock


def _who(doubt: Row[Any]) -> Iterator[tuple[str, ...]]:
    for side in ("radiation", "inscription"):
        yield tuple(
            getattr(doubt, f"{side}_{name}")
            for name in ("nom_naissance", "prenoms", "date_naissance")
        )


def reu_rows(listes: Mapping[str, Lines], commune: Commune) -> Iterator[dict[str, str]]:
    """Yield the lines of an export of the REU, by title."""
    for liste, lines in listes.items():
        for it in lines:
            yield (
                ELECTEUR
                | _birthplace(it.personne)
                | {
                    "code du l'ugle": commune.arrondissements.get(it.bureau, commune.code),
                    "libellé de l'ugle": commune.nom.upper(),
                    "libellé du type de liste": _LABELS[liste],
                    "nom de naissance": it.personne.nom,
                    "nom d'usage": it.usage,
                    "prénoms": it.personne.prenoms,
                    "date de naissance": it.personne.jour,
                    "libellé nationalité": it.nationalite,
                    "numéro de voie": "".join(_NUMERO.findall(it.voie)),
                    "libellé de voie": _NUMERO.sub("", it.voie).strip(),
                    "code postal": commune.adresse[0],
                    "commune": commune.adresse[1],
                    "code circonscription législative du bureau de vote": f"{commune.departement}-01",
                    "code du bureau de vote": it.bureau,
                    "libellé du bureau de vote": f"ECOLE {it.bureau[-1]}",
                    "numéro d'ordre dans le bureau de vote": str(it.numero),
                }
            )


def _birthplace(personne: Personne) -> dict[str, str]:
    code, departement, pays = BIRTHPLACES[personne.commune]
    return {
        "code commune de naissance": code,
        "libellé commune de naissance": personne.commune,
        "code département de naissance": departement,
        "pays de naissance": pays,
    }


def _mouvement_of(step: Bring, commune: Commune) -> Callable[[Told], dict[str, str]]:
    said = {
        "commune": commune.code,
        "liste": step.liste,
        "effet": "Immediat",
        "état": "applique" if step.is_applied else "actif",
    }

    def describe(told: Told) -> dict[str, str]:
        change, it = told.change, told.change.inscrit
        _, departement, pays = BIRTHPLACES[change.personne.commune]
        return said | {
            "nature": change.nature,
            "date": told.day.isoformat(),
            "nom de naissance": change.personne.nom,
            "nom d'usage": it.usage,
            "prénoms": change.personne.prenoms,
            "date de naissance": change.personne.jour,
            "commune de naissance": change.personne.commune,
            "département de naissance": departement,
            "pays de naissance": pays,
            "nationalité": it.nationalite,
            "adresse": f"{it.voie}, {' '.join(commune.adresse)}",
            "numéro": str(it.numero),
            "catégorie": change.categorie,
            "ancien bureau": change.ancien,
            "nouveau bureau": change.nouveau,
        }

    return describe


def _remarks_of(anomalies: Sequence[dict[str, Any]]) -> Counter[str]:
    """The remarks that the oracle knows: gaps once each; corrections once; each pair of homonyms."""
    found: Counter[str] = Counter()
    for it in anomalies:
        if it["severity"] == "remarque" and (
            it["code"].startswith("couverture") or it["code"] in _COUNTED
        ):
            found[it["code"]] += it["count"] if it["code"] == "homonymes_supposes" else 1
    return found


def _incomplete_of(anomalies: Sequence[dict[str, Any]]) -> Counter[str]:
    """How many mouvements lack a date, and how many a category; one code may cover both for a mouvement."""
    found: Counter[str] = Counter()
    for it in anomalies:
        if it["severity"] == "a_completer":
            found["date_absente"] += it["count"] * ("date" in it["code"])
            found["motif_absent"] += it["count"] * (
                "date" not in it["code"] or "motif" in it["code"]
            )
    return +found


def _inscrit(record: Sequence[str]) -> Inscrit:
    """By the positions of the arrêté's 29 columns, which are counted from 1 there."""
    personne = Personne(
        record[8], record[10], "-".join(reversed(record[11].split("/"))), record[12]
    )
    return Inscrit(
        personne, record[17], 0, " ".join(filter(None, record[22:25])), record[9], record[15]
    )
