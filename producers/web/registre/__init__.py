"""« Le registre »: its lists and dates; upload, preview and import of an export of the REU."""
