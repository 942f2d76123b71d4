"""Mouvements, polls, meetings of the commission de contrôle, protected electors; what an import brought."""

import sqlalchemy as sa
from alembic import op

from worker.db.types import Texte

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
_EMPTY = sa.text("''")
_MOUVEMENT_TEXTS = (
    "nom_naissance",
    "nom_usage",
    "prenoms",
    "date_naissance",
    "commune_naissance",
    "departement_naissance",
    "pays_naissance",
    "adresse",
    "nationalite",
)
_IDENTITE = ["code_commune", "liste", "nom_naissance", "prenoms", "date_naissance", "is_protegee"]
_PROTECTION = ("code_commune", "nom_naissance", "prenoms", "date_naissance")
_NATURES = "'inscription', 'radiation', 'modification'"
_EFFETS = "'1erMars', 'Immediat', 'Election'"
_ETATS = "'actif', 'applique'"


def upgrade() -> None:
    """Create the tables, and say what each import brought."""
    op.create_table("mouvement", *_mouvement())
    op.create_index("ix_mouvement_identite", "mouvement", _IDENTITE)
    op.create_index("ix_mouvement_import", "mouvement", ["import_id"])
    op.create_table(
        "scrutin",
        _text("code_commune"),
        sa.Column("date", sa.Date, nullable=False),
        _empty_text("libelle"),
        sa.Column("cloture", sa.Date),
        sa.PrimaryKeyConstraint("code_commune", "date", name="pk_scrutin"),
    )
    op.create_table(
        "commission",
        _text("code_commune"),
        _empty_text("liste"),
        sa.Column("date", sa.Date, nullable=False),
        sa.PrimaryKeyConstraint("code_commune", "liste", "date", name="pk_commission"),
    )
    op.create_table(
        "protection",
        *(_text(name) for name in _PROTECTION),
        sa.PrimaryKeyConstraint(*_PROTECTION, name="pk_protection"),
    )
    op.add_column("import", sa.Column("kind", Texte, nullable=False, server_default=sa.text("'reu'")))


def downgrade() -> None:
    """Drop them; the record forgets the imports of mouvements, which the former release could not tell apart."""
    for name in ("protection", "commission", "scrutin", "mouvement"):
        op.drop_table(name)
    op.execute("DELETE FROM import WHERE kind <> 'reu'")
    op.drop_column("import", "kind")


def _text(name: str) -> sa.Column[str]:
    return sa.Column(name, Texte, nullable=False)


def _empty_text(name: str) -> sa.Column[str]:
    return sa.Column(name, Texte, nullable=False, server_default=_EMPTY)


def _mouvement() -> list[sa.schema.SchemaItem]:
    return [
        sa.Column("id", _ID, nullable=False),
        *(_text(name) for name in ("code_commune", "liste")),
        sa.Column("import_id", _ID),
        *(_text(name) for name in ("nature", "effet", "etat")),
        *(_empty_text(name) for name in ("categorie", "motif")),
        sa.Column("date_tableau", sa.Date, nullable=False),
        sa.Column("date_mouvement", sa.Date, nullable=False),
        sa.Column("scrutin", sa.Date),
        *(_empty_text(name) for name in ("ancien_bureau", "nouveau_bureau")),
        sa.Column("numero", sa.Integer, nullable=False, server_default="0"),
        *(_empty_text(name) for name in _MOUVEMENT_TEXTS),
        sa.Column("is_protegee", sa.Boolean, nullable=False, server_default=sa.false()),
        sa.PrimaryKeyConstraint("id", name="pk_mouvement"),
        sa.ForeignKeyConstraint(["import_id"], ["import.id"], name="fk_mouvement_import_id"),
        sa.CheckConstraint(f"nature IN ({_NATURES})", name="ck_mouvement_nature"),
        sa.CheckConstraint(f"effet IN ({_EFFETS})", name="ck_mouvement_effet"),
        sa.CheckConstraint(f"etat IN ({_ETATS})", name="ck_mouvement_etat"),
    ]
