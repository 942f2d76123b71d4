"""Notes about the commune: meetings of the commission, own polls, bureaux; and the agent's notifications."""

from collections.abc import Mapping, Sequence
from dataclasses import astuple, fields
from datetime import date
from typing import Any
from urllib.parse import parse_qsl, urlencode

from sqlalchemy import Row, Select, column, select, table
from starlette.exceptions import HTTPException
from starlette.responses import Response

from common.calendrier import CalendarReunion, CalendarScrutin, is_poll_day
from common.french import count_of, short_date, weekday_date
from producers.web.echeances import read_own_scrutins, read_reunions, read_scrutins, read_tableaux
from producers.web.exports.query import AskedFile
from producers.web.forms import (
    FormRefused,
    find_unseen,
    read_day,
    read_days,
    refuse,
    text,
    texts,
    typed,
    validate,
)
from producers.web.page_context import NOT_FOUND, PageContext
from producers.web.registre.query import count_left
from producers.web.suivi.requests import note_page, read_declarations, send_note
from schemas.declarations import (
    MOST_BUREAUX,
    BureauxDescribed,
    DescribedBureau,
    ReunionNoted,
    ScrutinNoted,
)
from schemas.screen_notes import WishesChosen
from schemas.seen import seen_of
from schemas.vocabulary import Liste, Wish

REUNION_FIELDS = ("jour", "liste", "sans_deliberation", "reason")
SCRUTIN_FIELDS = (
    *(
        "libelle",
        "scrutin",
        "scrutin_passe",
        "cloture",
        "reunion_first",
        "reunion_last",
        "publication_due",
        "cinq_jours_due",
    ),
    *("sans_commission", "texte", "scrutin_reason"),
)
"""The fields of both forms, in the order of the page."""
_DAYS = ("cloture", "reunion_first", "reunion_last", "publication_due", "cinq_jours_due")
_REPLACED = ("replaces", "scrutin_replaces")
_NO_DAY = "indiquez le jour"

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


_BUREAUX = table("bureaux", *map(column, ("code_commune", "bureau", "libelle", *_BUREAU)))


def select_bureaux(context: PageContext) -> Select[Any]:
    return (
        select(_BUREAUX)
        .where(_BUREAUX.c.code_commune == context.commune.code)
        .order_by(_BUREAUX.c.bureau)
    )


def show_calendar(context: PageContext) -> Response:
    """« Réunions et scrutins »; the parameters `reunion`, `liste` and `scrutin` select a note to correct."""
    pending = read_declarations(context, "reunions")
    state, commune = context.services.state, context.commune.code
    form = _read_form(context) if text(context.form, "act") in {"reunion", "scrutin"} else None
    tableaux, reunions = read_tableaux(state, commune), read_reunions(state, commune)
    own = read_own_scrutins(state, commune)
    days, form = {it.jour for it in own}, form or _prefill(context, reunions, own)
    return note_page(
        context,
        "notes/reunions.html",
        pending,
        form=form,
        seen_reunions=_see(_find_reunions(reunions, form)),
        seen_scrutins=_see(_find_scrutins(own, form)),
        see=_see,
        reunions=[(it, [file for file in tableaux if _rests_on(file, it)]) for it in reunions],
        scrutins=[
            (it, [file for file in tableaux if file.parameters.get("scrutin") == str(it.jour)])
            for it in own
        ],
        national=[
            it
            for it in read_scrutins(state, commune)
            if it.jour not in days and it.jour >= context.today
        ],
        has_tableaux=bool(tableaux),
        incomplete=count_left(state, commune).get("motifs"),
        to_redo=[it for it in tableaux if it.recalled_at][:10],
    )


def _read_form(context: PageContext) -> dict[str, str]:
    return {
        name: text(context.form, name) for name in (*REUNION_FIELDS, *SCRUTIN_FIELDS, *_REPLACED)
    }


def _find_reunions(
    reunions: Sequence[CalendarReunion], form: Mapping[str, str]
) -> list[CalendarReunion]:
    """Return the meetings that the form would replace: of its list, on its day and on the day that it corrects."""
    days = {read_day(form["jour"]), read_day(form["replaces"])}
    found = [it for it in reunions if it.jour in days and it.liste == form["liste"]]
    return sorted(found, key=lambda it: it.jour)


def _find_scrutins(
    own: Sequence[CalendarScrutin], form: Mapping[str, str]
) -> list[CalendarScrutin]:
    """Return the polls of the commune that the form would replace."""
    days = {read_day(form["scrutin"]), read_day(form["scrutin_replaces"])}
    return sorted((it for it in own if it.jour in days), key=lambda it: it.jour)


def _see(noted: Sequence[CalendarReunion | CalendarScrutin]) -> str:
    """Return the hidden value of a form that shows these meetings or polls."""
    return seen_of(map(astuple, noted))


def _describe(noted: CalendarReunion | CalendarScrutin) -> str:
    """Return what is noted of a meeting or poll, for an agent whose own note would replace it."""
    day = short_date(noted.jour)
    if isinstance(noted, CalendarReunion):
        of = f"liste {noted.liste}" if noted.liste else "toutes les listes"
        vain = "" if noted.has_deliberated else ", elle n'a pas délibéré"
        return f"réunion du {day}, {of}{vain}"
    days = (
        ("clôture le", noted.cloture),
        ("réunion à partir du", noted.reunion_first),
        ("réunion jusqu'au", noted.reunion_last),
        ("tableau publié le", noted.publication_due),
        ("tableau des cinq jours le", noted.cinq_jours_due),
    )
    said = [f"{label} {short_date(it)}" for label, it in days if it]
    vain = "" if noted.has_commission else "la commission ne se réunit pas"
    named = f"scrutin du {day}"
    return ", ".join(filter(None, (named, noted.libelle, *said, vain, noted.texte)))


def _prefill(
    context: PageContext, reunions: Sequence[CalendarReunion], scrutins: Sequence[CalendarScrutin]
) -> dict[str, str]:
    query = context.query
    form = dict.fromkeys((*REUNION_FIELDS, *SCRUTIN_FIELDS, *_REPLACED), "")
    if reunion := read_day(query.get("reunion", "")):
        form |= {
            "jour": reunion.isoformat(),
            "replaces": reunion.isoformat(),
            "liste": query.get("liste", ""),
        }
        if any(
            it.jour == reunion and it.liste == form["liste"] and not it.has_deliberated
            for it in reunions
        ):
            form["sans_deliberation"] = "1"
    asked = read_day(query.get("scrutin", ""))
    if own := next((it for it in scrutins if it.jour == asked), None):
        days = {name: day.isoformat() for name in _DAYS if (day := getattr(own, name))}
        form |= days | {"scrutin": own.jour.isoformat(), "scrutin_replaces": own.jour.isoformat()}
        form |= {
            "libelle": own.libelle,
            "sans_commission": "" if own.has_commission else "1",
            "texte": own.texte,
        }
    return form


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
    form, found = _read_form(context), dict[str, str]()
    day, former = (
        read_days({"jour": form["jour"]}, found, until=context.today).get("jour"),
        read_day(form["replaces"]),
    )
    values: dict[str, object] = {"jour": day, "liste": form["liste"] or None, "replaces": former}
    values |= {"reason": form["reason"], "has_deliberated": not form["sans_deliberation"]}
    note = validate(ReunionNoted, values, REUNION_FIELDS, found, better={"jour": _NO_DAY})
    said = f"réunion du {short_date(note.jour)}" + (
        f", et non du {short_date(former)}" if former else ""
    )
    known = _find_reunions(read_reunions(context.services.state, context.commune.code), form)
    now = CalendarReunion(note.jour, form["liste"], note.has_deliberated)
    return _send_day(context, note, said, "vu-reunion", known=known, now=[now])


def _send_day(
    context: PageContext,
    note: ReunionNoted | ScrutinNoted,
    said: str,
    name: str,
    *,
    known: Sequence[CalendarReunion | CalendarScrutin],
    now: Sequence[CalendarReunion | CalendarScrutin] = (),
) -> Response:
    """Send a note that replaces the meetings or polls `known` with `now`, if the field `name` says that it saw them."""
    words = " ; ".join(map(_describe, known))
    unseen = find_unseen(context.form, name, [*map(astuple, known)], [*map(astuple, now)], words)
    refuse(unseen, unseen)
    return send_note(
        context, "reunions", note, said, seen=_see(known) if name in context.form else None
    )


def _remove_reunion(context: PageContext) -> Response:
    day, liste = _known_day(context, "jour"), text(context.form, "liste")
    if liste not in {"", *Liste}:
        raise HTTPException(NOT_FOUND)
    note = ReunionNoted(
        jour=day, liste=Liste(liste) if liste else None, removed=True, reason=_reason(context)
    )
    reunions = read_reunions(context.services.state, context.commune.code)
    known = [it for it in reunions if (it.jour, it.liste) == (day, liste)]
    words = f"réunion du {short_date(day)} retirée"
    return _send_day(context, note, words, f"vu-retirer-{day}-{liste}", known=known)


def _note_scrutin(context: PageContext) -> Response:
    form, found = _read_form(context), dict[str, str]()
    days = read_days({name: form[name] for name in ("scrutin", *_DAYS)}, found)
    day, others = days.get("scrutin"), {name: days.get(name) for name in _DAYS}
    has_commission = not form["sans_commission"]
    if day and not is_poll_day(day, context.commune.code):
        found["scrutin"] = (
            f"on ne vote pas un {weekday_date(day).split(' ', 1)[0]}, vérifiez cette date"
        )
    found |= {
        name: "ce jour précède le scrutin"
        for name, it in others.items()
        if day and it and it >= day
    }
    if day:
        first, last = others["reunion_first"], others["reunion_last"]
        poll = CalendarScrutin(
            day, publication_due=others["publication_due"], reunion_first=first, reunion_last=last
        )
        if poll.window_fault:
            found.setdefault("reunion_last", poll.window_fault)
    is_past = day is not None and day < context.today and form["scrutin_replaces"] != str(day)
    if is_past and form["scrutin_passe"] != form["scrutin"]:
        found["scrutin_passe"] = "ce jour est passé : cochez que c'est bien lui, ou changez la date"
    if not form["libelle"]:
        found["libelle"] = "écrivez ce qu'on élit, et quel tour"
    if (any(others.values()) or not has_commission) and not form["texte"]:
        found["texte"] = "écrivez le texte qui fixe ces jours : « décret n° … du … »"
    former = read_day(form["scrutin_replaces"])
    values: dict[str, object] = {
        "jour": day,
        "libelle": form["libelle"],
        "replaces": former,
        **others,
    }
    values |= {"has_commission": has_commission, "texte": form["texte"]}
    values |= {"reason": form["scrutin_reason"]}
    names = {"jour": "scrutin", "reason": "scrutin_reason"}
    note = validate(
        ScrutinNoted, values, SCRUTIN_FIELDS, found, names=names, better={"scrutin": _NO_DAY}
    )
    own = read_own_scrutins(context.services.state, context.commune.code)
    named = {field.name for field in fields(CalendarScrutin)}
    now = CalendarScrutin(code_commune=context.commune.code, **note.model_dump(include=named))
    words = f"scrutin du {short_date(note.jour)}"
    known = _find_scrutins(own, form)
    return _send_day(context, note, words, "vu-scrutin", known=known, now=[now])


def _remove_scrutin(context: PageContext) -> Response:
    day = _known_day(context, "scrutin")
    note = ScrutinNoted(jour=day, removed=True, reason=_reason(context))
    own = read_own_scrutins(context.services.state, context.commune.code)
    known = [it for it in own if it.jour == day]
    words = f"scrutin du {short_date(day)} retiré"
    return _send_day(context, note, words, f"vu-retirer-{day}-", known=known)


def _known_day(context: PageContext, name: str) -> date:
    day = read_day(text(context.form, name))
    if day is None:
        raise HTTPException(NOT_FOUND)
    return day


def _reason(context: PageContext) -> str:
    return text(context.form, "reason")[:500]


def _rests_on(file: AskedFile, reunion: CalendarReunion) -> bool:
    day, asked = reunion.jour.isoformat(), file.parameters
    return reunion.liste in {"", file.liste} and day in {asked.get("reunion"), asked.get("until")}


def describe_bureaux(context: PageContext) -> Response:
    """« Enregistrer »: note all changed bureaux in one event; « Appliquer à tous » fills the empty fields."""
    form, found = typed(context.form), dict[str, str]()
    described, known = list[DescribedBureau](), list[list[str]]()
    for bureau in context.services.state.read(select_bureaux(context)):
        names = {name: f"{name}-{bureau.bureau}" for name in _BUREAU}
        noted, seen = _read_bureau(bureau), _read_seen_bureau(form, bureau)
        changed = _find_changed(form, names, noted, seen)
        found |= {
            names[
                name
            ]: f"un autre agent a noté depuis : {noted[name]}. Gardez sa note ou la vôtre, puis enregistrez"
            for name in changed
            if seen[name] != noted[name]
        }
        if changed:
            better = {names[name]: words for name, words in _BETTER.items()}
            values: dict[str, object] = {"bureau": bureau.bureau, **changed}
            try:
                described.append(
                    validate(
                        DescribedBureau, values, names.values(), {}, names=names, better=better
                    )
                )
                known.append([bureau.bureau, *noted.values()])
            except FormRefused as refused:
                found |= refused.faults
    if not described and not found:
        found = {"bureaux": "changez une case au moins"}
    refuse(found, found)
    said = count_of(len(described), "bureau complété", "bureaux complétés")
    note = BureauxDescribed(bureaux=described)
    return send_note(context, "bureaux", note, said, seen=seen_of(known))


def _read_bureau(bureau: Row[Any]) -> dict[str, str]:
    return {name: getattr(bureau, name) for name in _BUREAU}


def _read_seen_bureau(form: Mapping[str, str], bureau: Row[Any]) -> dict[str, str]:
    """Return what the page showed of a bureau, by field; what is noted now if the form does not say."""
    said = parse_qsl(form.get(f"vu-{bureau.bureau}", ""), keep_blank_values=True)
    return _read_bureau(bureau) | dict(said)


def _find_changed(
    form: Mapping[str, str],
    names: Mapping[str, str],
    noted: Mapping[str, str],
    seen: Mapping[str, str],
) -> dict[str, str]:
    """Return what the agent changes of a bureau, by field. A field left alone keeps what another agent has noted."""
    if not names.values() & form.keys():
        return {}
    changed = dict[str, str]()
    for name, field in names.items():
        words = form.get(field, "")
        if not words and not noted[name] and "tous" in form:
            words = form.get(f"tous-{name}", "")
        if words and words not in {seen[name], noted[name]}:
            changed[name] = words
    return changed


def show_bureaux(context: PageContext) -> Response:
    pending = read_declarations(context, "bureaux")
    query, code = select_bureaux(context), context.query.get("bureau", "")
    if code:
        query = query.where(_BUREAUX.c.bureau == code)
    bureaux, paging = context.read_page(query, MOST_BUREAUX, {"bureau": code} if code else {})
    form = typed(context.form)
    alone = {
        f"{name}-{bureau.bureau}"
        for bureau in bureaux
        for name, words in _read_seen_bureau(form, bureau).items()
        if form.get(f"{name}-{bureau.bureau}") == words
    }
    return note_page(
        context,
        "notes/bureaux.html",
        pending,
        bureaux=bureaux,
        paging=paging,
        form={name: words for name, words in form.items() if name not in alone},
        seen={it.bureau: urlencode(_read_bureau(it)) for it in bureaux},
        fields=_BUREAU_LABELS,
        is_one=bool(code),
    )


def show_wishes(context: PageContext) -> Response:
    """« Vos messages »: the e-mails that the agent receives about the commune."""
    pending = read_declarations(context, "prevenir")
    wishes = texts(context.form, "wish") if context.form else context.commune.wishes.split(",")
    return note_page(
        context, "notes/prevenir.html", pending, wishes=wishes, wish_choices=tuple(Wish)
    )


def choose_wishes(context: PageContext) -> Response:
    chosen = [Wish(it) for it in texts(context.form, "wish") if it in set(Wish)]
    said = ", ".join(it.label for it in chosen) or "rien"
    return send_note(
        context, "prevenir", WishesChosen(wishes=chosen), f"vous serez prévenu de : {said}"
    )
