-- An import would have rejected the line.
UPDATE electeur SET date_naissance = '31 décembre 1953' WHERE nom_naissance = 'DATE-ILLISIBLE';
