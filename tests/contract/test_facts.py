"""The cached findings about an elector depend on the rules: when the rules change, `FACTS_VERSION` must change."""

import hashlib
from datetime import date

from sqlalchemy import Dialect, select
from sqlalchemy.dialects import postgresql

from common.calendrier import last_birth
from common.texte import NOT_ALLOWED, SPACES
from worker.db.types import _quote
from worker.registre.checks.facts import (
    FACTS_VERSION,
    _may_deserve_look,
    has_double_ine,
    has_double_numero,
    has_swapped_names,
    may_be_double,
)
from worker.registre.models import Electeur

FOUND_BY = (2, "8a23a2661d4977e5")


def test_other_rules_have_another_version() -> None:
    """When this fails: raise FACTS_VERSION by one if the rules of the last release change, then note both here."""
    among = Electeur.version == 1
    day = dict.fromkeys(("today", "youngest"), last_birth(date(2026, 1, 1)))
    rules = select(Electeur.id).where(_may_deserve_look()).params(day)
    shares = may_be_double, has_double_numero, has_double_ine, has_swapped_names
    conditions = [rules, *(it(among) for it in shares)]
    dialect: Dialect = postgresql.dialect()  # type: ignore[no-untyped-call]
    texts = "\n".join(
        str(it.compile(dialect=dialect, compile_kwargs={"literal_binds": True}))
        for it in conditions
    )
    removed = _quote(f"[{NOT_ALLOWED}{SPACES}]")[1:-1]  # other with each version of Unicode
    assert removed in texts
    texts = texts.replace(removed, "")
    assert (FACTS_VERSION, hashlib.sha256(texts.encode()).hexdigest()[:16]) == FOUND_BY
