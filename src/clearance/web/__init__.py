"""The pages: what people see of Clearance and how they rule, without any JavaScript except for live
updates.
"""
