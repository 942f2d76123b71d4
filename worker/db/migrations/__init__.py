"""Alembic migrations, the same on PostgreSQL and SQLite."""
