"""What is noted of electors, on pages that name them: motifs of mouvements, doubts, who is protected.

A name never stands in an address, and no event has one: rows are told by numbers. Each page shown is in the trail.
"""

import re
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

from sqlalchemy import ColumnElement, Row, Select, column, func, select, table
from starlette.exceptions import HTTPException
from starlette.responses import RedirectResponse, Response

from common.french import count_of
from producers.state import State, to_day
from producers.web.forms import Faults, Paging, page_number, read_number, text
from producers.web.notes.send import note_page, send_declaration, send_note
from producers.web.page_context import NOT_FOUND, SEE_OTHER, PageContext
from producers.web.suivi.pending import SendingFailure
from schemas.declarations import CompletedMotif, DoubtDecided, ElecteurProtected, MotifsCompleted, ProtectionLifted
from schemas.vocabulary import CATEGORIES, Categorie, DoubtDecision, Nature, SeenPage

PAGE = 50
"""Mouvements of one form: two fields each, and a form has two hundred at most; protected electors of one page."""
DOUBTS = 15
"""Of one page: each is a table, and a form."""
_LONGEST = 200
_MOST_FOUND = 30
_BIRTH = re.compile(r"(?P<day>\d{2})/(?P<month>\d{2})/(?P<year>\d{4})|(?P<iso>\d{4}-\d{2}-\d{2})", re.ASCII)

_WHO = ("nom_naissance", "nom_usage", "prenoms", "date_naissance")
_MOUVEMENT = ("mouvement", "liste", "nature", "jour", *_WHO, "ancien_bureau", "nouveau_bureau")
_SANS_MOTIF = table("mouvements_sans_motif", column("code_commune"), *(column(name) for name in _MOUVEMENT))
_SAID = ("categorie", "motif")
_NOTES = table("motifs_notes", column("code_commune"), *(column(name) for name in (*_MOUVEMENT, *_SAID)))
_OF_NOTED = "notes"
"""Of the address: the motifs that were noted, to correct one."""
_SIDE = (*_WHO, "commune_naissance", "pays_naissance", "adresse", "bureau", "numero")
_DOUTES = table(
    "doutes_ouverts",
    *(column(name) for name in ("doute", "code_commune", "liste", "differs", "jour")),
    *(column(f"{side}_{name}") for side in ("radiation", "inscription") for name in _SIDE),
)
_PROTEGES = table(
    "electeurs_proteges",
    *(column(name) for name in ("protection", "code_commune", "nom_naissance", "prenoms", "date_naissance")),
)
_ELECTEURS = table("electeurs", *(column(name) for name in ("electeur", "code_commune", "liste", *_WHO)))

_SIDE_LABELS = {
    "nom": ("Nom de naissance", ("nom_naissance",)),
    "usage": ("Nom d'usage", ("nom_usage",)),
    "prenoms": ("Prénoms", ("prenoms",)),
    "date_naissance": ("Date de naissance", ("date_naissance",)),
    "lieu_naissance": ("Lieu de naissance", ("commune_naissance", "pays_naissance")),
    "adresse": ("Adresse", ("adresse",)),
    "code_bureau": ("Bureau", ("bureau",)),
    "numero": ("Numéro d'ordre", ("numero",)),
}
"""The lines of a comparison, by what may differ; what a doubt calls so."""


def birth_words(born: str) -> str:
    """`14/03/1962`; what is not known is zeros, as the register has it."""
    return "/".join(reversed(born.split("-")))


@dataclass(frozen=True)
class MouvementLine:
    """A mouvement, and what was said of why."""

    mouvement: int
    liste: str
    nature: Nature
    jour: date | None
    nom_naissance: str
    nom_usage: str
    prenoms: str
    date_naissance: str
    bureau: str
    categorie: str = ""
    motif: str = ""

    @property
    def who(self) -> str:
        """The elector, as people say her."""
        return " ".join(filter(None, (self.nom_naissance, self.prenoms))) or "(sans nom)"

    @property
    def born(self) -> str:
        """Her birth, as people write it."""
        return birth_words(self.date_naissance)

    @property
    def categories(self) -> Sequence[Categorie]:
        """The categories that go with it, and the one that it has."""
        known = CATEGORIES[self.nature]
        return known if self.categorie in {"", *known} else (*known, Categorie(self.categorie))


def read_without_motif(state: State, commune: str, page: int) -> tuple[list[MouvementLine], int]:
    """The mouvements of a page of which nobody said why, list after list, and how many there are.

    Raises:
        StateAwayError: the database did not answer.
    """
    view = _SANS_MOTIF.c
    order = view.liste.desc(), view.nature, view.jour, view.nom_naissance, view.mouvement
    return _read_lines(state, select(_SANS_MOTIF).where(view.code_commune == commune), order, page)


def read_with_motif(state: State, commune: str, page: int) -> tuple[list[MouvementLine], int]:
    """Those of which somebody did, the last first, and how many there are.

    Raises:
        StateAwayError: the database did not answer.
    """
    view = _NOTES.c
    order = view.jour.desc(), view.mouvement.desc()
    return _read_lines(state, select(_NOTES).where(view.code_commune == commune), order, page)


def _read_lines(
    state: State, query: Select[Any], order: Sequence[ColumnElement[Any]], page: int
) -> tuple[list[MouvementLine], int]:
    with state.reading() as connection:
        rows = connection.execute(query.order_by(*order).limit(PAGE).offset((page - 1) * PAGE)).all()
        total: int = connection.execute(select(func.count()).select_from(query.subquery())).scalar_one()
    return [_to_line(row) for row in rows], total


def _read_said(state: State, commune: str, numbers: Iterable[int]) -> dict[int, tuple[str, str]]:
    """The category and the motif of those of these mouvements that have some."""
    view = _NOTES.c
    query = select(view.mouvement, view.categorie, view.motif).where(view.code_commune == commune)
    with state.reading() as connection:
        rows = connection.execute(query.where(view.mouvement.in_(numbers))).all()
    return {mouvement: (categorie, motif) for mouvement, categorie, motif in rows}


def _to_line(row: Row[Any]) -> MouvementLine:
    return MouvementLine(
        mouvement=row.mouvement,
        liste=row.liste,
        nature=Nature(row.nature),
        jour=to_day(row.jour),
        bureau=row.nouveau_bureau or row.ancien_bureau,
        **{name: getattr(row, name) for name in (*_WHO, *_SAID) if name in row._fields},
    )


def show_motifs(context: PageContext) -> Response:
    """« Motifs à compléter »."""
    return _motifs(context, {})


def complete_motifs(context: PageContext) -> Response:
    """« Enregistrer »: the lines that were filled in or changed, all at once."""
    form = {name: value.strip() for name, value in context.form.items() if isinstance(value, str)}
    fields = [name.partition("-") for name in form]
    numbers = [it for place, _, words in fields if place == "categorie" and (it := read_number(words))]
    said_before = _read_said(context.services.state, context.commune.code, numbers)
    completed, found = [], {}
    for number in numbers:
        name = f"categorie-{number}"
        value, motif = form.get(name, ""), form.get(f"motif-{number}", "")
        if (value, motif) == said_before.get(number, ("", "")):
            continue
        if motif and not value:
            found[name] = "choisissez une catégorie : c'est elle que le tableau imprime"
        elif value and value not in set(Categorie):
            found[name] = "choisissez une catégorie de la liste"
        elif len(motif) > _LONGEST or not motif.isprintable():
            found[f"motif-{number}"] = f"{_LONGEST} caractères au plus, sur une ligne"
        else:
            completed.append(CompletedMotif(mouvement=number, categorie=Categorie(value), motif=motif))
    if not completed and not found:
        first = f"categorie-{numbers[0]}" if numbers else "motifs"
        found = {first: f"{'changez' if _are_noted(context) else 'remplissez'} une ligne au moins"}
    if found:
        return _motifs(context, form, Faults.ordered(list(found), found))
    act, said = MotifsCompleted(motifs=completed), count_of(len(completed), "motif")
    if failure := send_note(context, "motifs", act, said, (it.mouvement for it in completed)):
        return _motifs(context, form, failure=failure)
    back = f"?{_OF_NOTED}=1" if _are_noted(context) else ""
    return RedirectResponse(f"{context.url('motifs')}{back}#enregistrement", SEE_OTHER)


def _are_noted(context: PageContext) -> bool:
    return bool(context.query.get(_OF_NOTED))


def _motifs(
    context: PageContext,
    form: Mapping[str, str],
    faults: Faults | None = None,
    failure: SendingFailure | None = None,
) -> Response:
    def read() -> dict[str, object]:
        page, are_noted = page_number(context.query.get("page", "")), _are_noted(context)
        read_lines = read_with_motif if are_noted else read_without_motif
        lines, total = read_lines(context.services.state, context.commune.code, page)
        context.record_seen(SeenPage.MOTIFS, len(lines))
        kept = {_OF_NOTED: "1"} if are_noted else {}
        paging = Paging.of(context.url("motifs"), kept, page=page, total=total, size=PAGE)
        return {"lines": lines, "total": total, "paging": paging, "form": form, "are_noted": are_noted}

    return note_page(context, "motifs", read, faults=faults, failure=failure)


@dataclass(frozen=True)
class DoubtLine:
    """One line of a comparison: what it is about, both sides, and whether the two differ."""

    label: str
    left: str
    came: str
    differs: bool


@dataclass(frozen=True)
class ShownDoubt:
    """A radiation and an inscription that may be one person, side by side."""

    number: int
    liste: str
    jour: date | None
    lines: Sequence[DoubtLine]
    who: str


def read_doubts(state: State, commune: str, page: int) -> tuple[list[ShownDoubt], int]:
    """Those of a page that nobody has decided yet, in the order they were found, and how many there are.

    Raises:
        StateAwayError: the database did not answer.
    """
    is_theirs = _DOUTES.c.code_commune == commune
    query = select(_DOUTES).where(is_theirs).order_by(_DOUTES.c.doute).limit(DOUBTS).offset((page - 1) * DOUBTS)
    with state.reading() as connection:
        total: int = connection.execute(select(func.count()).select_from(_DOUTES).where(is_theirs)).scalar_one()
        return [_to_doubt(row._mapping) for row in connection.execute(query)], total  # noqa: SLF001 — the public name


def _to_doubt(row: Mapping[Any, Any]) -> ShownDoubt:
    def said(side: str, names: Sequence[str]) -> str:
        values = (str(row[f"{side}_{name}"] or "") for name in names)
        words = ", ".join(filter(None, values))
        return birth_words(words) if names == ("date_naissance",) else words

    differs = row["differs"].split()
    lines = [
        DoubtLine(label, left, came, differs=name in differs)
        for name, (label, names) in _SIDE_LABELS.items()
        if (left := said("radiation", names)) + (came := said("inscription", names))
    ]
    who = f"{row['radiation_nom_naissance']} {row['radiation_prenoms']}".strip()
    return ShownDoubt(row["doute"], row["liste"], to_day(row["jour"]), lines, who)


def show_doubts(context: PageContext) -> Response:
    """« Doutes »."""
    return _doubts(context)


def decide_doubt(context: PageContext) -> Response:
    """« Même personne » or « deux personnes »."""
    decision, number = text(context.form, "decision"), read_number(text(context.form, "doubt"))
    if decision not in set(DoubtDecision) or number is None:
        raise HTTPException(NOT_FOUND)
    said = DoubtDecision(decision)
    if text(context.form, "verifie") != "oui":
        unsure = f"cochez que vous avez vérifié dans le REU : la réponse au doute n° {number} est définitive"
        return _doubts(context, faults=Faults.ordered([f"verifie-{number}"], {f"verifie-{number}": unsure}))
    data = DoubtDecided(commune=context.commune.code, doubt=number, decision=said, requested_by=context.agent.name)
    if failure := send_declaration(context, "doutes", data, f"doute n° {number}, {said.label}", [number]):
        return _doubts(context, failure)
    return context.redirect("doutes", "enregistrement")


def _doubts(context: PageContext, failure: SendingFailure | None = None, faults: Faults | None = None) -> Response:
    def read() -> dict[str, object]:
        page = page_number(context.query.get("page", ""))
        doubts, total = read_doubts(context.services.state, context.commune.code, page)
        context.record_seen(SeenPage.DOUBTS, 2 * len(doubts))
        paging = Paging.of(context.url("doutes"), {}, page=page, total=total, size=DOUBTS)
        return {"doubts": doubts, "total": total, "paging": paging}

    return note_page(context, "doutes", read, faults=faults, failure=failure)


@dataclass(frozen=True)
class ShownElecteur:
    """An elector by the number of her row, and as a clerk knows her."""

    number: int
    nom_naissance: str
    prenoms: str
    date_naissance: str

    @property
    def born(self) -> str:
        """Her birth, as people write it."""
        return birth_words(self.date_naissance)


def read_protected(state: State, commune: str) -> list[ShownElecteur]:
    """Who is protected, in the order of names.

    Raises:
        StateAwayError: the database did not answer.
    """
    view = _PROTEGES.c
    query = select(view.protection, view.nom_naissance, view.prenoms, view.date_naissance)
    with state.reading() as connection:
        rows = connection.execute(query.where(view.code_commune == commune)).all()
    return sorted((ShownElecteur(*row) for row in rows), key=lambda it: (_fold(it.nom_naissance), _fold(it.prenoms)))


def find_electeurs(state: State, commune: str, nom: str, born: str) -> list[ShownElecteur]:
    """Who is on a list of the commune, was born on that day, and whose name begins so; each person once.

    Raises:
        StateAwayError: the database did not answer.
    """
    view = _ELECTEURS.c
    query = select(view.electeur, view.nom_naissance, view.prenoms, view.date_naissance, view.nom_usage)
    query = query.where(view.code_commune == commune, view.date_naissance == born).order_by(view.electeur)
    wanted, found = _fold(nom), dict[tuple[str, str], ShownElecteur]()
    with state.reading() as connection:
        for number, birth_name, prenoms, date_naissance, used in connection.execute(query):
            if any(_fold(name).startswith(wanted) for name in (birth_name, used)):
                found.setdefault((birth_name, prenoms), ShownElecteur(number, birth_name, prenoms, date_naissance))
    return list(found.values())[:_MOST_FOUND]


def _fold(words: str) -> str:
    """Without accents, case and hyphens."""
    letters = unicodedata.normalize("NFD", words.casefold())
    return "".join(it for it in letters if it.isalnum())


def _read_birth(words: str) -> str:
    """`14/03/1962` gives `1962-03-14`; empty when it is no date."""
    match = _BIRTH.fullmatch(words)
    return match["iso"] or f"{match['year']}-{match['month']}-{match['day']}" if match else ""


def show_protected(context: PageContext) -> Response:
    """« Électeurs protégés », for agents who may."""
    return _protected(context)


def change_protected(context: PageContext) -> Response:
    """An elector is looked for, protected, or not any more."""
    _require_right(context)
    number = read_number(text(context.form, "number"))
    match text(context.form, "act"):
        case "search":
            return _search(context)
        case "protect" if number:
            act, said = ElecteurProtected(electeur=number), "un électeur protégé"
            return _sent(context, send_note(context, "proteges", act, said))
        case "lift" if number:
            lifted, said = ProtectionLifted(protection=number), "une protection levée"
            return _sent(context, send_note(context, "proteges", lifted, said, [number]))
    raise HTTPException(NOT_FOUND)


def _search(context: PageContext) -> Response:
    form = {name: text(context.form, name)[:_LONGEST] for name in ("nom", "naissance")}
    born, wrong = _read_birth(form["naissance"]), dict[str, str]()
    if not form["nom"]:
        wrong["nom"] = "écrivez le début du nom"
    if not born:
        wrong["naissance"] = "écrivez la date de naissance, JJ/MM/AAAA"
    if wrong:
        return _protected(context, form=form, faults=Faults.ordered(("nom", "naissance"), wrong))
    found = find_electeurs(context.services.state, context.commune.code, form["nom"], born)
    return _protected(context, form=form, found=found)


def _sent(context: PageContext, failure: SendingFailure | None) -> Response:
    return _protected(context, failure=failure) if failure else context.redirect("proteges", "enregistrement")


def _require_right(context: PageContext) -> None:
    if not context.commune.may_protect:
        raise HTTPException(NOT_FOUND)


def _protected(
    context: PageContext,
    *,
    form: Mapping[str, str] | None = None,
    found: Sequence[ShownElecteur] | None = None,
    faults: Faults | None = None,
    failure: SendingFailure | None = None,
) -> Response:
    _require_right(context)

    def read() -> dict[str, object]:
        page = page_number(context.query.get("page", ""))
        everybody = read_protected(context.services.state, context.commune.code)
        protected = everybody[(page - 1) * PAGE : page * PAGE]
        context.record_seen(SeenPage.PROTECTIONS, len(protected) + len(found or ()))
        paging = Paging.of(context.url("proteges"), {}, page=page, total=len(everybody), size=PAGE)
        shown = {"protected": protected, "total": len(everybody), "paging": paging, "found": found}
        return shown | {"form": form or {"nom": "", "naissance": ""}}

    return note_page(context, "proteges", read, faults=faults, failure=failure)
