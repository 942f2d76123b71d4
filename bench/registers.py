"""Jobs that make the registers: an empty one, the import of a REU export and of the next one, mouvements."""

from collections.abc import Sequence
from datetime import date
from pathlib import Path
from typing import NamedTuple

from sqlalchemy import (
    Case,
    ColumnElement,
    Date,
    Engine,
    Text,
    and_,
    case,
    insert,
    literal,
    make_url,
    select,
    text,
)

from bench.measure import Measure, Stopwatch
from schemas.vocabulary import Categorie, Liste, Nature
from worker.db.engine import build_engine
from worker.demo.libreville import LIBREVILLE
from worker.domain.identite import Effet, Etat
from worker.registre.communes import add_commune, load_reference
from worker.registre.comparaison.differences import adresse
from worker.registre.models import Electeur, ListeCommunale, MouvementRegistre
from worker.registre.reu.importer import import_file

DATE_TABLEAU = date(2018, 1, 10)
"""The day of the tableau with all mouvements."""

AT_VERSION = and_(
    ListeCommunale.code_commune == Electeur.code_commune,
    ListeCommunale.liste == Electeur.liste,
    ListeCommunale.version == Electeur.version,
)
"""The electors of the lists as they are now."""

_GONE_ONE_IN = 50
_OTHER_BUREAU = case((Electeur.code_bureau == "0001", "0002"), else_="0001")
_SAME = (
    *("code_commune", "liste", "nom_naissance", "nom_usage", "date_naissance", "commune_naissance"),
    *("departement_naissance", "pays_naissance", "nationalite"),
)


class Task(NamedTuple):
    """The input of a job: a database, its own folder, the number of electors (of a past: requests), a REU export."""

    url: str
    folder: Path
    size: int
    reu: Path = Path()
    codes: Sequence[str] = ()
    """The communes of the export."""

    @property
    def libpq_url(self) -> str:
        """The address of the database for libpq."""
        return make_url(self.url).set(drivername="postgresql").render_as_string(hide_password=False)

    @property
    def exports(self) -> Path:
        """The volume of the database, which has its mark: no other database may use it."""
        return self.folder / "exports"


def prepare(task: Task) -> None:
    """Create an empty register that knows LIBREVILLE."""
    from worker.db.migrate import migrate

    engine = build_engine(task.url)
    migrate(engine)
    with engine.begin() as connection:
        load_reference(connection)
        add_commune(connection, LIBREVILLE.code, LIBREVILLE.label)


def import_reu(task: Task) -> Measure:
    """Import the export, as the command does."""
    engine = build_engine(task.url)
    with Stopwatch() as watch:
        summary = import_file(engine, task.reu, imported_by="bench", accept_changes=True)
    measure = watch.measure(lines=summary.lines_kept)
    settle(engine)
    return measure


def import_again(task: Task) -> Measure:
    """Import the next export, without one elector in fifty, compared with the one before."""
    lines = task.reu.read_bytes().splitlines(keepends=True)
    later = task.folder / "later.csv"
    later.write_bytes(
        b"".join(line for number, line in enumerate(lines) if number % _GONE_ONE_IN or not number)
    )
    return import_reu(task._replace(reu=later))


def settle(engine: Engine) -> None:
    """Vacuum and analyse now; PostgreSQL would do it later, during the measures."""
    if engine.dialect.name == "postgresql":
        with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            connection.execute(text("VACUUM ANALYZE"))
            connection.execute(text("CHECKPOINT"))


def add_mouvements(task: Task, one_in: int = 1) -> None:
    """Give one elector in so many a mouvement: of three, one leaves, one changes bureau, and one arrives.

    The arrival is of a new elector beside the third. None is applied: the job looks for each of them on the list.
    """
    engine = build_engine(task.url)
    values = _values()
    moves = Electeur.liste == Liste.PRINCIPALE.value, Electeur.numero_ordre % one_in == 0
    query = select(*values.values()).where(*moves, AT_VERSION)
    with engine.begin() as connection:
        connection.execute(insert(MouvementRegistre).from_select([*values], query))
    settle(engine)


def _values() -> dict[str, ColumnElement[object]]:
    return {
        **{name: getattr(Electeur, name) for name in _SAME},
        "nature": _by_nature(
            Nature.RADIATION.value, Nature.MODIFICATION.value, Nature.INSCRIPTION.value
        ),
        "effet": literal(Effet.PREMIER_MARS.value),
        "etat": literal(Etat.ACTIF.value),
        "categorie": _by_nature(
            Categorie.RADIATION_DECES.value,
            Categorie.CHANGEMENT_BUREAU.value,
            Categorie.INSCRIPTION_VOLONTAIRE.value,
        ),
        "motif": _by_nature(
            "Décès", "Déménagement dans la commune", "Emménagement dans la commune"
        ),
        "date_tableau": literal(DATE_TABLEAU, Date),
        "date_mouvement": literal(DATE_TABLEAU, Date),
        "ancien_bureau": _by_nature(Electeur.code_bureau, Electeur.code_bureau, ""),
        "nouveau_bureau": _by_nature("", _OTHER_BUREAU, Electeur.code_bureau),
        "prenoms": _by_nature(
            Electeur.prenoms, Electeur.prenoms, Electeur.prenoms + literal(" Zélie", Text)
        ),
        "adresse": adresse(),
    }


def _by_nature(radiation: object, modification: object, inscription: object) -> Case[object]:
    return case(
        (Electeur.id % 3 == 0, radiation), (Electeur.id % 3 == 1, modification), else_=inscription
    )
