"""« Dépôts »: what is to be deposited on e-listelec, what was, and what the platform answered."""
