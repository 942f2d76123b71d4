"""A tableau whose date is to come is provisional: a fact of its row, of those that were made before too."""

from datetime import date, timedelta
from typing import Any

import sqlalchemy as sa
from alembic import op

from common.calendrier import additions_on, days_before, jour_a_paris
from worker.db.migrations import views
from worker.db.types import Texte, UtcDateTime

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None

_EXPORT = sa.table(
    "export",
    sa.column("id", sa.Integer),
    sa.column("request_id", sa.Integer),
    sa.column("kind", Texte),
    sa.column("type_tableau", Texte),
    sa.column("parameters", sa.JSON),
    sa.column("provisoire_until", sa.Date),
)
_DAYS = {"date_tableau", "scrutin", "until", "publication"}
_REQUEST = sa.table("request", sa.column("id", sa.Integer), sa.column("created_at", UtcDateTime))


def upgrade() -> None:
    """Add the column, fill it, and show it in the view."""
    op.add_column("export", sa.Column("provisoire_until", sa.Date))
    connection, known = op.get_bind(), _EXPORT.c
    tableaux = (
        sa.select(known.id, known.type_tableau, known.parameters, _REQUEST.c.created_at)
        .join_from(_EXPORT, _REQUEST, _REQUEST.c.id == known.request_id)
        .where(known.kind == "tableau")
    )
    for number, type_, parameters, created_at in connection.execute(tableaux).all():
        effective_on = _effective_on(type_, parameters)
        if effective_on and effective_on > jour_a_paris(created_at):
            connection.execute(sa.update(_EXPORT).where(known.id == number).values(provisoire_until=effective_on))
    views.extend_view("derniers_exports", views.DERNIERS_EXPORTS_0009)


def downgrade() -> None:
    """Take it away."""
    op.execute("DROP VIEW derniers_exports")
    op.drop_column("export", "provisoire_until")
    op.execute(f"CREATE VIEW derniers_exports AS {views.DERNIERS_EXPORTS_0006}")


def _effective_on(type_: str, parameters: dict[str, Any]) -> date | None:
    """The date of a tableau, as rows of this revision have what it is counted from."""
    days = {name: date.fromisoformat(day) for name, day in parameters.items() if name in _DAYS and day}
    scrutin, until, publication = days.get("scrutin"), days.get("until"), days.get("publication")
    if type_ in {"premier_rectificatif", "second_rectificatif"}:
        return days.get("date_tableau")
    if type_ == "additions" and scrutin:
        return additions_on(scrutin) or days_before(scrutin, 5)
    if type_ == "vingt_jours" and (publication or until):
        return publication or (until and until + timedelta(days=1))
    return until or (scrutin and days_before(scrutin, 20 if type_ == "vingt_jours" else 5))
