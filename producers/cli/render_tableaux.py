"""`render-tableaux`: ask for the tableaux of a commune, as PDF."""

from collections.abc import Sequence
from typing import Any

import click

from common.cli import ExitCode
from producers.cli.asking import NOT_SENT, wrap_request
from producers.cli.batch import ask_one_or_many
from producers.cli.options import Decorator, sending_options, subject_options, subjects_options, together
from producers.cli.values import EDITION, JOUR, PRESENTATION, TYPE
from producers.errors import InvalidRequestError
from schemas.envelope import CloudEvent
from schemas.requests import TableauxRenderRequested
from schemas.tableaux import TypeTableau, find_missing_dates


def _date_option(name: str, meaning: str) -> Decorator:
    return click.option(_option(name), name, type=JOUR, metavar="DATE", help=meaning)


def _option(name: str) -> str:
    return f"--{name.replace('_', '-')}"


_what = together(
    click.option(
        "--type",
        "types",
        type=TYPE,
        multiple=True,
        required=True,
        help=f"{', '.join(TypeTableau)} ; répétable.",
    ),
    click.option(
        "--presentation",
        "presentations",
        type=PRESENTATION,
        multiple=True,
        help="commune, par_bureau ou recapitulatif ; répétable. Par défaut : commune.",
    ),
    _date_option(
        "date_tableau",
        "Le 10 janvier ou le dernier jour de février. Obligatoire pour premier_rectificatif et second_rectificatif ; "
        "l'une des deux dates suffit quand les deux tableaux sont demandés.",
    ),
    _date_option(
        "scrutin",
        "Jour du scrutin. Obligatoire pour additions, cinq_jours et cinq_jours_reu, et pour vingt_jours sans --until "
        "ni --publication.",
    ),
    _date_option(
        "reunion",
        "Pour vingt_jours, ou pour cinq_jours_reu demandé sans lui : réunion de la commission de contrôle après "
        "laquelle les mouvements sont comptés. Par défaut : celle que le registre connaît.",
    ),
    _date_option(
        "until",
        "Pour vingt_jours : dernier jour des mouvements, compris ; cinq_jours_reu, demandé avec lui, commence le "
        "lendemain. Par défaut : la réunion d'avant le scrutin, quand le registre la connaît.",
    ),
    _date_option("publication", "Pour tous les types : jour de l'affichage, s'il est connu."),
    click.option(
        "--edition",
        type=EDITION,
        metavar="EDITION",
        help="affichage ou commission, dont l'exemplaire porte les motifs complets et ne s'affiche pas. Par défaut : "
        "affichage.",
    ),
    click.option(
        "--inclure-j5",
        is_flag=True,
        help="Pour premier_rectificatif : ajoute ce qui a déjà été appliqué pour un scrutin de l'année.",
    ),
    click.option(
        "--signature-maire",
        is_flag=True,
        help="Laisse au maire la place de signer un tableau qui ne demande pas de signature.",
    ),
)
tableaux_options = together(subject_options, _what)
"""What may be asked for, of one commune; a date is AAAA-MM-JJ or JJ/MM/AAAA."""


def build_event(types: Sequence[TypeTableau], *, source: str, **wanted: Any) -> CloudEvent:  # noqa: ANN401 — its fields
    """The request as an event; the three lists and one table for the commune where nothing is named.

    Raises:
        InvalidRequestError: a value breaks the contract, or a date is missing for one of the types.
    """
    given = {name for name, value in wanted.items() if value}
    if missing := [it.explain(_option) for it in find_missing_dates(types, given)]:
        raise InvalidRequestError(f"{NOT_SENT} : {' ; '.join(missing)}")
    return wrap_request(TableauxRenderRequested, types=types, **wanted, source=source)


@click.command("render-tableaux", short_help="Demande les tableaux d'une commune, ou d'un lot de communes, en PDF.")
@subjects_options
@_what
@sending_options
def command(**given: Any) -> ExitCode:  # noqa: ANN401 — click's
    """Demande des tableaux : un PDF par type, par liste et par présentation.

    Une date s'écrit AAAA-MM-JJ ou JJ/MM/AAAA, et se donne une fois pour tous les types qui la demandent. Sans --wait,
    se termine dès que RabbitMQ tient la demande.
    """
    return ask_one_or_many(build_event, **given)
