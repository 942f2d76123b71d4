"""LIBREVILLE's files on both databases, with the declarations of an agent: downloads, deposits, verdicts."""

from datetime import UTC, date, datetime, timedelta
from typing import Any

from sqlalchemy import RowMapping

from common.calendrier import jour_a_paris
from schemas.envelope import CloudEvent, Data
from schemas.topology import QUEUE_LISTES, QUEUE_TABLEAUX
from schemas.vocabulary import Format, Liste
from tests.integration.export_desk import COMMUNE, Desk
from tests.parts.notes import note_file
from worker.handlers.requests.ingest_request import ingest_request

PERSON = ("INVENTEE", "Zélie", "1962-03-14", "LIBREVILLE")


def today() -> date:
    """Today in Paris."""
    return jour_a_paris(datetime.now(UTC))


class DepotsDesk(Desk):
    """Declarations pass through the handler of the broker's messages."""

    sender = ""

    def make(
        self, format_: Format = Format.CSV, *, days_ago: float = 0, liste: Liste = Liste.PRINCIPALE
    ) -> RowMapping:
        """Request a file with a date in the past, and make it now; its row."""
        return self.process(self.ask(liste, format_, datetime.now(UTC) - timedelta(days=days_ago)))

    def download(self, export_id: int, *, at: datetime | None = None, **fields: Any) -> RowMapping:  # noqa: ANN401
        """Declare the download of a file; the row of the request."""
        return self.declare(note_file("downloaded", export_id, **fields), at)

    def deposit(self, *export_ids: int, **fields: Any) -> RowMapping:  # noqa: ANN401 — of the note
        """Declare a deposit of today, and do the works that it causes; the row of the request."""
        request = self.deposit_only(*export_ids, **fields)
        self.work(QUEUE_LISTES, QUEUE_TABLEAUX)
        return request

    def deposit_only(self, *export_ids: int, **fields: Any) -> RowMapping:  # noqa: ANN401 — of the note
        """Declare a deposit of today, without the work of a worker; the row of the request."""
        return self.declare(
            note_file("deposited", *export_ids, **{"deposited_on": today()} | fields)
        )

    def answer(self, *export_ids: int, verdict: str = "accepte", **fields: Any) -> RowMapping:  # noqa: ANN401
        """Declare the platform's verdict of today; the row of the request."""
        said: dict[str, Any] = {"verdict": verdict, "verdict_on": today()}
        return self.declare(note_file("verdict", *export_ids, **said | fields))

    def publish(self, *export_ids: int, **fields: Any) -> RowMapping:  # noqa: ANN401 — of the note
        """Declare the posting of tableaux from today on, and do the works that it causes; the row of the request."""
        said: dict[str, Any] = {"mode": "affichage", "published_on": today()}
        request = self.declare(note_file("published", *export_ids, **said | fields))
        self.work(QUEUE_LISTES, QUEUE_TABLEAUX)
        return request

    def end_poll(self) -> None:
        """Put the poll of the tableaux into the past: their publication may end on any day (R. 14)."""
        is_postgresql = self.engine.dialect.name == "postgresql"
        over = (
            "jsonb_set(parameters::jsonb, '{scrutin}', '\"2020-03-15\"')::json"
            if is_postgresql
            else "json_set(parameters, '$.scrutin', '2020-03-15')"
        )
        self.run(f"UPDATE export SET parameters = {over}")  # noqa: S608 — ours

    def declare(self, data: Data, at: datetime | None = None) -> RowMapping:
        """Send an event twice, as a broker may; return the row of its request."""
        return self.request(self.send(data, at))

    def send(self, data: Data, at: datetime | None = None) -> CloudEvent:
        """Send an event twice, as a broker may."""
        event = CloudEvent.wrap(data, source="/test")
        if at:
            event = event.model_copy(update={"time": at})
        for _ in range(2):
            ingest_request(event, self.services, sender=self.sender)
        return event

    def depot(self, export_id: int) -> RowMapping:
        (row,) = self.rows("SELECT * FROM depot WHERE export_id = :id", id=export_id)
        return row

    def add_person(self, *, nom: str = PERSON[0], born: str = PERSON[2], **columns: str) -> None:
        """Add an elector to the principal list of the register."""
        values = {
            "nom_naissance": nom,
            "prenoms": PERSON[1],
            "date_naissance": born,
            "commune_naissance": PERSON[3],
        }
        values |= {
            "sexe": "F",
            "departement_naissance": "13",
            "code_bureau": "0001",
            "libelle_voie": "SAUGE",
        } | columns
        names = ", ".join(values)
        marks = ", ".join(f":{name}" for name in values)
        self.run(
            f"""INSERT INTO electeur (code_commune, liste, version, {names})
                SELECT '{COMMUNE}', 'P', version, {marks} FROM liste WHERE liste = 'P' AND code_commune = '{COMMUNE}'""",  # noqa: S608, E501 — ours
            **values,
        )

    def add_mouvement(
        self,
        nature: str,
        jour: date,
        *,
        nom: str = PERSON[0],
        born: str = PERSON[2],
        etat: str = "applique",
    ) -> None:
        """Add a mouvement of the principal list, with the identity of `add_person`."""
        self.run(
            """INSERT INTO mouvement (code_commune, liste, nature, effet, etat, date_tableau, date_mouvement,
                                      nom_naissance, prenoms, date_naissance, commune_naissance)
               VALUES (:commune, 'P', :nature, 'Immediat', :etat, :jour, :jour, :nom, :prenoms, :born, :lieu)""",
            commune=COMMUNE, nature=nature, etat=etat, nom=nom, prenoms=PERSON[1], born=born, lieu=PERSON[3],
            jour=jour if self.engine.dialect.name == "postgresql" else jour.isoformat(),
        )  # fmt: skip
