"""« Tous les fichiers »: what was asked for and made, one file with all that is known of it, its bytes."""
