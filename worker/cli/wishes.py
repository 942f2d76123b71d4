"""The option `--prevenir`: what somebody wants to be told of."""

from collections.abc import Iterable

import click

from worker.cli.values import OneOf
from worker.notifier.kinds import EVERY_WISH, Wish, join_wishes, split_wishes

NOTHING = "rien"

prevenir_option = click.option(
    "--prevenir",
    multiple=True,
    type=OneOf([*EVERY_WISH, NOTHING]),
    metavar="QUOI",
    help="pret, echec (refus et annulations compris), echeance, ou rien ; plusieurs fois ; tout par défaut.",
)


def read_wishes(given: Iterable[str]) -> str | None:
    """As the tables keep them; None when nothing was said."""
    words = set(given)
    if not words:
        return None
    if NOTHING in words and len(words) > 1:
        raise click.UsageError("--prevenir rien est seul")
    return join_wishes(words)


def describe_wishes(kinds: str) -> str:
    """As an operator reads them."""
    wishes = split_wishes(kinds)
    if wishes == set(Wish):
        return "tout"
    return ", ".join(wish.label for wish in Wish if wish in wishes) or NOTHING
