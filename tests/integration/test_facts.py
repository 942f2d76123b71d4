"""An import's cached findings equal those of a full check; an elector changed by SQL is checked again."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import date, timedelta
from pathlib import Path

import pytest
from sqlalchemy import Connection, select

from common.calendrier import jour_a_paris, now
from schemas.vocabulary import Format, Liste
from tests.integration.export_desk import Desk
from tests.parts.town import LIBREVILLE_TEMPLATE
from tests.unit.reu_sample import electeurs, write_reu
from worker.db.engine import build_engine
from worker.domain.anomaly import Anomaly
from worker.registre.checks.facts import (
    COMPLETED,
    FACTS_VERSION,
    FOUND,
    UNCHECKED,
    find_facts,
    has_facts,
)
from worker.registre.imports.history import importing
from worker.registre.models import Electeur, ListeCommunale
from worker.registre.reu.importer import import_file
from worker.registre.versions import ListeKey
from worker.writers.columns import ListeSpec
from worker.writers.precheck import Census, find_anomalies, take_census

pytestmark = [pytest.mark.database(LIBREVILLE_TEMPLATE), pytest.mark.desk(opened_by=Desk.open)]

COMMUNE = "13900"
P, CE, CM = Liste.PRINCIPALE, Liste.COMPLEMENTAIRE_EUROPEENNE, Liste.COMPLEMENTAIRE_MUNICIPALE
TODAY = jour_a_paris(now())


@dataclass
class Look:
    """The report of a list, and the electors that were checked."""

    by_facts: bool
    census: Census
    anomalies: list[Anomaly]

    @property
    def codes(self) -> list[str]:
        return [anomaly.code for anomaly in self.anomalies]


class Register(Desk):
    """LIBREVILLE's register after its import."""

    def clean(self, number: int, liste: Liste = P) -> list[int]:
        """Electors without cached findings."""
        query = (
            "SELECT id FROM electeur WHERE liste = :liste AND facts = 0 ORDER BY id LIMIT :number"
        )
        return self.values(query, liste=liste, number=number)

    def facts(self, electeur: int) -> int:
        """The cached findings about an elector."""
        (facts,) = self.values("SELECT facts FROM electeur WHERE id = :id", id=electeur)
        return int(facts)

    def find_facts(self, liste: Liste = P, on: date = TODAY) -> None:
        """Find the facts of a list anew, as an import of that day does."""
        self.run("UPDATE electeur SET facts = 0 WHERE liste = :liste", liste=liste)
        with importing(self.engine) as connection:
            with connection.begin():
                version = _spec(connection, liste, on).version
            find_facts(connection, version, [ListeKey(COMMUNE, liste)], on)
        said = {"version": FACTS_VERSION, "since": on, "liste": liste}
        self.run(
            "UPDATE import_liste SET facts_version = :version, facts_since = :since WHERE liste = :liste",
            **said,
        )

    def look(self, liste: Liste = P, jour: date = TODAY) -> Look:
        """Check with the cached findings, as the writer of a file does."""
        with self.engine.connect() as connection:
            spec = _spec(connection, liste, jour)
            return _look(
                connection,
                replace(spec, has_facts=has_facts(connection, COMMUNE, liste, spec.version, jour)),
            )

    def look_at_everybody(self, liste: Liste = P, jour: date = TODAY) -> Look:
        """Check all electors, without cached findings."""
        with self.engine.connect() as connection:
            return _look(connection, _spec(connection, liste, jour))


def _spec(connection: Connection, liste: Liste, jour: date) -> ListeSpec:
    query = select(ListeCommunale.version).where(ListeCommunale.liste == liste)
    return ListeSpec(
        COMMUNE, "LIBREVILLE", "13", liste, connection.scalars(query).one(), "G", "L", jour
    )


def _look(connection: Connection, spec: ListeSpec) -> Look:
    census = take_census(connection, spec)
    return Look(spec.has_facts, census, list(find_anomalies(connection, spec, census, Format.CSV)))


@pytest.fixture
def register(database_url: str, tmp_path: Path) -> Iterator[Register]:
    with Register.open(database_url, tmp_path) as register:
        yield register


def _assert_same(
    register: Register, *, by_facts: bool, liste: Liste = P, jour: date = TODAY
) -> Look:
    found, whole = register.look(liste, jour), register.look_at_everybody(liste, jour)
    assert (found.anomalies, found.census) == (whole.anomalies, whole.census)
    assert found.by_facts is by_facts
    return found


@pytest.mark.parametrize("liste", Liste)
def test_facts_tell_what_a_look_at_everybody_tells(register: Register, liste: Liste) -> None:
    found = _assert_same(register, by_facts=True, liste=liste)
    assert len(found.anomalies) > 5
    assert len(register.clean(1, liste)) == 1


@pytest.mark.slow
@pytest.mark.parametrize("days", [1, 3650, 18 * 366])
def test_minors_are_right_on_any_day(register: Register, days: int) -> None:
    born = TODAY + timedelta(days=days) - timedelta(days=18 * 365 + 5)
    for electeur in register.clean(3):
        register.run(
            "UPDATE electeur SET date_naissance = :born WHERE id = :id",
            born=born.isoformat(),
            id=electeur,
        )
        born += timedelta(days=1)
    register.find_facts()
    counts = set()
    for day in (0, *range(days - 2, days + 5)):
        jour = max(TODAY + timedelta(days=day), TODAY)
        counts.add(_assert_same(register, by_facts=True, jour=jour).census.mineurs)
    assert len(counts) > 1, "they come of age one after the other"


def test_a_file_of_an_earlier_day_looks_at_everybody(register: Register) -> None:
    _assert_same(register, by_facts=True, jour=TODAY)
    _assert_same(register, by_facts=False, jour=TODAY - timedelta(days=1))


COLUMNS = [
    column.name
    for column in Electeur.__table__.columns
    if column.name not in {"arrondissement", "facts"}
]
"""No rule checks the arrondissement."""
NUMBERS = {"id": "id + 100000", "version": "version", "nettoyages": "1"}


@pytest.mark.parametrize("column", COLUMNS)
def test_a_column_that_somebody_writes_takes_the_facts_away(
    register: Register, column: str
) -> None:
    (electeur,) = register.clean(1)
    value = NUMBERS.get(column) or (
        "4" if column.startswith("numero_") and column != "numero_voie" else f"{column}"
    )
    register.run(f"UPDATE electeur SET {column} = {value}, facts = 0 WHERE id = :id", id=electeur)  # noqa: S608 — ours
    is_in_no_export = column in {"numero_general", "type_voie"}
    assert register.facts(electeur + 100_000 if column == "id" else electeur) == (
        COMPLETED if is_in_no_export else UNCHECKED
    )


def test_a_changed_elector_who_is_completed_stays_changed(register: Register) -> None:
    (electeur,) = register.clean(1)
    for column in ("type_voie", "sexe", "type_voie"):
        register.run(f"UPDATE electeur SET {column} = 'RUE' WHERE id = :id", id=electeur)  # noqa: S608 — ours
    assert register.facts(electeur) == UNCHECKED


CHANGES = {
    "a sex": "UPDATE electeur SET sexe = '' WHERE id = {first}",
    "a sex, and the fact": "UPDATE electeur SET sexe = '', facts = 0 WHERE id = {first}",
    "an upsert": "INSERT INTO electeur (id, code_commune, liste, version, sexe) SELECT id, code_commune, liste,"
    " version, '' FROM electeur WHERE id = {first} ON CONFLICT (id) DO UPDATE SET sexe = excluded.sexe",
    "from another list": "UPDATE electeur SET liste = 'P', version = (SELECT version FROM liste WHERE liste = 'P')"
    " WHERE liste = 'CE'",
    "somebody more": "INSERT INTO electeur (code_commune, liste, version, nom_naissance) SELECT code_commune, liste,"
    " version, 'INVENTEE' FROM electeur WHERE id = {first}",
}


@pytest.mark.slow
@pytest.mark.parametrize("change", CHANGES)
def test_whoever_is_changed_by_sql_is_looked_at_again(register: Register, change: str) -> None:
    (first,) = register.clean(1)
    before = register.look()
    register.run(CHANGES[change].format(first=first))
    found = _assert_same(register, by_facts=False)
    assert found.anomalies != before.anomalies


RUINED = {
    "nom_abime": "nom_naissance = 'DUP0NT'",
    "nom_usage_abime": "nom_usage = 'None'",
    "prenoms_abimes": "prenoms = '@lice'",
    "commune_naissance_abimee": "commune_naissance = '13004'",
    "pays_naissance_abime": "pays_naissance = 'NULL'",
    "numero_voie_en_date": "numero_voie = '44635'",
    "code_postal_abime": "code_postal = 'BP 12'",
    "bureau_en_date": "code_bureau = '01-janv'",
    "voie_abimee": "libelle_voie = 'TEST'",
    "ville_abimee": "ville = '13900', code_postal = 'LIBREVILLE'",
    "date_trop_ancienne": "date_naissance = '1904-01-01'",
    "date_trop_recente": "date_naissance = '2024-05-05'",
    "caracteres_abimes": "libelle_voie = 'Rue de l''?glise'",
    "valeur_de_tableur": "complement1 = '\\N'",
}


@pytest.mark.parametrize("code", RUINED)
def test_an_import_and_a_file_find_what_is_ruined(register: Register, code: str) -> None:
    (electeur,) = register.clean(1)
    before = register.look()
    register.run(f"UPDATE electeur SET {RUINED[code]} WHERE id = :id", id=electeur)  # noqa: S608 — ours
    register.find_facts()
    found = _assert_same(register, by_facts=True)
    assert found.codes.count(code) == before.codes.count(code) + 1
    assert (found.census.electeurs, found.census.mineurs) == (
        before.census.electeurs,
        before.census.mineurs,
    )


def test_other_rules_look_at_everybody_until_the_next_import(register: Register) -> None:
    register.run("UPDATE import_liste SET facts_version = facts_version - 1")
    register.run("UPDATE electeur SET facts = 0")
    _assert_same(register, by_facts=False)


@pytest.mark.parametrize(
    ("nationalite", "on", "speaks_on"),
    [
        ("Britannique", date(2019, 6, 1), date(2020, 2, 1)),
        ("Croate", date(2013, 3, 1), date(2013, 3, 1)),
    ],
)
def test_who_will_be_of_no_member_state_has_the_fact_before(
    register: Register, nationalite: str, on: date, speaks_on: date
) -> None:
    (electeur,) = register.clean(1, CE)
    register.run(
        "UPDATE electeur SET nationalite = :it WHERE id = :id", it=nationalite, id=electeur
    )
    register.find_facts(CE, on)
    assert register.facts(electeur) == FOUND
    assert (
        "nationalite_hors_union"
        in _assert_same(register, by_facts=True, liste=CE, jour=speaks_on).codes
    )


def test_an_undone_import_gives_the_facts_of_the_list_before_back(
    register: Register, tmp_path: Path
) -> None:
    from worker.registre.imports.history import undo_import

    before = register.look()
    rows = [row | {"code du l'ugle": COMMUNE} for row in electeurs(3)]
    import_file(
        register.engine,
        write_reu(tmp_path / "reu.csv", rows),
        imported_by="test",
        accept_changes=True,
    )
    assert _assert_same(register, by_facts=True).census.electeurs == 3
    undo_import(register.engine)
    assert _assert_same(register, by_facts=True).anomalies == before.anomalies


@pytest.mark.slow
def test_the_register_of_another_service_is_looked_at_whole(desk: Desk) -> None:
    """Its tables or views have no cached findings, and columns of ours are not read."""
    desk.run("UPDATE electeur SET sexe = '', facts = 0 WHERE liste = 'CM'")
    desk.run("UPDATE electeur SET facts = 0")
    desk.run("UPDATE import_liste SET facts_since = '2026-01-01'")
    assert desk.process(desk.ask(CM))["bloquantes"] == 0
    other = build_engine(desk.engine.url.render_as_string(hide_password=False))
    desk.configure(registre=other)
    assert desk.process(desk.ask(CM))["bloquantes"] > 0
    other.dispose()
