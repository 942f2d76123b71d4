"""The gaps in the register's knowledge of a tableau's period: in the chain of exports, and in declared mouvements."""

from collections.abc import Iterator, Sequence
from datetime import date
from itertools import pairwise
from typing import NamedTuple

from tests.oracle.history import Bring
from tests.oracle.register import Link, Register


class Window(NamedTuple):
    """The period ]start, last] of a list, and its exports; for a provisional tableau, up to the day of the request."""

    liste: str
    chain: Sequence[Link]
    start: date
    last: date
    is_provisional: bool

    def has(self, day: date) -> bool:
        return self.start < day <= self.last


class Gap(NamedTuple):
    """A code of docs/registre.md, and whether it is blocking."""

    code: str
    is_blocking: bool = True


class Coverage(Register):
    """The reasons why a period is not covered."""

    def gaps(self, window: Window) -> Iterator[Gap]:
        """The gaps: by the exports, or by a file of mouvements that is declared complete until the last day."""
        word = self.word(window.last)
        if word:
            # exports that contradict what is said to be complete, or exports without a comparison
            for former, link in self.since(window):
                if not link.is_compared and not self.contradicts(former, link, window):
                    yield Gap("couverture_lacune", is_blocking=self.word(link.day) is None)
            if self.is_late(window, word):
                yield Gap("couverture_contredite")
        elif not window.chain:
            yield Gap("couverture_inconnue", is_blocking=False)
        else:
            yield from self.gaps_of_chain(window)
        is_edited = bool(window.chain) and not window.chain[-1].is_intact  # by another service
        if is_edited or any(
            self.contradicts(former, link, window) for former, link in self.since(window)
        ):
            yield Gap("couverture_contredite")
        if waiting := self.waiting(window):
            yield Gap(
                "couverture_attente", not window.is_provisional or min(waiting) <= window.start
            )

    def gaps_of_chain(self, window: Window) -> Iterator[Gap]:
        chain, start, last = window.chain, window.start, window.last
        if chain[0].day > start:
            yield Gap("couverture_debut")
        if chain[-1].day < last:
            yield Gap("couverture_fin", not window.is_provisional)
        if not all(link.is_compared for _, link in self.since(window)):
            yield Gap("couverture_lacune")
        for former, link in pairwise(chain):
            # the day of a change of bureau is no part of R. 13
            has_undated = link.is_compared and any(
                change.nature != "modification" and link.day_of(change) is None
                for change in link.changes
            )
            code = "couverture_date" if link.is_told else "couverture_export"
            if former.day < last < link.day and has_undated:
                yield Gap(code)
            elif former.day < start < link.day and has_undated:
                yield Gap(code, is_blocking=False)
        if not self.is_told(chain, last):
            yield Gap("couverture_export", not window.is_provisional)

    def ending(self, chain: Sequence[Link], last: date) -> Sequence[Link]:
        """The export that ends the period, then the later ones."""
        return [link for link in chain if link.day == last][-1:] + [
            link for link in chain if link.day > last
        ]

    def until_base(self, chain: Sequence[Link], last: date) -> Sequence[Link]:
        """The exports until the one from which electors are counted: later imports change nothing.

        It is the one that ends the period, if the register still has it whole; else the next one, or the last one.
        """
        base = next((link for link in self.ending(chain, last) if link.is_intact), None)
        return chain[: chain.index(base) + 1] if base else chain

    def since(self, window: Window) -> Sequence[tuple[Link, Link]]:
        """The exports of a period, each with the one before it; electors are counted from the last one."""
        return [
            (former, link) for former, link in pairwise(window.chain) if link.day > window.start
        ]

    def is_told(self, chain: Sequence[Link], last: date) -> bool:
        """Whether the export that ends the period has a declared day. Of several exports of one day it is the last."""
        ends = self.ending(chain, last)
        return not ends or ends[0].is_told

    # Files of mouvements that are declared complete.

    def word(self, last: date) -> Bring | None:
        """The last file that declares all mouvements until that day, or later, to be in the register."""
        said = [
            file for file in self.brought if file.complete_until and file.complete_until >= last
        ]
        return said[-1] if said else None

    def is_late(self, window: Window, word: Bring) -> bool:
        """Whether another file brought mouvements of the period, after they were declared complete."""
        later = self.brought[self.brought.index(word) + 1 :]
        return any(
            window.start < told.day <= window.last
            for file in later
            if file.liste == window.liste
            for told in file.lines
        )

    def waiting(self, window: Window) -> Sequence[date]:
        """The days of the mouvements that the list does not show, unless a later export shows the list anew.

        Since 2019 a mouvement takes effect at once: whether these did is unknown. Those of the period are printed.
        """
        files = [it for it in self.brought if it.liste == window.liste and not it.is_applied]
        days = [told.day for file in files for told in file.lines if told.day <= window.last]
        return [
            day for day in days if window.has(day) or all(link.day < day for link in window.chain)
        ]

    def contradicts(self, former: Link, link: Link, window: Window) -> bool:
        """Whether the numbers of two exports contradict the mouvements between them, which are declared complete.

        The comparison already has the mouvements of compared exports, so that other ones are counted twice. Mouvements
        of the exports' own days may be in them or not; minors are in exports, and perhaps in no file.
        """
        told = self.told(window.liste)
        growth = [it.nature for it in link.changes]
        is_told_twice = link.is_compared and any(former.day <= it.day <= link.day for it in told)
        if link.is_compared and not is_told_twice:
            expected = len(former.lines) + growth.count("inscription") - growth.count("radiation")
            return expected != len(link.lines)
        if not is_told_twice and self.word(link.day) is None:
            return False
        between = [it.change.nature for it in told if former.day < it.day < link.day]
        beside = [it.change.nature for it in told if it.day in (former.day, link.day)]
        natures = growth + between
        expected = len(former.lines) + natures.count("inscription") - natures.count("radiation")
        minors = sum(not self.is_of_age(it.personne, former.day) for it in window.chain[-1].lines)
        least = expected - beside.count("radiation") - minors
        most = expected + beside.count("inscription") + minors
        return not least <= len(link.lines) <= most
