"""The whole work of a clerk with exports of the REU, from an empty register to a signed certificate.

The clerk reads only the pages; a hand (`hands.py`) acts on them. A made-up commune of 1,200 electors on three lists:
its first export has fifteen problems; the one of the commission's meeting corrects them and adds the changes of a
month; the last one corrects the electors that the platform rejected.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from itertools import count
from pathlib import Path
from typing import NamedTuple
from zipfile import ZipFile

from sqlalchemy import RowMapping

from bench.people import (
    EUROPEENNE,
    MUNICIPALE,
    PRINCIPALE,
    ReuRow,
    bureau_of,
    count_bureaux,
    iter_liste,
    ville_of,
    write_lines,
)
from common.french import short_date
from schemas.vocabulary import Liste
from tests.parts.wait import wait_until
from tests.web.hands import Mouse

SIZE, COMPLEMENTARY = 1150, {MUNICIPALE: 30, EUROPEENNE: 20}
"""Electors of the principal list and of the complementary ones."""
NEWCOMERS, LEAVE, MOVE = 6, 4, 5
LATE_MOVES = 8
"""Electors whose bureau changes between the export of the meeting and the last one, on an unknown day."""
_DAYS_BEFORE_MEETING = 60
_SUNDAY = 6

REJECTED = (
    {"date_naissance": "hier"},
    {"date_naissance": "31/13/1960"},
    {"numero_ordre": "douze"},
    {"liste": "Liste des absents"},
)
"""Values that make the import reject a line."""

BLOCKING = (
    ({"sexe": ""}, "Sexe absent ou différent de M et F"),
    ({"prenoms": ""}, "Prénoms absents"),
    ({"commune_naissance": ""}, "Commune de naissance absente"),
    ({"departement_naissance": ""}, "Département de naissance absent"),
    ({"voie": "", "lieu_dit": ""}, "Adresse sans voie ni lieu-dit"),
    ({"code_postal": ""}, "Code postal absent"),
    ({"ville": ""}, "Ville absente"),
    ({"nom": "-----"}, "Nom de naissance sans lettre"),
    ({"date_naissance": "31/02/1960"}, "Ce jour n'existe pas dans le calendrier"),
    (
        {"departement_naissance": "99", "pays_naissance": ""},
        "Né à l'étranger (99) sans pays de naissance",
    ),
)
"""Values of the principal list that the platform would reject, and the report's text about them."""

OF_EUROPEAN_LIST = {"nationalite": ""}, "Nationalité absente"

ANSWER = (
    "Dépôt rejeté.\nLa commune de naissance de {nom} {prenoms}, né(e) le {naissance}, est inconnue."
)


class Days(NamedTuple):
    """The days of the story."""

    former_meeting: date
    meeting: date
    scrutin: date
    today: date

    @classmethod
    def around(cls, today: date) -> "Days":
        """A Sunday for which the law lets the commission meet on these days (art. L. 19: from the 24th to the 21st)."""
        last = today + timedelta(days=23)
        scrutin = last - timedelta(days=(last.weekday() - _SUNDAY) % 7)
        meeting = min(today - timedelta(days=1), scrutin - timedelta(days=21))
        return cls(meeting - timedelta(days=_DAYS_BEFORE_MEETING), meeting, scrutin, today)


@dataclass(frozen=True)
class Downloads:
    """The clerk's downloads folder."""

    former: Path
    """The export of the month before the straight road, without a problem."""
    flawed: Path
    """The first export, with its fifteen problems."""
    readable: Path
    """The first export once no line is rejected."""
    corrected: Path
    """The export of the meeting."""
    last: Path
    """The export of today."""
    blamed: ReuRow
    """The electors whom the platform's answer names."""
    kept: int
    """Electors of the principal list at the end."""


def write_downloads(folder: Path, code: str, nom: str) -> Downloads:
    """Write the exports of a commune whose code no real commune has."""
    ville = ville_of(code, nom)
    bureaux = count_bureaux(SIZE)
    principale = [
        row._replace(lieu_dit="")
        for row in iter_liste(ville, bureaux, PRINCIPALE, SIZE + NEWCOMERS)
    ]
    others = [
        row
        for liste, size in COMPLEMENTARY.items()
        for row in iter_liste(ville, bureaux, liste, size)
    ]
    principale = [
        row if row.voie else row._replace(voie="Rue du Cerf-Volant") for row in principale
    ]
    here, newcomers = principale[:SIZE], principale[SIZE:]

    places = count(10, 10)
    wrong, blocking_places = list(here), []
    for changes, _ in BLOCKING:
        blocking_places.append(place := next(places))
        wrong[place] = here[place]._replace(**changes)
    wrong_others = [*others[:-1], others[-1]._replace(**OF_EUROPEAN_LIST[0])]
    unread = list(wrong)
    for changes in REJECTED:
        place = next(places)
        unread[place] = here[place]._replace(**changes)

    later = list(here)
    for place in range(201, 201 + MOVE):
        later[place] = here[place]._replace(**bureau_of(ville, 1), numero_ordre=str(900 + place))
    later = [row for place, row in enumerate(later) if place not in range(301, 301 + LEAVE)]
    later += [row._replace(numero_ordre=str(1500 + rank)) for rank, row in enumerate(newcomers)]
    blamed = later[401]
    last = [row._replace(commune_naissance="MARSEILLE") if row is blamed else row for row in later]
    for place in range(501, 501 + LATE_MOVES):
        last[place] = last[place]._replace(**bureau_of(ville, 1), numero_ordre=str(900 + place))

    names = "0", "1", "1-relu", "2", "3"
    former, flawed, readable, corrected, final = (
        folder / f"electeurs-{name}.csv" for name in names
    )
    for path, rows in (
        (former, [*here, *others]),
        (flawed, [*unread, *wrong_others]),
        (readable, [*wrong, *wrong_others]),
        (corrected, [*later, *others]),
        (final, [*last, *others]),
    ):
        write_lines(path, rows)
    return Downloads(former, flawed, readable, corrected, final, blamed, kept=len(last))


@dataclass(frozen=True)
class Story:
    """The clerk of a commune, at the screen."""

    hand: Mouse
    records: Callable[..., Sequence[RowMapping]]
    """Rows of a query, which the clerk does not see."""
    arrivals: Path
    commune: str
    days: Days
    downloads: Downloads

    def play(self) -> None:
        """All steps, in the order of « Ce que vous avez à faire »."""
        self.read_what_is_wrong_and_leave_it()
        self.import_export(self.downloads.readable, self.days.former_meeting)
        self.ask_for_lists()
        self.work_through_anomalies()
        self.import_export(self.downloads.corrected, self.days.meeting)
        self.decide_doubts()
        self.ask_for_lists()
        self.take_the_dossier()
        self.deposit(*Liste)
        self.read_that_it_was_rejected()
        self.import_export(self.downloads.last, self.days.today)
        self.ask_for_lists(Liste.PRINCIPALE)
        self.deposit(Liste.PRINCIPALE)
        self.answer("accepté", "Votre liste a été intégrée.")
        self.note_the_calendar()
        self.complete_motifs()
        self.ask_for_the_tableau()
        self.post_and_certify()

    def go_straight(self) -> None:
        """From an export without a problem, a month after the first one, to the accepted deposit and the tableau."""
        self.hand.open("/")
        self.import_export(self.downloads.corrected, self.days.meeting)
        self.hand.follow("Préparer les fichiers")
        self.hand.press("Génération du fichier")
        self.hand.follow("Préparer le dossier")
        self.hand.download("Télécharger le dossier")
        self.hand.press("Marquer 3 listes déposées aujourd'hui")
        self.answer("accepté")
        self.note_the_calendar()
        self.hand.follow("Compléter les dates et les motifs")
        for categorie in ("Inscription volontaire", "Décès"):
            self.hand.tick(categorie)
        self.hand.write("Date", self.days.meeting)
        self.hand.press("Appliquer à tous et enregistrer")
        self.hand.sees("Toutes les inscriptions et radiations ont leur date et leur motif")
        self.hand.follow("Demander le tableau")
        self.hand.press("Génération du fichier")
        self.hand.follow("Noter la publication")
        self.note_publication()

    def read_what_is_wrong_and_leave_it(self) -> None:
        """Upload the first export, read its problems, and discard it."""
        self.hand.open("/")
        self.hand.sees("Aucun registre n'est importé")
        self.hand.follow("Déposer l'export")
        self._upload(self.downloads.flawed, self.days.former_meeting)
        self.hand.sees(f"{len(REJECTED)} lignes rejetées")
        self.hand.sees("À corriger dans le REU")
        for _, message in BLOCKING:
            self.hand.sees(message)
        self.hand.press("Ne pas reprendre")
        self.hand.sees("non repris")
        self._expect_no_arrival()
        assert not self._rows("SELECT 1 FROM registres WHERE code_commune = :here")

    def import_export(self, path: Path, taken_on: date) -> None:
        """Upload an export, read its preview and import it."""
        self.hand.go("Le registre")
        self._upload(path, taken_on)
        self.hand.sees(f"Ce que changerait l'export du {short_date(taken_on)}")
        self.hand.press("Reprendre dans le registre")
        self.hand.sees("Repris dans le registre")
        self._expect_no_arrival()

    def _upload(self, path: Path, taken_on: date) -> None:
        self.hand.attach("Fichier", path)
        self.hand.write("Jour du téléchargement", taken_on)
        self.hand.press("Voir ce qui changerait")
        self.hand.sees("Rien n'a encore changé dans le registre")

    def _expect_no_arrival(self) -> None:
        wait_until(lambda: not list(self.arrivals.iterdir()), message="an empty arrivals folder")

    def ask_for_lists(self, *only: Liste) -> None:
        self.hand.go("Liste électorale")
        for liste in Liste:
            self.hand.tick(liste.label, ticked=not only or liste in only)
        before = self._last_file()
        self.hand.press("Génération du fichier")
        self._wait_for_files(len(only or Liste), before)

    def work_through_anomalies(self) -> None:
        """Read each anomaly, with what to do about it."""
        self.hand.go("À faire")
        self.hand.sees(f"{len(BLOCKING)} anomalies bloquantes")
        self.hand.follow("Voir les anomalies")
        for _, message in BLOCKING:
            self.hand.sees(message)
        self.hand.go("Dépôts")
        self.hand.go("Dossier de dépôt")
        self.hand.sees("Il manque la liste principale")
        self.hand.sees("Il manque la liste complémentaire européenne")

    def decide_doubts(self) -> None:
        """Decide that the electors with a corrected civil status are one person."""
        self.hand.go("À faire")
        self.hand.follow("Voir les doutes")
        query = "SELECT id FROM doubt WHERE code_commune = :here AND decision = '' ORDER BY id"
        doubts = [row["id"] for row in self._rows(query)]
        assert doubts
        for left, doubt in zip(reversed(range(len(doubts))), doubts, strict=True):
            self.hand.tick(f"J'ai vérifié dans le REU (doute n° {doubt})")
            self.hand.press(f"Même personne (doute n° {doubt})")
            self._wait_for_rows(query, left)
            self.hand.go("Doutes")
        self.hand.sees("Aucun doute à trancher.")

    def take_the_dossier(self) -> None:
        """Download three files in a ZIP."""
        self.hand.go("À faire")
        self.hand.follow("Préparer le dossier")
        with ZipFile(self.hand.download("Télécharger le dossier")) as archive:
            names = archive.namelist()
        assert sum("a-deposer" in name for name in names) == len(Liste), names

    def deposit(self, *listes: Liste) -> None:
        self.hand.go("Dépôts")
        for liste in listes:
            self.hand.tick(liste.short_label, within="Marquer comme déposé")
        self.hand.press("Marquer comme déposé")
        self.hand.sees("En attente de la réponse de la plateforme")

    def read_that_it_was_rejected(self) -> None:
        """Read that the principal list is rejected and the two others are accepted."""
        blamed = self.downloads.blamed
        naissance = blamed.date_naissance
        said = ANSWER.format(nom=blamed.nom, prenoms=blamed.prenoms, naissance=naissance)
        self.answer(
            "rejeté", said, Liste.COMPLEMENTAIRE_EUROPEENNE, Liste.COMPLEMENTAIRE_MUNICIPALE
        )
        self.answer("accepté", "Vos listes ont été intégrées.")
        self.hand.go("À faire")
        self.hand.follow("Lire la réponse")
        self.hand.sees("Retrouvés dans le fichier déposé")
        self.hand.sees(blamed.nom)

    def answer(self, verdict: str, words: str = "", *others: Liste) -> None:
        """Enter the platform's answer; `others`: lists that wait for another answer."""
        waiting = "En attente de la réponse de la plateforme"
        for liste in others:
            self.hand.tick(liste.short_label, within=waiting, ticked=False)
        self.hand.tick(f"{verdict} le dépôt", within=waiting)
        if words:
            self.hand.write("Réponse reçue", words)
        self.hand.press("Enregistrer la réponse")
        self.hand.sees(f"Enregistré : {verdict} le {short_date(self.days.today)}")

    def note_the_calendar(self) -> None:
        """Enter two meetings and a poll."""
        self.hand.go("Tableaux")
        self.hand.go("Réunions et scrutins")
        for day in (self.days.former_meeting, self.days.meeting):
            self.hand.write("Jour de la réunion", day)
            self.hand.press("Noter la réunion")
            self.hand.sees(f"Enregistré : réunion du {short_date(day)}")
        self.hand.write("Ce qu'on élit", "Élection municipale partielle, tour unique")
        self.hand.write("Jour du scrutin", self.days.scrutin)
        self.hand.press("Ajouter le scrutin")
        self.hand.sees(f"Enregistré : scrutin du {short_date(self.days.scrutin)}")

    def complete_motifs(self) -> None:
        """Enter day and category of each arrival and departure: one day for all mouvements of an export."""
        self.hand.go("À faire")
        self.hand.follow("Compléter")
        words = {
            "inscription": "Inscription volontaire",
            "radiation": "Décès",
            "modification": "Changement de bureau",
        }
        assert self.hand.choose_all("Catégorie", words) >= NEWCOMERS + LEAVE
        for day in (self.days.meeting, self.days.today):
            if self._rows("SELECT 1 FROM mouvements_a_completer WHERE code_commune = :here"):
                self.hand.write("Date", day)
                self.hand.press("Appliquer à tous et enregistrer")
                self.hand.sees("Enregistré")
        self.hand.sees("Toutes les inscriptions et radiations ont leur date et leur motif")

    def ask_for_the_tableau(self) -> None:
        """Request the tableau des vingt jours of the principal list: it has no blocking anomaly."""
        self.hand.go("À faire")
        self.hand.follow("Demander ce tableau")
        for liste in Liste:
            self.hand.tick(liste.label, ticked=liste is Liste.PRINCIPALE)
        before = self._last_file()
        self.hand.press("Génération du fichier")
        (tableau,) = self._wait_for_files(1, before)
        assert tableau["bloquantes"] == 0, tableau["anomalies"]
        assert tableau["provisoire_until"] is None

    def post_and_certify(self) -> None:
        """Post it for seven days; the certificate for the mayor exists after them."""
        self.hand.go("À faire")
        self.hand.follow("Noter la publication")
        self.note_publication()
        query = "SELECT liste, electeurs FROM registres WHERE code_commune = :here"
        kept = {str(row["liste"]): row["electeurs"] for row in self._rows(query)}
        assert kept == {
            "P": self.downloads.kept,
            "CM": COMPLEMENTARY[MUNICIPALE],
            "CE": COMPLEMENTARY[EUROPEENNE],
        }

    def note_publication(self) -> None:
        """Confirm the days that the page proposes, and download the certificate."""
        self.hand.tick("Consultable en mairie")
        self.hand.press("Enregistrer")
        self.hand.sees("faites-le signer")
        assert self.hand.download("Télécharger le certificat").read_bytes().startswith(b"%PDF-")
        self.hand.go("À faire")
        self.hand.sees("Nous sommes le")

    def _last_file(self) -> int:
        query = "SELECT max(export_id) AS n FROM derniers_exports WHERE code_commune = :here"
        return int(str(self._rows(query)[0]["n"] or 0))

    def _wait_for_files(self, number: int, after: int) -> Sequence[RowMapping]:
        query = "SELECT * FROM derniers_exports WHERE code_commune = :here AND export_id > :after AND status = 'ready'"

        def ready() -> Sequence[RowMapping] | None:
            made = self._rows(query, after=after)
            return made if len(made) == number else None

        return wait_until(ready, message=f"{number} files") or []

    def _wait_for_rows(self, query: str, number: int) -> None:
        wait_until(lambda: len(self._rows(query)) == number, message=f"{number} × {query}")

    def _rows(self, query: str, **parameters: object) -> Sequence[RowMapping]:
        return self.records(query, here=self.commune, **parameters)
