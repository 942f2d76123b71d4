"""Copies of the list for electors: the requests of a commune, the form of a new one, and the answer to each.

Code électoral, art. L. 37 and R. 20. The page names who asks: the audit trail records that it was shown.
"""

import calendar
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

from sqlalchemy import ColumnElement, Select, or_, select
from starlette.exceptions import HTTPException
from starlette.responses import Response

from common.french import short_date
from common.texte import fold
from producers.state import State, newest_first, to_record, view_of
from producers.web.exports.query import DERNIERS_EXPORTS, AskedFile, read_files
from producers.web.forms import read_days, read_number, refuse, text, typed, validate
from producers.web.notes import select_bureaux
from producers.web.page_context import NOT_FOUND, PageContext
from producers.web.registre.query import read_mairie, read_registres
from producers.web.suivi.requests import note_page, read_declarations, send_request
from schemas.cures import find_cure
from schemas.requests import COPIE_MOST_DAYS, CopieAsked, ListeExportRequested
from schemas.vocabulary import CopieFile, Liste, Qualite, SeenPage

PAGE = 25
NEW = ("demandeur", "qualite", "recue_on", "liste", "bureau", "encore")
ANSWER = ("numero", "engagement_on", "refus", "ancien", "absent")
"""The fields of both forms, in the order of the page."""
_MISSING = {
    "demandeur": "écrivez le nom et les prénoms du demandeur",
    "qualite": "dites comment vous avez vérifié que c'est un électeur",
    "recue_on": "indiquez le jour où la demande a été reçue",
}


@dataclass(frozen=True)
class CopieState:
    """One request for a copy, and its answer."""

    numero: int
    liste: str
    bureau: str
    demandeur: str
    recue_on: date
    engagement_on: date | None
    decision: str
    decided_on: date | None

    def is_open(self, files: Mapping[int, Sequence[AskedFile]]) -> bool:
        """Whether an answer is expected: there is none, or all its files failed, were cancelled or were recalled."""
        answers = [it for it in files.get(self.numero, ()) if it.edition == self.decision]
        return all(it.status.is_terminal and (it.recalled_at or not it.is_ready) for it in answers)

    @property
    def last_day(self) -> date:
        """The last day to answer: silence for a month is a refusal (CRPA, art. R. 311-12 and R. 311-13)."""
        following = self.recue_on.replace(day=28) + timedelta(days=4)
        day = min(self.recue_on.day, calendar.monthrange(following.year, following.month)[1])
        return following.replace(day=day) - timedelta(days=1)


_COPIES = view_of("copies", CopieState, "code_commune")


def select_copies(commune: str, *conditions: ColumnElement[bool]) -> Select[Any]:
    view = _COPIES.c
    of_commune = select(_COPIES).where(view.code_commune == commune, *conditions)
    return of_commune.order_by(view.decision != "", view.numero.desc())


def read_copies(state: State, commune: str, *conditions: ColumnElement[bool]) -> list[CopieState]:
    """Return the requests that match, those without an answer first, then the last one first."""
    return [to_record(CopieState, row) for row in state.read(select_copies(commune, *conditions))]


def read_open(context: PageContext) -> list[CopieState]:
    """Return the requests that expect an answer: for 90 days after one, its files are checked again."""
    view = _COPIES.c
    since = or_(view.decision == "", view.decided_on >= context.today - timedelta(days=90))
    copies = read_copies(context.services.state, context.commune.code, since)
    files = _read_files(context, copies) if any(it.decision for it in copies) else {}
    return [it for it in copies if it.is_open(files)]


def _read_files(
    context: PageContext, copies: Sequence[CopieState]
) -> Mapping[int, Sequence[AskedFile]]:
    view, found = DERNIERS_EXPORTS.c, dict[int, list[AskedFile]]()
    is_one = view.parameters["copie"].as_integer().in_([it.numero for it in copies])
    query = select(DERNIERS_EXPORTS).where(view.edition.in_([*CopieFile]), is_one)
    with context.services.state.reading() as connection:
        newest = newest_first(
            connection, query, view.code_commune, view.export_id, context.commune.code
        )
        for file in read_files(connection, newest):
            found.setdefault(file.parameters["copie"], []).append(file)
    return found


def show(context: PageContext) -> Response:
    pending = read_declarations(context, "copies")
    rows, paging = context.read_page(select_copies(context.commune.code), PAGE, {})
    copies = [to_record(CopieState, row) for row in rows]
    files = _read_files(context, copies)
    context.record_seen(SeenPage.COPIES, len(copies))
    return note_page(
        context,
        "copies/copies.html",
        pending,
        is_waiting=any(not it.status.is_terminal for them in files.values() for it in them),
        copies=copies,
        files=files,
        paging=paging,
        Qualite=Qualite,
        bureaux=context.services.state.read(select_bureaux(context)),
        mairie=read_mairie(context.services.state, context.commune.code),
        form=dict.fromkeys((*NEW, *ANSWER), "") | _asked(context) | typed(context.form),
        cure_of_old=find_cure("registre_ancien", {"commune": context.commune.code}),
    )


def _asked(context: PageContext) -> dict[str, str]:
    """Return the request for a copy that the URL selects."""
    return {"numero": context.query.get("numero", "")}


def answer(context: PageContext) -> Response:
    act = {"demander": _ask, "remettre": _answer, "refuser": _answer}.get(text(context.form, "act"))
    if act is None:
        raise HTTPException(NOT_FOUND)
    return act(context)


def _ask(context: PageContext) -> Response:
    form, found = typed(context.form), dict[str, str]()
    state, commune, liste = context.services.state, context.commune.code, form.get("liste", "")
    named = {name: form.get(name, "") for name in ("demandeur", "qualite", "bureau")}
    days = read_days({"recue_on": form.get("recue_on", "")}, found, until=context.today)
    registre = read_registres(state, commune).get(liste)
    if registre is None or registre.electeurs == 0:
        found["liste"] = "aucun électeur n'est inscrit sur cette liste : il n'y a rien à remettre"
    if named["bureau"] and named["bureau"] not in {
        it.bureau for it in state.read(select_bureaux(context))
    }:
        found["bureau"] = "ce bureau n'existe pas dans la commune"
    known = read_copies(
        state, commune, _COPIES.c.liste == liste, _COPIES.c.decision != CopieFile.REFUS
    )
    same = next((it for it in known if fold(it.demandeur) == fold(named["demandeur"])), None)
    if same and not form.get("encore"):
        found["encore"] = (
            f"cette personne l'a déjà demandée le {short_date(same.recue_on)} (n° {same.numero})"
        )
    found |= {name: words for name, words in _MISSING.items() if not form.get(name)}
    refuse(NEW, found)
    copie = validate(CopieAsked, {**named, **days}, NEW, {}, better=_MISSING)
    return _send(
        context, copie, Liste(liste), f"demande de copie reçue le {short_date(days['recue_on'])}"
    )


def _answer(context: PageContext) -> Response:
    form, found = typed(context.form), dict[str, str]()
    number, is_refused = read_number(form.get("numero")) or 0, form["act"] == "refuser"
    days = read_days({"engagement_on": form.get("engagement_on", "")}, found, until=context.today)
    known = read_copies(context.services.state, context.commune.code, _COPIES.c.numero == number)
    if not any(it.is_open(_read_files(context, known)) for it in known):
        found["numero"] = "cette demande a déjà sa réponse : choisissez-en une autre"
    if not is_refused and any(day < it.recue_on for it in known for day in days.values()):
        found["engagement_on"] = "la demande a été reçue après ce jour : vérifiez la date"
    said: Mapping[str, object] = {"refus": form.get("refus", "")} if is_refused else days
    if is_refused and not form.get("refus"):
        found["refus"] = "écrivez pourquoi la copie est refusée : la lettre le dit"
    if not is_refused and not form.get("engagement_on"):
        found["engagement_on"] = (
            "sans engagement signé, la copie ne se remet pas : indiquez le jour de sa réception"
        )
    accepts = bool(form.get("ancien")) and not is_refused
    if known and not is_refused and not accepts:
        found |= _find_old_register(context, known[0].liste)
    refuse(ANSWER, found)
    accepted = {"accept_old_register": True} if accepts else {}
    copie = validate(CopieAsked, {"numero": number, **said, **accepted}, ANSWER, {})
    return _send(
        context, copie, Liste(known[0].liste), f"réponse à la demande n° {number}", [number]
    )


def _find_old_register(context: PageContext, liste: str) -> Mapping[str, str]:
    """Return why no copy is given of a register that is not there, or the question to confirm that it is old.

    Empty when the register is recent. It is not there after its only export was undone.
    """
    registre = read_registres(context.services.state, context.commune.code).get(liste)
    if registre is None:
        said = "cette liste n'est plus dans le registre : importez d'abord l'export du REU"
        return {"absent": said}
    day = registre.taken_on
    if day is None or (context.today - day).days <= COPIE_MOST_DAYS:
        return {}
    return {
        "ancien": f"la liste est celle du {short_date(day)} : importez d'abord un export récent, "
        "ou cochez la case pour la remettre telle quelle"
    }


def _send(
    context: PageContext, copie: CopieAsked, liste: Liste, words: str, about: Sequence[int] = ()
) -> Response:
    data = ListeExportRequested(
        commune=context.commune.code, listes=[liste], copie=copie, requested_by=context.agent.name
    )
    send_request(context, data, words, page="copies", about=about)
    return context.redirect("copies", "#enregistrement")
