"""« Liste électorale »: ask for the files of the lists."""
