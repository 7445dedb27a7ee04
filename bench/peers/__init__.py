"""What people would otherwise use, measured in the same run.

What conflicts with our lock runs in a venv of its own.
"""
