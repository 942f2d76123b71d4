"""An anomaly that blocks the list file also blocks a tableau that shows the elector as an arrival, in equal terms."""

import csv
import io
from datetime import date, datetime

import pytest

from schemas.tableaux import Presentation, TypeTableau
from schemas.vocabulary import Format, Liste
from tests.integration.import_desk import COMMUNE, TWO_COMMUNES, MouvementsDesk
from tests.integration.tableau_desk import ASKED_AT, Made, TableauDesk
from tests.unit.reu_sample import (
    DATE,
    ELECTEUR,
    EUROPEENNE,
    LISTE,
    NATIONALITE,
    NOM,
    NUMERO,
    POSTAL,
    PRENOMS,
    electeurs,
)
from worker.registre.protections import Protege, add_protection
from worker.registre.reu.importer import Intake

pytestmark = [pytest.mark.database(TWO_COMMUNES), pytest.mark.slow]

FIRST, SECOND, THIRD = date(2026, 11, 1), date(2026, 11, 25), date(2026, 11, 26)
STAY = electeurs(20, {NOM: "RESTE"})
SEXE = "sexe"


def _arrive(nom: str, numero: int, **changes: str) -> dict[str, str]:
    named = {
        "date": DATE,
        "nationalite": NATIONALITE,
        "prenoms": PRENOMS,
        "postal": POSTAL,
        "sexe": SEXE,
    }
    return (
        ELECTEUR
        | {NOM: nom, NUMERO: str(numero)}
        | {named[name]: value for name, value in changes.items()}
    )


def _load(
    register: MouvementsDesk, before: list[dict[str, str]], after: list[dict[str, str]]
) -> None:
    register.load(before, intake=Intake(FIRST))
    register.load(after, intake=Intake(SECOND))


def _make(
    tableaux: TableauDesk,
    *,
    liste: Liste = Liste.PRINCIPALE,
    presentation: Presentation = Presentation.COMMUNE,
    until: date = SECOND,
    created_at: datetime = ASKED_AT,
) -> Made:
    return tableaux.make(
        TypeTableau.VINGT_JOURS,
        created_at=created_at,
        commune=COMMUNE,
        listes=[liste],
        presentations=[presentation],
        reunion=FIRST,
        until=until,
    )


def _blocking(made: Made) -> list[tuple[str, str]]:
    """The names of the electors with blocking anomalies, with the code of each."""
    return [(line[3], line[-1]) for line in made.anomalies if line[0] == "bloquante"]


def _said_by_the_list(tableaux: TableauDesk, liste: Liste) -> list[list[str]]:
    row = tableaux.process(tableaux.ask_all([(liste, Format.CSV)], ASKED_AT, COMMUNE)[0])
    assert row["status"] == "ready"
    report = (tableaux.root / COMMUNE / row["report_name"]).read_text("utf-8-sig")
    lines = csv.reader(io.StringIO(report), delimiter=";")
    return [line[:-1] for line in lines if line[0] == "bloquante"]  # without the cure


def test_who_comes_is_accused_as_the_list_file_accuses_her(
    register: MouvementsDesk, tableaux: TableauDesk
) -> None:
    ruined = [
        _arrive("BERTHÃ‰T", 30),
        _arrive("FEVRIER", 31, date="31/02/1990"),
        _arrive("DEUX FOIS", 32),
        _arrive("DEUX FOIS", 33),
        _arrive("SANS ZERO", 34, postal="1300"),
        _arrive("TROP JEUNE", 35, date="01/01/2024"),
    ]
    _load(register, STAY, [*STAY, *ruined, _arrive("COMME IL FAUT", 40)])
    made = _make(tableaux)
    found = [line for line in made.anomalies if line[0] == "bloquante"]
    assert sorted(line[-1] for line in found) == [
        *(
            "caracteres_abimes",
            "code_postal_sans_zero",
            "date_impossible",
            "date_trop_recente",
            "electeur_en_double",
        ),
        "electeur_en_double",
    ]
    assert "TROP JEUNE" in made.text
    assert "/2042" not in made.text, "the day of the export, never a day that is to come"
    assert found == [line for line in _said_by_the_list(tableaux, Liste.PRINCIPALE) if line[3]]
    assert made.row["bloquantes"] == len(found)


def test_what_the_list_of_today_no_longer_has_blocks_no_more_as_the_tableau_tells_what_was(
    register: MouvementsDesk, tableaux: TableauDesk
) -> None:
    """A wrong nationality, a removed person, a person twice: no later export changes the list of that day."""
    swiss, gone, right = (
        _arrive(nom, 50 + rank, nationalite=nationalite)
        for rank, (nom, nationalite) in enumerate(
            [("ALPINE", "Suisse"), ("REPARTIE", "Suisse"), ("BELGE", "Belge")]
        )
    )
    of_liste = {LISTE: EUROPEENNE[LISTE]}
    europeans = [one | of_liste for one in (swiss, gone, right)]
    stay = [one | EUROPEENNE for one in STAY]
    twice = [_arrive("DEUX FOIS", 32), _arrive("DEUX FOIS", 33), _arrive("BERTHÃ‰T", 34)]
    _load(register, [*STAY, *stay], [*STAY, *stay, *twice, *europeans])
    first = {
        liste: _make(tableaux, liste=liste)
        for liste in (Liste.PRINCIPALE, Liste.COMPLEMENTAIRE_EUROPEENNE)
    }
    assert _blocking(first[Liste.COMPLEMENTAIRE_EUROPEENNE]) == [
        ("ALPINE", "nationalite_hors_union"),
        ("REPARTIE", "nationalite_hors_union"),
    ]
    assert len(_blocking(first[Liste.PRINCIPALE])) == 3

    corrected = [swiss | {NATIONALITE: "Suédoise"} | of_liste, right | of_liste]
    register.load([*STAY, *stay, *twice[1:], *corrected], intake=Intake(THIRD))
    european = _make(tableaux, liste=Liste.COMPLEMENTAIRE_EUROPEENNE)
    assert _blocking(european) == []
    assert [(line[0], line[3]) for line in european.anomalies if line[-1] == "corrigee_depuis"] == [
        ("remarque", "ALPINE"),
        ("remarque", "REPARTIE"),
    ]
    assert {"ALPINE", "REPARTIE"} <= {*european.text.split()}, "they came in its period"
    assert _blocking(_make(tableaux)) == [("BERTHÃ‰T", "caracteres_abimes")], "it would be printed"


def test_nobody_is_accused_whom_it_does_not_show(
    register: MouvementsDesk, tableaux: TableauDesk
) -> None:
    """Electors already on the list, electors who leave, and values that no tableau prints."""
    old, gone = _arrive("ANCIENNE", 30, date="31/02/1950"), _arrive("PARTIE", 31, date="31/02/1960")
    _load(register, [*STAY, old, gone], [*STAY, old, _arrive("SANS SEXE", 32, sexe="")])
    assert {line[3] for line in _said_by_the_list(tableaux, Liste.PRINCIPALE)} == {
        "ANCIENNE",
        "SANS SEXE",
    }
    assert _blocking(_make(tableaux)) == []


def test_an_address_that_is_masked_is_not_judged(
    register: MouvementsDesk, tableaux: TableauDesk
) -> None:
    protegee = _arrive("PROTÉGÉE", 30, postal="1300", prenoms="Zoé", date="14/03/1970")
    _load(register, STAY, [*STAY, protegee])
    assert _blocking(_make(tableaux)) == [("PROTÉGÉE", "code_postal_sans_zero")]
    with register.engine.begin() as connection:
        add_protection(connection, COMMUNE, Protege("PROTÉGÉE", "Zoé", "1970-03-14"))
    assert _blocking(_make(tableaux)) == []


def test_who_comes_of_age_by_its_last_day_is_judged(
    register: MouvementsDesk, tableaux: TableauDesk
) -> None:
    """The tableau is made before the birthday, and prints the elector's name."""
    _load(register, STAY, [*STAY, _arrive("BERTHÃ‰T", 30, date="05/12/2008")])
    asked = datetime.fromisoformat("2026-11-26T09:30:00+01:00")
    assert _blocking(_make(tableaux, created_at=asked)) == [], "nobody yet"
    made = _make(tableaux, created_at=asked, until=date(2026, 12, 10))
    assert "BERTHÃ‰T" in made.text
    assert ("BERTHÃ‰T", "caracteres_abimes") in _blocking(made)
