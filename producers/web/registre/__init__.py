"""« Le registre »: what it holds and since when; an export of the REU is dropped, previewed, and taken up or not."""
