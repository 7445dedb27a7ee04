"""Engines: who calls the execution's steps, and when.

An engine is a hint; the intent's own state is the truth.
"""
