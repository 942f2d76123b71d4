"""The tables of the register. They are a contract: a service that already holds the electors writes to them.

Lists and their electors, imports, mouvements, doubts, polls, meetings of the commission, protections. docs/registre.md
explains each column to such a service.
"""

import datetime as dt
from typing import Any

from sqlalchemy import (
    JSON,
    BigInteger,
    CheckConstraint,
    Date,
    ForeignKey,
    Index,
    Integer,
    UniqueConstraint,
    text,
)
from sqlalchemy.orm import Mapped, mapped_column

from schemas.vocabulary import Nature
from worker.db.types import Base, Id, Texte, UtcDateTime, empty, flag, nulls_first, utc_now, zero
from worker.domain.identite import Effet, Etat


def _one_of(column: str, values: type[Nature] | type[Effet] | type[Etat]) -> CheckConstraint:
    return CheckConstraint(
        f"{column} IN ({', '.join(repr(value.value) for value in values)})", name=column
    )


class Commune(Base):
    """A commune of the Code officiel géographique (INSEE), or one that the operator added."""

    __tablename__ = "commune"

    code: Mapped[str] = mapped_column(Texte, primary_key=True, doc="INSEE code, five characters.")
    nom: Mapped[str] = mapped_column(Texte)
    code_departement: Mapped[str] = mapped_column(Texte, doc="01–95, 2A, 2B, 971–989.")
    mapping: Mapped[dict[str, Any] | None] = mapped_column(
        JSON(none_as_null=True),
        doc="What its agents have said of the columns of its files, see schemas.profiles.",
    )
    mairie: Mapped[dict[str, str] | None] = mapped_column(
        JSON(none_as_null=True), doc="How its letters name the town hall, see MairieDescribed."
    )


class Bureau(Base):
    """A polling station (bureau de vote), with what only it knows: canton, circonscription. Code électoral, R. 40."""

    __tablename__ = "bureau"

    code_commune: Mapped[str] = mapped_column(Texte, primary_key=True)
    code: Mapped[str] = mapped_column(
        Texte, primary_key=True, doc="Four digits since 2023, `0001`."
    )
    libelle: Mapped[str] = empty("Name of the polling station.")
    code_canton: Mapped[str] = empty("INSEE canton: 4 characters, 5 overseas.")
    libelle_canton: Mapped[str] = empty("Name of the canton, as the REU writes it.")
    code_circonscription: Mapped[str] = empty("Legislative constituency, two digits.")
    libelle_circonscription: Mapped[str] = empty("Its name.")


class ListeCommunale(Base):
    """One list of one commune that was imported, even empty; `version` selects its electors."""

    __tablename__ = "liste"

    code_commune: Mapped[str] = mapped_column(Texte, primary_key=True)
    liste: Mapped[str] = mapped_column(Texte, primary_key=True, doc="P, CE or CM.")
    version: Mapped[int] = mapped_column(BigInteger, default=0, server_default="0")


_LISTE = ("code_commune", "liste", "version")
_FLAGGED = text("facts > 0")


class Electeur(Base):
    """An elector on one list of one commune. Text is never NULL: an unknown value is empty."""

    __tablename__ = "electeur"
    __table_args__ = (
        Index("ix_electeur_facts", *_LISTE, postgresql_where=_FLAGGED, sqlite_where=_FLAGGED),
    )

    id: Mapped[int] = mapped_column(Id, primary_key=True)
    code_commune: Mapped[str] = mapped_column(Texte)
    liste: Mapped[str] = mapped_column(Texte, doc="P, CE or CM.")
    version: Mapped[int] = mapped_column(BigInteger, default=0, server_default="0")
    arrondissement: Mapped[str] = empty(
        "INSEE code of the arrondissement whose export holds the elector, `13201`."
    )
    ine: Mapped[str] = empty("National number of the elector (INE), where an export has it.")
    code_bureau: Mapped[str] = empty("Code of the bureau, empty when the elector has none.")
    numero_ordre: Mapped[int | None] = mapped_column(Integer, doc="Order number in the bureau.")
    numero_general: Mapped[int | None] = mapped_column(
        Integer, doc="Order number on the list; 0 is provisional."
    )
    sexe: Mapped[str] = empty("M or F.")
    nom_naissance: Mapped[str] = empty("Birth name.")
    nom_usage: Mapped[str] = empty("Name used, when it differs.")
    prenoms: Mapped[str] = empty("All first names, separated by a space.")
    date_naissance: Mapped[str] = empty(
        "AAAA-MM-JJ; unknown parts are zeros: 1953-08-00, 1961-00-00."
    )
    code_commune_naissance: Mapped[str] = empty("INSEE code of the commune of birth.")
    commune_naissance: Mapped[str] = empty("Label of the commune of birth; abroad, the city.")
    departement_naissance: Mapped[str] = empty("Code; 99 abroad.")
    pays_naissance: Mapped[str] = empty("Label of the country of birth.")
    nationalite: Mapped[str] = empty("Label; only the complementary lists print it.")
    complement1: Mapped[str] = empty("Apartment, stair, floor.")
    complement2: Mapped[str] = empty("Tower, building.")
    numero_voie: Mapped[str] = empty("Number and bis/ter.")
    type_voie: Mapped[str] = empty("Type of the street, when it is known apart.")
    libelle_voie: Mapped[str] = empty("Street.")
    lieu_dit: Mapped[str] = empty("Hamlet.")
    code_postal: Mapped[str] = empty("Postal code, as text.")
    ville: Mapped[str] = empty("Locality of the address.")
    pays: Mapped[str] = empty("Country of the address; empty means FRANCE.")
    nettoyages: Mapped[int] = zero("Values cleaned on entry.")
    facts: Mapped[int] = mapped_column(
        Integer,
        default=1,
        server_default="1",
        doc="What the import found, see worker.registre.checks.facts; 1: not looked at since.",
    )


ORDRE = (
    Electeur.code_bureau,
    Electeur.numero_ordre.asc().nulls_first(),
    Electeur.nom_naissance,
    Electeur.prenoms,
    Electeur.date_naissance,
    Electeur.id,
)
"""The order of lines in a file. Numbers sort as numbers, text by its bytes; electors without a number come first.

The index `ix_electeur_ordre` gives its beginning (PostgreSQL then sorts small groups only), so a million lines need no
sort on disk.
"""

Index(
    "ix_electeur_ordre",
    *(Electeur.code_commune, Electeur.liste, Electeur.version, Electeur.code_bureau),
    nulls_first(Electeur.numero_ordre),
)


class Import(Base):
    """One import of a file, never deleted once it is finished; it holds no data of an elector."""

    __tablename__ = "import"

    id: Mapped[int] = mapped_column(Id, primary_key=True)
    kind: Mapped[str] = mapped_column(
        Texte, default="reu", server_default=text("'reu'"), doc="reu or mouvements."
    )
    file_name: Mapped[str] = mapped_column(Texte)
    sha256: Mapped[str] = mapped_column(Texte)
    imported_by: Mapped[str] = mapped_column(Texte)
    started_at: Mapped[dt.datetime] = mapped_column(UtcDateTime, server_default=utc_now())
    finished_at: Mapped[dt.datetime | None] = mapped_column(UtcDateTime)
    undone_at: Mapped[dt.datetime | None] = mapped_column(UtcDateTime)
    lines_read: Mapped[int] = zero()
    lines_kept: Mapped[int] = zero()
    lines_rejected: Mapped[int] = zero()
    values_cleaned: Mapped[int] = zero()
    bureaux_before: Mapped[list[dict[str, Any]]] = mapped_column(
        JSON, default=list, doc="What undoing puts back."
    )
    taken_on: Mapped[dt.date | None] = mapped_column(
        Date, doc="The day the export was taken from the REU."
    )
    is_dated: Mapped[bool] = flag("Whether the day was declared; else the import's.")
    complete_until: Mapped[dt.date | None] = mapped_column(
        Date, doc="Mouvements are complete until then, it was said."
    )


class ImportListe(Base):
    """One list that an import replaced: `import_id` is its new version, `version_before` its former one."""

    __tablename__ = "import_liste"
    __table_args__ = (Index("ix_import_liste_liste", "code_commune", "liste"),)

    import_id: Mapped[int] = mapped_column(ForeignKey("import.id"), primary_key=True)
    code_commune: Mapped[str] = mapped_column(Texte, primary_key=True)
    liste: Mapped[str] = mapped_column(Texte, primary_key=True)
    electeurs: Mapped[int] = mapped_column(Integer)
    version_before: Mapped[int | None] = mapped_column(
        BigInteger, doc="None: the list was not in the register."
    )
    is_compared: Mapped[bool] = flag("With the version before: its mouvements are known.")
    not_compared_because: Mapped[str] = empty("The reason that was given for not comparing.")
    facts_version: Mapped[int] = zero("The rules that the facts of its electors were found by.")
    facts_since: Mapped[dt.date | None] = mapped_column(
        Date, doc="They hold for files of that day and later."
    )
    parts: Mapped[dict[str, int] | None] = mapped_column(
        JSON(none_as_null=True),
        doc="Of a list by arrondissement: the import that wrote the electors of each.",
    )
    absorbed_by: Mapped[int | None] = mapped_column(
        BigInteger,
        doc="The later import that put most electors of a list of this commune on another commune's list.",
    )
    absorbed_into: Mapped[str] = empty("That other commune.")
    mouvements_digest: Mapped[str] = empty(
        "Digest of its mouvements as a set, see worker.registre.imports.chain; empty: not known."
    )


class MouvementRegistre(Base):
    """One mouvement of one list; see worker.domain.identite. Text is never NULL: an unknown value is empty."""

    __tablename__ = "mouvement"
    __table_args__ = (
        _one_of("nature", Nature),
        _one_of("effet", Effet),
        _one_of("etat", Etat),
        Index(
            "ix_mouvement_identite",
            *("code_commune", "liste", "nom_naissance", "prenoms", "date_naissance", "is_protegee"),
        ),
        Index("ix_mouvement_import", "import_id"),
    )

    id: Mapped[int] = mapped_column(Id, primary_key=True)
    code_commune: Mapped[str] = mapped_column(Texte)
    liste: Mapped[str] = mapped_column(Texte, doc="P, CE or CM.")
    import_id: Mapped[int | None] = mapped_column(
        ForeignKey("import.id"), doc="NULL: written by a service."
    )
    nature: Mapped[str] = mapped_column(Texte, doc="inscription, radiation or modification.")
    effet: Mapped[str] = mapped_column(Texte, doc="1erMars, Immediat or Election.")
    etat: Mapped[str] = mapped_column(Texte, doc="actif, then applique.")
    categorie: Mapped[str] = empty(
        "Category of the motif, as Categorie; empty when it is not noted."
    )
    motif: Mapped[str] = empty("The whole motif, for the commission only.")
    date_tableau: Mapped[dt.date] = mapped_column(Date, doc="The yearly tableau it belongs to.")
    date_mouvement: Mapped[dt.date] = mapped_column(
        Date,
        doc="The day it was decided; of a mouvement that is not dated, the last day that is possible.",
    )
    is_dated: Mapped[bool] = flag(
        "Whether its day is known. The comparison of two exports only knows that it lies between them.",
        default=True,
    )
    scrutin: Mapped[dt.date | None] = mapped_column(
        Date, doc="The poll it was made or applied for."
    )
    ancien_bureau: Mapped[str] = empty(
        "Code of the bureau that the elector leaves; empty for an inscription."
    )
    nouveau_bureau: Mapped[str] = empty(
        "Code of the bureau that the elector joins; empty for a radiation."
    )
    numero: Mapped[int] = zero("0 is provisional.")
    nom_naissance: Mapped[str] = empty("Birth name.")
    nom_usage: Mapped[str] = empty("Name used, when it differs.")
    prenoms: Mapped[str] = empty("All first names, separated by a space.")
    date_naissance: Mapped[str] = empty("AAAA-MM-JJ; unknown parts are zeros.")
    commune_naissance: Mapped[str] = empty("Label of the commune of birth; abroad, the city.")
    departement_naissance: Mapped[str] = empty("Code; 99 abroad.")
    pays_naissance: Mapped[str] = empty("Label of the country of birth.")
    adresse: Mapped[str] = empty("The address on one line.")
    nationalite: Mapped[str] = empty("Label; only the complementary lists print it.")
    is_protegee: Mapped[bool] = flag("Whether the address is masked. Code électoral, L. 37.")
    doubt_id: Mapped[int | None] = mapped_column(
        BigInteger,
        doc="The doubt that is decided as one person: the mouvement is kept, and counts for nothing.",
    )


UNDONE = 0
"""`doubt_id` of a mouvement whose import was undone: it counts for nothing, and keeps what an agent noted on it."""


class Doubt(Base):
    """A radiation and an inscription of one comparison, perhaps one person, until an agent decides; without names."""

    __tablename__ = "doubt"

    id: Mapped[int] = mapped_column(Id, primary_key=True)
    import_id: Mapped[int] = mapped_column(ForeignKey("import.id"), index=True)
    code_commune: Mapped[str] = mapped_column(Texte)
    liste: Mapped[str] = mapped_column(Texte, doc="P, CE or CM.")
    radiation_id: Mapped[int | None] = mapped_column(
        BigInteger, doc="The mouvement; NULL when it is no more."
    )
    inscription_id: Mapped[int | None] = mapped_column(
        BigInteger, doc="The mouvement; NULL when it is no more."
    )
    modification_id: Mapped[int | None] = mapped_column(
        BigInteger, doc="The change of bureau that replaces both, if one person moved."
    )
    differs: Mapped[str] = empty("Which fields are not the same, separated by a space.")
    decision: Mapped[str] = empty("same_person or two_persons; empty while it is open.")
    decided_by: Mapped[str] = empty("Who decided.")
    decided_at: Mapped[dt.datetime | None] = mapped_column(UtcDateTime)
    born_before: Mapped[str] = empty(
        "Birth date of the radiation, once both are known to be one person."
    )
    born_after: Mapped[str] = empty(
        "Birth date of the inscription: counts of minors may differ by it."
    )


class Homonym(Base):
    """An elector matched among homonyms by a guess of the comparison: by their order alone.

    The guess may be wrong: another homonym may have left or arrived. A tableau of that period reports it.
    """

    __tablename__ = "homonym"

    id: Mapped[int] = mapped_column(Id, primary_key=True)
    import_id: Mapped[int] = mapped_column(ForeignKey("import.id"), index=True)
    code_commune: Mapped[str] = mapped_column(Texte, server_default=text("''"))
    liste: Mapped[str] = mapped_column(Texte, server_default=text("''"), doc="P, CE or CM.")
    nom_naissance: Mapped[str] = empty("Birth name, as the second export has it.")
    prenoms: Mapped[str] = empty("First names.")
    date_naissance: Mapped[str] = empty("AAAA-MM-JJ; unknown parts are zeros.")
    bureau_before: Mapped[str] = empty("Code of the bureau in the export before.")
    bureau_after: Mapped[str] = empty(
        "Code of the bureau in the later export, if both are one person."
    )
    numero_before: Mapped[int | None] = mapped_column(
        Integer, doc="Order number in the export before."
    )
    numero_after: Mapped[int | None] = mapped_column(
        Integer, doc="Order number in the later export."
    )


class Scrutin(Base):
    """A poll, national or of one commune; two polls on one day are one row."""

    __tablename__ = "scrutin"

    code_commune: Mapped[str] = mapped_column(
        Texte, primary_key=True, doc="Empty: the whole country."
    )
    date: Mapped[dt.date] = mapped_column(Date, primary_key=True)
    libelle: Mapped[str] = empty("What is voted on.")
    cloture: Mapped[dt.date | None] = mapped_column(
        Date, doc="Last day to register, when it is not the usual one."
    )
    publication_due: Mapped[dt.date | None] = mapped_column(
        Date, doc="Last day to publish, when it is not J-20."
    )
    has_commission: Mapped[bool] = flag(
        "False: the commission does not meet before it.", default=True
    )
    texte: Mapped[str] = empty("The text that fixes these days, when they are not the usual ones.")
    reunion_first: Mapped[dt.date | None] = mapped_column(
        Date, doc="First day of the meeting, when it is not J-24."
    )
    reunion_last: Mapped[dt.date | None] = mapped_column(
        Date, doc="Last day of the meeting, when it is not J-21."
    )
    cinq_jours_due: Mapped[dt.date | None] = mapped_column(
        Date, doc="Day of the second tableau, when it is not J-5."
    )


class Commission(Base):
    """A meeting of the commission de contrôle. Code électoral, art. L. 19."""

    __tablename__ = "commission"

    code_commune: Mapped[str] = mapped_column(Texte, primary_key=True)
    liste: Mapped[str] = mapped_column(
        Texte, primary_key=True, default="", server_default=text("''")
    )
    date: Mapped[dt.date] = mapped_column(Date, primary_key=True)
    has_deliberated: Mapped[bool] = flag(
        "False: no quorum, or as many votes on each side.", default=True
    )


class Protection(Base):
    """An elector of a commune whose address no tableau prints. Code électoral, art. L. 37."""

    __tablename__ = "protection"
    __table_args__ = (
        UniqueConstraint("code_commune", "nom_naissance", "prenoms", "date_naissance"),
    )

    id: Mapped[int] = mapped_column(Id, primary_key=True, doc="The id that events use.")
    code_commune: Mapped[str] = mapped_column(Texte)
    nom_naissance: Mapped[str] = mapped_column(Texte)
    prenoms: Mapped[str] = mapped_column(Texte)
    date_naissance: Mapped[str] = mapped_column(Texte, doc="AAAA-MM-JJ; unknown parts are zeros.")
