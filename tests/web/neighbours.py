"""GRANDVILLE: LIBREVILLE's complete electors, many times over, with different first names; agents of both.

Its files take seconds, and may be deposited.
"""

from sqlalchemy import Connection, Engine, TextClause, text
from sqlalchemy.orm import Session

from worker.access.models import Agent
from worker.db.types import Base
from worker.registre.communes import add_commune
from worker.registre.models import Bureau, Electeur, ListeCommunale

LIBREVILLE, GRANDVILLE = "13900", "13901"
CLERK, STRANGER, BOTH = "mairie-libreville", "mairie-grandville", "agglomeration"

EMAIL = {STRANGER: "elections@grandville.example", BOTH: "agglomeration@grandville.example"}

_COPIES = 900
"""Writing the principal list takes more than twice the interval of progress events (`PULSE_SECONDS`)."""
_WHOLE = {
    "electeur": " AND sexe IN ('M', 'F') AND prenoms <> '' AND commune_naissance <> '' AND departement_naissance <> '' "
    "AND pays_naissance <> '' AND libelle_voie <> '' AND code_postal <> '' AND ville <> '' AND nationalite <> ''"
}
_AGENTS = ((STRANGER, GRANDVILLE), (BOTH, LIBREVILLE), (BOTH, GRANDVILLE))


def add_neighbours(engine: Engine) -> None:
    """Add GRANDVILLE to a register that holds LIBREVILLE."""
    with engine.begin() as connection:
        copy_libreville(connection, GRANDVILLE, "GRANDVILLE", _COPIES)
    with Session(engine) as session, session.begin():
        session.add_all(Agent(name=name, code_commune=commune, email=EMAIL[name]) for name, commune in _AGENTS)


def copy_libreville(connection: Connection, commune: str, nom: str, copies: int = 1) -> None:
    """Add another commune with LIBREVILLE's complete electors, this many times."""
    add_commune(connection, commune, nom)
    for model, times in ((ListeCommunale, 1), (Bureau, 1), (Electeur, copies)):
        connection.execute(_copying(model), {"here": LIBREVILLE, "there": commune, "times": times})


def _copying(model: type[Base]) -> TextClause:
    table = model.__tablename__
    columns = [column.name for column in model.__table__.columns if column.name not in {"id", "code_commune"}]
    named = "prenoms || ' ' || translate(copy::text, '0123456789', 'ABCDEFGHIJ')"  # digits in names are blocking
    copied = ", ".join(named if column == "prenoms" else column for column in columns)
    return text(
        f"INSERT INTO {table} (code_commune, {', '.join(columns)}) SELECT :there, {copied} FROM {table} "  # noqa: S608
        f"CROSS JOIN generate_series(1, :times) AS copy WHERE code_commune = :here{_WHOLE.get(table, '')}"
    )
