"""The polls of the whole country that a decree has fixed come with the module, each with its decree.

One so far: the first round of the renewal of the municipal councils, of 15 March 2026 (décret n° 2025-848 of 27 August
2025, JORF n° 0199 of the 28th, art. 1). A second one is held in some communes only: each notes her own. Past as it is,
that poll is one that a tableau which starts at the meeting before it counts electors by.

The trail that a commune reads says, too, which exports of the REU were taken over; it said only which were undone.
"""

import datetime as dt

import sqlalchemy as sa
from alembic import op

from worker.db.migrations import views
from worker.db.types import Texte

revision = "0045"
down_revision = "0044"
branch_labels = None
depends_on = None

_DAY = dt.date(2026, 3, 15)
_LIBELLE = "Élections municipales et communautaires, 1er tour (décret n° 2025-848 du 27 août 2025)"
_SCRUTIN = sa.table(
    "scrutin", sa.column("code_commune", Texte), sa.column("date", sa.Date), sa.column("libelle", Texte)
)
_IS_IT = (_SCRUTIN.c.code_commune == "") & (_SCRUTIN.c.date == _DAY)


def upgrade() -> None:
    """What the operator said of that day stays; lines of before have a sign in the place of the export's file name."""
    views.extend_view("journal", views.JOURNAL_WITH_IMPORTS)
    found = sa.select(sa.literal(1)).where(_IS_IT).exists()
    values = (sa.literal("", Texte), sa.literal(_DAY, sa.Date), sa.literal(_LIBELLE, Texte))
    op.execute(_SCRUTIN.insert().from_select(["code_commune", "date", "libelle"], sa.select(*values).where(~found)))


def downgrade() -> None:
    """What the operator said of that day stays, here too."""
    views.extend_view("journal", views.JOURNAL_WITH_WORDS)
    op.execute(_SCRUTIN.delete().where(_IS_IT, _SCRUTIN.c.libelle == _LIBELLE))
