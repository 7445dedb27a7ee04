"""Clearance: AI agents act on their own, within limits you
set, and Clearance proves what they did.
"""
