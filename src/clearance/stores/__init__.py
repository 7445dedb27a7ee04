"""Stores: native implementations that share the logical model and the conformance suite, not
code.
"""
