"""The database: engine, sessions, types that mean the same on PostgreSQL and SQLite, migrations."""
