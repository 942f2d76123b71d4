"""Jobs that add mouvements to a register: as many as its principal lists have electors, or a tenth."""

from datetime import date

from sqlalchemy import Case, ColumnElement, Date, Text, case, insert, literal, select

from bench.measure import Measure, Stopwatch
from bench.registers import Task, settle
from schemas.vocabulary import Categorie, Liste, Nature
from worker.db.engine import build_engine
from worker.domain.mouvement import Effet, Etat
from worker.registre.comparaison.differences import adresse
from worker.registre.models import Electeur, ListeCommunale, MouvementRegistre

DATE_TABLEAU = date(2018, 1, 10)
"""The day of the tableau with all of them."""

ONE_IN = 10
"""One elector in so many moves, when few move."""

_OTHER_BUREAU = case((Electeur.code_bureau == "0001", "0002"), else_="0001")
_SAME = (
    *("code_commune", "liste", "nom_naissance", "nom_usage", "date_naissance", "commune_naissance"),
    *("departement_naissance", "pays_naissance", "nationalite"),
)


def add_few_mouvements(task: Task) -> Measure:
    """Add mouvements as in a year of elections: some electors move, the others are only read."""
    return _add(task, Electeur.numero_ordre % ONE_IN == 0)


def add_mouvements(task: Task) -> Measure:
    """Add a mouvement for every elector, the heaviest case of the job."""
    return _add(task)


def _add(task: Task, *which: ColumnElement[bool]) -> Measure:
    """Of three electors one leaves, one changes bureau, and one new elector arrives beside the third.

    None is applied: the job looks for each of them on the list.
    """
    engine = build_engine(task.url)
    of_liste = (
        *which,
        Electeur.liste == Liste.PRINCIPALE.value,
        ListeCommunale.code_commune == Electeur.code_commune,
        ListeCommunale.liste == Electeur.liste,
        ListeCommunale.version == Electeur.version,
    )
    values = _values()
    with Stopwatch() as watch, engine.begin() as connection:
        query = select(*values.values()).where(*of_liste)
        added = connection.execute(insert(MouvementRegistre).from_select([*values], query)).rowcount
    settle(engine)
    return watch.measure(lines=added)


def _values() -> dict[str, ColumnElement[object]]:
    return {
        **{name: getattr(Electeur, name) for name in _SAME},
        "nature": _by_nature(Nature.RADIATION.value, Nature.MODIFICATION.value, Nature.INSCRIPTION.value),
        "effet": literal(Effet.PREMIER_MARS.value),
        "etat": literal(Etat.ACTIF.value),
        "categorie": _by_nature(
            Categorie.RADIATION_DECES.value,
            Categorie.CHANGEMENT_BUREAU.value,
            Categorie.INSCRIPTION_VOLONTAIRE.value,
        ),
        "motif": _by_nature("Décès", "Déménagement dans la commune", "Emménagement dans la commune"),
        "date_tableau": literal(DATE_TABLEAU, Date),
        "date_mouvement": literal(DATE_TABLEAU, Date),
        "ancien_bureau": _by_nature(Electeur.code_bureau, Electeur.code_bureau, ""),
        "nouveau_bureau": _by_nature("", _OTHER_BUREAU, Electeur.code_bureau),
        "prenoms": _by_nature(Electeur.prenoms, Electeur.prenoms, Electeur.prenoms + literal(" Zélie", Text)),
        "adresse": adresse(),
    }


def _by_nature(radiation: object, modification: object, inscription: object) -> Case[object]:
    return case((Electeur.id % 3 == 0, radiation), (Electeur.id % 3 == 1, modification), else_=inscription)
