"""The one table of cures: where a clerk cures an anomaly, a state of a file, a task or a refusal.

Every door reads it: the screen, mails, the report of anomalies and the API. A cure is a page of the screen with what is
selected there. `first` says what comes before, outside the screen. An anomaly without a page needs no cure.
"""

from collections.abc import Mapping
from enum import StrEnum
from typing import NamedTuple
from urllib.parse import quote, urlencode

from schemas.file_state import FileState


class Page(NamedTuple):
    """A page of the screen: its path below that of the commune, and its title."""

    path: str
    title: str


PAGES: Mapping[str, Page] = {
    "registre": Page("/registre", "Le registre"),
    "doutes": Page("/doutes", "Doutes"),
    "motifs": Page("/motifs", "Dates et motifs"),
    "bureaux": Page("/bureaux", "Bureaux"),
    "reunions": Page("/reunions", "Réunions et scrutins"),
    "listes": Page("/listes", "Liste électorale"),
    "tableaux": Page("/tableaux", "Tableaux"),
    "copies": Page("/copies", "Copies de la liste"),
    "depot": Page("/depot", "Dépôts"),
    "dossier": Page("/dossier", "Dossier de dépôt"),
    "exports": Page("/exports", "Tous les fichiers"),
    "export": Page("/exports/{export}", "Détails"),
    "anomalies": Page("/exports/{export}/anomalies", "Anomalies"),
    "publication": Page("/exports/{export}/publication", "Publication"),
    "reponse": Page("/exports/{export}/reponse", "Réponse"),
}
"""The pages that cure something, by the name of their route."""


class Cure(NamedTuple):
    """A page, the words of the link to it, and the query and fragment that select the thing there.

    Names in braces are facts of the thing (`Facts`).
    """

    page: str
    label: str = ""
    select: str = ""
    first: str = ""
    """What the clerk does before, outside the screen: « dans ELIRE, corriger l'électeur »."""


class Link(NamedTuple):
    """A cure of one thing: the code of what it cures, and the address of the page, which begins with a slash."""

    code: str
    label: str
    address: str
    first: str = ""

    def describe(self, public_url: str) -> str:
        """Return the cure as a line of text, with the whole address if the screen has a public one."""
        act = self.label
        if self.first:
            act = f"{self.first}, puis {act[:1].lower()}{act[1:]}"
        if public_url:
            return f"{act} : {public_url.rstrip('/')}{self.address}"
        return f"{act} (page {PAGES[CURES[self.code].page].title})"


Facts = Mapping[str, object]
"""What selects a thing: `commune`, and by page `export`, `liste`, `ask` (the query of a form of
tableaux), `scrutin`, `bureau`, `numero` (of a request for a copy)."""


class Todo(StrEnum):
    """The code of a task of the page « À faire »."""

    EXPORT = "export_du_reu"
    COPIE = "demande_de_copie"
    DOUTES = "doutes_a_trancher"
    MOTIFS = "motifs_a_completer"
    REUNION = "reunion_a_noter"
    LISTES = "listes_a_preparer"
    LISTE_TO_CORRECT = "liste_a_corriger"
    LISTE_REJECTED = "liste_rejetee"
    DOSSIER = "dossier_a_deposer"
    ANSWER = "reponse_a_noter"
    DEPOTS = "depots_notes"
    ASK = "tableau_a_demander"
    ASK_AGAIN = "tableau_provisoire"
    COMPLETE = "tableau_a_completer"
    CORRECT = "tableau_a_corriger"
    PUBLISH = "tableau_a_publier"
    END = "publication_sans_fin"
    FOLLOW = "publication_en_cours"
    CERTIFY = "certificat_a_signer"
    CERTIFIED = "publication_certifiee"
    WITHDRAW = "tableau_a_retirer"
    WITHDRAWN = "tableau_retire"
    WITHDRAWALS = "tableaux_a_retirer"
    """Of a reminder, which counts several."""


class Refusal(StrEnum):
    """The code of a refusal that a page shows beside those of the contract."""

    COPIE = "copie_a_refaire"
    UNNOTED = "telechargement_non_note"
    LISTE = "liste_refusee"
    TABLEAU = "demande_de_tableau_refusee"


_DEPOSER, _ASK = "#deposer", "?{ask}#demander"
_IN_REU = Cure("registre", "Déposer le nouvel export", _DEPOSER, "Corriger dans ELIRE")
_TO_CHECK = Cure("registre", "Déposer le nouvel export", _DEPOSER, "Vérifier dans ELIRE")
_AGAIN = Cure("registre", "Déposer un nouvel export", _DEPOSER, "Reprendre l'export dans ELIRE")
_IMPORTS = Cure("registre", "Annuler ou corriger un export repris", "#reprises")
_OPERATOR = _IMPORTS._replace(first="Demander à votre administrateur de compléter les mouvements")
_MOTIFS = Cure("motifs", "Indiquer les dates et les motifs", "?export={export}")
_BUREAU = Cure("bureaux", "Indiquer le canton et la circonscription", "?bureau={bureau}")
_FORMAT = Cure(
    "listes", "Redemander la liste", "?listes={liste}#demander", "Demander à la préfecture"
)
_REDO = Cure("export", "Refaire ce fichier", "#refaire")
_FOLLOW = Cure("export", "Suivre le fichier")
_NONE = Cure("")
"""For a remark that asks for nothing."""

ANOMALIES: Mapping[str, Cure] = {
    # Electors of a list, and arriving electors of a tableau.
    **dict.fromkeys(
        (
            *("sexe_absent", "nom_absent", "prenoms_absents", "date_absente", "date_illisible"),
            *("commune_naissance_absente", "departement_naissance_absent"),
            *("pays_naissance_absent", "voie_absente", "code_postal_absent", "ville_absente"),
            *("nationalite_absente", "nom_abime", "nom_usage_abime", "prenoms_abimes"),
            *("commune_naissance_abimee", "pays_naissance_abime", "voie_abimee"),
            *("code_postal_abime", "ville_abimee", "date_impossible", "date_trop_ancienne"),
            *("date_trop_recente", "departement_inconnu", "bureau_absent", "nom_usage_repete"),
            *("departement_obsolete", "code_postal_inconnu", "electeur_en_double"),
            *("numero_en_double", "valeur_trop_longue"),
        ),
        _IN_REU,
    ),
    **dict.fromkeys(
        (
            *("nationalite_hors_union", "nationalite_francaise", "naissance_incoherente"),
            *("date_partielle", "homonyme", "naissance_inversee", "noms_inverses"),
        ),
        _TO_CHECK,
    ),
    **dict.fromkeys(
        (
            *(
                "numero_voie_en_date",
                "bureau_en_date",
                "ine_en_double",
                "departement_sans_zero",
                "code_postal_sans_zero",
            ),
            *("commune_naissance_sans_zero", "caracteres_abimes", "valeur_de_tableur"),
            *("zeros_perdus", "registre_modifie", "export_ancien", "liste_absente"),
            "liste_absorbee",
        ),
        _AGAIN,
    ),
    **dict.fromkeys(
        (
            "canton_absent",
            "canton_incoherent",
            "circonscription_absente",
            "circonscription_incoherente",
        ),
        _BUREAU,
    ),
    **dict.fromkeys(("lettre_hors_encodage", "fichier_trop_gros"), _FORMAT),
    **dict.fromkeys(
        (
            *("numero_provisoire", "nom_usage_identique", "caracteres_nettoyes"),
            *("separateur_remplace", "numero_general_absent", "mineurs_non_exportes"),
        ),
        _NONE,
    ),
    # Mouvements of a tableau.
    **dict.fromkeys(
        ("motif_absent", "date_du_mouvement_absente", "date_et_motif_absents", "categorie_absente"),
        _MOTIFS,
    ),
    # « Dates et motifs » lists the mouvements of the register, which has none of this elector.
    "date_et_motif_d_avance": Cure("publication", "Publier en disant pourquoi"),
    **dict.fromkeys(
        ("categorie_incoherente", "l30_hors_delai", "volontaire_tardive"),
        Cure("motifs", "Corriger un motif noté", "?notes=1&export={export}"),
    ),
    **dict.fromkeys(
        (
            *("radiation_hors_liste", "modification_hors_liste", "deja_inscrit"),
            *("bureau_inconnu", "homonymes_supposes"),
        ),
        _TO_CHECK,
    ),
    **dict.fromkeys(
        ("addition_sans_scrutin", "addition_sans_inscription", "date_tableau_inhabituelle"),
        _OPERATOR,
    ),
    "bilan_impossible": _AGAIN,
    # What the register knows of the period of a tableau.
    "couverture_debut": Cure("tableaux", "Indiquer la réunion précédente", _ASK),
    "couverture_date": _MOTIFS,
    "couverture_export": _IMPORTS,
    **dict.fromkeys(("couverture_lacune", "couverture_contredite"), _IMPORTS),
    **dict.fromkeys(("couverture_fin", "couverture_attente"), _AGAIN),
    "couverture_inconnue": _OPERATOR,
    "doutes_ouverts": Cure("doutes", "Trancher les doutes", "?export={export}"),
    "second_tour_inconnu": Cure(
        "reunions", "Dire quel scrutin c'est", "?scrutin={scrutin}#titre-scrutin"
    ),
    "majorite_entre_tableaux": Cure("tableaux", "Redemander les deux tableaux", _ASK),
    **dict.fromkeys(("majorite_corrigee", "corrigee_depuis", "export_efface"), _NONE),
}

STATES: Mapping[str, Cure] = {
    FileState.QUEUED: _FOLLOW,
    FileState.RUNNING: _FOLLOW,
    FileState.REJECTED: Cure("reponse", "Lire la réponse"),
    FileState.TO_CORRECT: Cure("anomalies", "Voir les anomalies", "?gravite=bloquante#lignes"),
    FileState.TO_COMPLETE: _MOTIFS,
    **dict.fromkeys(
        (
            *(FileState.FAILED, FileState.CANCELLED, FileState.TO_REDO, FileState.PURGED),
            *(FileState.MISSING, FileState.ALTERED, FileState.PROVISOIRE, FileState.OUTDATED),
        ),
        _REDO,
    ),
}
"""The states of a file that is not to be used as it is."""

TASKS: Mapping[str, Cure] = {
    Todo.EXPORT: Cure("registre", "Déposer l'export", _DEPOSER),
    Todo.COPIE: Cure("copies", "Répondre", "?numero={numero}#repondre"),
    Todo.DOUTES: Cure("doutes", "Voir les doutes"),
    Todo.MOTIFS: Cure("motifs", "Compléter"),
    Todo.REUNION: Cure("reunions", "Noter la réunion", "#titre-reunion"),
    Todo.LISTES: Cure("listes", "Préparer les fichiers", "#demander"),
    Todo.LISTE_TO_CORRECT: STATES[FileState.TO_CORRECT],
    Todo.LISTE_REJECTED: STATES[FileState.REJECTED],
    Todo.DOSSIER: Cure("dossier", "Préparer le dossier"),
    Todo.ANSWER: Cure("depot", "Noter la réponse", "#reponse"),
    Todo.DEPOTS: Cure("depot", "Voir les dépôts"),
    Todo.ASK: Cure("tableaux", "Demander ce tableau", _ASK),
    Todo.ASK_AGAIN: Cure("tableaux", "Demander ce tableau", _ASK),
    Todo.COMPLETE: _MOTIFS._replace(label="Compléter"),
    Todo.CORRECT: Cure("export", "Voir pourquoi"),
    Todo.PUBLISH: Cure("publication", "Noter la publication"),
    Todo.END: Cure("publication", "Noter le dernier jour"),
    Todo.FOLLOW: Cure("publication", "Suivre la publication"),
    Todo.CERTIFY: Cure("publication", "Prendre le certificat"),
    Todo.CERTIFIED: Cure("publication", "Revoir"),
    Todo.WITHDRAW: Cure("publication", "Noter le retrait", "#retire"),
    Todo.WITHDRAWN: Cure("publication", "Revoir", "#retire"),
    Todo.WITHDRAWALS: Cure("exports", "Voir les tableaux publiés", "?genre=tableau&etat=publie"),
}

_TO_PUBLISH = Cure("tableaux", "Demander le tableau à publier", _ASK)
REFUSALS: Mapping[str, Cure] = {
    "exemplaire_commission": _TO_PUBLISH,
    "recapitulatif": _TO_PUBLISH,
    "tableau_abroge": Cure("export", "Revenir au fichier"),
    "registre_absent": Cure("registre", "Déposer l'export du REU", _DEPOSER),
    "registre_ancien": Cure("registre", "Importer d'abord un export récent", _DEPOSER),
    Refusal.COPIE: Cure("copies", "Répondre de nouveau", "?numero={numero}#repondre"),
    Refusal.UNNOTED: Cure("export", "Revenir au fichier"),
    Refusal.LISTE: Cure("listes", "Refaire la demande", "#demander"),
    Refusal.TABLEAU: Cure("tableaux", "Refaire la demande", "#demander"),
}
"""By the code of the refusal. The form on the page of a refused note is its cure."""

CURES: Mapping[str, Cure] = {**ANOMALIES, **STATES, **TASKS, **REFUSALS}

_TABLEAU_DATES = ("scrutin", "date_tableau", "until")


def find_cure(code: str, facts: Facts) -> Link | None:
    """Return the link to the cure of a thing; None for a code that needs none."""
    cure = CURES.get(code)
    if cure is None or not cure.page:
        return None
    values = {
        name: value if name == "ask" else quote(str(value), safe="")
        for name, value in facts.items()
    }
    below = f"{PAGES[cure.page].path}{cure.select}".format_map({"bureau": "", **values})
    return Link(str(code), cure.label, f"/communes/{values['commune']}{below}", cure.first)


def facts_of_file(
    export_id: int, commune: str, liste: str, type_tableau: str, parameters: Mapping[str, object]
) -> Facts:
    """Return what selects a file, and the query that fills the form of its tableau."""
    asked: dict[str, object] = {"type": type_tableau, "listes": liste}
    asked |= {name: parameters[name] for name in _TABLEAU_DATES if parameters.get(name)}
    return {
        "commune": commune,
        "export": export_id,
        "liste": liste,
        "ask": urlencode(asked),
        "scrutin": parameters.get("scrutin") or "",
        "numero": parameters.get("copie") or "",
    }
