"""docs/loi.md, its part that the table of regimes generates: `python -m common.regimes_page` writes it again."""

from collections.abc import Iterable, Iterator
from datetime import date
from pathlib import Path

from common.regimes import Delay, PollRow, Regimes, Revision, Source, Territory, read_regimes

PAGE = Path(__file__).parents[1] / "docs" / "loi.md"
BEGIN, END = "<!-- regimes.toml : début -->\n", "<!-- regimes.toml : fin -->\n"
_UNREAD = "à vérifier"


def write_part(page: str, regimes: Regimes) -> str:
    """Return the page with its generated part, which lies between two marks."""
    before, _, rest = page.partition(BEGIN)
    _, _, after = rest.partition(END)
    lines = "\n".join(_lines(regimes))
    return f"{before}{BEGIN}{lines}\n{END}{after}"


def _lines(regimes: Regimes) -> Iterator[str]:
    names = {it.cle: it.nom for it in regimes.territories}
    yield "### Les territoires"
    yield ""
    yield "| Territoire | Codes | Révision | Commission par | Lu dans | Version depuis | Lu le | Citation |"
    yield "|---|---|---|---|---|---|---|---|"
    for place in regimes.territories:
        codes = ", ".join(place.codes) or "les autres"
        yield _row(place.nom, codes, place.revision, place.unite, *_cells(place.source))
    yield ""
    yield "### Les scrutins"
    yield ""
    yield "| Scrutin | Territoires | Vote | Entre les tours | Listes | Lu dans | Version depuis | Lu le | Citation |"
    yield "|---|---|---|---|---|---|---|---|---|"
    for poll in regimes.polls:
        places = ", ".join(names[cle] for cle in poll.territoires)
        yield _row(
            *(poll.genre, places, poll.vote, _rounds(poll), ", ".join(poll.listes)),
            *_cells(poll.source),
        )
    yield ""
    yield "### Les délais"
    yield ""
    yield "| Délai | Révision | Jour | Article | Scrutins depuis | Lu dans | Version depuis | Lu le | Citation |"
    yield "|---|---|---|---|---|---|---|---|---|"
    for delay in regimes.delays:
        since = _day(delay.depuis) if delay.depuis.year >= _FIRST_YEAR else "–"
        yield _row(
            *(delay.nom, delay.revision, _when(delay), delay.article, since), *_cells(delay.source)
        )
    yield ""
    yield "### Les motifs"
    yield ""
    yield "| Motif | Qui décide | Article | Lu dans | Version depuis | Lu le | Citation |"
    yield "|---|---|---|---|---|---|---|"
    for motif in regimes.motifs:
        yield _row(motif.code, motif.autorite, motif.article or "–", *_cells(motif.source))
    yield ""
    yield "### À lire d'abord"
    yield ""
    yield "Les lignes que personne n'a lues ; d'abord celles dont dépend le plus grand nombre de papiers."
    yield ""
    for number, name in _unread(regimes):
        yield f"- {name} : {number} papiers"


_FIRST_YEAR = 2019


def _unread(regimes: Regimes) -> list[tuple[int, str]]:
    """Return the unread rows, each with the number of papers that rest on it: a paper for each place, list and date."""
    papers = {
        revision: len({it.code for it in regimes.papers if it.revision is revision})
        for revision in Revision
    }
    places = {it.cle: it for it in regimes.territories}
    found = [
        (papers[it.revision], f"Territoire : {it.nom}")
        for it in regimes.territories
        if not it.source.lu
    ]
    found += [
        (
            sum(papers[places[cle].revision] for cle in it.territoires) * len(it.listes),
            f"Scrutin : {it.genre}, vote le {it.vote}",
        )
        for it in regimes.polls
        if not it.source.lu
    ]
    found += [
        (_count_places(regimes.territories, it), f"Délai : {it.nom} ({it.article})")
        for it in regimes.delays
        if not it.source.lu
    ]
    return sorted(found, key=lambda it: (-it[0], it[1]))


def _count_places(territories: Iterable[Territory], delay: Delay) -> int:
    return sum(it.revision is delay.revision for it in territories)


def _row(*cells: str) -> str:
    return f"| {' | '.join(cells)} |"


def _cells(source: Source) -> tuple[str, str, str, str]:
    if source.lu is None:
        return (_UNREAD,) * 3 + ("",)
    version = _day(source.version) if source.version else _UNREAD
    quoted = f"« {source.citation} »" if source.citation else ""
    return f"[{source.texte}]({source.adresse})", version, _day(source.lu), quoted


def _rounds(poll: PollRow) -> str:
    if poll.entre_les_tours is None:
        return "à noter"
    return f"{poll.entre_les_tours} jours" if poll.entre_les_tours else "un seul tour"


_WEEKDAYS = ("lundi", "mardi", "mercredi", "jeudi", "vendredi", "samedi", "dimanche")


def _when(delay: Delay) -> str:
    if delay.ouvres:
        return f"{delay.ouvres}e jour ouvré avant"
    if delay.weekday is None:
        return f"{delay.jours}e jour avant"
    day, rank = delay.weekday
    return f"{rank}e {_WEEKDAYS[day]} avant"


def _day(day: date) -> str:
    return f"{day:%d/%m/%Y}"


if __name__ == "__main__":
    PAGE.write_text(write_part(PAGE.read_text("utf-8"), read_regimes()), "utf-8")
