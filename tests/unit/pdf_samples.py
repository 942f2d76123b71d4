"""Tableaux to draw, and readers of the result."""

import random
from dataclasses import replace
from io import BytesIO
from pathlib import Path
from typing import Any

from pypdf import PdfReader

from worker.domain.tableau.model import Bilan, Ligne, Partie, Section, Signatures, Tableau
from worker.pdf.render import render_tableau

NOMS = ["MARTIN", "DUBOIS", "LEFÈVRE", "D'AUBIGNÉ", "Nagyő", "Ștefan", "ROUX", "LE-GOFF", "GARCIA"]
PRENOMS = ["Marie", "Zoé", "Łukasz", "François-Xavier", "Anaïs", "Noël", "Chloé", "Théo"]
VILLES = (
    "MARSEILLE (13)",
    "AIX-EN-PROVENCE (13)",
    "Šťastný (Tchéquie)",
    "GAP (05)",
    "ORAN (Algérie)",
)
VOIES = (
    "RUE DE LA RÉPUBLIQUE",
    "BOULEVARD DU GÉNÉRAL DE GAULLE",
    "IMPASSE DES LILAS",
    "ROUTE D'AUBAGNE",
)

PLAIN = Ligne(
    numero="1",
    nom_naissance="MARTIN",
    nom_usage="",
    prenoms="Marie",
    naissance="14/03/1962 à GAP (05)",
    adresse="1 PLACE DE LA MAIRIE, 13900 LIBREVILLE",
    bureau="0001",
    nationalite="",
    motif="Inscription volontaire",
    date="03/02/2027",
)
LONG = Ligne(
    numero="123456",
    nom_naissance="DE LA ROCHEFOUCAULD-MONTBEL-D'ESTISSAC-DE-LIANCOURT",
    nom_usage="ANTICONSTITUTIONNELLEMENTINSÉCABLEETSANSAUCUNTRAITDUNION",
    prenoms="Marie-Antoinette, Jean-Baptiste, François-Xavier, Élisabeth-Alexandrine",
    naissance="14/03/1962 à SAINT-REMY-EN-BOUZEMONT-SAINT-GENEST-ET-ISSON (51)",
    adresse="RÉSIDENCE LES TERRASSES DU PARC, BÂTIMENT C, ESCALIER 12, APPARTEMENT 1204, 1237 BIS BD DE LA MER, "
    "13900 LIBREVILLE LES",
    bureau="0001 → 0002",
    nationalite="Saint-Christophe-et-Niévès",
    motif="Radiation : décision de la commission de contrôle",
    date="14/12/2026",
)
LONGEST_COMMUNE = "SAINT-REMY-EN-BOUZEMONT-SAINT-GENEST-ET-ISSON"
LONGEST_BUREAU = "GROUPE SCOLAIRE DES TROIS-MOULINS, SALLE POLYVALENTE DU REZ-DE-CHAUSSÉE, ENTRÉE PAR LA COUR DU NORD"
COMMISSION = Signatures("Les membres de la commission administrative", 5, "Fait à LIBREVILLE, le …")


def lignes(count: int, seed: int = 1) -> tuple[Ligne, ...]:
    """Made-up lines; some wrap, some have letters outside cp1252."""
    r = random.Random(seed)
    return tuple(
        Ligne(
            numero=str(number),
            nom_naissance=r.choice(NOMS),
            nom_usage=r.choice(("", r.choice(NOMS))),
            prenoms=", ".join(r.sample(PRENOMS, r.choice((1, 2, 3)))),
            naissance=f"{r.randint(1, 28):02d}/{r.randint(1, 12):02d}/{r.randint(1930, 2008)} à {r.choice(VILLES)}",
            adresse=f"{r.randint(1, 150)} {r.choice(VOIES)}, 13900 LIBREVILLE",
            bureau=r.choice(("0001", "0002", "0001 → 0002")),
            nationalite=r.choice(("Italie", "Pologne", "Irlande")),
            motif=r.choice(
                ("Inscription volontaire", "Changement de bureau", "Inscription d’office")
            ),
        )
        for number in range(1, count + 1)
    )


def parties(
    additions: tuple[Ligne, ...], retranchements: tuple[Ligne, ...] = ()
) -> tuple[Partie, ...]:
    """Both parts of a section."""
    return (
        Partie(
            "I. Additions (inscriptions)",
            additions,
            f"Total des additions : {len(additions)} électeurs",
        ),
        Partie(
            "II. Retranchements (radiations)",
            retranchements,
            f"Total des retranchements : {len(retranchements)} électeurs",
        ),
    )


def bureau(
    number: int, additions: tuple[Ligne, ...], retranchements: tuple[Ligne, ...] = ()
) -> Section:
    bilan = Bilan(
        1000 + number, len(additions), len(retranchements), arrivees=2, departs=1, changements=0
    )
    return Section(
        f"{number:04d}",
        f"Bureau {number:04d} — ÉCOLE N° {number}",
        parties(additions, retranchements),
        bilan,
    )


def tableau(*sections: Section, presentation: str = "commune", **changes: Any) -> Tableau:  # noqa: ANN401 — its fields
    """A document; by default with one section without lines."""
    made = Tableau(
        type="vingt_jours",
        presentation=presentation,
        titre="Tableau des vingt jours",
        reference_legale="Code électoral, art. R. 13, L. 19 et L. 20",
        nom_commune="LIBREVILLE",
        code_commune="13900",
        liste="Liste principale (générale) — P",
        objet="Scrutin du 11 avril 2027",
        edite_le="Édité le 25/11/2026 à 09:30",
        is_provisoire=False,
        sections=sections or (commune(()),),
        signatures=None,
        notes=("Le numéro 0 désigne un mouvement provisoire.",),
    )
    return replace(made, **changes)


def commune(additions: tuple[Ligne, ...], retranchements: tuple[Ligne, ...] = ()) -> Section:
    bilan = Bilan(12_345, len(additions), len(retranchements), arrivees=0, departs=0, changements=7)
    return Section("", "Commune de LIBREVILLE", parties(additions, retranchements), bilan)


def par_bureau(count: int, each: int, **changes: Any) -> Tableau:  # noqa: ANN401 — its fields
    """Sections of bureaux, then the commune's totals."""
    bureaux = [
        bureau(number, lignes(each, number), lignes(each // 2, -number))
        for number in range(1, count + 1)
    ]
    return tableau(*bureaux, commune(()), presentation="par_bureau", **changes)


def draw(subject: Tableau) -> bytes:
    """The bytes of the file."""
    sink = BytesIO()
    pages = render_tableau(subject, sink)
    assert pages == len(PdfReader(sink).pages)
    return sink.getvalue()


def draw_to(folder: Path, subject: Tableau) -> Path:
    path = folder / "tableau.pdf"
    path.write_bytes(draw(subject))
    return path


def read_pages(pdf: bytes) -> list[str]:
    """The text of each page as pypdf extracts it, with each run of white space as one space."""
    return [" ".join(page.extract_text().split()) for page in PdfReader(BytesIO(pdf)).pages]


def squeezed(text: str) -> str:
    """Remove white space, so that a wrapped value equals an unwrapped one."""
    return "".join(text.split())
