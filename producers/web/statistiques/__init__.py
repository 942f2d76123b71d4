"""The figures of a register: electors by bureau and one criterion, mouvements of a period; as a page and as a CSV.

Nothing that is shown tells that a bureau has one to four persons of a value: small columns are shown together.
"""

import io
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from itertools import pairwise, product
from typing import NamedTuple

from sqlalchemy import Date, String, and_, case, column, func, not_, select, table
from starlette.responses import Response

from common.calendrier import YOUNGEST, last_birth
from common.files import SheetWriter
from common.french import short_date
from producers.state import State
from producers.web.echeances import read_tableaux
from producers.web.exports.query import AskedFile, read_current
from producers.web.exports.stored_file import attachment
from producers.web.forms import Paging, page_number, read_days
from producers.web.page_context import PageContext
from producers.web.registre.query import read_registres
from schemas.tableaux import TypeTableau
from schemas.vocabulary import Categorie, Liste, Nature

PAGE = 25
"""Bureaux per page; the CSV has them all."""
LEAST = 5
"""The smallest number of persons in a cell by bureau and criterion (our choice: no text that we read gives one)."""
MOST_COLUMNS = 50
"""Maximum number of values with their own column: a nationality is free text."""
CRITERIA = {"sexe": "Sexe", "age": "Âge", "nationalite": "Nationalité"}
UNKNOWN, TOGETHER = "Non renseigné", "Autres, réunis"
_SEXES = {"F": "Femmes", "M": "Hommes"}
_SINCE = (18, 25, 35, 45, 55, 65, 75)
AGES = (*(f"{first} à {after - 1} ans" for first, after in pairwise(_SINCE)), "75 ans et plus")
_NATURES = {
    Nature.INSCRIPTION: "Inscriptions",
    Nature.RADIATION: "Radiations",
    Nature.MODIFICATION: "Changements",
}
_CATEGORIES = {it.value: it.label for it in Categorie}
WITHOUT_BUREAU = "Sans bureau"

_ELECTEURS = table(
    "electeurs",
    *(
        column(it, String)
        for it in ("code_commune", "liste", "code_bureau", "sexe", "nationalite", "date_naissance")
    ),
)
_MOUVEMENTS = table(
    "mouvements_comptes",
    *map(column, ("code_commune", "liste", "nature", "categorie", "mouvements")),
    column("jour", Date),
)


@dataclass(frozen=True)
class Electeurs:
    """The electors of age of a list, counted by bureau for each criterion."""

    by_criterion: Mapping[str, Mapping[str, Counter[str]]]
    """By criterion and bureau, the number of each value."""

    @property
    def by_bureau(self) -> dict[str, int]:
        return {bureau: values.total() for bureau, values in self.by_criterion["sexe"].items()}

    @property
    def total(self) -> int:
        return sum(self.by_bureau.values())

    def of_commune(self, criterion: str) -> list[tuple[str, int]]:
        """Return the values of a criterion with their numbers, in their order, the unknown one last."""
        counted = Counter[str]()
        for values in self.by_criterion[criterion].values():
            counted.update(values)
        return sorted(counted.items(), key=lambda it: (it[0] == UNKNOWN, it[0]))


def count_electeurs(state: State, commune: str, liste: str, jour: date) -> Electeurs:
    """Count the electors whom a list file of that day contains; a partial date of birth counts as its first day."""
    view = _ELECTEURS.c
    born = view.date_naissance
    is_date = and_(born.like("____-__-__"), born > "1")
    is_mineur = and_(is_date, born > last_birth(jour), born <= last_birth(jour, YOUNGEST))
    bands = [
        (and_(is_date, born <= last_birth(jour, age)), place) for place, age in enumerate(_SINCE)
    ]
    age = case(*reversed(bands), else_=len(AGES)).label("age")
    query = select(view.code_bureau, view.sexe, view.nationalite, age)
    listed = query.where(
        view.code_commune == commune, view.liste == liste, not_(is_mineur)
    ).subquery()
    found: dict[str, dict[str, Counter[str]]] = {criterion: {} for criterion in CRITERIA}
    for bureau, sexe, nationalite, place, number in state.read(
        select(*listed.c, func.count()).group_by(*listed.c).order_by(listed.c.code_bureau)
    ):
        values = _SEXES.get(sexe, UNKNOWN), (*AGES, UNKNOWN)[place], nationalite.strip() or UNKNOWN
        for criterion, value in zip(CRITERIA, values, strict=True):
            found[criterion].setdefault(bureau, Counter())[value] += number
    return Electeurs(found)


def break_down(
    electeurs: Electeurs, criterion: str
) -> tuple[list[tuple[str, int]], list[str], dict[str, list[int]]]:
    """Return the numbers of the commune by value, the columns by bureau, and by bureau their numbers and the total.

    Values with a small cell, and those over `MOST_COLUMNS`, are one column, together with the next smallest values
    until this column has no small cell. A cell of such a value has at least row + column - total persons, and at most
    the smaller of row and column. Where this tells of a small cell, the commune has the numbers of the columns.
    """
    cells, commune = electeurs.by_criterion[criterion], dict(electeurs.of_commune(criterion))
    small = {
        value for values in cells.values() for value, number in values.items() if number < LEAST
    }
    ordered = sorted(commune, key=lambda it: (it not in small, commune[it]))
    first = max(len(small), len(commune) - MOST_COLUMNS)
    united = {*ordered[:first]}
    others = {
        bureau: sum(values[it] for it in values if it in united) for bureau, values in cells.items()
    }
    for value in ordered[first:]:
        if not any(0 < number < LEAST for number in others.values()):
            break
        united.add(value)
        others = {bureau: number + cells[bureau][value] for bureau, number in others.items()}
    columns, total = [it for it in commune if it not in united], sum(others.values())
    margins = product({*others.values()}, {commune[it] for it in united})
    if any(row + column > total and min(row, column) < LEAST for row, column in margins):
        commune = {it: commune[it] for it in columns} | {TOGETHER: total}
    if columns and united:
        columns.append(TOGETHER)
    rows = {
        bureau: values | Counter({TOGETHER: others[bureau]}) for bureau, values in cells.items()
    }
    numbers = {
        bureau: [*(row[it] for it in columns), cells[bureau].total()]
        for bureau, row in rows.items()
    }
    return [*commune.items()], columns, numbers


def count_mouvements(
    state: State, commune: str, liste: str, du: date, au: date
) -> dict[tuple[Nature, str], int]:
    """Count the mouvements of a list between two days, both included, by nature and category in words."""
    view = _MOUVEMENTS.c
    is_asked = view.code_commune == commune, view.liste == liste, view.jour >= du, view.jour <= au
    query = select(view.nature, view.categorie, func.sum(view.mouvements)).where(*is_asked)
    counted = Counter[tuple[Nature, str]]()
    for nature, categorie, number in state.read(query.group_by(view.nature, view.categorie)):
        is_change = nature == Nature.MODIFICATION
        words = (
            Categorie.CHANGEMENT_BUREAU.label
            if is_change
            else _CATEGORIES.get(categorie) or UNKNOWN
        )
        counted[Nature(nature), words] += int(number)
    return dict(
        sorted(
            counted.items(),
            key=lambda it: (list(_NATURES).index(it[0][0]), it[0][1] == UNKNOWN, it[0][1]),
        )
    )


class Asked(NamedTuple):
    """What the URL asks for; `faults`: what was not understood."""

    liste: str
    criterion: str
    du: date
    au: date
    faults: Sequence[str]


def _read_asked(context: PageContext, listes: Sequence[str]) -> Asked:
    query, found = context.query, dict[str, str]()
    days = read_days(
        {name: query.get(name, "").strip() for name in ("du", "au")}, found, until=context.today
    )
    year = context.today.replace(month=1, day=1), context.today
    du, au = days.get("du", year[0]), days.get("au", year[1])
    if du > au:
        found["au"] = "le premier jour suit le dernier : vérifiez la période"
        du, au = year
    liste = (
        query.get("liste") if query.get("liste") in listes else next(iter(listes), Liste.PRINCIPALE)
    )
    criterion = query.get("critere", "")
    return Asked(
        str(liste), criterion if criterion in CRITERIA else "sexe", du, au, list(found.values())
    )


def period_of(file: AskedFile, liste: str) -> tuple[date, date] | None:
    """Return the days of the mouvements of a tableau des vingt jours of this list; None for any other tableau."""
    days = [file.parameters.get(name) for name in ("reunion", "until")]
    if (file.liste, file.type_tableau) != (liste, TypeTableau.VINGT_JOURS) or not all(days):
        return None
    after, until = (date.fromisoformat(str(day)) for day in days)
    return after + timedelta(days=1), until


def show(context: PageContext) -> Response:
    """Show one list and one criterion, and the mouvements of the period."""
    state, commune = context.services.state, context.commune.code
    registres = read_registres(state, commune)
    asked = _read_asked(context, [liste for liste in Liste if liste in registres])
    electeurs = count_electeurs(state, commune, asked.liste, context.today)
    mouvements = count_mouvements(state, commune, asked.liste, asked.du, asked.au)
    files = [
        it for it in read_current(state, commune) if not it.is_tableau and it.liste == asked.liste
    ]
    tableaux = [
        (period, it)
        for it in read_tableaux(state, commune)
        if (period := period_of(it, asked.liste))
    ]
    values, columns, bureaux = break_down(electeurs, asked.criterion)
    page = page_number(context.query.get("page", ""))
    query = {
        "liste": asked.liste,
        "critere": asked.criterion,
        "du": str(asked.du),
        "au": str(asked.au),
    }
    return context.render(
        "statistiques/statistiques.html",
        asked=asked,
        CRITERIA=CRITERIA,
        registres=registres,
        electeurs=electeurs,
        values=values,
        columns=columns,
        rows=list(bureaux.items())[(page - 1) * PAGE : page * PAGE],
        totals=[sum(numbers) for numbers in zip(*bureaux.values(), strict=True)],
        paging=Paging.of(
            context.url("statistiques"), query, page=page, total=len(bureaux), size=PAGE
        ),
        file=max(files, key=lambda it: it.export_id, default=None),
        mouvements=[
            (_NATURES[nature], words, number) for (nature, words), number in mouvements.items()
        ],
        total_mouvements=sum(mouvements.values()),
        tableau=next((it for period, it in tableaux if period == (asked.du, asked.au)), None),
        last_period=tableaux[0][0] if tableaux else None,
    )


def download(context: PageContext) -> Response:
    """Send all lists, criteria and mouvements of the period as one CSV: one number a line."""
    state, commune = context.services.state, context.commune.code
    listes = [liste for liste in Liste if liste in read_registres(state, commune)]
    asked, text = _read_asked(context, listes), io.StringIO(newline="")
    writer = SheetWriter(text)
    writer.write(("Liste", "Compté", "Bureau", "Valeur", "Nombre"))
    for liste in listes:
        for line in _lines(state, commune, liste, context.today, asked):
            writer.write((liste.short_label, *line))
    content = text.getvalue().encode("utf-8-sig")
    name = f"statistiques-{commune}-{context.today:%Y%m%d}.csv"
    return Response(
        content, media_type="text/csv; charset=utf-8", headers=attachment(name, len(content))
    )


def _lines(
    state: State, commune: str, liste: Liste, today: date, asked: Asked
) -> Iterator[tuple[str, str, str, int]]:
    electeurs = count_electeurs(state, commune, liste, today)
    yield f"Électeurs au {short_date(today)}", "", "Total", electeurs.total
    for bureau, number in electeurs.by_bureau.items():
        yield "Bureau", bureau or WITHOUT_BUREAU, "Total", number
    for criterion, title in CRITERIA.items():
        values, columns, bureaux = break_down(electeurs, criterion)
        for value, number in values:
            yield title, "", value, number
        for bureau, numbers in bureaux.items():
            for value, number in zip(columns, numbers, strict=False):
                yield title, bureau or WITHOUT_BUREAU, value, number
    period = f"Mouvements du {short_date(asked.du)} au {short_date(asked.au)}"
    for (nature, words), number in count_mouvements(
        state, commune, liste, asked.du, asked.au
    ).items():
        yield f"{period}, {_NATURES[nature].lower()}", "", words, number
