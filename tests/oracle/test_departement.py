"""A département without any error: its electors have the oddities of real ones, and none of them is a mistake.

The electors are those of the bench, at the rates of a whole département's export. The oddities are those of the
specification of the register, « Real data is like this », and of the list file, in larger shares than there, so that
a small département has them too. All people are made up; communes and countries are real, since the register checks
them.
"""

import csv
from collections import Counter
from collections.abc import Collection, Iterator
from datetime import date, datetime, time
from pathlib import Path
from random import Random
from typing import Any, NamedTuple
from unicodedata import normalize

import pytest

from bench.people import (
    ELECTEURS_PER_BUREAU,
    ReuRow,
    iter_electeurs,
    sizes_of,
    ville_of,
    write_lines,
)
from common.calendrier import PARIS
from schemas.vocabulary import Liste, Severity
from tests.integration.export_desk import Desk
from tests.oracle.product import ask_liste
from tests.parts.town import MIGRATED_TEMPLATE
from worker.registre.communes import load_reference
from worker.registre.reu.importer import import_file

COMMUNES = (
    ("13001", "Aix-en-Provence"),
    ("13004", "Arles"),
    ("13005", "Aubagne"),
    ("13028", "La Ciotat"),
    ("13039", "Fos-sur-Mer"),
    ("13041", "Gardanne"),
    ("13047", "Istres"),
    ("13055", "Marseille"),
    ("13056", "Martigues"),
    ("13103", "Salon-de-Provence"),
    ("13108", "Tarascon"),
    ("13117", "Vitrolles"),
)

_TODAY = date(2026, 11, 25)
_BIRTH = ("code_naissance", "commune_naissance", "departement_naissance", "pays_naissance")
_ADDRESS = (
    "numero_voie",
    "voie",
    "complement_1",
    "complement_2",
    "lieu_dit",
    "code_postal",
    "ville",
    "pays",
)
_BIRTHPLACES = (
    ("13001", "Aix-en-Provence", "13", "France"),
    ("13204", "MARSEILLE 4E ARRONDISSEMENT", "13", "FRANCE"),
    ("75056", "PARIS", "75", "FRANCE"),
    ("75114", "PARIS 14", "75", "FRANCE"),
    ("69387", "LYON 7E ARRONDISSEMENT", "69", "FRANCE"),
    ("01053", "BOURG-EN-BRESSE", "01", "FRANCE"),
    ("97105", "BASSE-TERRE", "971", "FRANCE"),
    ("97608", "MAMOUDZOU", "976", "FRANCE"),
    ("98735", "PAPEETE", "987", "FRANCE"),
    ("98818", "NOUMEA", "988", "FRANCE"),
    ("78646", "VERSAILLES", "78", "FRANCE"),
    ("62041", "ARRAS", "62", "FRANCE"),
    ("99155", "KIEV", "99", "U.R.S.S."),
    ("99352", "ORAN", "99", "ALGERIE"),
    ("99121", "BELGRADE", "99", "YOUGOSLAVIE"),
    ("99404", "NEW YORK", "99", "ETATS-UNIS D'AMERIQUE"),
)
_BEFORE_1962 = (
    ("91352", "ALGER", "91", "ALGERIE"),
    ("92352", "ORAN", "92", "ALGERIE"),
    ("93352", "CONSTANTINE", "93", "ALGERIE"),
    ("94352", "OUARGLA", "94", "ALGERIE"),
    ("75120", "PARIS 20", "75", "SEINE"),
    ("75012", "BOULOGNE-BILLANCOURT", "75", "FRANCE"),
    ("78003", "ARGENTEUIL", "78", "FRANCE"),
)
"""Algeria before 3 July 1962, Seine and Seine-et-Oise."""

_ABROAD = (
    ("SW1A 1AA", "LONDON", "ROYAUME-UNI"),
    ("B-1000", "BRUXELLES", "BELGIQUE"),
    ("00000", "DUBAI", "EMIRATS ARABES UNIS"),
    ("1400", "YVERDON-LES-BAINS", "SUISSE"),
    ("00185", "ROMA", "ITALIE"),
)
_VALUES = {
    "nom": ("{0}-{1}", "DE {0}", "D'{0}", "D’{0}", "{0} {1}", "{0} GALHÃES", "Œ{0}"),
    "prenoms": ("O", "Y", "Éa", "{0}-{1}", "M'{0}", "N’{0}"),
    "nom_usage": ("{1}-{0}",),
    "date_naissance": ("29/02/1924", "29/02/2004"),
    "numero_voie": ("12 BIS", "12-14", "7 ter", "Sans", "0", "", "138 B", "9999"),
    "complement_1": ("=B2 entrée gauche", "+33 rdc", "@ gauche", "ESC 4 - 2ÈME", "Chez M. {1}"),
    "ville": ("{0} CEDEX",),
}
"""By field: the possible values. `{0}` is its own value, `{1}` that of the birth name."""

_NO_BUREAU = dict.fromkeys(
    ("bureau", "bureau_nom", "circonscription", "canton", "circonscription_nom"), ""
)
_DIRT = ("\u00a0{0}", "{0}\u0000", "\ufeff{0}", "{0}e\u0301", "{0}  {0}")
"""Characters that the import cleans and reports: NBSP, NUL, a byte order mark, a separate accent, two spaces."""
_RARELY = 1 / 2000


class Elector(NamedTuple):
    """One line, and whether it deserves a remark: a partial date, no bureau, a number that occurs twice."""

    row: ReuRow
    is_remarkable: bool


def _iter_electors(count: int) -> Iterator[Elector]:
    """About `count` lines of the general list, and those of the complementary ones, in communes of unequal sizes."""
    random = Random(1)
    share = [1 / (rank + 1) for rank in range(len(COMMUNES))]
    for commune, part in zip(COMMUNES, share, strict=True):
        former: Elector | None = None
        number = max(2, round(count * part / sum(share)))
        for row in iter_electeurs(ville_of(*commune), sizes_of(number), _TODAY):
            deserves = "00/" in row.date_naissance or not row.prenoms
            if former and former.row.liste == row.liste:
                deserves = deserves or former.row.numero_ordre == row.numero_ordre
            else:
                former = None
            former = _make_odd(random, Elector(row, is_remarkable=deserves), former)
            yield former


def _make_odd(random: Random, elector: Elector, former: Elector | None) -> Elector:
    row = elector.row
    if former and random.random() < 0.02:  # twins and families
        return _like(elector, former, ("nom", "nom_usage", "date_naissance", *_BIRTH, *_ADDRESS))
    if former and random.random() < _RARELY:  # a homonym who was born elsewhere
        elector = _like(elector, former, ("nom", "nom_usage", "prenoms", "date_naissance"))
        elsewhere = dict(zip(_BIRTH, ("29019", "BREST", "29", "FRANCE"), strict=True))
        return elector._replace(row=elector.row._replace(**elsewhere))
    if random.random() < 3 * _RARELY:
        dirty = random.choice(_DIRT).format(row.nom)
        following = str(int(row.numero_ordre) % ELECTEURS_PER_BUREAU + 1)
        remarkable: tuple[dict[str, Any], ...] = (
            {"complement_2": dirty},
            {"numero_ordre": following},
            _NO_BUREAU,
        )
        return Elector(row._replace(**random.choice(remarkable)), is_remarkable=True)
    if random.random() < 0.5:
        return elector._replace(row=row._replace(**_draw_oddity(random, row)))
    return elector


def _like(elector: Elector, other: Elector, names: tuple[str, ...]) -> Elector:
    row = elector.row._replace(**{name: getattr(other.row, name) for name in names})
    return Elector(row, is_remarkable=elector.is_remarkable or other.is_remarkable)


def _draw_oddity(random: Random, row: ReuRow) -> dict[str, Any]:
    kind = random.random()
    if kind < 0.05:
        return dict(zip(("code_postal", "ville", "pays"), random.choice(_ABROAD), strict=True))
    if kind < 0.4:
        is_old = row.date_naissance[-4:] < "1962"
        return dict(
            zip(_BIRTH, random.choice(_BEFORE_1962 if is_old else _BIRTHPLACES), strict=True)
        )
    name = random.choice([name for name in _VALUES if getattr(row, name) or name == "complement_1"])
    return {name: random.choice(_VALUES[name]).format(getattr(row, name), row.nom)}


def _key(*values: str) -> tuple[str, ...]:
    return tuple(normalize("NFC", value) for value in values)


def _find_accused(
    report: Path, remarkable: Collection[tuple[str, ...]]
) -> Counter[tuple[str, ...]]:
    """The electors with a blocking anomaly, or with a remark that none of their values deserves.

    Anomalies of a bureau or of the whole file concern no elector.
    """
    with report.open(encoding="utf-8-sig", newline="") as lines:
        _, *rows = csv.reader(lines, delimiter=";")
    return Counter(
        (bureau, numero, nom, prenoms, jour)
        for severity, bureau, numero, nom, prenoms, jour, *_ in rows
        if nom and (severity == Severity.BLOCKING or _key(nom, prenoms, jour) not in remarkable)
    )


@pytest.mark.database(MIGRATED_TEMPLATE)
def test_fewer_than_one_elector_in_a_thousand_is_accused_wrongly(
    sqlite_url: str, tmp_path: Path
) -> None:
    electors = list(_iter_electors(4000))
    remarkable = {
        _key(row.nom, row.prenoms, row.date_naissance)
        for row, is_remarkable in electors
        if is_remarkable
    }
    write_lines(path := tmp_path / "departement.csv", (row for row, _ in electors))
    with Desk.open(sqlite_url, tmp_path) as desk:
        with desk.engine.begin() as connection:
            load_reference(connection)
        import_file(desk.engine, path, imported_by="oracle")
        asked = [(commune, liste) for commune, _ in COMMUNES for liste in Liste]
        files = [
            desk.process(ask_liste(desk, *it, datetime.combine(_TODAY, time(9), PARIS)))
            for it in asked
        ]
        reports = [
            desk.root / it["code_commune"] / it["report_name"] for it in files if it["report_name"]
        ]
        accused = [who for it in reports for who in _find_accused(it, remarkable)]
    number = sum(it["electeurs"] for it in files)
    assert number > 4000
    assert len(accused) < number / 1000, accused
