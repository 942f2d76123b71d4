"""The errors, by their treatment. Messages are French, for clerks, and hold no elector's data."""

from collections.abc import Sequence

from schemas.faults import Fault


class PrefectureError(Exception):
    """Base of our errors; `code` is the word for programs of what is recorded, the text is for people."""

    code = "erreur"


class ConfigurationError(PrefectureError):
    """The environment is wrong: the process does not start."""


class RefusedError(PrefectureError):
    """A request that no retry can fulfil. It is not retried; its sender receives the reason.

    `commune`: the commune whose agents are notified, if the request does not name one. `code`: the reason as a word for
    programs. `field`: the place in the event, or `faults` for several.
    """

    code = "refus"

    def __init__(
        self,
        message: str,
        *,
        commune: str = "",
        code: str = "refus",
        field: str = "",
        faults: Sequence[Fault] = (),
    ) -> None:
        super().__init__(message)
        self.commune = commune
        self.code = code
        self.faults = tuple(faults) or (Fault(field, code, message),)


class ImportRefusedError(PrefectureError):
    """The register refuses a file and is unchanged.

    `on_screen`: the message for clerks, when `message` names an option or a path on the server.
    """

    def __init__(self, message: str, *, on_screen: str = "") -> None:
        super().__init__(message)
        self.on_screen = on_screen or message


class ImportBusyError(ImportRefusedError):
    """Another import is running: the same file may be accepted once that import ends."""


class ExportError(PrefectureError):
    """The file cannot be made; a retry would not help."""

    code = "export_impossible"


class CountMismatchError(ExportError):
    """The number of lines differs from the number of electors of the list, which e-listelec refuses."""

    code = "compte_faux"


class SchemaMismatchError(ExportError):
    """The XML file does not follow the XSD."""

    code = "xsd"


class TransientError(PrefectureError):
    """A service is away or full: the row waits and is retried."""

    code = "indisponible"


class DiskFullError(TransientError):
    """The exports volume is full or not writable."""

    code = "disque_plein"


class VolumeAbsentError(TransientError):
    """The directory of the volume is empty, or belongs to another installation."""

    code = "volume_absent"


class ExhaustedError(TransientError):
    """This process lacks descriptors or memory: it ends, and its supervisor starts another one."""


class DatabaseAwayError(TransientError):
    """The database is away or refuses for now."""


class LeaseLostError(PrefectureError):
    """Another worker holds the row; this one must publish nothing."""
