"""What Clearance costs, beside what people would otherwise use, on one machine, in one run: `python
-m bench`.
"""
