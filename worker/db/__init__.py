"""The database: engine, sessions, types with one meaning on PostgreSQL and SQLite, migrations."""
