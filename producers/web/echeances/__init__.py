"""« Échéances »: the polls to come, and what each calls for."""
