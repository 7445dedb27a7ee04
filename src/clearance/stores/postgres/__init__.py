"""The store of many processes: one PostgreSQL database."""
