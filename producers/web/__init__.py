"""The clerk's screen « Module Préfecture »: publishes events, reads views, sends files; never writes to the database.

Path of a request: `app` (middleware, page and agent) → the page of a slice (`listes`, `depot` …), which receives a
`page_context` → the slice's query (SQL on the views), or `suivi.requests` (publishes an event) → its template.

Every function that reads the database raises `StateAwayError` if the database does not answer.
"""
