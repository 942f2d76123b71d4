"""Notes about electors: dates and motifs of mouvements, doubts, protected electors.

URLs and events hold numbers of rows, never names. The audit trail records each page shown.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any, Literal
from urllib.parse import urlencode

from sqlalchemy import (
    Boolean,
    ColumnElement,
    Date,
    Row,
    Select,
    TableClause,
    and_,
    column,
    func,
    not_,
    or_,
    select,
    table,
)
from starlette.exceptions import HTTPException
from starlette.responses import Response

from common.calendrier import LONGEST_BETWEEN_ROUNDS, last_birth, majorite_on
from common.french import count_of, format_birth, short_date
from common.texte import fold
from producers.state import to_record
from producers.web.echeances import may_print, read_tableaux
from producers.web.exports.query import AskedFile
from producers.web.forms import (
    Paging,
    complete_day,
    page_number,
    read_days,
    read_number,
    refuse,
    text,
    typed,
)
from producers.web.page_context import NOT_FOUND, PageContext
from producers.web.suivi.requests import note_page, read_declarations, send_note
from schemas.declarations import (
    MOST_MOTIFS,
    CompletedMotif,
    DoubtDecided,
    ElecteurProtected,
    MotifsCompleted,
    SeenMotif,
)
from schemas.vocabulary import CATEGORIES, Categorie, DoubtDecision, Nature, SeenPage

PAGE = 25
"""Protected electors per page."""
MOUVEMENTS = 40
"""Mouvements per form: six fields each, and a form has three hundred at most."""
DOUBTS = 7
"""Doubts per page: each has a table and a form."""
_LONGEST = 200
_BIRTH = re.compile(r"\d{2}/\d{2}/\d{4}|\d{4}-\d{2}-\d{2}", re.ASCII)

_WHO = ("nom_naissance", "nom_usage", "prenoms", "date_naissance")
_MOUVEMENT = (
    *("mouvement", "code_commune", "liste", "nature", *_WHO, "ancien_bureau", "nouveau_bureau"),
    *("categorie", "motif"),
)
_DAYS = "jour", "since", "until"
_INCOMPLETE, _NOTES = (
    table(
        name,
        *map(column, _MOUVEMENT),
        *(column(it, Date) for it in _DAYS),
        column("is_dated", Boolean),
    )
    for name in ("mouvements_a_completer", "motifs_notes")
)
_OF_DECIDED = "tranches"
"""Parameter of the URL: show decided doubts, to change them."""
_OF_NOTED = "notes"
"""Parameter of the URL: show noted motifs, to correct them, or with the value `bureaux` changes of bureau."""
_OF_BUREAUX = "bureaux"
LACKS = {"date": "La date", "motif": "La catégorie"}
"""Values of the parameter `manque`: what the mouvements shown lack."""
_FILTERS = "bureau", "manque"
"""Parameters of the URL that select mouvements."""
_UNDO = "annuler"
"""The draft that holds the note which undoes an agent's last change, and the act of the form that sends it."""
_SIDE = (*_WHO, "commune_naissance", "pays_naissance", "adresse", "bureau", "numero")
_DOUTES = table(
    "doutes",
    *map(column, ("doute", "code_commune", "liste", "differs", "decision")),
    column("jour", Date),
    *(column(f"{side}_{name}") for side in ("radiation", "inscription") for name in _SIDE),
)
_PROTEGES = table(
    "electeurs_proteges",
    *(
        column(name)
        for name in ("protection", "code_commune", "nom_naissance", "prenoms", "date_naissance")
    ),
)
_ELECTEURS = table(
    "electeurs", *(column(name) for name in ("electeur", "code_commune", "liste", *_WHO))
)

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
"""The rows of a comparison: keys used by a doubt, label, columns."""


@dataclass(frozen=True)
class MouvementLine:
    mouvement: int
    liste: str
    nature: Nature
    day: date | None
    since: date | None
    """The day of the export before the one that shows it; None if there is none."""
    until: date | None
    """The day of the export that shows it; None if the mouvement comes from a file with its day."""
    nom_naissance: str
    nom_usage: str
    prenoms: str
    date_naissance: str
    bureau: str
    categorie: str
    motif: str

    @property
    def who(self) -> str:
        return " ".join(filter(None, (self.nom_naissance, self.prenoms))) or "(sans nom)"

    @property
    def day_text(self) -> str:
        return self.day.isoformat() if self.day else ""

    @property
    def shown_day(self) -> str:
        return short_date(self.day) if self.day else ""

    def full_day(self, words: str) -> str:
        """Return a day typed in short as `AAAA-MM-JJ`, in the year of the period; other words as they are."""
        return complete_day(words, self.since, self.until) if self.until else words

    @property
    def seen(self) -> str:
        """What the page shows of it, as the hidden field of the form that is compared with a later change."""
        return f"{self.categorie}|{self.day_text}|{self.motif}"

    @property
    def noted(self) -> str:
        """What is noted, for an agent whose own note would replace it."""
        label = Categorie(self.categorie).label if self.categorie else "sans catégorie"
        day = f"le {short_date(self.day)}" if self.day else "sans date"
        return ", ".join(filter(None, (label, day, self.motif)))

    @property
    def categories(self) -> Sequence[Categorie]:
        """The categories allowed for its nature, and its current one."""
        known = CATEGORIES[self.nature]
        return known if self.categorie in {"", *known} else (*known, Categorie(self.categorie))

    @property
    def interval(self) -> str:
        """The possible days: `entre le 10/09/2026 et le 19/03/2027`; empty if it comes from a file."""
        if self.until is None:
            return ""
        last = short_date(self.until)
        return (
            f"entre le {short_date(min(self.since + timedelta(days=1), self.until))} et le {last}"
            if self.since
            else f"au plus tard le {last}"
        )

    def may_be_on(self, day: date) -> bool:
        if self.until is None or day > self.until:
            return False
        return self.since is None or day > self.since or self.since == day == self.until

    @property
    def proposed(self) -> date | None:
        """The 18th birthday, if between the two exports: a proposed inscription d'office, to be confirmed."""
        day = (
            majorite_on(self.date_naissance)
            if self.nature is Nature.INSCRIPTION and not self.categorie
            else None
        )
        return day if day and self.may_be_on(day) and self.day in {None, day} else None


def select_incomplete(
    commune: str, tableau: AskedFile | None, query: Mapping[str, str]
) -> Select[Any]:
    view = _INCOMPLETE.c
    order = view.liste.desc(), view.nature, view.jour, view.nom_naissance, view.mouvement
    where = *_conditions(_INCOMPLETE, tableau), *_filter(_INCOMPLETE, query)
    return select(_INCOMPLETE).where(view.code_commune == commune, *where).order_by(*order)


def select_noted(commune: str, tableau: AskedFile | None, query: Mapping[str, str]) -> Select[Any]:
    view = _NOTES.c
    is_change = view.nature == Nature.MODIFICATION.value
    is_asked = is_change if query.get(_OF_NOTED) == _OF_BUREAUX else not_(is_change)
    where = is_asked, *_conditions(_NOTES, tableau), *_filter(_NOTES, query)
    selected = select(_NOTES).where(view.code_commune == commune, *where)
    return selected.order_by(view.jour.desc(), view.mouvement.desc())


def _bureau_of(mouvements: TableClause) -> ColumnElement[str]:
    """Return the bureau that the page shows: the new one, or that of a radiation."""
    return func.coalesce(
        func.nullif(mouvements.c.nouveau_bureau, ""), mouvements.c.ancien_bureau, ""
    )


def _filter(mouvements: TableClause, query: Mapping[str, str]) -> Iterator[ColumnElement[bool]]:
    """Yield what the filters of the page select."""
    if bureau := query.get("bureau"):
        yield _bureau_of(mouvements) == bureau
    if query.get("manque") == "date":
        yield not_(mouvements.c.is_dated)
    elif query.get("manque") == "motif":
        yield mouvements.c.categorie == ""


def _read_bureaux(context: PageContext, mouvements: TableClause) -> dict[str, str]:
    """Return the bureaux of the mouvements, to choose from."""
    bureau = _bureau_of(mouvements)
    ours = select(bureau).where(mouvements.c.code_commune == context.commune.code).distinct()
    found = context.services.state.read(ours.order_by(bureau))
    return {code: code for (code,) in found if code}


def _conditions(
    mouvements: TableClause, tableau: AskedFile | None
) -> Iterator[ColumnElement[bool]]:
    """Yield what selects the mouvements that a tableau may print: those of its list, on a possible day of its period.

    It also prints, on their birthday, electors who come of age in the period: their mouvement may be of another day.
    """
    if tableau is None:
        return
    view = mouvements.c
    yield view.liste == tableau.liste
    if tableau.period:
        first, last = tableau.period
        is_known = or_(view.is_dated, view.until.is_(None))
        may_be_in = and_(view.until > first, or_(view.since.is_(None), view.since < last))
        born_after, born_before = last_birth(first), last_birth(last + LONGEST_BETWEEN_ROUNDS)
        yield or_(
            and_(is_known, view.jour > first, view.jour <= last),
            and_(not_(is_known), may_be_in),
            and_(view.date_naissance > born_after, view.date_naissance <= born_before),
        )


def _to_line(row: Row[Any]) -> MouvementLine:
    day = row.jour if row.is_dated else None
    bureau = row.nouveau_bureau or row.ancien_bureau
    if row.nature == Nature.MODIFICATION:
        bureau = f"{row.ancien_bureau} → {row.nouveau_bureau}"
    return to_record(MouvementLine, row, day=day, bureau=bureau)


def complete_motifs(context: PageContext) -> Response:
    """« Enregistrer »: note all changed lines in one event; « Appliquer à tous » includes the lines of other pages."""
    if text(context.form, "act") == _UNDO:
        return _undo(context)
    form = typed(context.form)
    filled = _Filled(form)
    state, commune = context.services.state, context.commune.code
    queries = [select(view).where(view.c.code_commune == commune) for view in (_INCOMPLETE, _NOTES)]
    rows = [
        row
        for it in queries
        for row in state.read(it.where(column("mouvement").in_(filled.numbers)))
    ]
    lines = list({row.mouvement: _to_line(row) for row in rows}.values())
    if filled.is_for_all and form.get("portee") == "toutes":
        others = select_incomplete(commune, context.selected_file(), context.query)
        more = state.read(others.limit(MOST_MOTIFS))
        lines = list({line.mouvement: line for line in (*lines, *map(_to_line, more))}.values())[
            :MOST_MOTIFS
        ]
    completed = [it for line in lines if (it := filled.complete(line))]
    found = filled.found
    if not completed and not found:
        first = f"categorie-{filled.numbers[0]}" if filled.numbers else "motifs"
        found = {first: f"{'changez' if _are_noted(context) else 'remplissez'} une ligne au moins"}
    refuse(found, found)
    return _send_motifs(context, completed, count_of(len(completed), "mouvement complété"))


def _send_motifs(context: PageContext, completed: list[CompletedMotif], said: str) -> Response:
    """Send what is noted of mouvements, and keep beside the agent's drafts the note that would undo it."""
    query = _write_query(_kept(context, _OF_NOTED, *_FILTERS))
    numbers = [it.mouvement for it in completed]
    response = send_note(
        context, "motifs", MotifsCompleted(motifs=completed), said, numbers, query=query
    )
    drafts, whose = context.services.drafts, (context.agent.name, _undo_page(context), _UNDO)
    try:
        former = [_reverse(it, it.replaces) for it in completed if it.replaces]
        reverse = MotifsCompleted(motifs=former)
        drafts.keep(*whose, {"note": reverse.model_dump_json()})
    except OSError:  # the disk is full, or the change is too large: an older change must not be undone in its place
        with suppress(OSError):
            drafts.drop(*whose)
    return response


def _undo_page(context: PageContext) -> str:
    return f"{context.url('motifs')}#{_UNDO}"


def _reverse(noted: CompletedMotif, before: SeenMotif) -> CompletedMotif:
    """Return the note that gives a mouvement what it had before. It is refused if another agent changes it first."""
    day = before.jour if noted.jour is None else noted.jour
    return CompletedMotif(
        mouvement=noted.mouvement,
        categorie=before.categorie,
        motif=before.motif,
        jour=None if noted.jour is None else before.jour,
        replaces=SeenMotif(
            categorie=noted.categorie or before.categorie, motif=noted.motif or "", jour=day
        ),
    )


def _read_undo(context: PageContext) -> list[CompletedMotif]:
    """Return what would undo the last change of the agent on this page; empty if there is none."""
    kept = context.services.drafts.read(context.agent.name, _undo_page(context)).get(_UNDO, {})
    return MotifsCompleted.model_validate_json(kept["note"]).motifs if "note" in kept else []


def _undo(context: PageContext) -> Response:
    """« Annuler »: send the note that undoes the last change. Sent once more, it does that change again."""
    noted = _read_undo(context)
    if not noted:
        nothing = {"motifs": "il n'y a plus rien à annuler"}
        refuse(nothing, nothing)
    said = f"dernier changement annulé ({count_of(len(noted), 'mouvement')})"
    return _send_motifs(context, noted, said)


def _kept(context: PageContext, *names: str) -> dict[str, str]:
    """Return the parameters that a page keeps when a form is sent: its filters `names`, and the selected file."""
    return {name: it for name in (*names, "export") if (it := context.query.get(name))}


def _write_query(kept: Mapping[str, str]) -> str:
    return f"?{urlencode(kept)}" if kept else ""


class _Filled:
    """The values of the form, per mouvement, for the ticked ones or for all; `found` holds the errors by field."""

    def __init__(self, form: Mapping[str, str]) -> None:
        fields = [name.partition("-") for name in form]
        self.numbers = [
            it for place, _, words in fields if place == "categorie" and (it := read_number(words))
        ]
        self._ticked = {it for it in self.numbers if f"choix-{it}" in form}
        self.is_for_all = "tous" in form and not self._ticked
        self._is_for_ticked = "tous" in form and bool(self._ticked)
        self.found: dict[str, str] = {}
        self._form = form

    def complete(self, line: MouvementLine) -> CompletedMotif | None:
        """Return what to note about a mouvement; None if nothing changes or a value is invalid."""
        categorie, motif, jour = [
            f"{field}-{line.mouvement}" for field in ("categorie", "motif", "jour")
        ]
        kept = {categorie: line.categorie, motif: line.motif, jour: line.day_text}
        seen = self.read_seen(line)
        typed = self._read_typed(line) | self._read_given(line)
        changed = {name: words for name, words in typed.items() if words != seen[name]}
        said = kept | changed  # a field that the agent left alone keeps what another one noted
        if seen != kept and any(words != kept[name] for name, words in changed.items()):
            self.found[categorie] = (
                f"un autre agent a noté depuis : {line.noted}. Gardez sa note ou la vôtre, puis enregistrez"
            )
        day = self._read_day(jour, said[jour])
        if self._confirms(line) and line.proposed and not self._form.get(categorie):
            said[categorie], day = Categorie.INSCRIPTION_OFFICE, line.proposed
        elif self.is_for_all:
            said[categorie] = said[categorie] or self._form.get(f"tous-{line.nature}", "")
            day_of_all = self._read_day("tous-jour", line.full_day(self._form.get("tous-jour", "")))
            if day is None and day_of_all and line.may_be_on(day_of_all):
                day = day_of_all
        if said[motif] and not said[categorie]:
            self.found[categorie] = "choisissez une catégorie : c'est elle que le tableau imprime"
        elif said[categorie] and said[categorie] not in line.categories:
            self.found[categorie] = "choisissez une catégorie de la liste"
        elif len(said[motif]) > _LONGEST or not said[motif].isprintable():
            self.found[motif] = f"{_LONGEST} caractères au plus, sur une ligne"
        if day and day != line.day and not line.may_be_on(day):
            self.found[jour] = (
                f"choisissez un jour {line.interval}"
                if line.interval
                else "cette date ne se change pas"
            )
        if (said[categorie], said[motif], day) == (
            line.categorie,
            line.motif,
            line.day,
        ) or self.found:
            return None
        return CompletedMotif(
            mouvement=line.mouvement,
            categorie=Categorie(said[categorie]),
            motif=said[motif],
            jour=None if day == line.day else day or "",
            replaces=SeenMotif(
                categorie=Categorie(line.categorie), motif=line.motif, jour=line.day or ""
            ),
        )

    def _read_typed(self, line: MouvementLine) -> dict[str, str]:
        """Return the fields of the line that the form has, with the day as `AAAA-MM-JJ` if it is one."""
        names = (f"{field}-{line.mouvement}" for field in ("categorie", "motif", "jour"))
        typed = {name: self._form[name] for name in names if name in self._form}
        jour = f"jour-{line.mouvement}"
        return typed | ({jour: line.full_day(typed[jour])} if jour in typed else {})

    def _read_given(self, line: MouvementLine) -> dict[str, str]:
        """Return what « Appliquer » gives to a ticked line; it replaces what the line says."""
        if not (self._is_for_ticked and line.mouvement in self._ticked):
            return {}
        given = {
            f"categorie-{line.mouvement}": self._form.get(f"tous-{line.nature}", ""),
            f"jour-{line.mouvement}": line.full_day(self._form.get("tous-jour", "")),
        }
        return {name: words for name, words in given.items() if words}

    def _confirms(self, line: MouvementLine) -> bool:
        """Return whether the agent confirms what is proposed for the line."""
        is_of_all = self.is_for_all or (self._is_for_ticked and line.mouvement in self._ticked)
        is_confirmed = is_of_all and "tous-propositions" in self._form
        return is_confirmed or f"propose-{line.mouvement}" in self._form

    def read_seen(self, line: MouvementLine) -> dict[str, str]:
        """Return what the page showed of the line, by field; what is noted now if the form does not say."""
        number = line.mouvement
        categorie, _, rest = self._form.get(f"vu-{number}", line.seen).partition("|")
        day, _, motif = rest.partition("|")
        return {f"categorie-{number}": categorie, f"motif-{number}": motif, f"jour-{number}": day}

    def drop_left_alone(self, lines: Sequence[MouvementLine]) -> dict[str, str]:
        """Return the form without the fields that the agent left alone.

        The page shows there what is noted now: sent again, an older value would overwrite a note of another agent.
        """
        alone = {
            name
            for line in lines
            for name, words in self.read_seen(line).items()
            if self._read_typed(line).get(name) == words
        }
        return {name: words for name, words in self._form.items() if name not in alone}

    def _read_day(self, name: str, words: str) -> date | None:
        return read_days({name: words}, self.found).get(name)


def _are_noted(context: PageContext) -> str:
    return context.query.get(_OF_NOTED, "")


def show_motifs(context: PageContext) -> Response:
    pending, are_noted = read_declarations(context, "motifs"), _are_noted(context)
    tableau, kept = context.selected_file(), _kept(context, _OF_NOTED, *_FILTERS)
    select_lines = select_noted if are_noted else select_incomplete
    query = select_lines(context.commune.code, tableau, context.query)
    rows, paging = context.read_page(query, MOUVEMENTS, kept)
    lines = [_to_line(row) for row in rows]
    refused = {read_number(name.rpartition("-")[2]) for name in context.faults}
    refused -= {None, *(line.mouvement for line in lines)}
    if refused:  # another agent has completed them since
        commune = context.commune.code
        view = _NOTES.c
        ours = select(_NOTES).where(view.code_commune == commune, view.mouvement.in_(refused))
        lines += map(_to_line, context.services.state.read(ours))
    context.record_seen(SeenPage.MOTIFS, len(lines))
    made = read_tableaux(context.services.state, context.commune.code) if are_noted else []
    return note_page(
        context,
        "notes/motifs.html",
        pending,
        lines=lines,
        dependents=[
            it
            for it in made
            if any(may_print(it, one.liste, one.day or one.until) for one in lines)
        ],
        paging=paging,
        form=_Filled(typed(context.form)).drop_left_alone(lines),
        are_noted=are_noted,
        are_of_bureaux=are_noted == _OF_BUREAUX,
        selected=tableau,
        kept=_write_query(kept),
        bureaux=_read_bureaux(context, _NOTES if are_noted else _INCOMPLETE),
        filters={name: context.query.get(name, "") for name in _FILTERS},
        lacks=LACKS,
        undone=len(_read_undo(context)),
        most=MOST_MOTIFS,
        natures={nature: CATEGORIES[nature] for nature in (Nature.INSCRIPTION, Nature.RADIATION)},
    )


def _compare(doubt: Mapping[Any, Any]) -> Iterator[tuple[str, str, str, bool]]:
    for key, (label, names) in _SIDE_LABELS.items():
        left, came = (
            ", ".join(str(known) for name in names if (known := doubt[f"{side}_{name}"]))
            for side in ("radiation", "inscription")
        )
        if key == "date_naissance":
            left, came = format_birth(left), format_birth(came)
        if left or came:
            yield label, left, came, key in doubt["differs"].split()


def decide_doubt(context: PageContext) -> Response:
    decision, number = text(context.form, "decision"), read_number(text(context.form, "doubt"))
    if decision not in set(DoubtDecision) or number is None:
        raise HTTPException(NOT_FOUND)
    said = DoubtDecision(decision)
    if text(context.form, "verifie") != "oui":
        unsure = f"cochez que vous avez vérifié dans le REU (doute n° {number})"
        refuse([f"verifie-{number}"], {f"verifie-{number}": unsure})
    seen = _require_unchanged(context, number, said)
    note = DoubtDecided(
        doubt=number, decision=said, replaces=seen, reason=text(context.form, "reason")[:_LONGEST]
    )
    query = _write_query(_kept(context, _OF_DECIDED))
    return send_note(
        context, "doutes", note, f"doute n° {number}, {said.label}", [number], query=query
    )


def _require_unchanged(
    context: PageContext, number: int, said: DoubtDecision
) -> DoubtDecision | Literal[""] | None:
    """Return the decision that the page showed, None if it does not say; raise `FormRefused` if it is another now."""
    if "vu" not in context.form:
        return None
    seen = text(context.form, "vu")
    known = _DOUTES.c
    query = select(known.decision).where(
        known.code_commune == context.commune.code, known.doute == number
    )
    for row in context.services.state.read(query):
        if row.decision not in {seen, said}:
            other = DoubtDecision(row.decision).label if row.decision else "plus de réponse"
            words = f"un autre agent a noté depuis : {other}. Votre réponse, « {said.label} », n'est pas notée"
            refuse(
                [f"verifie-{number}"], {f"verifie-{number}": f"{words} : relisez, puis répondez"}
            )
    return DoubtDecision(seen) if seen in set(DoubtDecision) else ""


def show_doubts(context: PageContext) -> Response:
    """Show the open doubts in the order of their detection, or the decided ones, the last first."""
    pending, are_decided = read_declarations(context, "doutes"), _OF_DECIDED in context.query
    known, commune = _DOUTES.c, context.commune.code
    which = known.decision != "" if are_decided else known.decision == ""
    tableau, kept = context.selected_file(), _kept(context, _OF_DECIDED)
    query = select(_DOUTES).where(known.code_commune == commune, which)
    if tableau:
        query = query.where(known.liste == tableau.liste)
    query = query.order_by(known.doute.desc() if are_decided else known.doute)
    doubts, paging = context.read_page(query, DOUBTS, kept)
    refused = read_number(text(context.form, "doubt")) if context.faults else None
    if refused and refused not in {
        one.doute for one in doubts
    }:  # another agent has decided it since
        ours = select(_DOUTES).where(known.code_commune == commune, known.doute == refused)
        doubts = [*context.services.state.read(ours), *doubts]
    context.record_seen(SeenPage.DOUBTS, 2 * len(doubts))
    has_decided = any(one.decision for one in doubts)
    made = read_tableaux(context.services.state, commune) if has_decided else []
    return note_page(
        context,
        "notes/doutes.html",
        pending,
        doubts=doubts,
        lines={one.doute: list(_compare(one._mapping)) for one in doubts},  # noqa: SLF001 — the public name
        paging=paging,
        are_decided=are_decided,
        selected=tableau,
        kept=_write_query(kept),
        decisions=tuple(DoubtDecision),
        dependents={
            one.doute: [it for it in made if may_print(it, one.liste, one.jour)] for one in doubts
        },
    )


def _fold(words: str) -> str:
    return "".join(filter(str.isalnum, fold(words)))


def change_protected(context: PageContext) -> Response:
    _require_right(context)
    number = read_number(text(context.form, "number"))
    match text(context.form, "act"):
        case "search":
            return show_protected(context, _search(context))
        case "protect" if number:
            return send_note(
                context, "proteges", ElecteurProtected(electeur=number), "un électeur protégé"
            )
        case "lift" if number:
            return send_note(
                context,
                "proteges",
                ElecteurProtected(lifted=number),
                "une protection levée",
                [number],
            )
        case _:
            raise HTTPException(NOT_FOUND)


def _searched(context: PageContext) -> dict[str, str]:
    return {name: text(context.form, name)[:_LONGEST] for name in ("nom", "naissance")}


def _search(context: PageContext) -> list[Row[Any]]:
    form, wrong = _searched(context), dict[str, str]()
    if not form["nom"]:
        wrong["nom"] = "écrivez le début du nom"
    if not _BIRTH.fullmatch(form["naissance"]):
        wrong["naissance"] = "écrivez la date de naissance, JJ/MM/AAAA"
    refuse(form, wrong)
    view, born = _ELECTEURS.c, "-".join(reversed(form["naissance"].split("/")))
    query = select(_ELECTEURS).where(
        view.code_commune == context.commune.code, view.date_naissance == born
    )
    wanted, found = _fold(form["nom"]), dict[tuple[str, str], Row[Any]]()
    for row in context.services.state.read(query.order_by(view.electeur)):
        if any(_fold(name).startswith(wanted) for name in (row.nom_naissance, row.nom_usage)):
            found.setdefault((row.nom_naissance, row.prenoms), row)
    return list(found.values())[:30]


def _require_right(context: PageContext) -> None:
    if not context.commune.may_protect:
        raise HTTPException(NOT_FOUND)


def show_protected(context: PageContext, found: Sequence[Row[Any]] | None = None) -> Response:
    """« Électeurs protégés », for agents with the right `may_protect`; `found`: the electors of a search."""
    _require_right(context)
    pending = read_declarations(context, "proteges")
    page = page_number(context.query.get("page", ""))
    rows = context.services.state.read(
        select(_PROTEGES).where(_PROTEGES.c.code_commune == context.commune.code)
    )
    everybody = sorted(rows, key=lambda it: (_fold(it.nom_naissance), _fold(it.prenoms)))
    protected = everybody[(page - 1) * PAGE : page * PAGE]
    context.record_seen(SeenPage.PROTECTIONS, len(protected) + len(found or ()))
    paging = Paging.of(context.url("proteges"), {}, page=page, total=len(everybody), size=PAGE)
    form = _searched(context)
    return note_page(
        context,
        "notes/proteges.html",
        pending,
        protected=protected,
        paging=paging,
        found=found,
        form=form,
    )
