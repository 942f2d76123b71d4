"""A history in the real product: its commands' use cases in this process, and its files read from their bytes."""

import csv
import io
import json
import re
import shutil
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import date, datetime, time, timedelta
from pathlib import Path
from typing import Any
from unittest.mock import patch

from sqlalchemy import RowMapping, event

from common.calendrier import PARIS
from schemas.envelope import CloudEvent
from schemas.requests import ListeExportRequested
from schemas.tableaux import TypeTableau
from schemas.vocabulary import DoubtDecision, ExportStatus
from schemas.vocabulary import Liste as CodeListe
from tests.integration.export_desk import Desk
from tests.integration.tableau_desk import TableauDesk
from tests.oracle.answers import Answer, Done, Figures, Line, Liste, Refused, Tableau
from tests.oracle.history import (
    COMMUNE,
    AskListe,
    AskTableau,
    Bring,
    Decide,
    History,
    Import,
    Inscrit,
    Meeting,
    Personne,
    Poll,
    Redate,
    Step,
    Told,
    Undo,
)
from tests.parts.databases import SqliteFiles, Template
from tests.parts.pdf import read_text
from tests.unit.mouvement_csv import write_mouvements
from tests.unit.reu_sample import ELECTEUR, write_reu
from worker.db.engine import build_engine
from worker.db.migrate import migrate
from worker.errors import PrefectureError
from worker.handlers.note_register import decide
from worker.handlers.requests.authorization import Authorization
from worker.handlers.requests.export_plan import plan_listes
from worker.registre.communes import add_commune
from worker.registre.comparaison.doubts import DoubtSide, list_doubts
from worker.registre.imports.chain import set_taken_on
from worker.registre.imports.undo import undo_import
from worker.registre.mouvements.importer import import_mouvements
from worker.registre.reu.importer import Intake, import_file
from worker.registre.scrutins import KnownScrutin, Reunion, add_reunion, remove_scrutin, select_scrutins, set_scrutin

_LABELS = {
    "P": "Liste principale",
    "CE": "Liste complémentaire européenne",
    "CM": "Liste complémentaire municipale",
}


def _prepare(url: str) -> None:
    engine = build_engine(url)
    migrate(engine)
    with engine.begin() as connection:
        add_commune(connection, COMMUNE, "Libreville")
        for poll in select_scrutins(connection):  # those of decrees: a history draws its own
            remove_scrutin(connection, poll.code_commune, poll.date)
    engine.dispose()


EMPTY_COMMUNE = Template("oracle-commune", _prepare)

_COUNTED = {"homonymes_supposes", "majorite_corrigee"}

_PERSONNE = r"(?P<nom>ZZ[A-Z]+) (?P<prenoms>[^\W\d_]+(?: [^\W\d_]+)?) (?P<jour>\d\d/\d\d/\d{4})"
_EQUATION = (
    r"Électeurs avant (?P<avant>\d+) Inscriptions \+ (?P<inscriptions>\d+) "
    r"(?:Arrivées d’un autre bureau \+ (?P<arrivees>\d+) )?Radiations − (?P<radiations>\d+) "
    r"(?:Départs vers un autre bureau − (?P<departs>\d+) )?"
    r"(?:Autres mouvements, non portés à ce tableau (?P<sign>[+−]) (?P<others>\d+) )?"
    r"Électeurs après = (?P<apres>\d+)"
)
_WORDS = re.compile(
    rf"Bureau (?P<bureau>\d{{4}}) — |(?P<sans>Électeurs sans bureau)|(?<!\w)(?P<part>II?)\. |{_PERSONNE}|{_EQUATION}|"
    r"Changements de bureau dans la commune, sans effet sur ce total : (?P<changements>\d+)"
)
_PERIOD = re.compile(r"depuis le (\d\d/\d\d/\d{4}), jusqu’au (\d\d/\d\d/\d{4})\.")


class Product:
    """An installation with a commune that nobody has imported; each history finds it as if it were the first.

    One engine for all of them, since what it has compiled is most of what a small history costs.
    """

    def __init__(self, url: str, folder: Path, restore: Callable[[], object]) -> None:
        """On the database at `url`; `restore` makes it empty again, once nobody is connected."""
        self._folder, self._restore = folder, restore
        self._engine = build_engine(url)
        if self._engine.dialect.name == "sqlite":  # nobody wants these rows after a power cut
            event.listen(self._engine, "connect", lambda connection, _: connection.execute("PRAGMA synchronous=OFF"))
        self._begin()

    def play(self, history: History) -> list[Answer]:
        """What it answers to each step."""
        self._begin()
        answers = []
        for step in history.steps:
            with patch("common.calendrier.datetime", _clock_at(step.day)):
                answers.append(self._take(step))
        return answers

    def close(self) -> None:
        """Leave no connection open."""
        self._engine.dispose()

    def _begin(self) -> None:
        self._engine.dispose()
        self._restore()
        self._desk = TableauDesk(self._engine, self._folder / "exports")
        shutil.rmtree(self._desk.root, ignore_errors=True)
        self._imports: list[int | None] = []
        self._asked = 0

    def _take(self, step: Step) -> Answer:  # noqa: C901, PLR0911 — a kind of step each
        try:
            match step:
                case Import():
                    return self._import(step)
                case Redate():
                    return self._redate(step)
                case Undo():
                    return self._undo(step)
                case Bring():
                    return self._bring(step)
                case Meeting():
                    with self._engine.begin() as connection:
                        add_reunion(connection, COMMUNE, Reunion("", step.held_on))
                case Poll():
                    with self._engine.begin() as connection:
                        set_scrutin(connection, KnownScrutin(COMMUNE, step.held_on, step.libelle, None))
                case Decide():
                    return self._decide(step)
                case AskListe():
                    return self._liste(step)
                case AskTableau():
                    return self._tableau(step)
        except PrefectureError:
            return Refused()
        return None

    def _import(self, step: Import) -> Answer:
        self._imports.append(None)
        path = write_reu(self._folder / "reu.csv", _rows(step))
        summary = import_file(
            self._engine,
            path,
            imported_by="oracle",
            accept_changes=True,
            intake=Intake(
                step.taken_on,
                "" if step.is_compared else "essai",
                [CodeListe(liste) for liste in step.emptied],
                COMMUNE,
            ),
        )
        if summary.unchanged:
            return Done(is_unchanged=True)
        self._imports[-1] = summary.import_id
        found = summary.comparison
        return Done(found.inscriptions, found.radiations, found.changements) if found else Done()

    def _bring(self, step: Bring) -> Answer:
        path = write_mouvements(self._folder / "mouvements.csv", map(_mouvement_of(step), step.lines))
        summary = import_mouvements(self._engine, path, imported_by="oracle", complete_until=step.complete_until)
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
        """One person only once: who is twice on a list leaves a doubt for each line, and she may be none of them."""
        said = DoubtDecision.SAME_PERSON if step.is_same else DoubtDecision.TWO_PERSONS
        about = step.liste, step.left, step.came
        with self._engine.begin() as connection:
            open_doubts = list_doubts(connection, COMMUNE)
            meant = [it for it in open_doubts if (it.liste, _who(it.radiation), _who(it.inscription)) == about]
            for doubt in meant[:1] if step.is_same else meant:
                decide(connection, doubt.id, said, by="oracle", code_commune=COMMUNE)
        return Done() if meant else Refused()

    def _liste(self, step: AskListe) -> Answer:
        export = ask_liste(self._desk, COMMUNE, CodeListe(step.liste), self._instant(step.day))
        row = self._make(export, is_interrupted=step.is_interrupted)
        _, *records = csv.reader(io.StringIO(self._desk.read(row).decode()), delimiter=";")
        return Liste(Counter(_inscrit(record) for record in records), row["mineurs"])

    def _tableau(self, step: AskTableau) -> Answer:
        dates = {"reunion": step.reunion, "until": step.until, "scrutin": step.scrutin}
        (export,) = self._desk.ask_tableaux(
            TypeTableau(step.type),
            created_at=self._instant(step.day),
            listes=[step.liste],
            presentations=["par_bureau"],
            **{name: day for name, day in dates.items() if day},
        )
        row = self._make(export, is_interrupted=step.is_interrupted)
        return read_tableau(row, read_text(self._desk.root / COMMUNE / row["file_name"]))

    def _make(self, export: int, *, is_interrupted: bool) -> RowMapping:
        """Make a file; interrupted, another process finds its row, and its doorbell is rung twice."""
        if is_interrupted:
            self._engine.dispose()
            self._desk = TableauDesk(self._engine, self._folder / "exports")
            self._desk.ring(export)
        row = self._desk.ring(export)
        assert row["status"] == ExportStatus.READY, row["error_message"]
        return row

    def _instant(self, day: date) -> datetime:
        """Of a request: each has its own."""
        self._asked += 1
        return datetime.combine(day, time(9), PARIS) + timedelta(seconds=self._asked)


def ask_liste(desk: Desk, commune: str, liste: CodeListe, created_at: datetime) -> int:
    """The row of a list file that somebody asks for.

    Raises:
        RefusedError: the register has nothing to make it of.
    """
    asked = ListeExportRequested(commune=commune, listes=[liste], requested_by="mairie")
    plan = plan_listes(CloudEvent.wrap(asked, source="/oracle"), desk.services, Authorization("", desk.services))
    (export,) = desk.ask_files(plan.files, created_at, plan.commune)
    return export


def read_tableau(row: RowMapping, content: str) -> Tableau:
    """What a tableau by bureau says, and what its row does."""
    words = " ".join(content.split())
    period = _PERIOD.search(words)
    assert period, words
    first, last = (datetime.strptime(day, "%d/%m/%Y").date() for day in period.groups())  # noqa: DTZ007 — a day
    bureau, part = "", ""
    lines: Counter[Line] = Counter()
    figures: dict[str, Figures] = {}
    for found in _WORDS.finditer(words):
        if found["bureau"] or found["sans"]:
            bureau = found["bureau"] or ""
        elif found["part"]:
            part = found["part"]
        elif found["nom"]:
            naissance = "-".join(reversed(found["jour"].split("/")))
            lines[Line(part, bureau, Personne(found["nom"], found["prenoms"], naissance))] += 1
        elif found["changements"]:
            both = int(found["changements"])
            figures[""] = figures[""]._replace(arrivees=both, departs=both)
        else:
            counted = Figures(*(int(found[name] or 0) for name in Figures._fields))
            others = -counted.others if found["sign"] == "−" else counted.others
            figures["" if bureau in figures else bureau] = counted._replace(others=others)  # the commune comes last
    anomalies = row["anomalies"]
    if isinstance(anomalies, str):  # SQLite keeps JSON as text
        anomalies = json.loads(anomalies)
    return Tableau(
        first=first,
        last=last,
        gaps=frozenset(it["code"] for it in anomalies if it["severity"] == "bloquante"),
        remarks=_remarks_of(anomalies),
        is_provisional="PROVISOIRE" in content.replace(" ", ""),
        lines=lines,
        mouvements=row["electeurs"],
        figures=figures,
    )


@contextmanager
def open_on_sqlite(folder: Path) -> Iterator[Product]:
    """An installation on an SQLite database in a folder."""
    files = SqliteFiles(folder)
    path = folder / "oracle.sqlite3"
    product = Product(f"sqlite:///{path}", folder, lambda: files.create(path, EMPTY_COMMUNE))
    yield product
    product.close()


def _clock_at(day: date) -> type[datetime]:
    class Clock(datetime):
        @classmethod
        def now(cls, tz: Any = None) -> "Clock":  # noqa: ANN401 — as the class it replaces
            return cls.combine(day, time(9), PARIS).astimezone(tz)

    return Clock


def _who(side: DoubtSide) -> Personne:
    return Personne(side.nom_naissance, side.prenoms, side.date_naissance)


def _rows(step: Import) -> Iterator[dict[str, str]]:
    for liste, lines in step.listes.items():
        for it in lines:
            yield ELECTEUR | {
                "code du l'ugle": COMMUNE,
                "libellé de l'ugle": "LIBREVILLE",
                "libellé du type de liste": _LABELS[liste],
                "nom de naissance": it.personne.nom,
                "prénoms": it.personne.prenoms,
                "date de naissance": it.personne.jour,
                "libellé nationalité": "Française" if liste == "P" else "Belge",
                "numéro de voie": "1",
                "libellé de voie": it.voie,
                "code du bureau de vote": it.bureau,
                "libellé du bureau de vote": f"ECOLE {it.bureau[-1]}",
                "numéro d'ordre dans le bureau de vote": str(it.numero),
            }


def _mouvement_of(step: Bring) -> Callable[[Told], dict[str, str]]:
    said = {
        "commune": COMMUNE,
        "liste": step.liste,
        "effet": "Immediat",
        "état": "applique" if step.is_applied else "actif",
        "numéro": "7",
        "commune de naissance": "MARSEILLE",
        "département de naissance": "13",
        "pays de naissance": "FRANCE",
        "nationalité": "Française" if step.liste == "P" else "Belge",
        "adresse": "1 Rue du Bac 13900 LIBREVILLE",
    }

    def describe(told: Told) -> dict[str, str]:
        it = told.change
        return said | {
            "nature": it.nature,
            "date": told.day.isoformat(),
            "nom de naissance": it.personne.nom,
            "prénoms": it.personne.prenoms,
            "date de naissance": it.personne.jour,
            "ancien bureau": it.ancien,
            "nouveau bureau": it.nouveau,
        }

    return describe


def _remarks_of(anomalies: Sequence[dict[str, Any]]) -> Counter[str]:
    """What the oracle knows of: what is not covered, each once; corrections once; each pair of homonyms."""
    found: Counter[str] = Counter()
    for it in anomalies:
        if it["severity"] == "remarque" and (it["code"].startswith("couverture") or it["code"] in _COUNTED):
            found[it["code"]] += it["count"] if it["code"] == "homonymes_supposes" else 1
    return found


def _inscrit(record: Sequence[str]) -> Inscrit:
    """By the places of the arrêté's 29 columns: 9 and 11 the names, 12 the date of birth, 18 the bureau."""
    personne = Personne(record[8], record[10], "-".join(reversed(record[11].split("/"))))
    return Inscrit(personne, record[17], 0, "")
