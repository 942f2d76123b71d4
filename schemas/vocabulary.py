"""The vocabulary of the contract: official codes as values, with French labels."""

import re
from collections.abc import Iterable
from datetime import date
from enum import StrEnum
from typing import NamedTuple, Self

from schemas.faults import FieldError


class Labelled(StrEnum):
    """A code of the contract with a French label for clerks."""

    _value_: str
    label: str

    def __new__(cls, value: str, label: str = "", *_more: str) -> Self:
        """Create a member with a label; a lookup by value needs no label."""
        member = str.__new__(cls, value)
        member._value_ = value
        member.label = label
        return member


class Toned(Labelled):
    """A state with a French label for clerks and the tone of its badge, a class of the style sheet."""

    tone: str

    def __init__(self, _value: str, _label: str = "", tone: str = "") -> None:
        self.tone = tone


class Liste(Labelled):
    """An electoral list, by openElec's short code.

    Source: Code électoral, art. L. 11 (liste générale), LO 227-2 and loi n° 77-729, art. 2-3 (complementary lists).
    """

    PRINCIPALE = "P", "Liste principale (générale)"
    COMPLEMENTAIRE_EUROPEENNE = "CE", "Liste complémentaire européenne"
    COMPLEMENTAIRE_MUNICIPALE = "CM", "Liste complémentaire municipale"

    @property
    def short_label(self) -> str:
        """The label without openElec's term: `Liste principale`."""
        return self.label.partition(" (")[0]


class Format(StrEnum):
    """A file format of the arrêté du 12 novembre 2013, art. 2."""

    CSV = "csv"
    XML = "xml"


class FileFormat(StrEnum):
    """A format of the produced files: csv and xml for a list, pdf for a tableau."""

    CSV = "csv"
    XML = "xml"
    PDF = "pdf"


class FormatRecord(NamedTuple):
    """What the screen shows about a format. `worker.writers.electeurs_file` writes the lists."""

    label: str
    media_type: str
    usage: str = ""
    """When to choose the format for a list, in French."""


FORMATS: dict[str, FormatRecord] = {
    FileFormat.CSV: FormatRecord(
        "CSV",
        "text/csv; charset=utf-8",
        "Le plus courant : choisissez-le si personne ne vous a demandé autre chose.",
    ),
    FileFormat.XML: FormatRecord(
        "XML", "application/xml", "Si votre préfecture le demande. Le contenu est le même."
    ),
    FileFormat.PDF: FormatRecord("PDF", "application/pdf"),
}


SEPARATORS = {
    ";": "le point-virgule",
    ",": "la virgule",
    "\t": "la tabulation",
    "|": "la barre verticale",
}
"""The characters that may separate the values of a CSV, in French."""


class ExportKind(StrEnum):
    """The kind of a file: an electoral list, or a tableau of its changes."""

    LISTE = "liste"
    TABLEAU = "tableau"


class ExportStatus(Labelled):
    """The state of one file of a request."""

    QUEUED = "queued", "en attente"
    RUNNING = "running", "en cours"
    READY = "ready", "prêt"
    FAILED = "failed", "en échec"
    CANCELLED = "cancelled", "annulé"

    @property
    def is_terminal(self) -> bool:
        """Whether the state is final."""
        return self not in UNFINISHED


UNFINISHED = (ExportStatus.QUEUED, ExportStatus.RUNNING)


KEY_REUSED = "key_reused"
"""The code of the refusal of a second event under a key that belongs to another event."""

UNREADABLE = "evenement_illisible"
"""The code of the refusal of a malformed event, whose key is not certain."""

WITHOUT_KEY = frozenset({KEY_REUSED, UNREADABLE})
"""The codes of refused requests that do not occupy their key."""


class RequestOutcome(StrEnum):
    """The result of reading a request."""

    ACCEPTED = "accepted"
    REFUSED = "refused"


class Severity(Labelled):
    """Severity of an anomaly: the file is wrong, it lacks something that the law requires, or a check is advised."""

    BLOCKING = "bloquante", "bloquante"
    TO_COMPLETE = "a_completer", "à compléter"
    REMARK = "remarque", "remarque"


class Piece(StrEnum):
    """What is downloaded of an export: its file, the file within a dossier de dépôt, or a file that accompanies it."""

    FICHIER = "fichier"
    DOSSIER = "dossier"
    RAPPORT = "rapport"
    RECONCILIATION = "reconciliation"
    CERTIFICAT = "certificat"


class PieceRecord(NamedTuple):
    """Properties of a file that accompanies an export."""

    suffix: str
    media_type: str
    label: str
    is_offered: bool = True
    """Whether the page of the export links to it."""

    @property
    def extension(self) -> str:
        """Extension of the file name."""
        return self.suffix.rpartition(".")[2]


PIECES: dict[str, PieceRecord] = {
    Piece.RAPPORT: PieceRecord("anomalies.csv", "text/csv; charset=utf-8", "Rapport d'anomalies"),
    Piece.RECONCILIATION: PieceRecord(
        "reconciliation.json", "application/json", "Rapprochement avec la liste", is_offered=False
    ),
    Piece.CERTIFICAT: PieceRecord("certificat.pdf", "application/pdf", "Certificat de publication"),
}
"""The files that may accompany an export, by their kind in the table `piece`."""


class CopieFile(Labelled):
    """The edition of a list file that concerns a copy for an elector. Code électoral, art. L. 37 and R. 20."""

    ENGAGEMENT = "engagement", "Engagement à signer"
    COPIE = "copie", "Copie de la liste"
    REFUS = "refus", "Lettre de refus"


class Qualite(Labelled):
    """How the town hall checked that a person who asks for a copy is an elector: by any means (CADA, 20202631)."""

    LISTE = "liste", "Nom trouvé sur la liste de la commune"
    CARTE = "carte", "Carte électorale présentée"
    ATTESTATION = "attestation", "Attestation sur l'honneur, qui dit la commune d'inscription"


class PublicationMode(Labelled):
    """How a tableau is published: posted, or open to consultation at the town hall."""

    AFFICHAGE = "affichage", "affiché"
    CONSULTATION = "consultation", "consultable en mairie"


class Verdict(Labelled):
    """The reply of e-listelec, the day after a deposit."""

    ACCEPTE = "accepte", "accepté"
    REJETE = "rejete", "rejeté"


class PreviewStatus(Labelled):
    """The state of an export of the REU that was put into the arrivals folder."""

    QUEUED = "queued", "lecture en attente"
    RUNNING = "running", "lecture en cours"
    TO_MATCH = "to_match", "colonnes à faire correspondre"
    READY = "ready", "à lire, puis à reprendre"
    ACCEPTED = "accepted", "reprise en attente"
    IMPORTING = "importing", "reprise en cours"
    IMPORTED = "imported", "repris"
    REFUSED = "refused", "refusé"
    DROPPED = "dropped", "non repris"
    EXPIRED = "expired", "effacé, faute de réponse"

    @property
    def is_terminal(self) -> bool:
        """Whether the state is final and the file of the export is deleted."""
        return self in {self.IMPORTED, self.REFUSED, self.DROPPED, self.EXPIRED}

    @property
    def is_at_work(self) -> bool:
        """Whether a worker has to process the export."""
        return not self.is_terminal and not self.is_asked

    @property
    def is_asked(self) -> bool:
        """Whether an agent has to answer."""
        return self in {self.TO_MATCH, self.READY}


class PreviewAct(StrEnum):
    """The subject of a preview: an export that arrived, or a correction of an export of the register."""

    IMPORT = "import"
    UNDO = "undo"
    REDATE = "redate"


class ImportQuestion(Labelled):
    """A question that a clerk must confirm before an export enters the register."""

    OTHER_POPULATION = "other_population", "autres électeurs"
    LOSSES = "losses", "électeurs en moins"
    CUT_END = "cut_end", "fin de liste absente"
    LOST_BUREAU = "lost_bureau", "bureau disparu"
    CHANGED_FIELD = "changed_field", "champ changé"
    SAME_BYTES = "same_bytes", "même fichier"
    ABSORBED = "absorbed", "commune absorbée"
    OTHER_LISTE = "other_liste", "autre liste"
    OTHER_KIND = "other_kind", "autre export"
    IMPLAUSIBLE = "implausible", "colonne peu vraisemblable"


class DoubtDecision(Labelled):
    """The decision about a radiation and an inscription that may be one person."""

    SAME_PERSON = "same_person", "même personne"
    TWO_PERSONS = "two_persons", "deux personnes"


class SeenPage(Labelled):
    """A page of the screen that names electors, as the audit trail records it."""

    MOTIFS = "motifs", "dates et motifs"
    DOUBTS = "doutes", "doutes"
    PROTECTIONS = "protections", "électeurs protégés"
    ANOMALIES = "anomalies", "anomalies"
    SEARCH = "recherche", "recherche dans les anomalies"
    COPIES = "copies", "demandes de copie"


class Nature(StrEnum):
    """The nature of a mouvement. A modification is a radiation from the old situation and an inscription in the new."""

    INSCRIPTION = "inscription"
    RADIATION = "radiation"
    MODIFICATION = "modification"


class Categorie(Labelled):
    """The category of the motif, the only part that a posted tableau prints (R. 8: the full motif is not posted)."""

    INSCRIPTION_VOLONTAIRE = "inscription_volontaire", "Inscription volontaire"
    INSCRIPTION_OFFICE = "inscription_office", "Inscription d’office"
    INSCRIPTION_JUDICIAIRE = "inscription_judiciaire", "Inscription judiciaire"
    INSCRIPTION_L30 = "inscription_l30", "Inscription au titre de l’article L. 30"
    INSCRIPTION_COMMISSION = "inscription_commission", "Décision de la commission de contrôle"
    INSCRIPTION_TRANSFERT = "inscription_transfert", "Transfert par fusion de communes"
    CHANGEMENT_BUREAU = "changement_bureau", "Changement de bureau"
    RADIATION_DECES = "radiation_deces", "Décès"
    RADIATION_AUTRE_COMMUNE = "radiation_autre_commune", "Autre commune"
    RADIATION_MAIRE = "radiation_maire", "Décision du maire"
    RADIATION_COMMISSION = "radiation_commission", "Décision de la commission de contrôle"
    RADIATION_INSEE = "radiation_insee", "Radiation par l’INSEE"
    RADIATION_JUDICIAIRE = "radiation_judiciaire", "Décision du tribunal"
    RADIATION_TRANSFERT = "radiation_transfert", "Transfert par fusion de communes"
    MODIFICATION_ETAT_CIVIL = "modification_etat_civil", "Modification de l’état civil"
    NON_PRECISEE = "", ""
    """Unknown so far, as in an export of the REU: the cell of the tableau stays empty."""


CATEGORIES = {
    Nature.INSCRIPTION: (
        Categorie.INSCRIPTION_VOLONTAIRE,
        Categorie.INSCRIPTION_OFFICE,
        Categorie.INSCRIPTION_JUDICIAIRE,
        Categorie.INSCRIPTION_L30,
        Categorie.INSCRIPTION_COMMISSION,
        Categorie.INSCRIPTION_TRANSFERT,
    ),
    Nature.RADIATION: (
        Categorie.RADIATION_DECES,
        Categorie.RADIATION_AUTRE_COMMUNE,
        Categorie.RADIATION_MAIRE,
        Categorie.RADIATION_COMMISSION,
        Categorie.RADIATION_INSEE,
        Categorie.RADIATION_JUDICIAIRE,
        Categorie.RADIATION_TRANSFERT,
    ),
    Nature.MODIFICATION: (Categorie.CHANGEMENT_BUREAU, Categorie.MODIFICATION_ETAT_CIVIL),
}
"""The categories allowed for a mouvement of each nature; an empty category is always allowed."""

TRANSFERTS = frozenset({Categorie.INSCRIPTION_TRANSFERT, Categorie.RADIATION_TRANSFERT})
"""The electors of communes that merge: INSEE joins their lists some time after 1 January, and no elector has a day."""


class Channel(Labelled):
    """The channel by which a recipient is notified."""

    MAIL = "courriel", "Courriel"
    WEBHOOK = "webhook", "Autre logiciel (webhook)"


class Wish(Labelled):
    """A subject about which a recipient may ask to be notified, or `DAILY`: all mails in one, in the morning."""

    READY = "pret", "fichiers prêts"
    FAILED = "echec", "échecs, refus et annulations"
    DEADLINE = "echeance", "échéances"
    DAILY = "resume", "un seul courriel par jour, à sept heures"


def join_wishes(wishes: Iterable[str]) -> str:
    """Return the text that the tables store: `pret,echec`, in the order of `Wish`; empty without wishes."""
    wanted = set(wishes)
    return ",".join(wish for wish in Wish if wish in wanted)


EVERYTHING = join_wishes(it for it in Wish if it is not Wish.DAILY)
"""The wishes of a recipient who has not chosen: every subject, at once."""


def split_wishes(text: str) -> frozenset[Wish]:
    """Parse the text that a table stores, without unknown words."""
    words = set(text.split(","))
    return frozenset(wish for wish in Wish if wish in words)


_LISTE_ALIASES = {
    **{f"{prefix}{liste}": liste for prefix in ("", "L") for liste in Liste},
    "01": Liste.PRINCIPALE,
    "LISTE PRINCIPALE": Liste.PRINCIPALE,
    "LISTE GENERALE": Liste.PRINCIPALE,
    "02": Liste.COMPLEMENTAIRE_EUROPEENNE,
    "LISTE COMPLEMENTAIRE EUROPEENNE": Liste.COMPLEMENTAIRE_EUROPEENNE,
    "03": Liste.COMPLEMENTAIRE_MUNICIPALE,
    "LISTE COMPLEMENTAIRE MUNICIPALE": Liste.COMPLEMENTAIRE_MUNICIPALE,
}

_UNACCENT = str.maketrans("ÉÈÊ", "EEE")


def parse_liste(text: str) -> Liste:
    """Parse any name of a list: openElec's, the REU's (LP, LCE, LCM) or the number (01, 02, 03).

    Raises:
        ValueError: the text is no name of a list.
    """
    key = " ".join(text.upper().split()).translate(_UNACCENT)
    try:
        return _LISTE_ALIASES[key]
    except KeyError:
        known = "P (LP, 01), CE (LCE, 02), CM (LCM, 03)"
        raise ValueError(f"liste inconnue ; listes possibles : {known}") from None


_JOUR = re.compile(
    r"(?P<Y>\d{4})-(?P<M>\d{2})-(?P<D>\d{2})|(?P<d>\d{1,2})/(?P<m>\d{1,2})/(?P<y>\d{4})", re.ASCII
)


def parse_jour(text: str) -> date:
    """Parse a day in the form of programs or of clerks: `2027-04-11`, `11/04/2027`.

    Raises:
        ValueError: the form is another, or the day does not exist.
    """
    if not (match := _JOUR.fullmatch(text)):
        raise FieldError("date_format", "date attendue sous la forme AAAA-MM-JJ ou JJ/MM/AAAA")
    try:
        return date(*(int(match[long] or match[short]) for long, short in ("Yy", "Mm", "Dd")))
    except ValueError:
        raise FieldError("date_range", "ce jour n'existe pas") from None


class Action(Labelled):
    """The code of an action in the audit trail, with its French label."""

    FILE_DOWNLOADED = "file_downloaded", "téléchargement"
    DEPOT_DECLARED = "depot_declared", "dépôt déclaré"
    DEPOT_VERDICT = "depot_verdict", "réponse de la plateforme"
    PUBLICATION_DECLARED = "publication_declared", "publication notée"
    FILE_PURGED = "file_purged", "effacement"
    FILE_FOUND_WRONG = "file_found_wrong", "fichier trouvé en défaut"
    FILE_RECALLED = "file_recalled", "fichier à refaire"
    FILE_MATCHED = "file_matched", "colonnes d'un fichier décrites"
    IMPORT_UNDONE = "import_undone", "import annulé"
    IMPORT_REDATED = "import_redated", "jour d'un export corrigé"
    SENDER_ALLOWED = "sender_allowed", "compte autorisé à demander"
    SENDER_REMOVED = "sender_removed", "compte retiré"
    LISTENER_ADDED = "listener_added", "écoute ajoutée"
    LISTENER_REMOVED = "listener_removed", "écoute retirée"
    TOKEN_MADE = "token_made", "jeton fait"
    TOKEN_REVOKED = "token_revoked", "jeton révoqué"
    RECIPIENT_ADDED = "recipient_added", "destinataire ajouté"
    RECIPIENT_CHANGED = "recipient_changed", "secrets du webhook changés"
    RECIPIENT_REMOVED = "recipient_removed", "destinataire retiré"
    RECIPIENT_DISABLED = "recipient_disabled", "destinataire arrêté, sur sa demande"
    DEAD_LETTER_REQUEUED = "dead_letter_requeued", "lettre morte remise en file"
    DEAD_LETTER_DROPPED = "dead_letter_dropped", "lettre morte supprimée"
    DOUBT_DECIDED = "doubt_decided", "doute tranché"
    REUNION_CHANGED = "reunion_changed", "réunion de la commission"
    SCRUTIN_CHANGED = "scrutin_changed", "scrutin"
    MOTIFS_COMPLETED = "motifs_completed", "motifs complétés"
    BUREAU_DESCRIBED = "bureau_described", "bureau complété"
    MAIRIE_DESCRIBED = "mairie_described", "adresse de la mairie"
    COPIE_NOTED = "copie_noted", "copie de la liste (art. L. 37)"
    PROTECTION_CHANGED = "protection_changed", "protection (art. L. 37)"
    WISHES_CHANGED = "wishes_changed", "messages souhaités"
    ELECTEURS_SEEN = "electeurs_seen", "électeurs consultés"
    DOWNLOAD_BEGUN = "download_begun", "téléchargement commencé"
    LOGGED_IN = "logged_in", "identification à l'écran"
    LOGIN_REFUSED = "login_refused", "identification par un autre compte"
    SESSIONS_ENDED = "sessions_ended", "sessions d'un agent terminées"
    IDENTITY_FORGOTTEN = "identity_forgotten", "compte d'identification oublié"
    AGENT_CHANGED = "agent_changed", "agent ajouté ou changé"
    AGENT_REMOVED = "agent_removed", "agent retiré"
    ARRIVAL_RECEIVED = "arrival_received", "export du REU déposé"
    ARRIVAL_DROPPED = "arrival_dropped", "export du REU non repris"
    REGISTRE_IMPORTED = "registre_imported", "export du REU ou mouvements repris dans le registre"
    AUDIT_PURGED = "audit_purged", "lignes anciennes du journal effacées"
    FORGOTTEN = "forgotten", "données effacées à la demande"
    VERSIONS_PURGED = "versions_purged", "anciennes versions du registre effacées"
    BACKUP_RESTORED = "backup_restored", "sauvegarde remise en place"
