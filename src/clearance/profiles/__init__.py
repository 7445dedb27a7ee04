"""The three ways in which a process is put together: local, postgres and aws."""
