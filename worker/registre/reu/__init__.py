"""Imports the export « Liste des électeurs actifs » of the REU into the register."""
