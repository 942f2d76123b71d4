"""Labels of nationalities, as the REU writes them, by ISO 3166-1 code of two letters.

The French and the citizens of the other member states of the European Union: nobody else is on a list.
Source: Code électoral, art. L. 2 and LO 227-1; loi n° 77-729 du 7 juillet 1977, art. 2-1.
"""

NATIONALITES = {
    "FR": "Française",
    "DE": "Allemande",
    "AT": "Autrichienne",
    "BE": "Belge",
    "BG": "Bulgare",
    "CY": "Chypriote",
    "HR": "Croate",
    "DK": "Danoise",
    "ES": "Espagnole",
    "EE": "Estonienne",
    "FI": "Finlandaise",
    "GR": "Grecque",
    "EL": "Grecque",  # the code of the European institutions
    "HU": "Hongroise",
    "IE": "Irlandaise",
    "IT": "Italienne",
    "LV": "Lettone",
    "LT": "Lituanienne",
    "LU": "Luxembourgeoise",
    "MT": "Maltaise",
    "NL": "Néerlandaise",
    "PL": "Polonaise",
    "PT": "Portugaise",
    "RO": "Roumaine",
    "SK": "Slovaque",
    "SI": "Slovène",
    "SE": "Suédoise",
    "CZ": "Tchèque",
}
