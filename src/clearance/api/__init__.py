"""The REST door: JSON under /v1, RFC 9457 problems, server-sent events, and the questions of
operators.
"""
