"""The lines that the commands show."""
