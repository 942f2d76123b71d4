"""The words of the invented electors: names of invented people, separated by spaces, and places.

Surnames are common nouns, first names are real ones; streets, polling stations, births in France and abroad.
"""

from typing import NamedTuple


class Birth(NamedTuple):
    """A place of birth as the REU writes it: INSEE code, label, département, country."""

    code: str
    commune: str
    departement: str
    pays: str


class Nation(NamedTuple):
    """A member state: nationality and country as the REU writes them, INSEE code, cities of birth."""

    nationalite: str
    pays: str
    code: str
    villes: tuple[str, ...]


def _apart(text: str) -> tuple[str, ...]:
    return tuple(text.split("|"))


def _births(text: str) -> tuple[Birth, ...]:
    births = (birth.split("/") for birth in _apart(text))
    return tuple(Birth(code, commune, departement, pays) for code, commune, departement, pays in births)


STREET_TYPES = _apart("Rue|Rue|Rue|Rue|Avenue|Chemin|Impasse|Allée|Place|Route|Boulevard|Quai|Traverse|Square|Montée")

STREET_NAMES = _apart(
    "du Cerf-Volant|de l'Hôtel de Ville|des Quatre-Vents|de la Soupière|du Cadran-Solaire|des Charbonniers|de la Sauge|"
    "du Vieux-Pressoir|du Colombier|des Corbeaux|des Sorbiers|du Pont-Levant|de l'Ancienne-Filature|des Trois-Lavoirs|"
    "de la Grande-Treille|du Puits-sans-Fond|des Tilleuls|de la Gare-aux-Fleurs|du Moulin-à-Paroles|des Abeilles|"
    "de l'Horloge|de la Fontaine-aux-Merles|des Bouquinistes|du Chat-qui-Pêche-au-Loin|de la Petite-Brouette|"
    "des Marronniers|du Four-à-Chaux|de l'Épuisette|des Cordiers|de la Croix-de-Paille|du Lac-Tranquille|des Peupliers"
)

LIEUX_DITS = _apart(
    "Les Granges-Neuves|Le Serre-Bariol|La Croix-Frimont|Le Clos-Pigeon|Mas de la Giboulée|Les Hautes-Treilles|"
    "La Borie-Basse|Le Plan-des-Oies"
)

BUREAU_NAMES = ("HOTEL DE VILLE", "ECOLE DES TILLEULS", "SALLE DES FETES", "GYMNASE DU LAC")

BIRTHS_FRANCE = _births(
    "13201/MARSEILLE 1ER ARRONDISSEMENT/13/FRANCE|13205/MARSEILLE 5E ARRONDISSEMENT/13/FRANCE|"
    "13055/MARSEILLE/13/FRANCE|13004/ARLES/13/FRANCE|13001/AIX-EN-PROVENCE/13/FRANCE|13005/AUBAGNE/13/FRANCE|"
    "13028/LA CIOTAT/13/FRANCE|13047/ISTRES/13/FRANCE|13056/MARTIGUES/13/FRANCE|13103/SALON-DE-PROVENCE/13/FRANCE|"
    "13108/TARASCON/13/FRANCE|84007/AVIGNON/84/FRANCE|30189/NIMES/30/FRANCE|34172/MONTPELLIER/34/FRANCE|"
    "83137/TOULON/83/FRANCE|06088/NICE/06/FRANCE|26362/VALENCE/26/FRANCE|38185/GRENOBLE/38/FRANCE|"
    "69381/LYON 1ER ARRONDISSEMENT/69/FRANCE|69388/LYON 8E ARRONDISSEMENT/69/FRANCE|"
    "75114/PARIS 14E ARRONDISSEMENT/75/FRANCE|75112/PARIS 12E ARRONDISSEMENT/75/FRANCE|59350/LILLE/59/FRANCE|"
    "67482/STRASBOURG/67/FRANCE|44109/NANTES/44/FRANCE|33063/BORDEAUX/33/FRANCE|31555/TOULOUSE/31/FRANCE|"
    "35238/RENNES/35/FRANCE|29019/BREST/29/FRANCE|63113/CLERMONT-FERRAND/63/FRANCE|2A004/AJACCIO/2A/FRANCE|"
    "2B033/BASTIA/2B/FRANCE|97209/FORT-DE-FRANCE/972/FRANCE|97411/SAINT-DENIS/974/FRANCE"
)

BIRTHS_ABROAD = _births(
    "99350/CASABLANCA/99/MAROC|99351/TUNIS/99/TUNISIE|99341/DAKAR/99/SENEGAL|"
    "99134/VALENCE/99/ESPAGNE|99127/TURIN/99/ITALIE|99139/PORTO/99/PORTUGAL|99131/LIEGE/99/BELGIQUE|"
    "99243/HUE/99/VIET NAM"
)

NATIONS = (
    Nation("Belge", "BELGIQUE", "99131", ("BRUXELLES", "LIEGE", "NAMUR")),
    Nation("Portugaise", "PORTUGAL", "99139", ("PORTO", "BRAGA", "LISBOA")),
    Nation("Italienne", "ITALIE", "99127", ("TORINO", "GENOVA")),
    Nation("Espagnole", "ESPAGNE", "99134", ("SEVILLA", "GIJÓN")),
    Nation("Allemande", "ALLEMAGNE", "99109", ("STUTTGART", "KÖLN")),
    Nation("Néerlandaise", "PAYS-BAS", "99135", ("UTRECHT",)),
    Nation("Polonaise", "POLOGNE", "99122", ("ŁÓDŹ", "KRAKÓW")),
    Nation("Roumaine", "ROUMANIE", "99114", ("IAȘI", "CLUJ-NAPOCA")),
)


SURNAMES = (
    "ABRICOT AGRAFE ALAMBIC ALOUETTE AMADOU AMANDE ANCRAGE ARROSOIR AUBÉPINE AUVENT AVOINE BADIANE BALUSTRE BAROMÈTRE "
    "BÂTIÈRE BÊCHE BERGAMOTE BÉTOINE BIGARREAU BOBINE BOCAGE BOUGEOIR BOUSSOLE BOUTURE BRAISE BRIMBALE BROUETTE "
    "BRUGNON BURETTE CADRAN CALEBASSE CANNELLE CAPELINE CARILLON CERFEUIL CERF-VOLANT CERISAIE CHÂTAIGNE CHAUDRON "
    "CHÈVREFEUILLE CIBOULETTE CLAFOUTIS CLAVELISE COLOMBAGE COMPOTE COQUELICOT CORMIER CRÉMAILLÈRE CRÉPUSCULE "
    "CUIVRAGE DÉTREMPE DOMINO ÉCHALOTE ÉCLUSE ÉCUELLE ÉDREDON ENCLUME ENTONNOIR ÉPINGLE ÉPUISETTE ESCABEAU ESTRAGON "
    "ÉTAMINE FAÏENCE FANFARE FARANDOLE FENOUIL FICELLE FOUGASSE FOURCHE FRAMBOISE FRIMAS GABARE GALOCHE GARRIGUE "
    "GENTIANE GERBERA GIBOULÉE GIROFLE GIROUETTE GLAÇURE GRELOT GRENADINE GROSEILLE GUIMAUVE HAMEÇON HERBIER HORLOGE "
    "HOUBLON JACINTHE JARDINIÈRE JASMINERAIE JONQUILLE LAMPION LANTERNE LAVANDIN LIMONADE LISERON LOUCHE LUCARNE "
    "MADRIER MANIVELLE MARJOLAINE MARMITE MÉLASSE MIRABELLE MISTOUFLE MOULINET MOUTARDE MUSCADE MYRTILLE NACELLE "
    "NAPPERON NOISERAIE NOUGATINE OMBRELLE ORIGAN OSERAIE PALISSADE PANTOUFLE PARAPLUIE PÂQUERETTE PASSOIRE PATENÔTRE "
    "PERVENCHE PIMPRENELLE PINÈDE PISSENLIT PIVOINE POIRIER POLENTA PRIMEVÈRE PUPITRE QUENOUILLE QUINQUET RÂTELIER "
    "RÉGLISSE RHUBARBE RIBAMBELLE ROMARIN ROSEAU RUCHER SABLIER SACOCHE SAFRAN SALSIFIS SARRIETTE SAUVAGEON SERINGAT "
    "SIFFLET SOUPIÈRE SUREAU TABOURET TAMBOURIN TERRINE TILLEUL TISANE TOURNESOL TOURTEREAU TREILLE TRÉTEAU "
    "TROTTINETTE TRUELLE VANNERIE VERGER VEILLEUSE VERVEINE VIOLINE VIROLE YPRÉAU ZESTE ZINNIA"
)

SURNAME_ENDINGS = (
    "-DES-BROUETTES -DU-PRÉ -DE-LA-HAIE -DES-LANTERNES -D'AUTOMNE -AUX-OIES -DU-LAVOIR -DES-SABLES -DE-MAI -DU-VENT"
)

SURNAMES_BEYOND_LATIN_1 = (
    "ŁOPATKA ČEŘEŇ ŠVESTIČKA ŽÁROVKA NAGYKŐRIS SZÖLŐHEGY ȘINDRILĂ GRĂDINIȚĂ ŚLIWEŃ ŹDŹBŁO KRÄUTERŸ DŐRY-KÖRTE ĀBOLIŅŠ "
    "OBUOLĖ-ŽALIA ŞEKERPARE CŒURDECHÊNE"
)

PRENOMS_F = (
    "Adélaïde Agathe Albane Apolline Armelle Aurore Bérangère Blandine Capucine Clémence Clotilde Domitille Églantine "
    "Éléonore Eugénie Faustine Gwenaëlle Héloïse Hortense Ines Iseult Jeanne Joséphine Léonie Maëlys Marie Mathilde "
    "Noémie Octavie Ombline Pénélope Philippine Quitterie Rosalie Sidonie Solange Suzon Tiphaine Ursule Violaine "
    "Xavière Yolande Zélie Anne-Lise Marie-Ange Marie-Noëlle"
)

PRENOMS_M = (
    "Achille Amaury Anatole Aurélien Balthazar Barnabé Basile Célestin Clovis Corentin Dorian Edmond Éloi Ewen "
    "Félicien Fulbert Gaspard Gontran Hilaire Isidore Joachim Kilian Léopold Ludovic Marceau Mathurin Nathanaël "
    "Octave Pacôme Prosper Quentin Raphaël Rémi Séverin Tanguy Théophile Ulysse Valentin Victorin Wilfried Yves "
    "Zéphirin Jean-Baptiste Pierre-Yves Louis-Marie Paul-Émile"
)
