"""The clerk's screen « Module Préfecture »: publishes events, reads views, serves files; never writes to the database.

One request's way: `app` (middleware) → `routes` (which page) → `visit` (who comes, for which commune, with which form)
→ `pages` (what is shown or asked) → `reading` (the views) and `templates`.
"""
