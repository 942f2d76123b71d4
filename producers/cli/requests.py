"""The commands that send a request: `export-liste`, `render-tableaux`, `cancel` and `retry`."""

import re
import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import click
from pydantic import ValidationError

from common.cli import Decorator, ExitCode, ParsedType, one_of, together, whole_number
from producers.cli.send import NOT_SENT, ask, ask_one_or_many
from producers.errors import InvalidRequestError
from schemas.envelope import CloudEvent
from schemas.faults import explain
from schemas.requests import (
    CancelRequested,
    ListeExportRequested,
    RetryRequested,
    TableauxRenderRequested,
    check_code_commune,
)
from schemas.tableaux import Edition, Presentation, TypeTableau, find_missing_dates
from schemas.vocabulary import Format, parse_jour, parse_liste


def _parse_batch(text: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}", text, re.ASCII):
        raise ValueError("100 lettres sans accent, chiffres, points, tirets ou soulignés au plus")
    return text


def _read_file(text: str) -> bytes:
    if text == "-":
        return sys.stdin.buffer.read()
    try:
        return Path(text).read_bytes()
    except FileNotFoundError:
        raise ValueError("fichier introuvable") from None
    except OSError as error:
        raise ValueError(f"fichier illisible ({error.strerror})") from None


COMMUNE = ParsedType("code", lambda text: check_code_commune(text.upper()))
BATCH = ParsedType("lot", _parse_batch)
LISTE = ParsedType("liste", parse_liste)
FORMAT = one_of(Format, "format")
NUMBER = whole_number(1)


_COMMUNE_HELP = "Code INSEE de la commune : 13900, 2A004."
_listes = click.option(
    "--liste",
    "listes",
    type=LISTE,
    multiple=True,
    help="P, CE, CM ; répétable. Par défaut : les trois.",
)

subject_options = together(
    click.option("--commune", type=COMMUNE, required=True, help=_COMMUNE_HELP), _listes
)

subjects_options = together(
    click.option("--commune", type=COMMUNE, help=_COMMUNE_HELP),
    click.option(
        "--communes-file",
        type=ParsedType("fichier", _read_file),
        help="Un lot : une commune par ligne, ou la première colonne d'un CSV ; - pour l'entrée standard.",
    ),
    click.option(
        "--batch",
        type=BATCH,
        metavar="LOT",
        help="Nom du lot ; redonné, le lot reprend où il en était.",
    ),
    _listes,
)

sending_options = together(
    click.option(
        "--requested-by", metavar="NOM", help="Qui demande. Par défaut : le compte du système."
    ),
    click.option(
        "--dry-run",
        is_flag=True,
        help="N'envoie rien : écrit l'événement qui partirait, sur la sortie standard.",
    ),
)
waiting_options = together(
    click.option(
        "--wait",
        is_flag=True,
        help="Attend les fichiers et montre leur avancement (PREFECTURE_STATE_URL).",
    ),
    click.option(
        "--timeout",
        type=NUMBER,
        default="600",
        show_default=True,
        metavar="SECONDES",
        help="Combien de temps attendre, avec --wait.",
    ),
)

_AnyRequest = ListeExportRequested | TableauxRenderRequested | CancelRequested | RetryRequested

_formats = click.option(
    "--format",
    "formats",
    type=FORMAT,
    multiple=True,
    help=f"{' ou '.join(Format)} ; répétable. Par défaut : csv.",
)
liste_options = together(subject_options, _formats)


def _wrap(model: type[_AnyRequest], *, source: str, **fields: Any) -> CloudEvent:  # noqa: ANN401 — the model's
    try:
        request = model.model_validate({name: value for name, value in fields.items() if value})
        return CloudEvent.wrap(request, source=source)
    except ValidationError as error:
        raise InvalidRequestError(f"{NOT_SENT} : {explain(error)}") from None


build_liste_export = partial(_wrap, ListeExportRequested)


@click.command(
    "export-liste",
    short_help="Demande les fichiers de liste d'une commune, ou d'un lot de communes.",
)
@subjects_options
@_formats
@sending_options
@waiting_options
def export_liste(**given: Any) -> ExitCode:  # noqa: ANN401 — click's
    """Demande les fichiers de liste d'une commune, ou de chaque commune d'un fichier : un par liste et par format.

    Sans --wait, se termine dès que RabbitMQ tient la demande. Un lot passe après ce que demandent les communes seules.
    """
    return ask_one_or_many(build_liste_export, **given)


def _date_option(name: str, meaning: str) -> Decorator:
    return click.option(
        _option(name), name, type=ParsedType("date", parse_jour), metavar="DATE", help=meaning
    )


def _option(name: str) -> str:
    return f"--{name.replace('_', '-')}"


_tableaux = together(
    click.option(
        "--type",
        "types",
        type=one_of(TypeTableau, "type"),
        multiple=True,
        required=True,
        help=f"{', '.join(TypeTableau)} ; répétable.",
    ),
    click.option(
        "--presentation",
        "presentations",
        type=one_of(Presentation, "presentation"),
        multiple=True,
        help="commune, par_bureau ou recapitulatif ; répétable. Par défaut : commune.",
    ),
    click.option(
        "--secteur",
        type=click.IntRange(1, 20),
        help="Pour Paris, Lyon ou Marseille : le secteur de cette commission. Donnez alors --reunion et --until, ceux "
        "du secteur. Par défaut : toute la commune.",
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
        "Pour vingt_jours, ou pour cinq_jours_reu demandé sans lui : réunion précédente de la commission de contrôle, "
        "d'où les mouvements sont comptés, non celle que suit le tableau. Par défaut : celle que le registre connaît.",
    ),
    _date_option(
        "until",
        "Dernier jour des mouvements, compris ; cinq_jours_reu, demandé avec vingt_jours, commence le lendemain. Par "
        "défaut : la réunion d'avant le scrutin, quand le registre la connaît ; pour cinq_jours_reu, la veille "
        "de sa publication, le sixième jour avant le scrutin.",
    ),
    _date_option(
        "publication",
        "Jour prévu de la publication : les mouvements s'arrêtent la veille. Jamais imprimé.",
    ),
    click.option(
        "--edition",
        type=one_of(Edition, "edition"),
        metavar="EDITION",
        help="affichage ou commission, dont l'exemplaire porte les motifs complets et ne se publie pas. Par défaut : "
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
tableaux_options = together(subject_options, _tableaux)


def build_tableaux_render(
    types: Sequence[TypeTableau],
    *,
    source: str,
    **fields: Any,  # noqa: ANN401 — its fields
) -> CloudEvent:
    """Build the event of a request for tableaux; by default, the three lists and one table for the commune.

    Raises:
        InvalidRequestError: a value breaks the contract, or a type lacks one of its dates.
    """
    given = {name for name, value in fields.items() if value}
    if missing := [it.explain(_option) for it in find_missing_dates(types, given)]:
        raise InvalidRequestError(f"{NOT_SENT} : {' ; '.join(missing)}")
    return _wrap(TableauxRenderRequested, types=types, **fields, source=source)


@click.command(
    "render-tableaux",
    short_help="Demande les tableaux d'une commune, ou d'un lot de communes, en PDF.",
)
@subjects_options
@_tableaux
@sending_options
@waiting_options
def render_tableaux(**given: Any) -> ExitCode:  # noqa: ANN401 — click's
    """Demande des tableaux : un PDF par type, par liste et par présentation.

    Une date s'écrit AAAA-MM-JJ ou JJ/MM/AAAA, et se donne une fois pour tous les types qui la demandent. Sans --wait,
    se termine dès que RabbitMQ tient la demande.
    """
    return ask_one_or_many(build_tableaux_render, **given)


about_options = together(
    click.argument("event_id", metavar="ID"),
    click.option(
        "--source",
        "of_source",
        metavar="SOURCE",
        help="Attribut « source » de la demande, quand un autre programme l'a envoyée. Par défaut : PREFECTURE_SOURCE.",
    ),
    click.option(
        "--export",
        "exports",
        type=NUMBER,
        multiple=True,
        metavar="NUMERO",
        help="Un seul de ses fichiers ; répétable. Par défaut : tous. « exports --ids » donne les numéros.",
    ),
)


def _build_about(
    model: type[CancelRequested] | type[RetryRequested],
    event_id: str,
    of_source: str | None = None,
    exports: Sequence[int] = (),
    *,
    requested_by: str,
    source: str,
) -> CloudEvent:
    return _wrap(
        model,
        request={"source": of_source or source, "id": event_id},
        exports=list(exports),
        requested_by=requested_by,
        source=source,
    )


build_cancel = partial(_build_about, CancelRequested)


@click.command(
    "cancel", short_help="Annule les fichiers d'une demande qui ne sont pas encore prêts."
)
@about_options
@sending_options
def cancel(**given: Any) -> ExitCode:  # noqa: ANN401 — click's
    """Annule les fichiers de la demande ID qui ne sont pas encore prêts. Ceux qui le sont restent.

    Se termine dès que RabbitMQ tient l'annulation.
    """
    return ask(build_cancel, **given)


build_retry = partial(_build_about, RetryRequested)


@click.command("retry", short_help="Redemande les fichiers en échec ou annulés d'une demande.")
@about_options
@sending_options
@waiting_options
def retry(**given: Any) -> ExitCode:  # noqa: ANN401 — click's
    """Redemande les fichiers en échec ou annulés de la demande ID : de nouveaux fichiers, datés d'aujourd'hui.

    Avec --export, un fichier prêt est refait aussi : altéré depuis, ou purgé.

    C'est une nouvelle demande, qui a son propre identifiant. Sans --wait, se termine dès que RabbitMQ la tient.
    """
    return ask(build_retry, **given)
