"""The clerk's screen « Module Préfecture »: publishes events, reads views, serves files; never writes to the database.

One request's way: `app` (what surrounds each page) → `routes` (which page, for whom) → the page of a slice (`listes`,
`depot` …), which is given a `page_context` → the slice's query (SQL on the views), or `suivi.pending` (an event leaves)
→ its template.

Every function that reads the database raises `StateAwayError` where it does not answer.
"""
