"""The REST door: JSON under /v1, problems as RFC 9457 says them, server-sent events, and what
operators ask.
"""
