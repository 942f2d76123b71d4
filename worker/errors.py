"""What can go wrong, by what is to be done about it. Messages are French, for clerks, and hold no elector's data."""

from collections.abc import Sequence

from schemas.faults import Fault


class PrefectureError(Exception):
    """Base of our errors; `code` is a stable word for programs, the text is for people."""

    code = "erreur"


class ConfigurationError(PrefectureError):
    """The environment is wrong: nothing starts."""

    code = "configuration"


class RefusedError(PrefectureError):
    """A request that can never be served as it is; its sender reads why. Not retried.

    `commune`: whose agents are told, where the request itself does not name one. `code`: why, as a word for programs;
    `field`: where, from the root of the event, or `faults` where there is more than one thing to say.
    """

    code = "refus"

    def __init__(
        self, message: str, *, commune: str = "", code: str = "refus", field: str = "", faults: Sequence[Fault] = ()
    ) -> None:
        super().__init__(message)
        self.commune = commune
        self.code = code
        self.faults = tuple(faults) or (Fault(field, code, message),)


class NotKnownYetError(RefusedError):
    """What it names has not arrived: it waits for that, and is refused when it does not come.

    `waits_for`: a key of worker.parked.
    """

    def __init__(self, message: str, *, waits_for: str, code: str, field: str, commune: str = "") -> None:
        super().__init__(message, commune=commune, code=code, field=field)
        self.waits_for = waits_for


class ImportRefusedError(PrefectureError):
    """A file that cannot enter the register; the register is unchanged.

    `on_screen`: the same for who has no command line, where the message names an option or a place of this computer.
    """

    code = "import_refuse"

    def __init__(self, message: str, *, on_screen: str = "") -> None:
        super().__init__(message)
        self.on_screen = on_screen or message


class ImportBusyError(ImportRefusedError):
    """Another import is at work: the same file may enter once it is over."""


class ExportError(PrefectureError):
    """The file cannot be made, and trying again would not help."""

    code = "export_impossible"


class CountMismatchError(ExportError):
    """As many lines as electors is the rule of e-listelec; a file that breaks it is not published."""

    code = "compte_faux"


class SchemaMismatchError(ExportError):
    """The XML file does not follow the XSD."""

    code = "xsd"


class TransientError(PrefectureError):
    """Something is away or full for now: the row waits and is tried again."""

    code = "indisponible"


class EventsDelayedError(TransientError):
    """The broker is away: the first `left` of the events have left for certain, of the others none is certain."""

    def __init__(self, reason: str, left: int = 0) -> None:
        super().__init__(reason)
        self.left = left


class DiskFullError(TransientError):
    """No room, or no right to write, in the exports volume."""

    code = "disque_plein"


class VolumeAbsentError(TransientError):
    """Another directory stands where the volume should be: an empty one, or another installation's."""

    code = "volume_absent"


class ExhaustedError(TransientError):
    """This process lacks descriptors or memory: it ends, and another one takes its place."""

    code = "indisponible"


class DatabaseAwayError(TransientError):
    """The database is away, or does not do it now: what it holds is done as soon as it is back."""

    code = "indisponible"


class LeaseLostError(PrefectureError):
    """Another worker has the row now; this one must publish nothing."""

    code = "bail_perdu"
