"""Every nasty case of real files, each carried by electors who can be told by their name.

The tables are grouped by what is nasty: identity, births, addresses, characters, bureaux, complementary lists.
"""

from datetime import date

from worker.demo.cases.addresses import ADDRESSES
from worker.demo.cases.ages import age_cases
from worker.demo.cases.births import BIRTHS
from worker.demo.cases.bureaux import BUREAUX_CASES
from worker.demo.cases.case import Case
from worker.demo.cases.characters import CHARACTERS
from worker.demo.cases.complementary import BOTH_LISTS, EUROPEAN_ONLY, MUNICIPAL_ONLY
from worker.demo.cases.identity import IDENTITY

__all__ = ["BOTH_LISTS", "EUROPEAN_ONLY", "MUNICIPAL_ONLY", "Case", "principal_cases"]


def principal_cases(today: date) -> tuple[Case, ...]:
    """The cases of the principal list. `today` settles who is a minor."""
    return (*IDENTITY, *age_cases(today), *BIRTHS, *ADDRESSES, *CHARACTERS, *BUREAUX_CASES)
