"""Which sender may ask for the files of which commune. The sender is the broker's word, never the message's."""

from sqlalchemy import select

from worker.db.engine import snapshot
from worker.errors import RefusedError
from worker.exports.models import EVERY_COMMUNE, Sender
from worker.handlers.services import Services


class Authorization:
    """What the sender of one event may ask for: anything, unless only known senders are served.

    `sender` is the account of the broker that published the event; empty when the broker was not told.
    """

    def __init__(self, sender: str, services: Services) -> None:
        self.sender = sender
        self._services = services

    def allows(self, commune: str) -> bool:
        """Whether the sender may ask for this commune."""
        if not self._services.known_senders_only:
            return True
        of_sender = select(Sender.name).where(
            Sender.name == self.sender, Sender.code_commune.in_([commune, EVERY_COMMUNE])
        )
        with snapshot(self._services.engine) as connection:
            return self.sender != "" and connection.scalar(of_sender) is not None

    def require(self, commune: str) -> None:
        """Go on only if the sender may ask for this commune.

        Raises:
            RefusedError: he may not; the reason says what is missing, and nothing of the commune.
        """
        if self.allows(commune):
            return
        if not self.sender:
            raise RefusedError(
                "Expéditeur inconnu : l'événement doit porter la propriété AMQP « user_id », égale au compte RabbitMQ "
                "qui le publie.",
                code="expediteur_inconnu",
            )
        raise RefusedError(
            f"Le compte « {self.sender} » ne peut pas demander de fichiers de {commune} : l'exploitant l'y autorise "
            "par « python -m worker senders ».",
            code="compte_non_autorise",
            field="data.commune",
        )
