-- What an export of the REU never tells: the general number, the type of the street apart.
UPDATE electeur SET numero_general = 1250 + id;
UPDATE electeur SET type_voie = 'RUE' WHERE libelle_voie = 'DE L''HOTEL DE VILLE';
