"""« Dossier de dépôt »: the files to deposit as one ZIP, with what explains and proves them."""
