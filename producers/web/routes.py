"""Every page of the screen, in one table."""

from producers.web.pages import (
    accueil,
    anomalies,
    connexion,
    demande,
    depot,
    differences,
    dossier,
    echeances,
    envois,
    export,
    exports,
    flux,
    journal,
    listes,
    sante,
    suivi,
    tableaux,
    telechargement,
    verifier,
)
from producers.web.security.body import FILE_BYTES
from producers.web.visit import commune_page

NAVIGATION = (
    ("listes", "Liste électorale"),
    ("tableaux", "Tableaux"),
    ("exports", "Tous les fichiers"),
    ("dossier", "Dossier de dépôt"),
    ("depot", "Dépôts"),
    ("verifier", "Vérifier un fichier"),
    ("echeances", "Échéances"),
    ("envois", "Messages"),
    ("journal", "Journal"),
)
"""The tabs: the name of a route, and what the clerk reads."""

ROUTES = (
    accueil.START,
    *connexion.DOORS,
    *sante.HEALTH,
    demande.FIND,
    commune_page("/listes", "listes", get=listes.show, post=listes.ask),
    commune_page("/tableaux", "tableaux", get=tableaux.show, post=tableaux.ask),
    commune_page("/suivi", "suivi", get=suivi.show),
    commune_page("/flux", "flux", get=flux.follow),
    commune_page("/demandes/{demande}", "demande", get=demande.show),
    commune_page("/demandes/{demande}/annuler", "annuler", post=demande.cancel),
    commune_page("/demandes/{demande}/recommencer", "recommencer", post=demande.retry),
    commune_page("/exports", "exports", get=exports.show),
    commune_page("/exports/{export}", "export", get=export.show),
    commune_page("/exports/{export}/fichier", "fichier", get=telechargement.file),
    commune_page("/exports/{export}/rapport", "rapport", get=telechargement.report),
    commune_page("/exports/{export}/anomalies", "anomalies", get=anomalies.show, post=anomalies.search),
    commune_page("/exports/{export}/differences", "differences", get=differences.show),
    commune_page("/dossier", "dossier", get=dossier.show),
    commune_page("/dossier.zip", "dossier_zip", get=dossier.download),
    commune_page("/depot", "depot", get=depot.show, post=depot.declare),
    commune_page("/depot/verdict", "verdict", post=depot.answer),
    commune_page("/verifier", "verifier", get=verifier.show, post=verifier.verify, most=FILE_BYTES),
    commune_page("/echeances", "echeances", get=echeances.show),
    commune_page("/envois", "envois", get=envois.show),
    commune_page("/journal", "journal", get=journal.show),
)
