"""The pages: people see what Clearance does and rule on it, without any JavaScript except for live
updates.
"""
