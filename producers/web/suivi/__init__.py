"""« Vos demandes »: the requests and their progress, updated live, on the first two tabs."""
