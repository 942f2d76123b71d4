"""What the screen shows of the register so that a clerk completes it: views of their own, narrower than the tables."""

from alembic import op

from worker.db.migrations import views

revision = "0029"
down_revision = "0028"
branch_labels = None
depends_on = None

_NEW = {
    "bureaux": views.BUREAUX,
    "electeurs": views.ELECTEURS,
    "electeurs_proteges": views.PROTEGES,
    "mouvements_sans_motif": views.SANS_MOTIF,
    "doutes_ouverts": views.DOUBTS,
}


def upgrade() -> None:
    """Make them, and let the others say more."""
    for name, query in _NEW.items():
        op.execute(f"CREATE VIEW {name} AS {query}")
    views.extend_view("habilitations", views.HABILITATIONS_WITH_WISHES)
    views.extend_view("journal", views.JOURNAL_WITH_NOTES)


def downgrade() -> None:
    """As before."""
    for name in _NEW:
        op.execute(f"DROP VIEW {name}")
    for name, query in (("habilitations", views.HABILITATIONS_0027), ("journal", views.JOURNAL_0006)):
        op.execute(f"DROP VIEW {name}")
        op.execute(f"CREATE VIEW {name} AS {query}")
