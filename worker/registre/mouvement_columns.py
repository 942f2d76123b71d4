"""The columns of a CSV file of mouvements, our own format: docs/registre.md explains them."""

from collections.abc import Sequence

from worker.errors import ImportRefusedError
from worker.registre.reu_columns import Columns, fold_title

REQUIRED = {
    "code_commune": "commune",
    "liste": "liste",
    "nature": "nature",
    "effet": "effet",
    "etat": "état",
    "date_mouvement": "date",
    "nom_naissance": "nom de naissance",
    "prenoms": "prénoms",
    "date_naissance": "date de naissance",
}
OPTIONAL = {
    "categorie": "catégorie",
    "motif": "motif",
    "date_tableau": "date de tableau",
    "scrutin": "scrutin",
    "ancien_bureau": "ancien bureau",
    "nouveau_bureau": "nouveau bureau",
    "numero": "numéro",
    "nom_usage": "nom d'usage",
    "commune_naissance": "commune de naissance",
    "departement_naissance": "département de naissance",
    "pays_naissance": "pays de naissance",
    "adresse": "adresse",
    "nationalite": "nationalité",
    "is_protegee": "protégé",
}
TITLES = REQUIRED | OPTIONAL
"""The title of each column, by the column of the table `mouvement` that it becomes."""


def match_mouvement_columns(header: Sequence[str]) -> Columns:
    """Find the columns by their titles, whatever their order, accents and case.

    Raises:
        ImportRefusedError: a column is missing, or stands twice; the message names them.
    """
    known = {fold_title(title): field for field, title in TITLES.items()}
    fields = [known.get(fold_title(title)) for title in header]
    positions = {field: place for place, field in enumerate(fields) if field}
    if missing := [title for field, title in REQUIRED.items() if field not in positions]:
        raise ImportRefusedError("ce n'est pas un fichier de mouvements. Colonnes manquantes : " + ", ".join(missing))
    if twice := [TITLES[field] for field in positions if fields.count(field) > 1]:
        raise ImportRefusedError("colonnes présentes plusieurs fois : " + ", ".join(twice))
    strange = [" ".join(title.split()) for title, field in zip(header, fields, strict=True) if not field]
    return Columns(len(header), positions, ("colonnes inconnues, ignorées : " + ", ".join(strange),) if strange else ())
