"""What the imports of files share: bytes, lines, reports, and the record of what was imported."""
