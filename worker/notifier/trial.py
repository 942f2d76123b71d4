"""A message that says only that it arrived, for an operator who adds a recipient."""

from collections.abc import Mapping
from uuid import uuid4

from worker.notifier.content import Content, Tone
from worker.notifier.delivery import Addressee, Message, Sender
from worker.notifier.kinds import Channel, Topic


def try_recipient(senders: Mapping[Channel, Sender], addressee: Addressee, *, lieu: str) -> None:
    """Send it now, once; a webhook gets an empty batch, signed.

    Raises:
        DeliveryDelayedError: the recipient is away.
        DeliveryRefusedError: it refused.
    """
    title = "Message d'essai du Module Préfecture"
    content = Content(
        topic=Topic.READY,
        tone=Tone.QUIET,
        subject=f"{title} — {lieu}",
        title=title,
        lieu=lieu,
        summary="Rien à faire : les prochains messages diront ce que deviennent les demandes.",
        circumstances=(),
        items=(),
        warnings=(),
        link=None,
        advice=(),
        reference=None,
    )
    message = Message(f"essai\n{uuid4()}", content, tuple)
    sender = senders[addressee.channel]
    sender.send(message, addressee, sender.identify(message, addressee))
