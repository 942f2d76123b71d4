"""The anomalies of an elector, a bureau or a whole file, for the report beside a list or a tableau."""

from dataclasses import dataclass

from schemas.vocabulary import Severity


@dataclass(frozen=True)
class Anomaly:
    """One anomaly of one elector, one bureau or the whole file; the message is for the agent."""

    code: str
    severity: Severity
    column: str
    message: str
    bureau: str = ""
    numero: str = ""
    nom: str = ""
    prenoms: str = ""
    naissance: str = ""
    is_of_file: bool = False
    """Whether it concerns the file as a whole: the message names no elector and is stored in the row."""
