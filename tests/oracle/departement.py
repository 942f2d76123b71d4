"""A département where nobody is wrong: its electors have the oddities of real ones, and none of them is a mistake.

From the specification of the register, « Real data is like this », and of the list file: what is said there of a whole
département's export, in the shares that it has there, or in larger ones so that a small département has them too. All
people are made up, out of syllables; communes and countries are real, since the register checks them.
"""

import csv
from collections import Counter
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta
from itertools import islice
from pathlib import Path
from random import Random
from typing import NamedTuple
from unicodedata import normalize

from sqlalchemy import Engine

from common.calendrier import PARIS
from schemas.vocabulary import Liste, Severity
from tests.integration.export_desk import Desk
from tests.oracle.generator import SYLLABLES
from tests.oracle.product import ask_liste
from tests.unit.reu_sample import DATE, LISTE, NOM, NUMERO, PRENOMS, TITLES, write_reu
from worker.registre.communes import load_reference
from worker.registre.reu.importer import import_file

COMMUNES = (
    ("13001", "AIX-EN-PROVENCE", "13100", "1301"),
    ("13004", "ARLES", "13200", "1303"),
    ("13005", "AUBAGNE", "13400", "1304"),
    ("13028", "LA CIOTAT", "13600", "1309"),
    ("13039", "FOS-SUR-MER", "13270", "1312"),
    ("13041", "GARDANNE", "13120", "1311"),
    ("13047", "ISTRES", "13800", "1312"),
    ("13055", "MARSEILLE", "13008", "1322"),
    ("13056", "MARTIGUES", "13500", "1325"),
    ("13103", "SALON-DE-PROVENCE", "13300", "1328"),
    ("13108", "TARASCON", "13150", "1302"),
    ("13117", "VITROLLES", "13127", "1329"),
)
"""Code, name, postal code, canton."""

_LABELS = {
    Liste.PRINCIPALE: "Liste principale",
    Liste.COMPLEMENTAIRE_EUROPEENNE: "Liste complémentaire européenne",
    Liste.COMPLEMENTAIRE_MUNICIPALE: "Liste complémentaire municipale",
}
_BIRTHPLACE = TITLES[8:12]
_ADDRESS = TITLES[13:21]
_ELSEWHERE = ("29019", "BREST", "29", "FRANCE")
_IN_A_BUREAU = 900
_TODAY = date(2026, 11, 25)
_BIRTHPLACES = (
    ("13055", "MARSEILLE", "13", "FRANCE"),
    ("13001", "Aix-en-Provence", "13", "France"),
    ("13204", "MARSEILLE 4E ARRONDISSEMENT", "13", "FRANCE"),
    ("75056", "PARIS", "75", "FRANCE"),
    ("75114", "PARIS 14", "75", "FRANCE"),
    ("69387", "LYON 7E ARRONDISSEMENT", "69", "FRANCE"),
    ("01053", "BOURG-EN-BRESSE", "01", "FRANCE"),
    ("06088", "NICE", "06", "FRANCE"),
    ("2A004", "AJACCIO", "2A", "FRANCE"),
    ("2B033", "BASTIA", "2B", "FRANCE"),
    ("97105", "BASSE-TERRE", "971", "FRANCE"),
    ("97209", "FORT-DE-FRANCE", "972", "FRANCE"),
    ("97411", "SAINT-DENIS", "974", "FRANCE"),
    ("97608", "MAMOUDZOU", "976", "FRANCE"),
    ("98735", "PAPEETE", "987", "FRANCE"),
    ("98818", "NOUMEA", "988", "FRANCE"),
    ("78646", "VERSAILLES", "78", "FRANCE"),
    ("62041", "ARRAS", "62", "FRANCE"),
    ("33063", "BORDEAUX", "33", "FRANCE"),
    ("99109", "BERLIN", "99", "ALLEMAGNE"),
    ("99127", "ROME", "99", "ITALIE"),
    ("99139", "PORTO", "99", "PORTUGAL"),
    ("99155", "KIEV", "99", "U.R.S.S."),
    ("99351", "TUNIS", "99", "TUNISIE"),
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

_NATIONALITES = ("Allemande", "Belge", "Italienne", "Espagnole", "Portugaise", "Roumaine", "Polonaise", "Néerlandaise")
_NOMS = (
    "{0}",
    "{0}",
    "{0}",
    "{0}-{1}",
    "DE {0}",
    "D'{0}",
    "D’{0}",
    "{0} {1}",
    "{0} GALHÃES",
    "{0} CEIÇÃO",
    "Œ{0}",
)
_VOIES = ("RUE DE LA {0}", "AVENUE {0}", "Chemin du {0}", "BD {0}", "ALLÉE DES {0}", "IMPASSE {0}", "Pl. {0}")
_NUMEROS = ("1", "12", "12 BIS", "12-14", "7 ter", "Sans", "0", "", "138 B", "9999")
_COMPLEMENTS = (
    "",
    "",
    "",
    "Appt 3",
    "Bât B",
    "=B2 entrée gauche",
    "+33 rdc",
    "@ gauche",
    "ESC 4 - 2ÈME",
    "Chez M. {0}",
)
_ABROAD = (
    ("SW1A 1AA", "LONDON", "ROYAUME-UNI"),
    ("B-1000", "BRUXELLES", "BELGIQUE"),
    ("00000", "DUBAI", "EMIRATS ARABES UNIS"),
    ("1400", "YVERDON-LES-BAINS", "SUISSE"),
    ("00185", "ROMA", "ITALIE"),
)


_DIRT = ("\u00a0{0}", "{0}\u0000", "\ufeff{0}", "{0}e\u0301", "{0}  {0}")
"""What the import cleans, and says: NBSP, NUL, a byte order mark, an accent apart from its letter, two spaces."""
_RARELY = 1 / 2000


class Elector(NamedTuple):
    """One line, and whether it deserves a remark: a partial date, no bureau, a number that is twice there."""

    row: dict[str, str]
    is_remarkable: bool


@dataclass
class Alarms:
    """Who is accused of what, in the reports of the files of a département."""

    electors: int = 0
    wrongly: int = 0
    """Electors with a blocking anomaly, or with a remark that nothing of theirs deserves."""
    codes: Counter[str] = field(default_factory=Counter)
    """What they are accused of, `bloquante mojibake` for instance; an elector may be accused of several things."""

    @property
    def in_a_thousand(self) -> float:
        """How many of 1,000 electors are accused wrongly."""
        return 1000 * self.wrongly / max(1, self.electors)


def iter_electors(count: int, seed: int = 1) -> Iterator[Elector]:
    """About `count` lines of the general list, and those of the complementary ones: one in fifty."""
    random = Random(seed)
    share = [1 / (rank + 1) for rank in range(len(COMMUNES))]
    for rank, commune in enumerate(COMMUNES):
        number = max(2, round(count * share[rank] / sum(share)))
        yield from _liste(random, commune, Liste.PRINCIPALE, number)
        for european in _liste(random, commune, Liste.COMPLEMENTAIRE_EUROPEENNE, number // 50 + 1):
            yield european
            if random.random() < 0.95:
                yield european._replace(row=european.row | {LISTE: _LABELS[Liste.COMPLEMENTAIRE_MUNICIPALE]})


def _liste(random: Random, commune: tuple[str, ...], liste: Liste, number: int) -> Iterator[Elector]:
    """Electors of one list: unrelated people, twins and families, homonyms who were born elsewhere."""
    former: Elector | None = None
    has_number_of_next = False
    for place in range(number):
        elector = _elector(random, commune, liste, place)
        if has_number_of_next:
            elector, has_number_of_next = elector._replace(is_remarkable=True), False
        elif random.random() < _RARELY and (place + 1) % _IN_A_BUREAU and place + 1 < number:
            has_number_of_next = True
            elector = Elector(elector.row | {NUMERO: str((place + 1) % _IN_A_BUREAU + 1)}, is_remarkable=True)
        if former and random.random() < 0.02:
            kept = (NOM, DATE, *_BIRTHPLACE, *_ADDRESS)
            elector = _like(elector, former, kept)
        elif former and random.random() < _RARELY:
            elector = _like(elector, former, (NOM, PRENOMS, DATE))
            elector = elector._replace(row=elector.row | dict(zip(_BIRTHPLACE, _ELSEWHERE, strict=True)))
        yield elector
        former = elector


def _like(elector: Elector, other: Elector, columns: tuple[str, ...]) -> Elector:
    row = elector.row | {column: other.row[column] for column in columns}
    return Elector(row, is_remarkable=elector.is_remarkable or other.is_remarkable)


def _elector(random: Random, commune: tuple[str, ...], liste: Liste, place: int) -> Elector:
    code, nom_commune, postal, canton = commune
    born, naissance = _birth(random)
    is_old = born < date(1962, 7, 3) and random.random() < 0.1
    word, other = _word(random).upper(), _word(random).upper()
    bureau = str(1 + place // _IN_A_BUREAU)
    is_alone, is_hamlet = random.random() < _RARELY, random.random() < 0.05
    ville = random.choice((nom_commune, nom_commune.title(), nom_commune.replace("-", " "), f"{nom_commune} CEDEX"))
    pays = random.choice(("FRANCE", "France", ""))
    if random.random() < 8 * _RARELY:
        postal, ville, pays = random.choice(_ABROAD)
    values = {
        "code du l'ugle": code,
        "libellé de l'ugle": nom_commune,
        LISTE: _LABELS[liste],
        NOM: random.choice(_NOMS).format(word, other),
        "nom d'usage": f"{other}-{_word(random).upper()}" if random.random() < 0.2 else "",
        PRENOMS: _prenoms(random),
        "sexe": random.choice("MF"),
        DATE: naissance,
        "libellé nationalité": "Française" if liste is Liste.PRINCIPALE else random.choice(_NATIONALITES),
        "numéro de voie": random.choice(_NUMEROS),
        "libellé de voie": "" if is_hamlet else random.choice(_VOIES).format(_word(random).upper()),
        "complément 1": random.choice(_COMPLEMENTS).format(word),
        "complément 2": "",
        "lieu-dit": f"Les {word.title()}" if is_hamlet else "",
        "code postal": postal,
        "commune": ville,
        "pays": pays,
        "code du bureau de vote": "" if is_alone else random.choice((bureau, bureau.rjust(4, "0"))),
        "libellé du bureau de vote": "" if is_alone else f"ECOLE {bureau}",
        "code circonscription législative du bureau de vote": "" if is_alone else "13-16",
        "libellé canton du bureau de vote": "" if is_alone else f"{nom_commune}-{canton[2:]}",
        "libellé circonscription métropolitaine du bureau de vote": "",
        NUMERO: str(1 + place % _IN_A_BUREAU),
    } | dict(zip(_BIRTHPLACE, random.choice(_BEFORE_1962 if is_old else _BIRTHPLACES), strict=True))
    is_dirty = random.random() < _RARELY
    if is_dirty:
        values["complément 2"] = random.choice(_DIRT).format(word)
    return Elector(values, is_remarkable=is_alone or is_dirty or "00/" in naissance)


def _birth(random: Random) -> tuple[date, str]:
    """A birthday, and how the register has it: 1 in 2,000 is partial, 1 in 700 is that of a minor."""
    day = _TODAY - timedelta(days=random.randrange(18 * 366, 105 * 365))
    if random.random() < 1 / 700:
        day = _TODAY - timedelta(days=random.randrange(17 * 365, 18 * 365))
    elif random.random() < 1 / 3000:
        day = date(random.randrange(1924, 2005, 4), 2, 29)
    elif random.random() < _RARELY:
        return day, random.choice((f"00/00/{day.year}", f"00/{day.month:02}/{day.year}"))
    return day, f"{day:%d/%m/%Y}"


def _prenoms(random: Random) -> str:
    """One to four of them; some very short, some with a hyphen or an apostrophe."""
    prenoms = [random.choice(("O", "Y", "Éa")) if random.random() < 0.001 else _word(random) for _ in range(4)]
    prenoms = prenoms[: random.randrange(1, 5)]
    if random.random() < 0.1:
        prenoms[0] = random.choice(("{0}-{1}", "M'{0}", "N’{0}")).format(prenoms[0], _word(random))
    return " ".join(prenoms)


def _word(random: Random) -> str:
    return "".join(random.choice(SYLLABLES) for _ in range(random.randrange(2, 5))).capitalize()


def measure(engine: Engine, folder: Path, count: int, seed: int = 1) -> Alarms:
    """Import such a département into a register that is migrated, make all its files, and read who is accused."""
    remarkable: set[tuple[str, ...]] = set()

    def rows() -> Iterator[dict[str, str]]:
        for row, is_remarkable in iter_electors(count, seed):
            if is_remarkable:
                remarkable.add(_key(row[NOM], row[PRENOMS], row[DATE]))
            yield row

    with engine.begin() as connection:
        load_reference(connection)
    import_file(engine, write_reu(folder / "departement.csv", rows()), imported_by="oracle")
    desk, alarms = Desk(engine, folder / "exports"), Alarms()
    for code, *_ in COMMUNES:
        for liste in Liste:
            row = desk.ring(ask_liste(desk, code, liste, datetime.combine(_TODAY, time(9), PARIS)))
            alarms.electors += row["electeurs"]
            if row["report_name"]:
                found = count_accused(desk.root / code / row["report_name"], remarkable)
                alarms.wrongly += found.pop("", 0)
                alarms.codes += found
    return alarms


def count_accused(report: Path, remarkable: Collection[tuple[str, ...]]) -> Counter[str]:
    """How often each anomaly of a report accuses an elector wrongly; `""`: how many electors.

    What is said of a bureau or of the whole file accuses nobody.
    """
    accused, codes = set(), Counter[str]()
    with report.open(encoding="utf-8-sig", newline="") as lines:
        for severity, bureau, numero, nom, prenoms, jour, _, _, code in islice(
            csv.reader(lines, delimiter=";"), 1, None
        ):
            if nom and (severity == Severity.BLOCKING or _key(nom, prenoms, jour) not in remarkable):
                accused.add((bureau, numero, nom, prenoms, jour))
                codes[f"{severity} {code}"] += 1
    return codes + Counter({"": len(accused)})


def _key(*values: str) -> tuple[str, ...]:
    return tuple(normalize("NFC", value) for value in values)
