"""What the law and the brief want on the tableaux of the sample register, word for word."""

from common.law import CONSULTATION, appeals_of
from schemas.tableaux import TypeTableau

TITRES = {
    TypeTableau.PREMIER_RECTIFICATIF: "Premier tableau rectificatif (additions et retranchements)",
    TypeTableau.SECOND_RECTIFICATIF: "Second tableau rectificatif (tableau définitif)",
    TypeTableau.ADDITIONS: "Tableau des additions",
    TypeTableau.CINQ_JOURS: "Tableau des cinq jours "
    "(rectifications depuis la clôture de la liste ou le dernier scrutin)",
    TypeTableau.VINGT_JOURS: "Tableau des vingt jours (inscriptions et radiations)",
    TypeTableau.CINQ_JOURS_REU: "Tableau des cinq jours (inscriptions et radiations)",
}
REFERENCES = {
    TypeTableau.PREMIER_RECTIFICATIF: "Code électoral (avant 2019), art. R. 5, R. 10 et R. 11",
    TypeTableau.SECOND_RECTIFICATIF: "Code électoral (avant 2019), art. R. 16",
    TypeTableau.ADDITIONS: "Code électoral (avant 2019), art. L. 11-2 (alinéa 2), L. 17 (alinéa 4) et R. 10 (alinéa 3)",
    TypeTableau.CINQ_JOURS: "Code électoral (avant 2019), art. L. 33 (alinéa 2), R. 17 et R. 18",
    TypeTableau.VINGT_JOURS: "Code électoral, art. L. 19, L. 20 et R. 13",
    TypeTableau.CINQ_JOURS_REU: "Code électoral, art. L. 20 (II), L. 30 et R. 14",
}
OBJETS = {
    TypeTableau.PREMIER_RECTIFICATIF: "Date de tableau : 10 janvier 2014",
    TypeTableau.SECOND_RECTIFICATIF: "Date de tableau : 28 février 2014",
    TypeTableau.ADDITIONS: "Scrutin du 25 mai 2014",
    TypeTableau.CINQ_JOURS: "Scrutin du 23 mars 2014",
    TypeTableau.VINGT_JOURS: "Scrutin du 11 avril 2027",
    TypeTableau.CINQ_JOURS_REU: "Scrutin du 11 avril 2027",
}
PERIODES = {
    TypeTableau.VINGT_JOURS: "Ce tableau indique les inscriptions et les radiations intervenues "
    "depuis le 19/09/2026, jusqu’au 19/03/2027.",
    TypeTableau.CINQ_JOURS_REU: "Ce tableau indique les inscriptions faites au titre de l’article L. 30 et les "
    "radiations intervenues depuis le 20/03/2027, jusqu’au 06/04/2027.",
}
SOURCE = "D’après le registre, lu pour la demande du {}, et les mouvements dits complets jusqu’au 31/12/2099."
ASKED_OF = dict.fromkeys(TypeTableau, "12/02/2014 à 12:26") | dict.fromkeys(
    (TypeTableau.VINGT_JOURS, TypeTableau.CINQ_JOURS_REU), "20/03/2027 à 09:30"
)
_BLANK = "____________"
CITIZENS = {
    TypeTableau.VINGT_JOURS: (
        f"Publié le {_BLANK}. Consultable jusqu’au {_BLANK}. Retiré le {_BLANK}.",
        CONSULTATION,
        *appeals_of(TypeTableau.VINGT_JOURS, "13900"),
    ),
    TypeTableau.CINQ_JOURS_REU: (
        f"Publié le {_BLANK}. Consultable jusqu’au {_BLANK}. Retiré le {_BLANK}.",
        *appeals_of(TypeTableau.CINQ_JOURS_REU, "13900"),
    ),
}
"""What the posted page tells a citizen."""
NOTE_PROVISOIRE = "N° 0 : numéro provisoire ; le numéro d’ordre est attribué quand le mouvement est appliqué."
MASQUEE = "Adresse non communiquée"
_COMMISSION = "Fait à LIBREVILLE, le Les membres de la commission administrative Sceau de la mairie" + (
    "Nom et signature" * 3
)
SIGNATURES = {
    TypeTableau.PREMIER_RECTIFICATIF: _COMMISSION,
    TypeTableau.SECOND_RECTIFICATIF: _COMMISSION,
    TypeTableau.ADDITIONS: _COMMISSION,
    TypeTableau.CINQ_JOURS: "Publié à LIBREVILLE, le Le maire Sceau de la mairie Nom et signature",
}
MOTIFS = {
    "inscription_volontaire": "Inscription volontaire",
    "inscription_office": "Inscription d’office",
    "inscription_judiciaire": "Inscription judiciaire",
    "inscription_l30": "Inscription au titre de l’article L. 30",
    "changement_bureau": "Changement de bureau",
    "radiation_deces": "Décès",
    "radiation_autre_commune": "Autre commune",
    "radiation_decision": "Décision",
    "": "",
}
_NUMBERS = (
    *("zéro", "un", "deux", "trois", "quatre", "cinq", "six", "sept", "huit", "neuf", "dix", "onze", "douze", "treize"),
    "quatorze",
)
RECAPITULATIF = (
    "Bureau de vote Électeurs avant Inscriptions Arrivées d’un autre bureau Radiations Départs vers un autre bureau "
    "Électeurs après"
)
_REU = {TypeTableau.VINGT_JOURS, TypeTableau.CINQ_JOURS_REU}


def heading(type_: TypeTableau) -> str:
    """The titles of the columns; the tableau of R. 13 gives the date of each mouvement."""
    dates = "Date du mouvement" if type_ is TypeTableau.VINGT_JOURS else ""
    return f"N° d’ordre Nom de naissance Nom d’usage Prénoms Date et lieu de naissance Adresse Bureau {dates} Motif"


def parts_of(type_: TypeTableau) -> list[tuple[str, str]]:
    """The title of each part, and of its total."""
    if type_ is TypeTableau.CINQ_JOURS_REU:
        inscriptions = "I. Inscriptions au titre de l’article L. 30"
        return [(inscriptions, "Total des inscriptions"), ("II. Radiations", "Total des radiations")]
    if type_ in _REU:
        return [("I. Inscriptions", "Total des inscriptions"), ("II. Radiations", "Total des radiations")]
    parts = [
        ("I. Additions (inscriptions)", "Total des additions"),
        ("II. Retranchements (radiations)", "Total des retranchements"),
    ]
    return parts[:1] if type_ is TypeTableau.ADDITIONS else parts


def count(number: int, noun: str) -> str:
    """`deux (2) électeurs`."""
    return f"{_NUMBERS[number]} ({number}) {noun}{'s' if number > 1 else ''}"


def squeezed(words: str) -> str:
    """Without white space: it does not matter where lines are broken."""
    return "".join(words.split())
