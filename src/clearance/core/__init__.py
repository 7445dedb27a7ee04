"""The rules, in the order in which an intent meets them: pure functions and values, no I/O, no
clock, no framework.
"""
