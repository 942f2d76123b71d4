"""« Mairie »: the address of the town hall and who signs, as letters and certificates print them."""

from starlette.responses import Response

from producers.web.forms import find_unseen, refuse, typed, validate
from producers.web.page_context import PageContext
from producers.web.registre.query import read_mairie
from producers.web.suivi.requests import note_page, read_declarations, send_note
from schemas.declarations import MairieDescribed
from schemas.seen import seen_of

FIELDS = {
    "voie": "Numéro et voie",
    "ville": "Code postal et ville",
    "telephone": "Téléphone",
    "courriel": "Courriel",
    "signataire": "Qui signe",
}
"""The fields of the form and of the note, in the order of the page."""

_BETTER = {
    "telephone": "écrivez des chiffres : 04 00 00 00 00",
    "courriel": "l'adresse a la forme elections@mairie.example",
}
_SEEN = "vu-mairie"


def show_mairie(context: PageContext) -> Response:
    pending = read_declarations(context, "mairie")
    noted = read_mairie(context.services.state, context.commune.code)
    return note_page(
        context,
        "notes/mairie.html",
        pending,
        fields=FIELDS,
        form=dict.fromkeys(FIELDS, "") | noted | typed(context.form),
        seen_mairie=_see(noted),
    )


def describe_mairie(context: PageContext) -> Response:
    form = typed(context.form)
    said = {name: form.get(name, "") for name in FIELDS}
    note = validate(MairieDescribed, said, FIELDS, {}, better=_BETTER)
    noted = read_mairie(context.services.state, context.commune.code)
    now = [tuple(getattr(note, name) for name in FIELDS)]
    words = ", ".join(filter(None, noted.values()))
    unseen = find_unseen(context.form, _SEEN, _rows(noted), now, words)
    refuse(unseen, unseen)
    seen = _see(noted) if _SEEN in context.form else None
    return send_note(context, "mairie", note, "adresse de la mairie", seen=seen)


def _rows(noted: dict[str, str]) -> list[tuple[str, ...]]:
    return [tuple(noted.values())] if noted else []


def _see(noted: dict[str, str]) -> str:
    return seen_of(_rows(noted))
