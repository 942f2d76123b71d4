"""The tables of changes: mouvements, the polls they wait for, the meetings they are counted from. They are a contract.

docs/registre.md explains each column to a service that writes to them.
"""

import datetime as dt

from sqlalchemy import BigInteger, Boolean, CheckConstraint, Date, ForeignKey, Index, Integer, false, text
from sqlalchemy.orm import Mapped, mapped_column

from worker.db.base import Base
from worker.db.types import Texte
from worker.domain.mouvement import Effet, Etat, Nature


def _texte(doc: str) -> Mapped[str]:
    return mapped_column(Texte, default="", server_default=text("''"), doc=doc)


def _one_of(column: str, values: type[Nature] | type[Effet] | type[Etat]) -> CheckConstraint:
    return CheckConstraint(f"{column} IN ({', '.join(repr(value.value) for value in values)})", name=column)


_IDENTITE = ("code_commune", "liste", "nom_naissance", "prenoms", "date_naissance", "is_protegee")


class MouvementRegistre(Base):
    """One mouvement of one list; see worker.domain.mouvement. Text is never NULL: what is not known is empty."""

    __tablename__ = "mouvement"
    __table_args__ = (
        _one_of("nature", Nature),
        _one_of("effet", Effet),
        _one_of("etat", Etat),
        Index("ix_mouvement_identite", *_IDENTITE),
        Index("ix_mouvement_import", "import_id"),
    )

    id: Mapped[int] = mapped_column(BigInteger().with_variant(Integer, "sqlite"), primary_key=True)
    code_commune: Mapped[str] = mapped_column(Texte)
    liste: Mapped[str] = mapped_column(Texte, doc="P, CE or CM.")
    import_id: Mapped[int | None] = mapped_column(ForeignKey("import.id"), doc="NULL: written by a service.")
    nature: Mapped[str] = mapped_column(Texte, doc="inscription, radiation or modification.")
    effet: Mapped[str] = mapped_column(Texte, doc="1erMars, Immediat or Election.")
    etat: Mapped[str] = mapped_column(Texte, doc="actif, then applique.")
    categorie: Mapped[str] = _texte("Category of the motif, as Categorie; empty when nobody said it.")
    motif: Mapped[str] = _texte("The whole motif, for the commission only.")
    date_tableau: Mapped[dt.date] = mapped_column(Date, doc="The yearly tableau it belongs to.")
    date_mouvement: Mapped[dt.date] = mapped_column(Date, doc="The day it was decided.")
    scrutin: Mapped[dt.date | None] = mapped_column(Date, doc="The poll it was made or applied for.")
    ancien_bureau: Mapped[str] = _texte("Code of the bureau she leaves; empty for an inscription.")
    nouveau_bureau: Mapped[str] = _texte("Code of the bureau she comes to; empty for a radiation.")
    numero: Mapped[int] = mapped_column(Integer, default=0, server_default=text("0"), doc="0 is provisional.")
    nom_naissance: Mapped[str] = _texte("Birth name.")
    nom_usage: Mapped[str] = _texte("Name used, when it differs.")
    prenoms: Mapped[str] = _texte("All first names, separated by a space.")
    date_naissance: Mapped[str] = _texte("AAAA-MM-JJ; unknown parts are zeros.")
    commune_naissance: Mapped[str] = _texte("Label of the commune of birth; abroad, the city.")
    departement_naissance: Mapped[str] = _texte("Code; 99 abroad.")
    pays_naissance: Mapped[str] = _texte("Label of the country of birth.")
    adresse: Mapped[str] = _texte("The address on one line.")
    nationalite: Mapped[str] = _texte("Label; only the complementary lists print it.")
    is_protegee: Mapped[bool] = mapped_column(
        Boolean, default=False, server_default=false(), doc="Her address is masked. Code électoral, L. 37."
    )


class Scrutin(Base):
    """A poll, national or of one commune; two polls held on one day are one."""

    __tablename__ = "scrutin"

    code_commune: Mapped[str] = mapped_column(Texte, primary_key=True, doc="Empty: the whole country.")
    date: Mapped[dt.date] = mapped_column(Date, primary_key=True)
    libelle: Mapped[str] = _texte("What is voted on.")
    cloture: Mapped[dt.date | None] = mapped_column(Date, doc="Last day to register, when it is not the usual one.")


class Commission(Base):
    """A meeting of the commission de contrôle. Code électoral, art. L. 19."""

    __tablename__ = "commission"

    code_commune: Mapped[str] = mapped_column(Texte, primary_key=True)
    liste: Mapped[str] = mapped_column(Texte, primary_key=True, default="", server_default=text("''"))
    date: Mapped[dt.date] = mapped_column(Date, primary_key=True)


class Protection(Base):
    """An elector of a commune whose address no tableau prints. Code électoral, art. L. 37."""

    __tablename__ = "protection"

    code_commune: Mapped[str] = mapped_column(Texte, primary_key=True)
    nom_naissance: Mapped[str] = mapped_column(Texte, primary_key=True)
    prenoms: Mapped[str] = mapped_column(Texte, primary_key=True)
    date_naissance: Mapped[str] = mapped_column(Texte, primary_key=True, doc="AAAA-MM-JJ; unknown parts are zeros.")
