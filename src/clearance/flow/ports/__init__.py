"""The ports of the flow, one file for each reader."""
