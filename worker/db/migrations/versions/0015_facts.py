"""What is wrong with an elector is found once, by the import; whoever changes her by SQL takes that away.

`electeur.facts` is 1 for who is written by others: nobody has looked. Those who are there are 0 in lists that nobody
has looked at (`facts_version`), which means nothing until `migrate` looks.
"""

from collections.abc import Iterator
from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None

_VALUES = (
    *("id", "code_commune", "liste", "version", "code_bureau", "numero_ordre", "numero_general", "sexe"),
    *("nom_naissance", "nom_usage", "prenoms", "date_naissance", "code_commune_naissance", "commune_naissance"),
    *("departement_naissance", "pays_naissance", "nationalite", "complement1", "complement2", "numero_voie"),
    *("type_voie", "libelle_voie", "lieu_dit", "code_postal", "ville", "pays", "nettoyages"),
)
"""Every column but `facts`: to write that one alone, as an import does, fires nothing."""

_FLAGGED = sa.text("facts > 0")


def upgrade() -> None:
    """Add the columns, the index of those with a fact, and the trigger."""
    if op.get_bind().dialect.name == "postgresql":  # neither statement touches a row
        op.add_column("electeur", sa.Column("facts", sa.Integer, nullable=False, server_default="0"))
        op.alter_column("electeur", "facts", server_default="1")
    else:
        op.add_column("electeur", sa.Column("facts", sa.Integer, nullable=False, server_default="1"))
        op.execute("UPDATE electeur SET facts = 0")
    for column in _columns():
        op.add_column("import_liste", column)
    op.create_index(
        "ix_electeur_facts",
        "electeur",
        ["code_commune", "liste", "version"],
        postgresql_where=_FLAGGED,
        sqlite_where=_FLAGGED,
    )
    _create_trigger()


def downgrade() -> None:
    """Take them away."""
    if op.get_bind().dialect.name == "postgresql":
        op.execute("DROP TRIGGER electeur_changed ON electeur")
        op.execute("DROP FUNCTION electeur_changed()")
    else:
        op.execute("DROP TRIGGER electeur_changed")
    op.drop_index("ix_electeur_facts", "electeur")
    for column in _columns():
        op.drop_column("import_liste", column.name)
    op.drop_column("electeur", "facts")


def _columns() -> Iterator[sa.Column[Any]]:
    yield sa.Column("facts_version", sa.Integer, nullable=False, server_default="0")
    yield sa.Column("facts_since", sa.Date)


def _create_trigger() -> None:
    """Sound whoever writes, by whatever statement: the database itself forgets what was known of a row it changes."""
    changes = f"UPDATE OF {', '.join(_VALUES)} ON electeur FOR EACH ROW"
    if op.get_bind().dialect.name == "postgresql":
        op.execute(
            "CREATE FUNCTION electeur_changed() RETURNS trigger LANGUAGE plpgsql AS "
            "$$ BEGIN NEW.facts := 1; RETURN NEW; END $$"
        )
        op.execute(f"CREATE TRIGGER electeur_changed BEFORE {changes} EXECUTE FUNCTION electeur_changed()")
    else:
        forget = "WHEN NEW.facts <> 1 BEGIN UPDATE electeur SET facts = 1 WHERE id = NEW.id; END"
        op.execute(f"CREATE TRIGGER electeur_changed AFTER {changes} {forget}")
