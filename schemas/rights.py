"""What an account or a token may ask for: one rule, with one answer, for the worker and for the door over HTTP."""

from collections.abc import Collection, Iterable

from schemas.declarations import NOTE_KINDS
from schemas.envelope import CloudEvent
from schemas.faults import Fault
from schemas.topology import REQUEST_DECLARATION, REQUEST_TYPES

EVERY_COMMUNE, EVERY_ACT = "*", "*"


def name_act(event_type: str) -> str:
    """Return the act of an event type, such as `liste_export`."""
    return event_type.split(".")[-2:][0]


ACTS = (*map(name_act, REQUEST_TYPES), *sorted(NOTE_KINDS))
"""The acts that an account may be limited to: types of requests, and kinds of declarations."""


def kind_of(event: CloudEvent) -> str:
    """Return the kind of a declaration; empty for another event, or when the kind is unknown."""
    note = event.data.get("note")
    kind = (
        note.get("kind") if isinstance(note, dict) and event.type == REQUEST_DECLARATION else None
    )
    return kind if isinstance(kind, str) and kind in NOTE_KINDS else ""


def acts_of(event: CloudEvent) -> frozenset[str]:
    """Return the acts of an event: an account that may do one of them may send it."""
    return frozenset({name_act(event.type), kind_of(event)} - {""})


def find_missing_right(
    account: str, granted: Iterable[str], acts: Collection[str], commune: str
) -> Fault | None:
    """Return why an account may not do any of these acts for a commune; None where it may.

    `granted` has the acts, separated by spaces, of each right of the account for the commune. An empty `commune` stands
    for the rights of all communes. The message reveals nothing about the commune.
    """
    rights = list(granted)
    if not rights:
        said = (
            f"Le compte « {account} » ne peut pas demander de fichiers{commune and f' de {commune}'} : la personne qui "
            "administre le service l'y autorise (« accounts »)."
        )
        return Fault("data.commune" if commune else "", "compte_non_autorise", said)
    if {EVERY_ACT, *acts}.isdisjoint(act for words in rights for act in words.split()):
        said = (
            f"Le compte « {account} » ne peut pas faire cette sorte de demande : la personne qui administre le service "
            "l'y autorise (« accounts --act »)."
        )
        return Fault("type", "acte_non_autorise", said)
    return None
