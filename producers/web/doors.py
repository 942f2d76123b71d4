"""The pages of whoever is not let in, or has left: why, whom to ask, and the way to log in or out.

The way to a provider's logout is a page that goes on by itself: a redirect after a form may not leave the site (CSP).
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Literal

from starlette.requests import Request
from starlette.responses import Response

from producers.web.screen import Screen
from producers.web.security.csrf import csrf_token

Case = Literal["closed", "failed", "left", "not_an_agent", "stranger"]

_ASK = (
    "Demandez à l'administrateur du module Préfecture de vous y inscrire\u202f: il lui faut votre nom, votre adresse "
    "électronique et votre commune."
)
_TEXTS: Mapping[Case, tuple[str, tuple[str, ...]]] = MappingProxyType(
    {
        "closed": (
            "Écran fermé",
            (
                "Le module ne sait pas encore comment les agents s'identifient\u202f: personne ne peut entrer.",
                "Son administrateur le règle par PREFECTURE_WEB_AUTH\u202f; docs/operations.md dit comment.",
            ),
        ),
        "failed": ("Identification impossible", ()),
        "left": ("Vous êtes déconnecté", ("Fermez aussi les autres fenêtres de ce poste s'il n'est pas le vôtre.",)),
        "not_an_agent": ("Vous n'avez pas accès au module", ("Le module ne vous connaît pas comme agent.", _ASK)),
        "stranger": (
            "Vous n'êtes pas identifié",
            (
                "Votre session est finie, ou rien n'a dit qui vous êtes.",
                "Passez par l'adresse habituelle du module\u202f; si cela se répète, prévenez votre administrateur.",
            ),
        ),
    }
)
_ALONE = (
    "Aucun agent n'est enregistré sous ce nom, ou il y en a plusieurs et le module ne sait pas lequel vous êtes.",
    "Enregistrez un agent par «\u202fpython -m worker agents --add …\u202f», ou nommez-le par PREFECTURE_WEB_AGENT.",
)


def show_door(
    request: Request,
    case: Case,
    status_code: int = 200,
    *,
    who: str = "",
    words: tuple[str, ...] = (),
    onward: str = "",
    headers: Mapping[str, str] | None = None,
) -> Response:
    """One of these pages; `who` is what she is known by, `words` say more, the browser goes `onward` by itself."""
    screen: Screen = request.app.state.screen
    settings = screen.settings
    if case == "stranger" and settings.web_auth == "proxy" and not settings.web_trusted_proxies:
        case = "closed"
    title, paragraphs = _TEXTS[case]
    if case == "not_an_agent" and settings.web_auth == "none":
        paragraphs = _ALONE
    has_door = screen.identity.has_door
    return screen.templates.TemplateResponse(
        request,
        "door.html",
        {
            "title": title,
            "paragraphs": (*words, *paragraphs),
            "who": who,
            "onward": onward,
            "login": request.app.url_path_for("connexion") if has_door and case != "not_an_agent" else "",
            "logout": request.app.url_path_for("deconnexion") if has_door and case == "not_an_agent" else "",
            "csrf_token": csrf_token(request) if "session" in request.scope else "",
        },
        status_code=status_code,
        headers=dict(headers or {}) | ({"Refresh": f"0; url={onward}"} if onward else {}),
    )
