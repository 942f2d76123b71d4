-- In this order: spaces and separators; accents apart from their letters; a control character and a TAB.
UPDATE electeur SET complement1 = '  Bât "B" ;  escalier 2 ' WHERE nom_naissance = 'LANTERNE';
UPDATE electeur SET prenoms = 'Anaïs' WHERE nom_naissance = 'TOURNESOL';
UPDATE electeur SET libelle_voie = 'Quai	des Cordiers' WHERE nom_naissance = 'BROUETTE';
UPDATE bureau SET libelle = 'HOTEL  DE VILLE; 1er étage'
