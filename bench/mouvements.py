"""The job that gives a register mouvements: as many as its principal list has electors."""

from datetime import date

from sqlalchemy import Case, ColumnElement, Date, Text, case, insert, literal, select

from bench.measure import Measure, Stopwatch
from bench.registers import Task, settle
from schemas.vocabulary import Liste
from worker.db.engine import build_engine
from worker.demo import LIBREVILLE
from worker.domain.mouvement import Categorie, Effet, Etat, Nature
from worker.registre.electeur_sql import adresse
from worker.registre.models import Electeur, ListeCommunale
from worker.registre.mouvement_models import MouvementRegistre

DATE_TABLEAU = date(2018, 1, 10)
"""Of the tableau that shows them all."""

_OTHER_BUREAU = case((Electeur.code_bureau == "0001", "0002"), else_="0001")
_SAME = (
    *("code_commune", "liste", "nom_naissance", "nom_usage", "date_naissance", "commune_naissance"),
    *("departement_naissance", "pays_naissance", "nationalite"),
)


def add_mouvements(task: Task) -> Measure:
    """Of three electors one leaves, one changes bureau, and one who is not on the list yet comes beside the third.

    None is applied, which asks the most of the job: it looks for each of them on the list.
    """
    engine = build_engine(task.url)
    of_liste = (
        Electeur.code_commune == LIBREVILLE.code,
        Electeur.liste == Liste.PRINCIPALE.value,
        ListeCommunale.code_commune == Electeur.code_commune,
        ListeCommunale.liste == Electeur.liste,
        ListeCommunale.version == Electeur.version,
    )
    values = _values()
    with Stopwatch() as watch, engine.begin() as connection:
        query = select(*values.values()).where(*of_liste)
        connection.execute(insert(MouvementRegistre).from_select([*values], query))
    settle(engine)
    return watch.measure(lines=task.size)


def _values() -> dict[str, ColumnElement[object]]:
    """The columns of a mouvement, made of an elector."""
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
