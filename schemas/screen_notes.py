"""Notes of the clerks' screen for the audit trail; not part of the contract, and refused from other accounts."""

from typing import Annotated, ClassVar, Literal

from pydantic import Field, StrictInt

from schemas.requests import LARGEST_ID, CodeCommune, Contract, RequestedBy, RowId
from schemas.topology import SCREEN_NOTE
from schemas.vocabulary import Piece, SeenPage, Wish


class WishesChosen(Contract):
    """The e-mail notifications that an agent chooses for a commune."""

    kind: Literal["wishes"] = "wishes"
    wishes: Annotated[list[Wish], Field(max_length=10)]


class ElecteursSeen(Contract):
    """The screen showed a page that names electors."""

    kind: Literal["electeurs_seen"] = "electeurs_seen"
    page: SeenPage
    electeurs: Annotated[StrictInt, Field(ge=0, le=LARGEST_ID, description="How many it named.")]
    export: Annotated[RowId | None, Field(description="The file that it was about.")] = None


class DownloadBegun(Contract):
    """A download starts: published before its first byte, so that an interrupted download is recorded."""

    kind: Literal["download_begun"] = "download_begun"
    export: RowId
    piece: Piece = Piece.FICHIER


class FileNotServed(Contract):
    """A page or the API could not send a file: its bytes are gone, or are others. The worker looks for itself."""

    kind: Literal["file_not_served"] = "file_not_served"
    export: RowId


class LoggedIn(Contract):
    """An OpenID Connect provider has authenticated the agent. The first login binds the agent to the identity."""

    kind: Literal["login"] = "login"
    identity: Annotated[
        str,
        Field(
            pattern=r"^[0-9a-f]{64}$",
            description="SHA-256 of the issuer, an end of line, and the subject.",
        ),
    ]


ScreenNote = WishesChosen | ElecteursSeen | DownloadBegun | FileNotServed | LoggedIn


class ScreenNoted(Contract):
    """An agent has seen or done something on the screen."""

    EVENT_TYPE: ClassVar[str] = SCREEN_NOTE

    commune: CodeCommune
    note: Annotated[ScreenNote, Field(discriminator="kind")]
    requested_by: RequestedBy
