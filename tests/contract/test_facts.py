"""The cached findings about an elector depend on the rules: when the rules change, `FACTS_VERSION` must change."""

import hashlib
from datetime import date

from sqlalchemy import Dialect, select
from sqlalchemy.dialects import postgresql

from common.calendrier import last_birth
from worker.registre.checks.facts import (
    FACTS_VERSION,
    _may_deserve_look,
    has_double_numero,
    may_be_double,
)
from worker.registre.models import Electeur

FOUND_BY = (2, "a341b3df326053ff")


def test_other_rules_have_another_version() -> None:
    """When this fails: raise FACTS_VERSION by one if the rules of the last release change, then note both here."""
    among = Electeur.version == 1
    day = dict.fromkeys(("today", "youngest"), last_birth(date(2026, 1, 1)))
    rules = select(Electeur.id).where(_may_deserve_look()).params(day)
    conditions = [rules, may_be_double(among), has_double_numero(among)]
    dialect: Dialect = postgresql.dialect()  # type: ignore[no-untyped-call]
    texts = "\n".join(
        str(it.compile(dialect=dialect, compile_kwargs={"literal_binds": True}))
        for it in conditions
    )
    assert (FACTS_VERSION, hashlib.sha256(texts.encode()).hexdigest()[:16]) == FOUND_BY
