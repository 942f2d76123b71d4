"""LIBREVILLE with content for every page: files in every state, deposits with their answers."""

from typing import Any

from starlette.routing import Route

from schemas.envelope import CloudEvent, Data
from schemas.vocabulary import Verdict
from tests.parts.notes import note_file
from tests.parts.wait import wait_until
from tests.web.security_desk import CLERK, LIBREVILLE
from tests.web.site import Site
from worker.demo.libreville import demo_calendrier

_LEFT_FAILED = (
    "UPDATE export SET status = 'failed', error_code = 'disque_plein', error_message = 'Espace disque insuffisant.', "
    "size = NULL, sha256 = NULL WHERE id = {}"
)
_LEFT_CANCELLED = "UPDATE export SET status = 'cancelled', size = NULL, sha256 = NULL WHERE id = {}"
_LEFT_WAITING = "UPDATE export SET status = 'queued', size = NULL, sha256 = NULL, finished_at = NULL WHERE id = {}"
_FIT = "UPDATE export SET bloquantes = 0, a_completer = 0, provisoire_until = NULL WHERE id = {}"
_RIGHT = f"UPDATE agent SET may_protect = true WHERE name = '{CLERK}'"  # noqa: S608 — ours
_WITHOUT_MOTIF = "UPDATE mouvement SET categorie = '' WHERE id IN (SELECT min(id) FROM mouvement GROUP BY nature)"
_PURGED = "UPDATE export SET purged_at = now() WHERE id = {}"


DOUBT = (
    """INSERT INTO import (id, file_name, sha256, imported_by, lines_read, lines_kept, lines_rejected, values_cleaned,
       bureaux_before, finished_at)
       VALUES (900, 'reu.csv', '', 'essai', 0, 0, 0, 0, '[]', '2026-11-20 10:00:00.000')""",
    """INSERT INTO mouvement (id, code_commune, liste, import_id, nature, effet, etat, date_tableau, date_mouvement,
       ancien_bureau, nom_naissance, prenoms, date_naissance, adresse)
       VALUES (9001, '13900', 'P', 900, 'radiation', 'Immediat', 'applique', '2027-01-10', '2026-11-20', '0001',
       'INVENTÉE', 'Zélie', '1961-00-00', '3 RUE DU PUITS')""",
    """INSERT INTO mouvement (id, code_commune, liste, import_id, nature, effet, etat, date_tableau, date_mouvement,
       nouveau_bureau, nom_naissance, prenoms, date_naissance, adresse)
       VALUES (9002, '13900', 'P', 900, 'inscription', 'Immediat', 'applique', '2027-01-10', '2026-11-20', '0001',
       'INVENTÉE', 'Zélie', '1961-08-05', '3 RUE DU PUITS')""",
    """INSERT INTO doubt (id, import_id, code_commune, liste, radiation_id, inscription_id, differs)
       VALUES (901, 900, '13900', 'P', 9001, 9002, 'date_naissance')""",
)

TWO_EXPORTS = tuple(
    statement.format(number=number, day=day, liste=liste)
    for number, day in ((950, "2026-09-10"), (951, "2026-11-20"))
    for statement, listes in (
        (
            """INSERT INTO import (id, file_name, sha256, imported_by, lines_read, lines_kept, lines_rejected,
               values_cleaned, bureaux_before, taken_on, finished_at)
               VALUES ({number}, 'reu.csv', '', 'essai', 0, 0, 0, 0, '[]', '{day}', '{day} 10:00:00.000')""",
            ("",),
        ),
        (
            """INSERT INTO import_liste (import_id, code_commune, liste, electeurs)
               VALUES ({number}, '13900', '{liste}', 9)""",
            ("P", "CE", "CM"),
        ),
    )
    for liste in listes
)


class Filled:
    """The files of LIBREVILLE: ids by state."""

    def __init__(self, site: Site) -> None:
        self._site = site
        town = site.town
        first = town.wait_for(town.ask(listes=["P", "CE"], formats=["csv", "xml"]))
        self.deposited, self.rejected = first[0]["export_id"], first[2]["export_id"]
        # two deposits, one accepted, one rejected with an answer
        said: dict[str, Any] = {"commune": LIBREVILLE, "requested_by": CLERK}
        for export, verdict, answer in (
            (self.deposited, Verdict.ACCEPTE, "327 électeurs intégrés."),
            (self.rejected, Verdict.REJETE, "Ligne 12 : le code du bureau de vote est inconnu."),
        ):
            day = self._site.today
            depot = note_file(
                "deposited", export, **said, deposited_on=day, remarque="Pour le scrutin."
            )
            self._send(depot, "deposited_on IS NOT NULL", export)
            answered = note_file(
                "verdict", export, **said, verdict=verdict, verdict_on=day, answer=answer
            )
            self._send(answered, "verdict <> ''", export)
        self._sent = town.wait_for(town.ask(formats=["csv"]))
        days = demo_calendrier(site.today)
        tableaux = town.wait_for(
            town.ask_tableaux(types=["vingt_jours", "cinq_jours_reu"], scrutin=days.scrutin)
        )
        self.ready, self.tableau = self._sent[0]["export_id"], tableaux[0]["export_id"]
        self.published = tableaux[1]["export_id"]
        # a tableau posted today, until its certificate exists
        with site.town.engine.begin() as connection:
            connection.exec_driver_sql(_FIT.format(self.published))
        posted: dict[str, Any] = {
            "published_on": site.today,
            "published_until": days.scrutin,  # R. 14: until the poll at least
            "mode": "consultation",
        }
        noted = note_file(
            "published", self.published, commune=LIBREVILLE, requested_by=CLERK, **posted
        )
        self._send(noted, "CAST(pieces AS text) LIKE '%certificat%'", self.published)
        rest = town.wait_for(town.ask(formats=["csv", "xml"]))
        self.failed, self.cancelled, self.waiting, self.purged = (
            export["export_id"] for export in rest[:4]
        )
        with town.engine.begin() as connection:
            connection.exec_driver_sql(_RIGHT)
            connection.exec_driver_sql(_WITHOUT_MOTIF)
            for statement in DOUBT:
                connection.exec_driver_sql(statement)
            for statement, export in (
                (_LEFT_FAILED, self.failed),
                (_LEFT_CANCELLED, self.cancelled),
                (_LEFT_WAITING, self.waiting),
                (_PURGED, self.purged),
            ):
                connection.exec_driver_sql(statement.format(export))

    def addresses(self, route: Route) -> list[str]:
        """The addresses of a page, one for each file that it can show."""
        if route.name == "reponse":
            return [route.url_path_for(route.name, commune=LIBREVILLE, export=self.rejected)]
        if route.name == "publication":
            return [route.url_path_for(route.name, commune=LIBREVILLE, export=self.published)]
        if route.name == "motifs":
            to_complete = route.url_path_for(route.name, commune=LIBREVILLE)
            return [to_complete, f"{to_complete}?notes=1"]
        if "export" in route.param_convertors:
            exports = [self.ready, self.deposited]
            if route.name == "export":
                exports += [self.rejected, self.tableau, self.published]
                exports += [self.failed, self.cancelled, self.waiting, self.purged]
            return [
                route.url_path_for(route.name, commune=LIBREVILLE, export=export)
                for export in exports
            ]
        if "demande" in route.param_convertors:
            query = "SELECT DISTINCT request_id FROM derniers_exports WHERE code_commune = :commune"
            demandes = [
                row["request_id"] for row in self._site.town.rows(query, commune=LIBREVILLE)
            ]
            return [
                route.url_path_for(route.name, commune=LIBREVILLE, demande=demande)
                for demande in demandes
            ]
        return [route.url_path_for(route.name, commune=LIBREVILLE)]

    def _send(self, data: Data, then: str, export: int) -> None:
        event = CloudEvent.wrap(data, source="/test")
        self._site.town.publish(event.to_bytes(), event.type)
        query = f"SELECT 1 FROM derniers_exports WHERE export_id = :export AND {then}"  # noqa: S608 — our own words
        wait_until(lambda: self._site.town.rows(query, export=export), message=then)
