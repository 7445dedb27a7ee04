"""Processes: the server, the worker and the functions of AWS, with their logs and signals."""
