"""« Tableaux »: ask for the tableaux, those that the calendar calls for first."""
