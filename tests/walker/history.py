"""A random history: the days of a town, what happens on them, and the walk of its clerks on each."""

from datetime import date, timedelta
from random import Random

from tests.walker.browser import DeadEndError
from tests.walker.clerk import Clerk
from tests.walker.site import Site
from tests.walker.town import Town

_BEGINS = (
    date(2026, 1, 5),
    date(2026, 2, 9),
    date(2026, 6, 1),
    date(2026, 9, 14),
    date(2026, 11, 2),
)
_ROUNDS = 2, 6
_POLLS = ("Élection municipale partielle, 1er tour", "Référendum local, tour unique")


class WalkError(AssertionError):
    """A walk ended in a dead end: the seed, the walk and what was expected."""


def play(site: Site, seed: int) -> int:
    """Play a history; return how many cures were followed.

    Raises:
        WalkError: a cure did not lead to its end.
    """
    random = Random(seed)
    town = Town(random, random.choice(_BEGINS) + timedelta(days=random.randint(0, 25)))
    site.begin(town.commune, town.day)
    clerk = Clerk(site, town)
    try:
        clerk.walk()
        for _ in range(random.randint(*_ROUNDS)):
            _pass_days(site, town, clerk)
            _happen(town, clerk)
            clerk.walk()
    except DeadEndError as error:
        walk = "\n".join(site.walk)
        raise WalkError(
            f"history {seed} ends in a dead end, on {town.day}.\n{walk}\nExpected: {error}\n"
            f"Again: make walker SEED={seed} N=1"
        ) from error
    return clerk.followed


def _pass_days(site: Site, town: Town, clerk: Clerk) -> None:
    """Go to a later day: often the next day that a task names, seldom one long after it."""
    days = [it.due for it in clerk.read() if it.group != "done" and it.due and it.due > town.day]
    if days and town.chance.happens(0.5):
        day = min(days)
        day += timedelta(days=town.chance.pick((-3, -1, 0, 0, 1, 4)))
    else:
        day = town.day + timedelta(days=town.chance.number(1, 14))
    if town.chance.happens(0.1):
        day += timedelta(days=town.chance.number(20, 45))
    day = max(day, town.day + timedelta(days=1))
    town.live(day)
    site.go_to(day)


def _happen(town: Town, clerk: Clerk) -> None:
    """Something that no task asks for happens, or nothing."""
    kind = town.chance.number(0, 9)
    if kind in {0, 1}:
        clerk.acts.give_export()
    elif kind == 2:
        clerk.acts.undo_export()
    elif kind == 3:
        sunday = town.day + timedelta(days=6 - town.day.weekday() + 7 * town.chance.number(4, 10))
        clerk.acts.note_poll(sunday, town.chance.pick(_POLLS))
    elif kind == 4:
        clerk.acts.note_copy_request()
    elif kind == 5:
        clerk.acts.ask_listes()
