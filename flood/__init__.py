"""What a flood does to people and other callers, beside a quiet server in the same run: `python -m
flood`. Against 127.0.0.1 alone, and against no other server than its own.
"""
