"""The temporary tables of a comparison: only what differs between two versions of the lists comes into them."""

from sqlalchemy import BigInteger, Column, Integer, Table, or_

from worker.db.types import Texte
from worker.registre.electeur_sql import IDENTITE
from worker.registre.mouvement_staging import WORK

_ID = BigInteger().with_variant(Integer, "sqlite")

IDENTITIES = Table(
    "compare_identity",
    WORK,
    *(Column(name, Texte, nullable=False) for name in ("code_commune", "liste", *IDENTITE)),
    *(Column(name, Integer, nullable=False) for name in ("n_before", "n_after")),
    *(Column(name, _ID) for name in ("before", "after")),
    prefixes=["TEMPORARY"],
)
"""Electors of one identity whose lines are not the same in both versions, or who are several: homonyms."""

CANDIDATES = Table(
    "compare_candidate",
    WORK,
    Column("id", _ID, primary_key=True, autoincrement=False),
    Column("is_after", Integer, nullable=False),
    *(Column(name, Texte, nullable=False) for name in ("group_key", "family", "adresse", "code_bureau")),
    Column("numero_ordre", Integer, nullable=False),
    prefixes=["TEMPORARY"],
)
"""Lines to be paired within their `group_key`. In one `family` all is the same but the place of birth."""

PAIRS = Table(
    "compare_pair",
    WORK,
    *(Column(name, _ID, index=False) for name in ("before", "after")),
    Column("look", Integer),
    Column("group_key", Texte),
    prefixes=["TEMPORARY"],
)
"""Who is who: an elector before and after; no one before: she came; no one after: she left.

`look` says how homonyms were told apart, `group_key` which ones: NULL of an elector who has no homonym.
"""

DOUBTS = Table(
    "compare_doubt",
    WORK,
    *(Column(name, _ID, nullable=False, index=False) for name in ("before", "after")),
    prefixes=["TEMPORARY"],
)
"""One who left and one who came, alike but for the place of birth: perhaps one elector, and counted as two."""

TABLES = (IDENTITIES, CANDIDATES, PAIRS, DOUBTS)
HAS_HOMONYM = or_(IDENTITIES.c.n_before > 1, IDENTITIES.c.n_after > 1)
