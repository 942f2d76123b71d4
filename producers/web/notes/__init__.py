"""Notes about the commune: meetings of the commission, own polls, bureaux; and the agent's notifications."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date

from sqlalchemy import select
from starlette.exceptions import HTTPException
from starlette.responses import Response

from common.calendrier import CalendarReunion, CalendarScrutin, is_poll_day
from common.french import count_of, short_date, weekday_date
from producers.state import State, to_record, view_of
from producers.web.echeances import read_own_scrutins, read_reunions, read_scrutins, read_tableaux
from producers.web.exports.query import AskedFile
from producers.web.forms import Faults, Paging, page_number, read_day, read_days, text, texts, validate
from producers.web.page_context import NOT_FOUND, PageContext
from producers.web.suivi.requests import note_page, send_note
from schemas.declarations import MOST_BUREAUX, BureauxDescribed, DescribedBureau, ReunionNoted, ScrutinNoted
from schemas.screen_notes import WishesChosen
from schemas.vocabulary import Liste, Wish

REUNION_FIELDS = ("jour", "liste", "sans_deliberation", "reason")
SCRUTIN_FIELDS = (
    *("libelle", "scrutin", "cloture", "reunion_first", "reunion_last", "publication_due", "cinq_jours_due"),
    *("sans_commission", "texte", "scrutin_reason"),
)
"""The fields of both forms, in the order of the page."""
_DAYS = ("cloture", "reunion_first", "reunion_last", "publication_due", "cinq_jours_due")
_NO_DAY = "indiquez le jour"
_NO_TEXT = "écrivez le texte qui fixe ces jours : « décret n° … du … »"

_BUREAU_LABELS = {
    "code_canton": "Code du canton",
    "libelle_canton": "Nom du canton",
    "code_circonscription": "Circonscription",
    "libelle_circonscription": "Nom de la circonscription",
}
_BUREAU = tuple(_BUREAU_LABELS)
_BETTER = {
    "code_canton": "le code du canton a 4 chiffres (5 outre-mer), par exemple 1302",
    "code_circonscription": "la circonscription a deux chiffres, par exemple 09",
}
_MOST_TO_REDO = 10


@dataclass(frozen=True)
class ShownBureau:
    """A bureau, with fields that the export of the REU may lack."""

    bureau: str
    libelle: str
    code_canton: str
    libelle_canton: str
    code_circonscription: str
    libelle_circonscription: str


_BUREAUX = view_of("bureaux", ShownBureau, "code_commune")


def read_bureaux(state: State, commune: str) -> list[ShownBureau]:
    query = select(_BUREAUX).where(_BUREAUX.c.code_commune == commune).order_by(_BUREAUX.c.bureau)
    return [to_record(ShownBureau, row) for row in state.read(query)]


def show_calendar(context: PageContext) -> Response:
    """« Réunions et scrutins »; the parameters `reunion`, `liste` and `scrutin` select a note to correct."""
    query = context.query
    form = dict.fromkeys((*REUNION_FIELDS, *SCRUTIN_FIELDS, "replaces", "scrutin_replaces"), "")
    if reunion := read_day(query.get("reunion", "")):
        form |= {"jour": reunion.isoformat(), "replaces": reunion.isoformat(), "liste": query.get("liste", "")}
        noted = read_reunions(context.services.state, context.commune.code)
        if any(it.jour == reunion and it.liste == form["liste"] and not it.has_deliberated for it in noted):
            form["sans_deliberation"] = "1"
    if scrutin := read_day(query.get("scrutin", "")):
        known = {it.jour: it for it in read_own_scrutins(context.services.state, context.commune.code)}
        if (own := known.get(scrutin)) is not None:
            days = {"scrutin": scrutin, "scrutin_replaces": scrutin}
            days |= {name: day for name in _DAYS if (day := getattr(own, name))}
            form |= {name: day.isoformat() for name, day in days.items()}
            without = "" if own.has_commission else "1"
            form |= {"libelle": own.libelle, "sans_commission": without, "texte": own.texte}
    return _calendar(context, form)


def change_calendar(context: PageContext) -> Response:
    answers = {
        "reunion": _note_reunion,
        "reunion-removed": _remove_reunion,
        "scrutin": _note_scrutin,
        "scrutin-removed": _remove_scrutin,
    }
    answer = answers.get(text(context.form, "act"))
    if answer is None:
        raise HTTPException(NOT_FOUND)
    return answer(context)


def _note_reunion(context: PageContext) -> Response:
    form = _read(context, REUNION_FIELDS, "replaces")
    found: dict[str, str] = {}
    day, former = read_days({"jour": form["jour"]}, found, until=context.today).get("jour"), read_day(form["replaces"])
    values: dict[str, object] = {"jour": day, "liste": form["liste"] or None, "replaces": former}
    values |= {"reason": form["reason"], "has_deliberated": not form["sans_deliberation"]}
    note, faults = validate(ReunionNoted, values, REUNION_FIELDS, found, better={"jour": _NO_DAY})
    if note is None:
        return _calendar(context, form, faults)
    said = f"réunion du {short_date(note.jour)}" + (f", et non du {short_date(former)}" if former else "")
    return _sent(context, send_note(context, "reunions", note, said), form)


def _remove_reunion(context: PageContext) -> Response:
    day, liste = _known_day(context, "jour"), text(context.form, "liste")
    if liste not in {"", *Liste}:
        raise HTTPException(NOT_FOUND)
    note = ReunionNoted(jour=day, liste=Liste(liste) if liste else None, removed=True, reason=_reason(context))
    return _sent(context, send_note(context, "reunions", note, f"réunion du {short_date(day)} retirée"), _empty())


def _note_scrutin(context: PageContext) -> Response:
    form = _read(context, SCRUTIN_FIELDS, "scrutin_replaces")
    found: dict[str, str] = {}
    days = read_days({name: form[name] for name in ("scrutin", *_DAYS)}, found)
    day, others = days.get("scrutin"), {name: days.get(name) for name in _DAYS}
    has_commission = not form["sans_commission"]
    if day and not is_poll_day(day, context.commune.code):
        found["scrutin"] = f"on ne vote pas un {weekday_date(day).split(' ', 1)[0]}, vérifiez cette date"
    found |= {name: "ce jour précède le scrutin" for name, it in others.items() if day and it and it >= day}
    if day:
        first, last = others["reunion_first"], others["reunion_last"]
        poll = CalendarScrutin(day, publication_due=others["publication_due"], reunion_first=first, reunion_last=last)
        if poll.window_fault:
            found.setdefault("reunion_last", poll.window_fault)
    if not form["libelle"]:
        found["libelle"] = "écrivez ce qu'on élit, et quel tour"
    if (any(others.values()) or not has_commission) and not form["texte"]:
        found["texte"] = _NO_TEXT
    former = read_day(form["scrutin_replaces"])
    values: dict[str, object] = {"jour": day, "libelle": form["libelle"], "replaces": former, **others}
    values |= {"has_commission": has_commission, "texte": form["texte"]}
    values |= {"reason": form["scrutin_reason"]}
    names = {"jour": "scrutin", "reason": "scrutin_reason"}
    note, faults = validate(ScrutinNoted, values, SCRUTIN_FIELDS, found, names=names, better={"scrutin": _NO_DAY})
    if note is None:
        return _calendar(context, form, faults)
    return _sent(context, send_note(context, "reunions", note, f"scrutin du {short_date(note.jour)}"), form)


def _remove_scrutin(context: PageContext) -> Response:
    day = _known_day(context, "scrutin")
    note = ScrutinNoted(jour=day, removed=True, reason=_reason(context))
    return _sent(context, send_note(context, "reunions", note, f"scrutin du {short_date(day)} retiré"), _empty())


def _read(context: PageContext, fields: tuple[str, ...], *others: str) -> dict[str, str]:
    return _empty() | {name: text(context.form, name) for name in (*fields, *others)}


def _empty() -> dict[str, str]:
    return dict.fromkeys((*REUNION_FIELDS, *SCRUTIN_FIELDS, "replaces", "scrutin_replaces"), "")


def _known_day(context: PageContext, name: str) -> date:
    day = read_day(text(context.form, name))
    if day is None:
        raise HTTPException(NOT_FOUND)
    return day


def _reason(context: PageContext) -> str:
    return text(context.form, "reason")[:500]


def _sent(context: PageContext, failure: str | None, form: Mapping[str, str]) -> Response:
    return _calendar(context, form, failure=failure) if failure else context.redirect("reunions", "enregistrement")


def _calendar(
    context: PageContext,
    form: Mapping[str, str],
    faults: Faults | None = None,
    failure: str | None = None,
) -> Response:
    state, commune = context.services.state, context.commune.code

    def read() -> dict[str, object]:
        tableaux, own = read_tableaux(state, commune), read_own_scrutins(state, commune)
        days = {it.jour for it in own}
        national = [it for it in read_scrutins(state, commune) if it.jour not in days and it.jour >= context.today]
        return {
            "form": form,
            "reunions": [
                (it, [file for file in tableaux if _rests_on(file, it)]) for it in read_reunions(state, commune)
            ],
            "scrutins": [(it, [file for file in tableaux if _is_for(file, it.jour)]) for it in own],
            "national": national,
            "has_tableaux": bool(tableaux),
            "to_redo": [it for it in tableaux if it.recalled_at][:_MOST_TO_REDO],
        }

    return note_page(context, "reunions", read, faults=faults, failure=failure)


def _rests_on(file: AskedFile, reunion: CalendarReunion) -> bool:
    """Whether a meeting is the start or the end of a tableau's period."""
    day, asked = reunion.jour.isoformat(), file.parameters
    return reunion.liste in {"", file.liste} and day in {asked.get("reunion"), asked.get("until")}


def _is_for(file: AskedFile, scrutin: date) -> bool:
    return file.parameters.get("scrutin") == scrutin.isoformat()


def describe_bureaux(context: PageContext) -> Response:
    """« Enregistrer »: note all changed bureaux in one event; « Appliquer à tous » fills the empty fields."""
    form = {name: value.strip() for name, value in context.form.items() if isinstance(value, str)}
    found: dict[str, str] = {}
    described: list[DescribedBureau] = []
    of_all = {name: form.get(f"tous-{name}", "") if "tous" in form else "" for name in _BUREAU}
    for bureau in read_bureaux(context.services.state, context.commune.code):
        names = {name: f"{name}-{bureau.bureau}" for name in _BUREAU}
        if not names.values() & form.keys():
            continue
        said = {name: form.get(it) or of_all[name] for name, it in names.items()}
        changed = {name: it for name, it in said.items() if it and it != getattr(bureau, name)}
        if changed:
            better = {names[name]: words for name, words in _BETTER.items()}
            values: dict[str, object] = {"bureau": bureau.bureau, **changed}
            note, faults = validate(DescribedBureau, values, names.values(), {}, names=names, better=better)
            found |= faults
            described += [note] if note else []
    if not described and not found:
        found = {"bureaux": "Changez une case au moins."}
    if found:
        return show_bureaux(context, form, found)
    number = count_of(len(described), "bureau complété", "bureaux complétés")
    if failure := send_note(context, "bureaux", BureauxDescribed(bureaux=described), number):
        return show_bureaux(context, form, failure=failure)
    return context.redirect("bureaux", "enregistrement")


def show_bureaux(
    context: PageContext,
    form: Mapping[str, str] | None = None,
    faults: Faults | None = None,
    failure: str | None = None,
) -> Response:
    page = page_number(context.query.get("page", ""))

    def read() -> dict[str, object]:
        bureaux = read_bureaux(context.services.state, context.commune.code)
        paging = Paging.of(context.url("bureaux"), {}, page=page, total=len(bureaux), size=MOST_BUREAUX)
        shown = bureaux[(page - 1) * MOST_BUREAUX :][:MOST_BUREAUX]
        return {"bureaux": shown, "paging": paging, "form": form or {}, "fields": _BUREAU_LABELS}

    return note_page(context, "bureaux", read, faults=faults, failure=failure)


def show_wishes(context: PageContext) -> Response:
    """« Vos messages »: the e-mails that the agent receives about the commune."""
    return _wishes(context, context.commune.wishes.split(","))


def choose_wishes(context: PageContext) -> Response:
    chosen = [Wish(it) for it in texts(context.form, "wish") if it in set(Wish)]
    said = ", ".join(it.label for it in chosen) or "rien"
    if failure := send_note(context, "prevenir", WishesChosen(wishes=chosen), f"vous serez prévenu de : {said}"):
        return _wishes(context, chosen, failure)
    return context.redirect("prevenir", "enregistrement")


def _wishes(context: PageContext, wishes: Sequence[str], failure: str | None = None) -> Response:
    return note_page(context, "prevenir", lambda: {"wishes": wishes, "wish_choices": tuple(Wish)}, failure=failure)
