"""Where facts are kept: native stores that share the logical model and the conformance suite, not
code.
"""
