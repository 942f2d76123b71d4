"""« Vos demandes »: what is asked for and where it stands, shown as it happens, under the first two tabs."""
