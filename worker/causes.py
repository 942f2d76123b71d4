"""Why the database refuses to work, in French, with what mends it. No text quotes a value of a statement."""

import re
from collections.abc import Callable
from typing import NamedTuple

from sqlalchemy.exc import DBAPIError

from common.database import explain_database_tls
from common.logs import text_without_values


class Stop(NamedTuple):
    """What stopped a request or a process, and what mends it, in French."""

    what: str
    mend: str


START = "« docker compose up --detach » ; s'il s'arrête encore, lisez la fin de son journal"
RENEW = "« sh deploy/prefecture passwords » : la base et RabbitMQ reçoivent ceux de var/secrets"
_LOCKS = "« python -m worker check » nomme la session qui bloque"
_ROOM = "libérez de la place sur son disque (« df »), ou agrandissez-le ; ne redémarrez rien"

_Explain = Callable[[re.Match[str]], Stop]

_DATABASE_CAUSES: tuple[tuple[str, _Explain], ...] = (
    (
        r'password authentication failed for user "([^"]*)"',
        lambda found: Stop(f"la base refuse le mot de passe du compte {found[1]}", RENEW),
    ),
    (
        r'role "([^"]*)" (?:does not exist|is not permitted to log in)',
        lambda found: Stop(f"la base ne connaît pas le compte {found[1]}", RENEW),
    ),
    (
        r'too many connections for role "([^"]*)"|remaining connection slots|too many clients already',
        lambda found: Stop(
            f"la base n'a plus de connexion libre{f' pour {found[1]}' if found[1] else ''}",
            "arrêtez ce qui en ouvre trop, ou des workers ajoutés",
        ),
    ),
    (
        r"lock timeout",
        lambda _: Stop("la base attend un verrou qu'une autre session garde", _LOCKS),
    ),
    (r"statement timeout", lambda _: Stop("la base met trop longtemps à répondre", _LOCKS)),
    (
        r"No space left on device|could not extend file|disk full",
        lambda _: Stop("le disque de la base est plein", _ROOM),
    ),
    (
        r"read-only transaction",
        lambda _: Stop(
            "la base ne fait que lire : c'est une copie, ou son compte n'écrit pas",
            "donnez l'adresse de celle qui écrit (PREFECTURE_DATABASE_URL)",
        ),
    ),
    (
        r"permission denied for (\w+ \w+)",
        lambda found: Stop(
            f"la base refuse à ce compte : {found[1]}",
            "« docker compose run --rm migrate » redonne les droits",
        ),
    ),
    (
        r'database "([^"]*)" does not exist',
        lambda found: Stop(
            f"le serveur n'a pas de base « {found[1]} »",
            "corrigez PREFECTURE_DATABASE_URL, ou restaurez une sauvegarde",
        ),
    ),
    (
        r'relation "[^"]*" does not exist|no such table',
        lambda _: Stop("la base n'est pas prête", "lancez « python -m worker migrate »"),
    ),
    (
        r"unable to open database file",
        lambda _: Stop(
            "le fichier de la base ne s'ouvre pas",
            "corrigez PREFECTURE_DATABASE_URL, ou les droits de son dossier",
        ),
    ),
    (
        r"database is locked",
        lambda _: Stop("un autre programme écrit dans la base", "rien : attendez qu'il ait fini"),
    ),
    (
        r"starting up|shutting down|in recovery mode|not yet accepting",
        lambda _: Stop("la base démarre ou s'arrête", "rien : attendez une minute"),
    ),
    (
        r"could not translate host name|Name or service not known|failed to resolve",
        lambda _: Stop("le nom de l'hôte de la base ne mène à rien", f"base : {START}"),
    ),
    (
        r"Connection refused",
        lambda _: Stop(
            "la base est arrêtée : aucun serveur n'écoute à son adresse", f"base : {START}"
        ),
    ),
    (
        r"timeout expired|timed out|timeout",
        lambda _: Stop("l'hôte de la base ne répond pas", f"base, et réseau de son hôte : {START}"),
    ),
)
"""Patterns of PostgreSQL's messages; the first that is found explains the error."""


def explain_database(error: BaseException) -> Stop:
    """Return the cause of an error of the database, from its text."""
    said = str(error.orig) if isinstance(error, DBAPIError) else str(error)
    if reason := explain_database_tls(said):
        return Stop(reason, "corrigez PREFECTURE_DATABASE_URL, SSL_CERT_FILE ou les certificats")
    for pattern, explain in _DATABASE_CAUSES:
        if found := re.search(pattern, said):
            return explain(found)
    cause = error.orig if isinstance(error, DBAPIError) else error
    told = text_without_values(cause) if cause else ""
    return Stop(f"la base ne répond pas ({told or type(cause).__name__})", f"base : {START}")
