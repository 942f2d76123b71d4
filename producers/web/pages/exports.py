"""All the files of a commune, by what a clerk remembers of them."""

from datetime import date
from urllib.parse import urlencode

from pydantic import TypeAdapter, ValidationError
from starlette.responses import Response

from producers.web.forms import read_day, read_number
from producers.web.reading.pages_of_files import ETATS, Filters, read_page
from producers.web.visit import Visit
from schemas.requests import Jour
from schemas.vocabulary import ExportKind, Liste

KINDS = {ExportKind.LISTE.value: "Listes électorales", ExportKind.TABLEAU.value: "Tableaux"}
_JOUR = TypeAdapter[date](Jour)


def show(visit: Visit) -> Response:
    """The page; what the address does not say well is not looked for."""
    asked = {name: visit.query.get(name, "").strip() for name in ("genre", "liste", "etat", "du", "au")}
    filters = Filters(
        kind=ExportKind(asked["genre"]) if asked["genre"] in KINDS else None,
        liste=Liste(asked["liste"]) if asked["liste"] in set(Liste) else None,
        etat=asked["etat"] if asked["etat"] in ETATS else "",
        since=_read_day(asked["du"]),
        until=_read_day(asked["au"]),
    )
    before, after = read_number(visit.query.get("avant")), read_number(visit.query.get("apres"))
    page = read_page(visit.screen.state, visit.commune.code, filters, before=before, after=after)
    kept = {name: value for name, value in asked.items() if value}

    def address(cursor: str, number: int | None) -> str:
        return f"{visit.url('exports')}?{urlencode(kept | {cursor: str(number)})}" if number else ""

    return visit.render(
        "exports.html",
        files=page.files,
        newer=address("apres", page.newer),
        older=address("avant", page.older),
        asked=asked | {"du": _iso(filters.since), "au": _iso(filters.until)},
        is_filtered=bool(kept),
        kinds=KINDS,
        listes={liste.value: liste.label for liste in Liste},
        etats={name: words for name, (words, _condition) in ETATS.items()},
        unread=[name for name in ("du", "au") if asked[name] and _read_day(asked[name]) is None],
    )


def _read_day(words: str) -> date | None:
    """A day of the years that requests may name: beyond, its midnight may not exist."""
    try:
        return _JOUR.validate_python(read_day(words))
    except ValidationError:
        return None


def _iso(day: date | None) -> str:
    return day.isoformat() if day else ""
