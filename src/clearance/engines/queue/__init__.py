"""The queue in PostgreSQL, on procrastinate."""
