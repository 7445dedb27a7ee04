"""The settings of a tenant as text: the file, its shape, the document it becomes, and how two
documents differ.
"""
