-- A number that a mouvement has not given yet: an export of the REU has no general number.
UPDATE electeur SET numero_general = 0 WHERE nom_naissance = 'PROVISOIRE';
