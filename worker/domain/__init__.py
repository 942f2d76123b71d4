"""Pure rules: no database, no file, no clock."""
