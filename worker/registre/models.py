"""The tables of the register. They are a contract: a service that already holds the electors writes to them.

docs/registre.md explains each column to such a service.
"""

from datetime import datetime
from typing import Any

from sqlalchemy import JSON, BigInteger, ForeignKey, Integer, text
from sqlalchemy.orm import Mapped, mapped_column

from worker.db.base import Base
from worker.db.types import Texte, UtcDateTime, utc_now


def _texte(doc: str) -> Mapped[str]:
    return mapped_column(Texte, default="", server_default=text("''"), doc=doc)


class Commune(Base):
    """A commune of the Code officiel géographique (INSEE), or one that the operator added."""

    __tablename__ = "commune"

    code: Mapped[str] = mapped_column(Texte, primary_key=True, doc="INSEE code, five characters.")
    nom: Mapped[str] = mapped_column(Texte)
    code_departement: Mapped[str] = mapped_column(Texte, doc="01–95, 2A, 2B, 971–989.")


class Bureau(Base):
    """A polling station (bureau de vote), with what only it knows: canton, circonscription. Code électoral, R. 40."""

    __tablename__ = "bureau"

    code_commune: Mapped[str] = mapped_column(Texte, primary_key=True)
    code: Mapped[str] = mapped_column(Texte, primary_key=True, doc="Four digits since 2023, `0001`.")
    libelle: Mapped[str] = _texte("Name of the polling station.")
    code_canton: Mapped[str] = _texte("INSEE canton: 4 characters, 5 overseas.")
    libelle_canton: Mapped[str] = _texte("Name of the canton, as the REU writes it.")
    code_circonscription: Mapped[str] = _texte("Legislative constituency, two digits.")
    libelle_circonscription: Mapped[str] = _texte("Its name.")


class ListeCommunale(Base):
    """One list of one commune that was imported, even empty; `version` says which electors are on it."""

    __tablename__ = "liste"

    code_commune: Mapped[str] = mapped_column(Texte, primary_key=True)
    liste: Mapped[str] = mapped_column(Texte, primary_key=True, doc="P, CE or CM.")
    version: Mapped[int] = mapped_column(BigInteger, default=0, server_default=text("0"))


class Electeur(Base):
    """An elector on one list of one commune. Text is never NULL: what is not known is empty."""

    __tablename__ = "electeur"

    id: Mapped[int] = mapped_column(BigInteger().with_variant(Integer, "sqlite"), primary_key=True)
    code_commune: Mapped[str] = mapped_column(Texte)
    liste: Mapped[str] = mapped_column(Texte, doc="P, CE or CM.")
    version: Mapped[int] = mapped_column(BigInteger, default=0, server_default=text("0"))
    code_bureau: Mapped[str] = _texte("Code of the bureau, empty when the elector has none.")
    numero_ordre: Mapped[int | None] = mapped_column(Integer, doc="Order number in the bureau.")
    numero_general: Mapped[int | None] = mapped_column(Integer, doc="Order number on the list; 0 is provisional.")
    sexe: Mapped[str] = _texte("M or F.")
    nom_naissance: Mapped[str] = _texte("Birth name.")
    nom_usage: Mapped[str] = _texte("Name used, when it differs.")
    prenoms: Mapped[str] = _texte("All first names, separated by a space.")
    date_naissance: Mapped[str] = _texte("AAAA-MM-JJ; unknown parts are zeros: 1953-08-00, 1961-00-00.")
    code_commune_naissance: Mapped[str] = _texte("INSEE code of the commune of birth.")
    commune_naissance: Mapped[str] = _texte("Label of the commune of birth; abroad, the city.")
    departement_naissance: Mapped[str] = _texte("Code; 99 abroad.")
    pays_naissance: Mapped[str] = _texte("Label of the country of birth.")
    nationalite: Mapped[str] = _texte("Label; only the complementary lists print it.")
    complement1: Mapped[str] = _texte("Apartment, stair, floor.")
    complement2: Mapped[str] = _texte("Tower, building.")
    numero_voie: Mapped[str] = _texte("Number and bis/ter.")
    type_voie: Mapped[str] = _texte("Type of the street, when it is known apart.")
    libelle_voie: Mapped[str] = _texte("Street.")
    lieu_dit: Mapped[str] = _texte("Hamlet.")
    code_postal: Mapped[str] = _texte("Postal code, as text.")
    ville: Mapped[str] = _texte("Locality of the address.")
    pays: Mapped[str] = _texte("Country of the address; empty means FRANCE.")
    nettoyages: Mapped[int] = mapped_column(
        Integer, default=0, server_default=text("0"), doc="Values cleaned on entry."
    )


ORDRE = (
    Electeur.code_bureau,
    Electeur.numero_ordre.asc().nulls_first(),
    Electeur.nom_naissance,
    Electeur.prenoms,
    Electeur.date_naissance,
    Electeur.id,
)
"""The order of lines in a file. Numbers compare as numbers, text by its bytes; who has no number comes first.

The index `ix_electeur_ordre` gives its beginning (PostgreSQL then sorts small groups only), so a million lines leave
without a sort on disk.
"""


class Import(Base):
    """One import of a file into the register, kept for ever; it holds no elector's data."""

    __tablename__ = "import"

    id: Mapped[int] = mapped_column(BigInteger().with_variant(Integer, "sqlite"), primary_key=True)
    kind: Mapped[str] = mapped_column(Texte, default="reu", server_default=text("'reu'"), doc="reu or mouvements.")
    file_name: Mapped[str] = mapped_column(Texte)
    sha256: Mapped[str] = mapped_column(Texte)
    imported_by: Mapped[str] = mapped_column(Texte)
    started_at: Mapped[datetime] = mapped_column(UtcDateTime, server_default=utc_now())
    finished_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    undone_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    lines_read: Mapped[int] = mapped_column(Integer, default=0)
    lines_kept: Mapped[int] = mapped_column(Integer, default=0)
    lines_rejected: Mapped[int] = mapped_column(Integer, default=0)
    values_cleaned: Mapped[int] = mapped_column(Integer, default=0)
    bureaux_before: Mapped[list[dict[str, Any]]] = mapped_column(JSON, default=list, doc="What undoing puts back.")


class ImportListe(Base):
    """One list that an import replaced: which version it holds now, which one it had."""

    __tablename__ = "import_liste"

    import_id: Mapped[int] = mapped_column(ForeignKey("import.id"), primary_key=True)
    code_commune: Mapped[str] = mapped_column(Texte, primary_key=True)
    liste: Mapped[str] = mapped_column(Texte, primary_key=True)
    electeurs: Mapped[int] = mapped_column(Integer)
    version_before: Mapped[int | None] = mapped_column(BigInteger, doc="None: the list was not in the register.")
