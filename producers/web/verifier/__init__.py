"""« Vérifier un fichier »: which export an uploaded file is, and whether it is intact."""
