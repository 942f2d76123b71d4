"""All lists of a département in one SELECT: each line as in the file of its list, in the same order."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import ColumnElement, Select, and_, case, func, literal, null, select
from sqlalchemy.orm import InstrumentedAttribute

from bench.queries import Statement, as_text, read_planner
from common.calendrier import jour_a_paris
from schemas.vocabulary import Liste
from worker.db.engine import build_engine, snapshot
from worker.registre.models import ORDRE, Bureau, Commune, Electeur, ListeCommunale
from worker.settings import Settings
from worker.writers.columns import COLUMNS, ListeSpec, of_age


def read_departement(url: str) -> Statement:
    """Return the statement with its values, for the files of today with the default settings."""
    engine = build_engine(url)
    with snapshot(engine) as connection:
        statement = Statement(as_text(connection, select_departement(spec_of_all())), read_planner(connection))
    engine.dispose()
    return statement


def select_departement(spec: ListeSpec) -> Select[Any]:
    """Return the SELECT: values that differ between lists are read from the register, the others from `spec`."""
    own = _columns_of_each(spec)
    values = [own[column.name] if column.name in own else column.expression(spec) for column in COLUMNS]
    return (
        select(*(value.label(column.name) for column, value in zip(COLUMNS, values, strict=True)))
        .select_from(Electeur)
        .join(
            ListeCommunale,
            and_(
                ListeCommunale.code_commune == Electeur.code_commune,
                ListeCommunale.liste == Electeur.liste,
                ListeCommunale.version == Electeur.version,
            ),
        )
        .join(Commune, Commune.code == Electeur.code_commune)
        .outerjoin(Bureau, and_(Bureau.code_commune == Electeur.code_commune, Bureau.code == Electeur.code_bureau))
        .where(of_age(spec))
        .order_by(Electeur.code_commune, Electeur.liste, *ORDRE)
    )


def _columns_of_each(spec: ListeSpec) -> Mapping[str, ColumnElement[Any] | InstrumentedAttribute[Any]]:
    codes = Settings.model_fields["type_liste_codes"].default
    return {
        "TypeListe": case({liste.value: code for liste, code in codes.items()}, value=Electeur.liste),
        "DateCreationListe": literal(spec.date_creation),
        "CodeDepartement": Commune.code_departement,
        "CodeCommune": Commune.code,
        "NomCommune": func.upper(Commune.nom),
        "Nationalite": case(
            (Electeur.liste == Liste.PRINCIPALE.value, null()), else_=func.nullif(Electeur.nationalite, "")
        ),
    }


def spec_of_all() -> ListeSpec:
    """Return the spec of the values that all lists share, with the day of the files."""
    return ListeSpec(
        code_commune="",
        nom_commune="",
        code_departement="",
        liste=Liste.PRINCIPALE,
        version=0,
        type_liste="",
        info_liste=Settings.model_fields["info_liste"].default,
        jour=jour_a_paris(datetime.now(UTC)),
    )
